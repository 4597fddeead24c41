import { describe, expect, it } from 'vitest';
import { Cell } from '../src/core/store.js';
import { Tail, comparePositions, withPage, type TailSource } from '../src/echo/tail.js';
import type { Live, QueueInfo, QueueItem, QueuePage } from '../src/index.js';
import { eventually } from './support/wait.js';

const item = (n: number, value: unknown = n): QueueItem => ({
  id: `i${n}`,
  position: { lamport: n, feed: 'y', seq: n, index: 0 },
  author: { device: 'd' },
  timeMs: n,
  value,
});
const values = (items: readonly QueueItem[]): unknown[] => items.map(({ value }) => value);

/** A queue in memory: what comes to it, and what is taken back, in the order in which it does. */
class ModelQueue implements TailSource {
  readonly arrivals: Array<{ item: QueueItem; gone: boolean }> = [];
  readonly cell = new Cell<QueueInfo | undefined>(undefined);
  readonly error = new Cell<Error | undefined>(undefined);
  readonly loaded = new Cell(true);
  itemsMax = Infinity;
  reads = 0;
  failing = 0;

  readonly info: Live<QueueInfo | undefined> = {
    get: this.cell.get,
    subscribe: this.cell.subscribe,
    loaded: this.loaded,
    error: this.error,
    load: () => Promise.resolve(this.cell.get()),
  };

  /** What is in it now. */
  get items(): QueueItem[] {
    const known = new Map<string, QueueItem>();
    for (const { item: one, gone } of this.arrivals) {
      if (gone) known.delete(one.id);
      else known.set(one.id, one);
    }
    const all = [...known.values()].sort((one, two) => comparePositions(one.position, two.position));
    return all.slice(-this.itemsMax);
  }

  tell(): void {
    this.cell.set({ name: 'q', items: this.items.length, bytes: 0, retention: {}, end: String(this.arrivals.length) });
  }

  come(...items: QueueItem[]): void {
    this.arrivals.push(...items.map((one) => ({ item: one, gone: false })));
    this.tell();
  }

  take(...items: QueueItem[]): void {
    this.arrivals.push(...items.map((one) => ({ item: one, gone: true })));
    this.tell();
  }

  async read({ from }: { from: string }): Promise<QueuePage> {
    this.reads += 1;
    await Promise.resolve();
    if (this.failing > 0) {
      this.failing -= 1;
      throw new Error('the disk is full');
    }
    const part = this.arrivals.slice(Number(from), Number(from) + 3);
    const is = new Set(this.items.map(({ id }) => id));
    return {
      takenBack: part.filter(({ gone }) => gone).map((one) => one.item.id),
      items: part.filter((one) => !one.gone && is.has(one.item.id)).map((one) => one.item),
      next: String(Number(from) + part.length),
    };
  }

  async latest({ limit }: { limit: number }): Promise<QueueItem[]> {
    await Promise.resolve();
    return this.items.slice(-limit).reverse();
  }
}

describe('the last items of a queue', () => {
  it('keep their order and their identity, whatever order they come in', () => {
    const first = withPage([], { takenBack: [], items: [item(2), item(1)] }, 10);
    expect(values(first)).toEqual([1, 2]);
    const then = withPage(first, { takenBack: [], items: [item(3), item(2)] }, 2);
    expect(values(then)).toEqual([2, 3]);
    expect(then[0]).toBe(first[1]);
    expect(withPage(then, { takenBack: ['i9'], items: [item(3)] }, 2)).toBe(then);
    expect(values(withPage(then, { takenBack: ['i3'], items: [] }, 2))).toEqual([2]);
  });

  it('are followed: what comes, what is taken back, what is dropped', async () => {
    const queue = new ModelQueue();
    const tail = new Tail(queue, 4);
    const stop = tail.subscribe(() => {});
    await eventually(() => tail.loaded.get());
    expect(tail.get()).toEqual([]);
    queue.come(item(1), item(3));
    await eventually(() => tail.get().length === 2);
    const [one] = tail.get();
    // One that comes late stands where it belongs.
    queue.come(item(2));
    await eventually(() => tail.get().length === 3);
    expect(values(tail.get())).toEqual([1, 2, 3]);
    expect(tail.get()[0]).toBe(one);
    queue.come(item(4), item(5), item(6));
    await eventually(() => values(tail.get()).join() === '3,4,5,6');
    // What is taken back makes room for what was before it.
    queue.take(item(5));
    await eventually(() => values(tail.get()).join() === '2,3,4,6');
    queue.itemsMax = 2;
    queue.tell();
    await eventually(() => values(tail.get()).join() === '4,6');
    queue.come(item(7));
    await eventually(() => values(tail.get()).join() === '6,7');
    stop();
  });

  it('are those that the queue has, whatever happens to it', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      let state = seed;
      const draw = (below: number): number => {
        state = (state * 48271) % 2147483647;
        return state % below;
      };
      const queue = new ModelQueue();
      const tail = new Tail(queue, 1 + draw(6));
      const stop = tail.subscribe(() => {});
      for (let step = 0; step < 60; step += 1) {
        const kind = draw(10);
        if (kind < 6) queue.come(...Array.from({ length: 1 + draw(5) }, () => item(draw(200))));
        else if (kind < 8) queue.take(item(draw(200)));
        else if (kind < 9) queue.itemsMax = 1 + draw(8);
        else queue.failing = 1;
        for (let turns = draw(6); turns > 0; turns -= 1) await Promise.resolve();
      }
      queue.failing = 0;
      queue.come(item(1000 + seed));
      const wanted = queue.items.slice(-(tail as unknown as { limit: number }).limit).map(({ id }) => id);
      await eventually(() => tail.get().map(({ id }) => id).join() === wanted.join());
      expect(tail.error.get()).toBeUndefined();
      stop();
    }
  });

  it('say why they cannot be read, and come back', async () => {
    const queue = new ModelQueue();
    queue.come(item(1));
    const tail = new Tail(queue, 4);
    const stop = tail.subscribe(() => {});
    await eventually(() => tail.get().length === 1);
    queue.failing = 1;
    queue.come(item(2));
    await eventually(() => tail.error.get() !== undefined);
    queue.come(item(3));
    await eventually(() => tail.get().length === 3);
    expect(tail.error.get()).toBeUndefined();
    queue.error.set(new Error('it was closed here'));
    await eventually(() => tail.error.get() !== undefined);
    expect(tail.get()).toEqual([]);
    queue.error.set(undefined);
    await eventually(() => tail.get().length === 3);
    stop();
  });
});
