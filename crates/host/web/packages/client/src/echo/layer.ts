/**
 * Objects as the host told of them, and over them what this client wrote and the host has not
 * confirmed. A pure state machine; `docs/host-protocol.md`, "Optimistic writes", has the rules.
 */
import { reuse } from '../core/store.js';
import type { Applied, ObjectInfo, ObjectOp } from '../generated/protocol.js';
import { applyOp, objectOf } from './change.js';

/** A transaction that is on its way, or that the host has answered and not shown yet. */
export interface Pending {
  readonly number: number;
  readonly ops: readonly ObjectOp[];
  /** Its logical time, once it is committed. */
  committed: number | undefined;
}

/** One object. There is one entry an id for as long as anything holds it. */
export interface Entry {
  readonly id: string;
  /** As the host told of it last; undefined when there is none or nothing is known. */
  base: ObjectInfo | undefined;
  /** With what is written here. */
  shown: ObjectInfo | undefined;
  /** The subscription that told of `base`. */
  source: unknown;
  /** How many subscriptions show it. */
  followers: number;
  pending: Pending[];
  /** What stands for it in JavaScript, as long as it shows this. */
  view: object | undefined;
  /** What was told while it could not be known whether it has a write in it that must not show twice. */
  coming: { info: ObjectInfo; source: unknown } | undefined;
}

/** Operations that show the same when they are done again over what they did. */
const REPEATABLE = new Set<ObjectOp['op']>(['create', 'delete', 'restore', 'set', 'unset', 'setAdd', 'setRemove', 'tag', 'untag', 'addKey', 'removeKey', 'setParent']);

/** Whether an answer is awaited that says if what is told has a write in it already. */
function isUncertain(entry: Entry): boolean {
  return entry.pending.some(({ committed, ops }) => committed === undefined && ops.some((op) => objectOf(op) === entry.id && !REPEATABLE.has(op.op)));
}

export class Layer {
  /** Those that are followed or written. */
  readonly #entries = new Map<string, Entry>();
  /** Those that something else may hold: objects in the hands of the application. */
  readonly #held = new Map<string, WeakRef<Entry>>();
  readonly #gone = new FinalizationRegistry<string>((id) => {
    if (this.#held.get(id)?.deref() === undefined) this.#held.delete(id);
  });
  readonly #pending = new Map<number, Set<Entry>>();
  readonly #changed = new Set<string>();
  #last = 0;

  /** The entry of an id, if anything holds it. */
  find(id: string): Entry | undefined {
    return this.#entries.get(id) ?? this.#held.get(id)?.deref();
  }

  entry(id: string): Entry {
    const found = this.find(id);
    if (found) return found;
    const entry: Entry = {
      id,
      base: undefined,
      shown: undefined,
      source: undefined,
      followers: 0,
      pending: [],
      view: undefined,
      coming: undefined,
    };
    this.#held.set(id, new WeakRef(entry));
    this.#gone.register(entry, id);
    return entry;
  }

  /** Objects with writes that are not confirmed. */
  written(): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.pending.length > 0);
  }

  /** The ids of objects that show something else than at the last call. */
  takeChanged(): ReadonlySet<string> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return changed;
  }

  /** Shows operations at once; the number is that of the transaction. */
  write(ops: readonly ObjectOp[]): number {
    const pending: Pending = { number: ++this.#last, ops, committed: undefined };
    const entries = new Set<Entry>();
    for (const op of ops) {
      const id = objectOf(op);
      if (id !== undefined) entries.add(this.entry(id));
    }
    this.#pending.set(pending.number, entries);
    for (const entry of entries) {
      entry.pending.push(pending);
      this.#entries.set(entry.id, entry);
      this.#show(entry);
    }
    return pending.number;
  }

  /** The host refused a transaction: it is undone. */
  refused(number: number): void {
    for (const entry of this.#pending.get(number) ?? []) {
      entry.pending = entry.pending.filter((pending) => pending.number !== number);
      this.#hear(entry);
      this.#show(entry);
      this.#tidy(entry);
    }
    this.#pending.delete(number);
  }

  /** The host answered. Gives the ids of objects of which it has still to tell. */
  answered(number: number, answer: Applied): string[] {
    const lamport = answer.committed?.lamport;
    if (lamport === undefined) {
      this.refused(number);
      return [];
    }
    const waiting: string[] = [];
    for (const entry of this.#pending.get(number) ?? []) {
      for (const pending of entry.pending) if (pending.number === number) pending.committed = lamport;
      this.#hear(entry);
      if (entry.base && entry.base.updated.lamport >= lamport) this.#settle(entry, lamport);
      else if (entry.followers === 0) this.#keep(entry);
      else waiting.push(entry.id);
    }
    this.#pending.delete(number);
    return waiting;
  }

  /** A subscription tells of an object. */
  told(info: ObjectInfo, source: unknown): void {
    const entry = this.entry(info.id);
    if (isUncertain(entry)) {
      if (!entry.coming || entry.coming.source === source || info.updated.lamport >= entry.coming.info.updated.lamport) entry.coming = { info, source };
      return;
    }
    // Of two subscriptions one may be behind; what one of them says is in order.
    if (entry.base && entry.source !== source && info.updated.lamport < entry.base.updated.lamport) return;
    entry.base = entry.base ? reuse(entry.base, info) : info;
    entry.source = source;
    this.#settle(entry, info.updated.lamport);
  }

  /** Takes in what was told before the answer came. */
  #hear(entry: Entry): void {
    const { coming } = entry;
    if (!coming || isUncertain(entry)) return;
    entry.coming = undefined;
    this.told(coming.info, coming.source);
  }

  /** A subscription tells that there is no such object. */
  toldNone(id: string, source: unknown): void {
    const entry = this.find(id);
    if (!entry?.base || (entry.source !== source && entry.followers > 1)) return;
    entry.base = undefined;
    entry.source = source;
    this.#show(entry);
  }

  /** What the host said when it was asked after a transaction was answered: that and nothing later can be missing. */
  asked(id: string, info: ObjectInfo | undefined, until: number): void {
    const entry = this.find(id);
    if (!entry) return;
    if (!info) entry.base = undefined;
    else if (!entry.base || info.updated.lamport >= entry.base.updated.lamport) entry.base = reuse(entry.base ?? info, info);
    this.#settle(entry, until);
  }

  /** A subscription shows an object from now on. */
  follow(id: string): Entry {
    const entry = this.entry(id);
    entry.followers += 1;
    this.#entries.set(id, entry);
    return entry;
  }

  /** A subscription shows it no longer. */
  unfollow(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.followers -= 1;
    if (entry.followers > 0) return;
    if (entry.pending.length > 0 && entry.pending.every((pending) => pending.committed !== undefined)) this.#keep(entry);
    else this.#tidy(entry);
  }

  /** Takes off what is committed by then. */
  #settle(entry: Entry, lamport: number): void {
    entry.pending = entry.pending.filter((pending) => pending.committed === undefined || pending.committed > lamport);
    this.#show(entry);
    this.#tidy(entry);
  }

  /** Nobody will tell of it: what shows is taken for what the host has. */
  #keep(entry: Entry): void {
    const done = entry.pending.filter((pending) => pending.committed !== undefined);
    entry.pending = entry.pending.filter((pending) => pending.committed === undefined);
    for (const { ops, committed } of done) {
      const base = fold(entry.base, entry.id, ops);
      entry.base = base && { ...base, updated: { ...base.updated, lamport: committed ?? 0 } };
    }
    entry.source = undefined;
    this.#show(entry);
    this.#tidy(entry);
  }

  #show(entry: Entry): void {
    let shown = entry.base;
    for (const pending of entry.pending) shown = fold(shown, entry.id, pending.ops);
    if (shown && entry.shown) shown = reuse(entry.shown, shown);
    if (Object.is(shown, entry.shown)) return;
    entry.shown = shown;
    entry.view = undefined;
    this.#changed.add(entry.id);
  }

  #tidy(entry: Entry): void {
    if (entry.followers <= 0 && entry.pending.length === 0) this.#entries.delete(entry.id);
  }
}

function fold(object: ObjectInfo | undefined, id: string, ops: readonly ObjectOp[]): ObjectInfo | undefined {
  for (const op of ops) if (objectOf(op) === id) object = applyOp(object, op);
  return object;
}
