/** The answer to a query, kept up to date. */
import type { EchoObject, Query, QueryInput } from '../api/object.js';
import type { Store } from '../api/store.js';
import { Demand, loaded } from '../core/live.js';
import type { Subscription } from '../core/link.js';
import { Cell } from '../core/store.js';
import type { EchoFilter, OrderSpec, QueryChange, QueryPart, QuerySpec } from '../generated/protocol.js';
import type { Database } from './database.js';
import { Fold } from './fold.js';
import { Overlay } from './overlay.js';
import { encode } from './values.js';

/** What the host is asked. */
export function querySpec(input: QueryInput = {}): QuerySpec {
  const all: EchoFilter[] = [];
  if (input.type !== undefined) all.push(input.type.includes('@') ? { type_exact: input.type } : { type_any_version: input.type });
  for (const [path, value] of Object.entries(input.where ?? {})) all.push({ compare: { path, comparison: 'eq', value: encode(value) } });
  if (input.text !== undefined) all.push({ text: { words: input.text } });
  if (input.filter !== undefined) all.push(input.filter);
  const order = input.order?.map((key): OrderSpec => {
    if (typeof key !== 'string') return key;
    return key.startsWith('-') ? { path: key.slice(1), descending: true } : { path: key };
  });
  return {
    ...(all.length === 0 ? {} : { filter: all.length === 1 ? (all[0] as EchoFilter) : { and: all } }),
    ...(order ? { order } : {}),
    ...(input.limit === undefined ? {} : { limit: input.limit }),
    ...(input.deleted === undefined ? {} : { deleted: input.deleted }),
    ...(input.highlights ? { highlights: true } : {}),
  };
}

export class LiveQuery<T extends object> implements Query<T> {
  readonly #objects = new Cell<ReadonlyArray<EchoObject<T>>>([]);
  readonly #loaded = new Cell(false);
  readonly #error = new Cell<Error | undefined>(undefined);
  readonly #demand: Demand;
  readonly #overlay = new Overlay();
  #fold = new Fold();
  readonly #followed = new Set<string>();
  #subscription: Subscription | undefined;
  #unwatch: () => void = () => {};

  constructor(
    private readonly db: Database,
    readonly spec: QuerySpec,
    dropped: () => void,
  ) {
    this.#demand = new Demand(
      () => {
        db.register(this);
        this.#unwatch = db.watchRetry(() => this.#begin());
        this.#begin();
      },
      () => {
        this.#unwatch();
        this.#subscription?.close();
        this.#subscription = undefined;
        db.unregister(this);
        this.#fold = new Fold();
        this.#keepOnly(new Set());
        this.#loaded.set(false);
        dropped();
      },
    );
  }

  readonly get = (): ReadonlyArray<EchoObject<T>> => this.#objects.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#objects.subscribe(listener);
    const release = this.#demand.hold();
    this.#begin();
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

  readonly load = (): Promise<ReadonlyArray<EchoObject<T>>> => loaded(this, this.#demand.hold);

  #begin(): void {
    if (this.#subscription || !this.#demand.isOn) return;
    this.#subscription = this.db.link.subscribe(
      { topic: 'query', space: this.db.spaceKey, query: this.spec },
      {
        event: (kind, value) => this.#event(kind, value),
        end: (error) => {
          this.#subscription = undefined;
          this.#error.set(error);
          this.db.ended(error);
        },
      },
    );
  }

  #event(kind: 'value' | 'change', value: unknown): void {
    const { isComplete: wasComplete, ids: before } = this.#fold;
    const told = kind === 'value' ? this.#fold.part(value as QueryPart) : this.#fold.change(value as QueryChange);
    const { layer } = this.db;
    for (const info of told) {
      layer.told(info, this);
      this.#follow(info.id);
    }
    if (kind === 'change') {
      const { removed } = value as QueryChange;
      this.#overlay.told(told.map((info) => info.id));
      this.#overlay.told(removed);
      for (const id of removed) this.#unfollow(id);
    } else if (this.#fold.isComplete) {
      this.#overlay.clear();
      // What was followed before stays until the answer is complete.
      if (this.#fold.ids !== before) this.#keepOnly(new Set(this.#fold.ids));
    } else if (this.#fold.ids === before && before.length > 0) {
      // Of a first answer more has come, and not enough to show it.
      return;
    }
    this.#error.set(undefined);
    this.db.changed(this);
    if (!wasComplete && this.#fold.isComplete) this.#loaded.set(true);
  }

  /** What was told is kept from then on, also while the rest of the answer is on its way. */
  #follow(id: string): void {
    if (this.#followed.has(id)) return;
    this.#followed.add(id);
    this.db.layer.follow(id);
  }

  #unfollow(id: string): void {
    if (this.#followed.delete(id)) this.db.layer.unfollow(id);
  }

  #keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#followed) if (!ids.has(id)) this.#unfollow(id);
  }

  /** What the host was asked for, or took back, it has said of this query too. */
  forget(ids: Iterable<string>): void {
    this.#overlay.told(ids);
  }

  /** Makes the list anew. It stays the same one when it has the same objects. */
  refresh(): void {
    const { layer } = this.db;
    const ids = this.#overlay.apply(this.spec, this.#fold.ids, layer.written(), (id) => layer.find(id));
    const wantsDeleted = this.spec.deleted !== undefined && this.spec.deleted !== 'exclude';
    const last = this.#objects.get();
    const objects: Array<EchoObject<T>> = [];
    let same = true;
    for (const id of ids) {
      const object = this.db.view(id, wantsDeleted) as EchoObject<T> | undefined;
      if (!object) continue;
      same &&= last[objects.length] === object;
      objects.push(object);
    }
    if (!same || objects.length !== last.length) this.#objects.set(objects);
  }
}
