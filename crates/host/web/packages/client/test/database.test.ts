import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostError } from '../src/errors.js';
import { Link } from '../src/core/link.js';
import { Database } from '../src/echo/database.js';
import { newObjectId } from '../src/echo/id.js';
import type { EchoObject, Query } from '../src/index.js';
import { ModelHost } from './support/model-host.js';

type Task = { title: string; done: boolean; count: number; note?: string };

/** Lets everything that waits for nothing but its turn happen. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class World {
  readonly host = new ModelHost();
  readonly link: Link;
  readonly db: Database;
  readonly queries: Array<Query<Task>>;
  /** What this client wrote last: nobody else writes the same. */
  readonly written = new Map<string, Task>();
  readonly stops: Array<() => void>;

  constructor() {
    this.link = new Link({ url: 'ws://model', timeoutMs: 60_000, createSocket: this.host.connect, token: () => {}, random: () => 1 });
    this.db = new Database({ link: this.link, space: 's', retryOn: [], openText: () => { throw new Error('no texts here'); } });
    this.queries = [this.db.query<Task>(), this.db.query<Task>({ where: { done: false } }), this.db.query<Task>({ order: ['title'] })];
    this.link.open(['t']);
    this.stops = this.queries.map((query) => query.subscribe(() => {}));
  }

  /** Delivers everything, in both directions, until nothing is on its way. */
  async settle(): Promise<void> {
    for (let rounds = 0; rounds < 1000; rounds += 1) {
      await turn();
      const wire = this.host.wire;
      if (!wire) {
        this.link.reconnect();
        continue;
      }
      if (wire.up.length + wire.down.length === 0) return;
      while (wire.up.length > 0) wire.deliverUp();
      while (wire.down.length > 0) wire.deliverDown();
    }
    throw new Error('it does not settle');
  }

  write(id: number, change: Partial<Task>): void {
    const ids = [...this.written.keys()];
    const object = ids[id % Math.max(1, ids.length)];
    if (object === undefined) return;
    const task = this.db.getObjectById<Task>(object);
    if (!task) return;
    Object.assign(task, change);
    Object.assign(this.written.get(object)!, change);
  }

  /** Whatever is on its way: this client sees what it wrote, where it belongs. */
  check(): void {
    const [all, open, ordered] = this.queries.map((query) => query.get());
    const shownIds = new Set(all!.map(({ objectId }) => objectId));
    for (const [id, task] of this.written) {
      expect(shownIds.has(id)).toBe(true);
      const shown = this.db.getObjectById<Task>(id)!;
      expect({ title: shown.title, done: shown.done, count: shown.count }).toEqual({ title: task.title, done: task.done, count: task.count });
      expect(open!.some(({ objectId }) => objectId === id)).toBe(!task.done);
    }
    const titles = ordered!.map(({ title }) => title);
    expect(titles).toEqual([...titles].sort());
  }

  end(): void {
    for (const stop of this.stops) stop();
    this.link.close();
  }
}

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('add' as const), n: fc.nat({ max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('title' as const, 'done' as const, 'count' as const), n: fc.nat({ max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('other' as const), n: fc.nat({ max: 20 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('up' as const, 'down' as const), n: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), n: fc.constant(0) }) },
);

async function take(world: World, { do: action, n }: { do: string; n: number }): Promise<void> {
  const { host, db, written } = world;
  if (action === 'add') {
    const task = { title: `t${n}`, done: n % 3 === 0, count: 0 };
    written.set(db.add<Task>(task, { type: 'task' }).objectId, task);
  } else if (action === 'title') world.write(n, { title: `t${n % 7}` });
  else if (action === 'done') world.write(n, { done: n % 2 === 0 });
  else if (action === 'count') {
    const id = [...written.keys()][n % Math.max(1, written.size)];
    if (id === undefined) return;
    written.get(id)!.count += 1;
    db.apply([{ op: 'increment', object: id, path: 'count', by: 1 }]).catch(() => {});
  } else if (action === 'other') {
    // Somebody else writes another property, or another object.
    const id = [...host.objects.keys()][n % Math.max(1, host.objects.size)];
    if (id === undefined || n > 15) host.change([{ op: 'create', object: newObjectId(), type: 'task', properties: { title: `t${n % 7}`, done: n % 2 === 0, count: 0 } }]);
    else host.change([{ op: 'set', object: id, path: 'note', value: `n${n}` }]);
  } else if (action === 'cut') {
    host.wire?.close();
    world.link.reconnect();
  } else for (let times = 0; times <= n; times += 1) action === 'up' ? host.wire?.deliverUp() : host.wire?.deliverDown();
  await turn();
}

describe('objects that are written here and elsewhere', () => {
  it('show what is written at once and without flicker, and in the end what the host has, over connections cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const world = new World();
        await world.settle();
        for (const one of steps) {
          await take(world, one);
          world.check();
        }
        await world.settle();
        world.check();
        for (const query of world.queries) {
          const shown = query.get().map(({ objectId, title, done, count, note }) => ({ objectId, title, done, count, note }));
          const fresh = world.host.answer(query.spec).map(({ id, properties }) => {
            const { title, done, count, note } = properties as Task;
            return { objectId: id, title, done, count, note };
          });
          expect(shown).toEqual(fresh);
        }
        expect(world.db.layer.written()).toEqual([]);
        expect(world.db.unsent.get()).toBe(0);
        world.end();
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it('show what the host has, when it was started anew in between', async () => {
    const restart = fc.record({ do: fc.constant('restart' as const), n: fc.constant(0) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof({ weight: 12, arbitrary: step }, { weight: 1, arbitrary: restart }), { maxLength: 40 }), async (steps) => {
        const world = new World();
        await world.settle();
        for (const one of steps) {
          if (one.do === 'restart') {
            world.host.restart();
            await take(world, { do: 'cut', n: 0 });
          } else await take(world, one);
        }
        await world.settle();
        for (const query of world.queries) expect(query.get().map(({ objectId }) => objectId)).toEqual(world.host.answer(query.spec).map(({ id }) => id));
        expect(world.db.layer.written()).toEqual([]);
        world.end();
      }),
      { numRuns: 150 },
    );
  }, 60_000);

  it('take back what the host refuses, and say so', async () => {
    const world = new World();
    await world.settle();
    const task = world.db.add<Task>({ title: 'a', done: false, count: 0 }, { type: 'task' });
    await world.settle();
    world.host.refuse = (op) => op.op === 'set';
    task.title = 'b';
    task.done = true;
    expect(world.queries[1]!.get()).toEqual([]);
    expect(world.db.unsent.get()).toBe(0);
    const flushed = world.db.flush();
    flushed.catch(() => {});
    expect(world.db.unsent.get()).toBe(1);
    await world.settle();
    await expect(flushed).rejects.toBeInstanceOf(HostError);
    expect(task.title).toBe('a');
    expect(world.queries[1]!.get()).toHaveLength(1);
    expect(world.db.failure.get()?.ops).toHaveLength(2);
    world.end();
  });

  it('keep their identity while they do not change, and get another one when they do', async () => {
    const world = new World();
    await world.settle();
    for (const title of ['a', 'b']) world.db.add<Task>({ title, done: false, count: 0 }, { type: 'task' });
    await world.settle();
    const ordered = world.queries[2]!;
    const before = ordered.get();
    await world.settle();
    expect(ordered.get()).toBe(before);
    (before[0] as EchoObject<Task>).count = 5;
    const after = ordered.get();
    expect(after).not.toBe(before);
    expect(after[0]).not.toBe(before[0]);
    expect(after[1]).toBe(before[1]);
    await world.settle();
    // The host says the same: nothing shows otherwise.
    expect(ordered.get()).toHaveLength(2);
    expect(ordered.get()[1]).toBe(before[1]);
    world.end();
  });

  it('are all there when a long answer comes anew in parts, whatever is collected meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const world = new World();
    await world.settle();
    const away = Array.from({ length: 30 }, (_, n) => ({ op: 'create' as const, object: newObjectId(), type: 'task', properties: { title: `t${n}`, done: false, count: n } }));
    world.host.restart();
    world.host.wire?.close();
    world.host.change(away);
    world.link.reconnect();
    for (let rounds = 0; rounds < 400; rounds += 1) {
      await turn();
      world.host.wire?.deliverUp();
      world.host.wire?.deliverDown();
      if (rounds % 10 === 0) collect();
    }
    await world.settle();
    expect(world.queries[0]!.get()).toHaveLength(30);
    world.end();
  });

  it('show the beginning of a long answer at once, and the rest in few steps', async () => {
    const world = new World();
    world.host.change(Array.from({ length: 400 }, (_, n) => ({ op: 'create' as const, object: newObjectId(), type: 'task', properties: { title: `t${n}`, done: false, count: n } })));
    const lengths: number[] = [];
    const [all] = world.queries;
    world.stops.push(all!.subscribe(() => lengths.push(all!.get().length)));
    await world.settle();
    expect([lengths[0], lengths.at(-1)]).toEqual([2, 400]);
    // 200 parts came.
    expect(lengths.length).toBeLessThan(30);
    world.end();
  });

  it('have properties of any name, which change nothing but them', async () => {
    const world = new World();
    await world.settle();
    const properties = JSON.parse('{"title":"t","done":false,"count":0,"__proto__":{"polluted":"yes"},"constructor":"c","toString":"s"}');
    world.host.change([{ op: 'create', object: newObjectId(), type: 'task', properties }]);
    await world.settle();
    const [task] = world.queries[0]!.get();
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
    expect((task as unknown as { polluted?: string }).polluted).toBeUndefined();
    expect(Object.keys(task!).sort()).toEqual(['__proto__', 'constructor', 'count', 'done', 'title', 'toString']);
    expect((task as unknown as Record<string, unknown>)['constructor']).toBe('c');
    world.end();
  });

  it('are one transaction for all that is written in one turn', async () => {
    const world = new World();
    await world.settle();
    const { transactions } = world.host;
    for (let n = 0; n < 10; n += 1) world.db.add<Task>({ title: `${n}`, done: false, count: n }, { type: 'task' });
    await world.settle();
    expect(world.host.transactions).toBe(transactions + 1);
    expect(world.queries[0]!.get()).toHaveLength(10);
    world.end();
  });
});
