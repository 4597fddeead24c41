/** Objects in the hands of the application: one for each state of an entry. */
import type { EchoObject, ObjectMeta } from '../api/object.js';
import { META } from '../api/object.js';
import type { ObjectInfo, ObjectOp } from '../generated/protocol.js';
import type { Entry } from './layer.js';
import { ObjectRoot, Place } from './place.js';
import { bindMap } from './proxy.js';
import { AS_REFERENCE, Ref } from './values.js';

/** What stands for an entry, the same for as long as it shows the same; undefined when there is none or it is deleted. */
export function viewOf(entry: Entry, space: string, write: (op: ObjectOp) => void, wantsDeleted = false): EchoObject | undefined {
  const { shown } = entry;
  if (!shown || (!wantsDeleted && (shown.deleted || shown.hidden))) return undefined;
  entry.view ??= makeView(entry, space, write);
  return entry.view as EchoObject;
}

function makeView(entry: Entry, space: string, write: (op: ObjectOp) => void): object {
  const root = new ObjectRoot(entry.id, () => entry.shown?.properties, write);
  return bindMap(new Place(root, []), (key) => {
    if (key === 'objectId') return { value: entry.id };
    if (key === META) return { value: metaOf(entry, space) };
    if (key === AS_REFERENCE) return { value: new Ref(entry.id) };
    return undefined;
  });
}

function metaOf(entry: Entry, space: string): ObjectMeta | undefined {
  const info: ObjectInfo | undefined = entry.shown ?? entry.base;
  if (!info) return undefined;
  return {
    id: entry.id,
    space,
    type: info.type,
    deleted: info.deleted ?? false,
    hidden: info.hidden ?? false,
    pending: entry.pending.length > 0,
    created: info.created,
    updated: info.updated,
    tags: info.meta?.tags ?? [],
    keys: info.meta?.keys ?? [],
    parent: info.meta?.parent ?? undefined,
    source: info.meta?.source ?? undefined,
    target: info.meta?.target ?? undefined,
    conflicts: info.conflicts ?? [],
    info,
  };
}
