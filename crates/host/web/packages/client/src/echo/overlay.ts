/** The answer to a query with what is written here over it. */
import type { ObjectInfo, QuerySpec } from '../generated/protocol.js';
import { compareObjects, finds, isOrderedAlike } from './filter.js';
import type { Entry } from './layer.js';

/**
 * What writes did to membership, until the host has said the same of this query: another query
 * may have been told first, and this one must not go back meanwhile.
 */
export class Overlay {
  /** Where each object is that a write moved in, out or elsewhere. */
  readonly #held = new Map<string, 'in' | 'out'>();

  /** The query was told of these: what it shows of them is the host's. */
  told(ids: Iterable<string>): void {
    if (this.#held.size === 0) return;
    for (const id of ids) this.#held.delete(id);
  }

  /** The whole answer was told anew, or was asked for. */
  clear(): void {
    this.#held.clear();
  }

  /** The ids of the answer, given those that the host has said, and the objects with writes. */
  apply(query: QuerySpec, ids: readonly string[], written: Iterable<Entry>, find: (id: string) => Entry | undefined): readonly string[] {
    const entries = new Map<string, Entry>();
    for (const entry of written) entries.set(entry.id, entry);
    for (const id of this.#held.keys()) {
      const entry = find(id);
      if (entry) entries.set(id, entry);
      else this.#held.delete(id);
    }
    if (entries.size === 0) return ids;

    const members = new Set<string>();
    for (const id of ids) if (entries.has(id)) members.add(id);
    const out = new Set<string>();
    const put: ObjectInfo[] = [];
    for (const entry of entries.values()) this.#decide(query, entry, members.has(entry.id), out, put);
    if (out.size === 0 && put.length === 0) return ids;
    return this.#place(query, ids.filter((id) => !out.has(id)), put, find);
  }

  #decide(query: QuerySpec, entry: Entry, isMember: boolean, out: Set<string>, put: ObjectInfo[]): void {
    const { shown } = entry;
    // What the host went by, as far as it is known.
    const base = entry.coming?.info ?? entry.base;
    const held = this.#held.get(entry.id);
    const isWritten = entry.pending.length > 0;
    const after = shown ? finds(query, shown) : false;
    const before = base ? finds(query, base) : isMember;
    // Only what the writes change is decided here; everything else the host knows better.
    const wasChanged = held !== undefined || (isWritten && before !== after);
    if (after === undefined || (before === undefined && held === undefined)) return;
    if (isMember) {
      if (!after && wasChanged) {
        out.add(entry.id);
        this.#held.set(entry.id, 'out');
      } else if (after && shown && (held === 'in' || (isWritten && !(base && isOrderedAlike(query, base, shown))))) {
        out.add(entry.id);
        put.push(shown);
        this.#held.set(entry.id, 'in');
      }
    } else if (after && shown && wasChanged) {
      put.push(shown);
      this.#held.set(entry.id, 'in');
    }
  }

  #place(query: QuerySpec, ids: string[], put: ObjectInfo[], find: (id: string) => Entry | undefined): string[] {
    put.sort((one, two) => compareObjects(query, one, two));
    for (const object of put) {
      let [from, to] = [0, ids.length];
      while (from < to) {
        const middle = (from + to) >> 1;
        const other = find(ids[middle] as string)?.shown;
        if (other && compareObjects(query, other, object) <= 0) from = middle + 1;
        else to = middle;
      }
      ids.splice(from, 0, object.id);
    }
    const limit = query.limit ?? undefined;
    return limit === undefined ? ids : ids.slice(0, limit);
  }
}
