/** The last items of a queue, kept up to date. */
import type { QueueItem, QueuePage } from '../api/queue.js';
import type { Live, Store } from '../api/store.js';
import { Demand, loaded } from '../core/live.js';
import { Cell } from '../core/store.js';
import type { QueueInfo, QueuePosition } from '../generated/protocol.js';
import { compareIds } from './id.js';

/** What a tail asks of its queue. */
export interface TailSource {
  readonly info: Live<QueueInfo | undefined>;
  read(options: { from: string }): Promise<QueuePage>;
  latest(options: { limit: number }): Promise<QueueItem[]>;
}

/** The order that is the same on every device. */
export function comparePositions(one: QueuePosition, two: QueuePosition): number {
  return one.lamport - two.lamport || compareIds(one.feed, two.feed) || one.seq - two.seq || one.index - two.index;
}

/** The last items once a page has come: without what was taken back, and each item once. */
export function withPage(items: readonly QueueItem[], page: Pick<QueuePage, 'takenBack' | 'items'>, limit: number): readonly QueueItem[] {
  const gone = new Set(page.takenBack);
  const kept = items.filter((item) => !gone.has(item.id));
  const known = new Set(kept.map((item) => item.id));
  const fresh = page.items.filter((item) => !known.has(item.id) && known.add(item.id));
  if (fresh.length === 0 && kept.length === items.length) return items;
  return [...kept, ...fresh].sort((one, two) => comparePositions(one.position, two.position)).slice(-limit);
}

/** The same items as before keep their identity, and so does the list when it has no others. */
function reuse(before: readonly QueueItem[], now: readonly QueueItem[]): readonly QueueItem[] {
  const known = new Map(before.map((item) => [item.id, item]));
  const items = now.map((item) => known.get(item.id) ?? item);
  return items.length === before.length && items.every((item, at) => item === before[at]) ? before : items;
}

/** One time of following: what comes of an earlier one counts no more. */
interface Run {
  isOn: boolean;
  isReading: boolean;
  /** Whether something may have come since it was read. */
  isDue: boolean;
  /** From where to read on; undefined to begin with the last items. */
  next: string | undefined;
}

/** Pages that are read on before it is quicker to begin with the last items again. */
const PAGES_MAX = 4;

export class Tail implements Live<readonly QueueItem[]> {
  readonly #items = new Cell<readonly QueueItem[]>([]);
  readonly #loaded = new Cell(false);
  readonly #error = new Cell<Error | undefined>(undefined);
  readonly #demand: Demand;
  #run: Run | undefined;

  constructor(
    private readonly queue: TailSource,
    private readonly limit: number,
  ) {
    let stops: Array<() => void> = [];
    this.#demand = new Demand(
      () => {
        const run: Run = { isOn: true, isReading: false, isDue: true, next: undefined };
        this.#run = run;
        const changed = (): void => {
          run.isDue = true;
          void this.#read(run);
        };
        stops = [queue.info.subscribe(changed), queue.info.loaded.subscribe(changed), queue.info.error.subscribe(changed)];
        changed();
      },
      () => {
        if (this.#run) this.#run.isOn = false;
        for (const stop of stops) stop();
        this.#loaded.set(false);
      },
    );
  }

  readonly get = (): readonly QueueItem[] => this.#items.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#items.subscribe(listener);
    const release = this.#demand.hold();
    return () => {
      stop();
      release();
    };
  };

  get loaded(): Store<boolean> {
    return this.#loaded;
  }

  get error(): Store<Error | undefined> {
    return this.#error;
  }

  readonly load = (): Promise<readonly QueueItem[]> => loaded(this, this.#demand.hold);

  /** Reads what is due, one request after the other. */
  async #read(run: Run): Promise<void> {
    if (run.isReading) return;
    run.isReading = true;
    while (run.isDue && run.isOn) {
      run.isDue = false;
      try {
        await this.#step(run);
      } catch (error) {
        // It is tried again when the host tells of the queue.
        run.next = undefined;
        if (run.isOn) this.#error.set(error instanceof Error ? error : new Error(String(error)));
      }
    }
    run.isReading = false;
  }

  async #step(run: Run): Promise<void> {
    const { info } = this.queue;
    const refused = info.error.get();
    if (refused) {
      run.next = undefined;
      this.#items.set([]);
      this.#error.set(refused);
      return;
    }
    if (!info.loaded.get()) return;
    const isRead = run.next !== undefined && (await this.#readOn(run, run.next));
    // Nothing tells which items were dropped so that it holds no more than it is to: their number does.
    const held = Math.min(this.limit, info.get()?.items ?? 0);
    if (!isRead || this.#items.get().length !== held) await this.#begin(run);
    if (!run.isOn) return;
    this.#error.set(undefined);
    this.#loaded.set(true);
  }

  /** Begins with the last items, and reads on behind what was there before they were asked for: what is in both counts once. */
  async #begin(run: Run): Promise<void> {
    const end = this.queue.info.get()?.end;
    const items = end === undefined ? [] : (await this.queue.latest({ limit: this.limit })).reverse();
    if (!run.isOn) return;
    run.next = end;
    this.#items.set(reuse(this.#items.get(), items));
  }

  /** Reads what came; whether that was all of it. */
  async #readOn(run: Run, from: string): Promise<boolean> {
    let next = from;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const page = await this.queue.read({ from: next });
      if (!run.isOn) return true;
      // A part of what came may count no more, and all of a page be such a part.
      const isEnd = page.next === next;
      next = page.next;
      run.next = next;
      if (isEnd) return true;
      this.#items.set(withPage(this.#items.get(), page, this.limit));
    }
    return false;
  }
}
