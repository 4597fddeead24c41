// @vitest-environment jsdom
/** The binding of a text to a view: both show the same whatever is typed here and elsewhere. */
import { EditorSelection, EditorState } from '@codemirror/state';
import { EditorView, runScopeHandlers } from '@codemirror/view';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { textBinding, type BindingOptions } from '../src/codemirror.js';
import { Link } from '../src/core/link.js';
import type { CursorInfo } from '../src/index.js';
import { Editor } from '../src/text/editor.js';
import { ModelHost, settle } from './support/model-host.js';

const pages: Page[] = [];

afterEach(() => {
  for (const page of pages.splice(0)) page.end();
});

/** A view on a text of a host, on a connection of its own. */
class Page {
  readonly link: Link;
  readonly editor: Editor;
  readonly view: EditorView;

  constructor(
    readonly host: ModelHost,
    options: BindingOptions = {},
  ) {
    this.link = new Link({ url: 'ws://model', timeoutMs: 60_000, createSocket: host.connect, token: () => {}, random: () => 1 });
    this.link.open(['t']);
    this.editor = new Editor({ link: this.link, space: 's', object: 'o', path: 'body', opens: Promise.resolve(), retryOn: [], closed: () => {} });
    this.view = new EditorView({ parent: document.body, extensions: [EditorState.allowMultipleSelections.of(true), textBinding(this.editor, options)] });
    pages.push(this);
  }

  static async open(content: string, options: BindingOptions = {}): Promise<Page> {
    const host = new ModelHost();
    host.text.content = content;
    host.values.set('cursors', []);
    const page = new Page(host, options);
    await settle(host);
    expect(page.shown).toBe(content);
    return page;
  }

  get shown(): string {
    return this.view.state.sliceDoc();
  }

  /** Types over what is between two places. */
  type(from: number, to: number, insert: string): void {
    this.view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length }, userEvent: 'input.type' });
  }

  /** Somebody else types. */
  remote(at: number, count: number, insert: string): void {
    this.host.text.change([{ at, delete: count, insert }]);
    this.host.pump();
  }

  press(key: string, more: KeyboardEventInit = {}): boolean {
    return runScopeHandlers(this.view, new KeyboardEvent('keydown', { key, ctrlKey: true, ...more }), 'editor');
  }

  async same(content: string): Promise<void> {
    await settle(this.host);
    expect([this.shown, this.editor.snapshot.get().content, this.host.text.content]).toEqual([content, content, content]);
  }

  end(): void {
    this.view.destroy();
    this.editor.close();
    this.link.close();
  }
}

describe('a text in CodeMirror', () => {
  it('is not typed into before it is there', async () => {
    const host = new ModelHost();
    host.text.content = 'there';
    const page = new Page(host);
    page.type(0, 0, 'too early');
    expect(page.shown).toBe('');
    await page.same('there');
  });

  it('gets what is typed: put in, deleted, replaced, at several places at once', async () => {
    const page = await Page.open('one two');
    page.type(3, 3, ' and');
    page.type(0, 3, 'three');
    page.type(9, 10, '');
    await page.same('three andtwo');
    page.view.dispatch({
      changes: [
        { from: 0, to: 1, insert: 'T' },
        { from: 9, insert: '\n\n' },
        { from: 12, insert: '!' },
      ],
    });
    await page.same('Three and\n\ntwo!');
  });

  it('shows what others type, and leaves the selection on its words', async () => {
    const page = await Page.open('one two');
    page.view.dispatch({ selection: { anchor: 4, head: 7 } });
    page.remote(0, 0, 'zero ');
    await page.same('zero one two');
    const { from, to } = page.view.state.selection.main;
    expect(page.view.state.sliceDoc(from, to)).toBe('two');
    page.remote(0, 12, '');
    await page.same('');
  });

  it('keeps what is typed here while others type, though the host has not heard of it yet', async () => {
    const page = await Page.open('middle');
    page.type(6, 6, ' end');
    page.remote(0, 0, 'begin ');
    page.type(10, 10, '.');
    await page.same('begin middle end.');
  });

  it('counts as the host does: \\r is a letter like others, and an emoji is two', async () => {
    const page = await Page.open('a\r\nb\rc\n🙂d');
    // Three lines, not four: only \n ends one.
    expect(page.view.state.doc.lines).toBe(3);
    page.type(3, 4, 'B');
    page.remote(9, 1, 'D');
    await page.same('a\r\nB\rc\n🙂D');
    page.type(0, 0, '👩‍👩‍👧\r\n');
    page.remote(page.host.text.content.length, 0, '𝒳');
    await page.same('👩‍👩‍👧\r\na\r\nB\rc\n🙂D𝒳');
    page.view.dispatch({ selection: EditorSelection.single(0, page.view.state.doc.length) });
    page.view.dispatch(page.view.state.replaceSelection(page.view.state.toText('x\r\ny')));
    await page.same('x\r\ny');
  });

  it('takes a composition in step by step, with what others type meanwhile', async () => {
    const page = await Page.open('日: \n.');
    const { contentDOM } = page.view;
    page.view.dispatch({ selection: { anchor: 3 } });
    contentDOM.dispatchEvent(new CompositionEvent('compositionstart', { data: '' }));
    expect(page.view.compositionStarted).toBe(true);
    let length = 0;
    for (const step of ['k', 'ka', 'か', 'かn', 'かん', '漢']) {
      // What is composed is before the cursor, wherever others have moved it to.
      const { head } = page.view.state.selection.main;
      page.view.dispatch({ changes: { from: head - length, to: head, insert: step }, selection: { anchor: head - length + step.length }, userEvent: 'input.type.compose' });
      length = step.length;
      page.remote(0, 0, '<');
      page.remote(page.host.text.content.length, 0, '>');
      if (step !== 'か') await settle(page.host);
    }
    contentDOM.dispatchEvent(new CompositionEvent('compositionend', { data: '漢' }));
    await page.same('<<<<<<日: 漢\n.>>>>>>');
  });

  it('takes back what the host refuses', async () => {
    const page = await Page.open('read');
    page.host.text.change = () => {
      throw new Error('a reader may not write');
    };
    page.type(4, 4, ' only?');
    await settle(page.host);
    expect([page.shown, page.editor.snapshot.get().content]).toEqual(['read', 'read']);
    expect(page.editor.error.get()?.message).toContain('may not write');
  });

  it('asks the host to undo, shows what it says, and sends none of that back', async () => {
    const page = await Page.open('');
    const asked = vi.fn();
    page.host.answers.set('text.undo', () => {
      asked('undo');
      page.remote(0, 5, '');
      return { stepped: true };
    });
    page.host.answers.set('text.redo', () => {
      asked('redo');
      page.remote(0, 0, 'typed');
      return { stepped: true };
    });
    page.type(0, 0, 'typed');
    await page.same('typed');
    const edits = page.host.text.edits;
    expect(page.press('z')).toBe(true);
    await page.same('');
    expect(page.press('y')).toBe(true);
    await page.same('typed');
    expect(asked.mock.calls).toEqual([['undo'], ['redo']]);
    expect(page.host.text.edits).toBe(edits);
  });

  it('leaves undo to others where that is wanted', async () => {
    const page = await Page.open('x', { history: false });
    expect(page.press('z')).toBe(false);
  });

  it('shows the cursors of others with their names, and moves them with what is typed', async () => {
    const page = await Page.open('one two');
    const cursor: CursorInfo = { identity: 'bob', device: 'd', editor: 'e', displayName: 'Bob', anchor: 4, head: 7, version: 1 };
    page.host.values.set('cursors', [cursor]);
    page.host.pump();
    await settle(page.host);
    const selected = (): string => page.view.contentDOM.querySelector('.cm-dxos-selection')?.textContent ?? '';
    expect(page.view.contentDOM.querySelector('.cm-dxos-caret-name')?.textContent).toBe('Bob');
    expect(selected()).toBe('two');
    page.type(0, 0, 'zero ');
    await settle(page.host);
    expect(selected()).toBe('two');
    // One beyond the end, as when a text was cut meanwhile.
    page.host.values.set('cursors', [{ ...cursor, anchor: 4, head: 4000, version: 2 }]);
    page.host.pump();
    await settle(page.host);
    expect(page.view.contentDOM.querySelectorAll('.cm-dxos-caret')).toHaveLength(1);
    page.host.values.set('cursors', []);
    page.host.pump();
    await settle(page.host);
    expect(page.view.contentDOM.querySelector('.cm-dxos-caret')).toBeNull();
  });

  it('tells where the own cursor is while the view has the focus, and that it has gone', async () => {
    const page = await Page.open('one two');
    const told: unknown[] = [];
    page.host.answers.set('text.setCursor', ({ selection }: { selection?: unknown }) => {
      told.push(selection);
      return {};
    });
    const hears = (wanted: unknown): Promise<void> =>
      vi.waitFor(async () => {
        await settle(page.host);
        expect(told.at(-1)).toEqual(wanted);
      });
    page.view.focus();
    page.view.dispatch({ selection: { anchor: 1, head: 3 } });
    await hears({ anchor: 1, head: 3 });
    page.view.destroy();
    await hears(undefined);
    expect(told.length).toBeGreaterThan(1);
    // What comes after it ended finds nobody.
    page.remote(0, 0, 'x');
    await settle(page.host);
    expect(page.editor.snapshot.get().content).toBe('xone two');
  });

  it('shows the same as the host in the end, whoever types what and whenever it arrives', async () => {
    const insert = fc.constantFrom('', 'x', 'yz', '🙂', '\n', '\r\n', '\r', 'é');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('type' as const, 'remote' as const), at: fc.nat({ max: 60 }), count: fc.nat({ max: 4 }), insert }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('up' as const, 'down' as const), at: fc.constant(0), count: fc.constant(0), insert: fc.constant('') }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const page = await Page.open('begin\r\n🙂');
        for (const one of steps) {
          const length = one.do === 'type' ? page.view.state.doc.length : page.host.text.content.length;
          const at = one.at % (length + 1);
          const count = Math.min(one.count, length - at);
          if (one.do === 'type') page.type(at, at + count, one.insert);
          else if (one.do === 'remote') page.remote(at, count, one.insert);
          else if (one.do === 'up') page.host.wire?.deliverUp();
          else page.host.wire?.deliverDown();
          await Promise.resolve();
          expect(page.shown).toBe(page.editor.snapshot.get().content);
        }
        await settle(page.host);
        expect(page.shown).toBe(page.host.text.content);
        page.end();
      }),
      { numRuns: 150 },
    );
  });
});
