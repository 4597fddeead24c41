/** How parts and changes become the answer to a query: a list of ids, and the objects that were told. */
import type { ObjectInfo, QueryChange, QueryPart } from '../generated/protocol.js';

/** By how much more than what shows there has to be before more of a first answer shows: each time costs all of it. */
const GROWTH = 1.25;

export class Fold {
  /** The answer that is complete, or all that came of the first one. */
  ids: readonly string[] = [];
  /** Whether it is complete. */
  isComplete = false;
  #coming: string[] | undefined;

  /** Takes in a part; gives the objects that it tells of. */
  part(part: QueryPart): readonly ObjectInfo[] {
    if (part.from === 0) this.#coming = [];
    const coming = this.#coming;
    // One that does not go on where the last one ended belongs to nothing.
    if (!coming || coming.length !== part.from) return [];
    for (const object of part.objects) coming.push(object.id);
    if (coming.length >= part.total) {
      this.ids = coming;
      this.isComplete = true;
      this.#coming = undefined;
    } else if (!this.isComplete && coming.length >= this.ids.length * GROWTH) this.ids = [...coming];
    return part.objects;
  }

  /** Takes in a change; gives the objects that it tells of. */
  change(change: QueryChange): readonly ObjectInfo[] {
    const placed = [...change.added, ...change.updated].sort((one, two) => one.position - two.position);
    const out = new Set(change.removed);
    for (const { object } of placed) out.add(object.id);
    const kept = out.size === 0 ? [...this.ids] : this.ids.filter((id) => !out.has(id));
    const ids: string[] = [];
    let from = 0;
    for (const { position, object } of placed) {
      while (ids.length < position && from < kept.length) ids.push(kept[from++] as string);
      ids.push(object.id);
    }
    for (; from < kept.length; from += 1) ids.push(kept[from] as string);
    this.ids = ids;
    return placed.map(({ object }) => object);
  }
}
