import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextMachine, type TextEffect } from '../src/text/machine.js';
import { splice, TextHost, type HostEditor, type Told } from './support/text-host.js';

type Request = Extract<TextEffect, { do: 'edit' }>;
type Answer = { edit: number; version: number | undefined };

/** An editor, what a view of it shows, and the wires between it and the host. */
class Page {
  readonly machine = new TextMachine();
  /** As a view has it: changed by what is typed, and by what it is told. */
  view = '';
  editor: HostEditor;
  up: Request[] = [];
  answers: Answer[] = [];
  told: Told[] = [];

  constructor(private readonly host: TextHost) {
    this.editor = host.open();
    this.machine.began(true);
  }

  type(at: number, count: number, insert: string): void {
    if (!this.machine.isLoaded) return;
    const place = at % (this.view.length + 1);
    const change = { at: place, delete: Math.min(count, this.view.length - place), insert };
    this.view = splice(this.view, change);
    this.machine.edit([change]);
    this.pump();
  }

  pump(): void {
    for (const effect of this.machine.take()) {
      if (effect.do === 'edit') this.up.push(effect);
      else if (effect.do === 'show') this.view = effect.changes.reduce(splice, this.view);
      else this.begin();
    }
    expect(this.machine.shown).toBe(this.view);
  }

  /** The host takes up the next request. */
  hostTakes(): void {
    const request = this.up.shift();
    if (!request) return;
    this.answers.push({ edit: request.edit, version: this.editor.take(request.edit, request.version, request.changes) });
  }

  hostTells(): void {
    const told = this.editor.tell();
    if (told) this.told.push(told);
  }

  hearsAnswer(): void {
    const answer = this.answers.shift();
    if (!answer) return;
    if (answer.version === undefined) this.machine.stale(answer.edit);
    else this.machine.answered(answer.edit, answer.version);
    this.pump();
  }

  hears(): void {
    const told = this.told.shift();
    if (!told) return;
    if (told.kind === 'value') this.machine.value(told.value);
    else this.machine.change(told.value);
    this.pump();
  }

  /** The connection is cut and comes back: what was on its way is lost. */
  cut(): void {
    const missed = this.told.length > 0;
    this.up = [];
    this.answers = [];
    this.told = [];
    if (missed) this.editor.renew = true;
    this.machine.began(false);
    this.pump();
  }

  /** The subscription begins anew, on the same connection. */
  private begin(): void {
    this.host.editors.delete(this.editor);
    this.editor = this.host.open();
    [this.up, this.answers, this.told] = [[], [], []];
    this.machine.began(true);
    this.pump();
  }

  settle(): boolean {
    const before = this.up.length + this.answers.length + this.told.length;
    this.hostTakes();
    this.hostTells();
    this.hearsAnswer();
    this.hears();
    return before + this.up.length + this.answers.length + this.told.length > 0;
  }
}

const insert = fc.constantFrom('', 'x', 'yz', '🙂');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('type' as const), page: fc.nat({ max: 2 }), at: fc.nat({ max: 40 }), count: fc.nat({ max: 3 }), insert }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('hostTakes' as const, 'hostTells' as const, 'hearsAnswer' as const, 'hears' as const),
      page: fc.nat({ max: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'renew' as const), page: fc.nat({ max: 2 }) }) },
);

function run(steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer S> ? S : never>): void {
  const host = new TextHost('begin');
  const pages = [new Page(host), new Page(host), new Page(host)];
  const settle = (): void => {
    for (let rounds = 0; ; rounds += 1) {
      if (pages.map((page) => page.settle()).every((busy) => !busy)) break;
      expect(rounds).toBeLessThan(500);
    }
  };
  settle();
  let typed = 0;
  for (const one of steps) {
    const page = pages[one.page]!;
    if (one.do === 'type') {
      page.type(one.at, one.count, one.insert);
      typed += one.insert.length;
    } else if (one.do === 'renew') page.editor.renew = true;
    else page[one.do]();
  }
  settle();
  for (const page of pages) {
    expect(page.view).toBe(host.content);
    expect(page.machine.isSettled).toBe(true);
  }
  // Nothing is there twice: not more than was there and was typed.
  expect(host.content.length).toBeLessThanOrEqual('begin'.length + typed);
}

describe('a text that several edit', () => {
  it('comes to be the same for all, whatever comes when, over connections that are cut', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => run(steps)),
      { numRuns: 2000 },
    );
  });

  it('keeps what is typed beside what others type', () => {
    const host = new TextHost('');
    const [one, two] = [new Page(host), new Page(host)];
    const settle = (): void => {
      while ([one.settle(), two.settle()].includes(true));
    };
    settle();
    one.type(0, 0, 'Hello ');
    two.type(0, 0, 'World');
    settle();
    expect(one.view).toBe(two.view);
    expect([...one.view].sort()).toEqual([...'Hello World'].sort());
  });

  it('does not type twice what a host took in before it was started anew', () => {
    const host = new TextHost('start');
    const page = new Page(host);
    page.hostTells();
    page.hears();
    page.type(5, 0, ' of it');
    page.hostTakes();
    // The answer is lost, and with it everything that the host knew of this editor.
    page.editor = host.open();
    page.answers = [];
    page.machine.began(true);
    while (page.settle());
    expect(host.content).toBe('start of it');
    expect(page.view).toBe('start of it');
  });

  it('takes back what the host refuses', () => {
    const host = new TextHost('read only');
    const page = new Page(host);
    while (page.settle());
    page.type(0, 0, 'not ');
    page.machine.refused(page.up[0]!.edit);
    page.pump();
    expect(page.view).toBe('read only');
    expect(page.machine.isSettled).toBe(true);
  });

  it('shows cursors of others where they are in what is typed here', () => {
    const host = new TextHost('one two');
    const page = new Page(host);
    while (page.settle());
    const cursor = { identity: 'i', device: 'd', editor: 'e', anchor: 4, head: 7, version: page.machine.version };
    page.machine.setCursors([cursor]);
    page.type(0, 0, 'now ');
    expect(page.machine.cursors[0]).toMatchObject({ anchor: 8, head: 11 });
    // One of a version that is to come waits for it.
    page.machine.setCursors([{ ...cursor, anchor: 0, head: 11, version: page.machine.version + 1 }]);
    expect(page.machine.cursors[0]).toMatchObject({ anchor: 8, head: 11 });
    while (page.settle());
    expect(page.machine.cursors[0]).toMatchObject({ anchor: 0, head: 11 });
  });
});
