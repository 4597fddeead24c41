/**
 * What operations do to the properties of an object: the host decides, this shows it until then.
 * Values are never changed in place: what did not change keeps its identity.
 */
import type { EchoProperties, EchoValue, MetaInfo, ObjectInfo, ObjectOp, TextSplice } from '../generated/protocol.js';
import { define } from '../core/store.js';
import { parsePath, type Parts } from './path.js';
import { charactersOf, inside, kindOf } from './values.js';

/** An operation on what is at one place. */
export type Change =
  | { op: 'set'; value: EchoValue }
  | { op: 'unset' }
  | { op: 'merge'; base?: EchoValue; value: EchoValue }
  | { op: 'increment'; by: number }
  | { op: 'setAdd' | 'setRemove'; values: EchoValue[] }
  | { op: 'listInsert'; at?: number | null; values: EchoValue[] }
  | { op: 'listDelete'; at: number; len?: number }
  | { op: 'listMove'; from: number; to: number }
  | { op: 'listSet'; at: number; value: EchoValue }
  | { op: 'textSplice'; changes: TextSplice[] };

/** `value` with a change of what is at `path` in it; undefined: nothing is left. */
export function changeAt(value: EchoValue | undefined, path: Parts, change: Change): EchoValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return changed(value, change);
  const fields = kindOf(value) === 'map' ? (value as EchoProperties) : {};
  const before = Object.hasOwn(fields, key) ? fields[key] : undefined;
  const after = changeAt(before, rest, change);
  if (Object.is(before, after)) return value;
  const next: EchoProperties = {};
  for (const [name, field] of Object.entries(fields)) if (name !== key || after !== undefined) define(next, name, name === key ? after : field);
  if (before === undefined && after !== undefined) define(next, key, after);
  return next;
}

/** What is at a path. */
export function valueAt(value: EchoValue | undefined, path: Parts): EchoValue | undefined {
  for (const key of path) {
    if (kindOf(value) !== 'map' || !Object.hasOwn(value as object, key)) return undefined;
    value = (value as EchoProperties)[key];
  }
  return value;
}

function changed(value: EchoValue | undefined, change: Change): EchoValue | undefined {
  switch (change.op) {
    case 'set':
      return isEqual(value, change.value) ? value : change.value;
    case 'unset':
      return undefined;
    case 'merge':
      return merged(value, change.base === undefined ? value : change.base, change.value);
    case 'increment':
      return incremented(value, change.by);
    case 'setAdd':
    case 'setRemove':
      return withMembers(value, change);
    case 'textSplice':
      return spliced(value, change.changes);
    default:
      return kindOf(value) === 'list' ? changedList(value as EchoValue[], change) : value;
  }
}

function incremented(value: EchoValue | undefined, by: number): EchoValue | undefined {
  if (typeof value === 'number') return value + by;
  const number = kindOf(value) === 'counter' ? inside(value) : 0;
  return { '@counter': (typeof number === 'number' ? number : 0) + by };
}

function withMembers(value: EchoValue | undefined, change: { op: 'setAdd' | 'setRemove'; values: EchoValue[] }): EchoValue | undefined {
  const members = kindOf(value) === 'set' ? (inside(value) as EchoValue[]) : [];
  const rest = members.filter((member) => !change.values.some((other) => isEqual(member, other)));
  if (change.op === 'setRemove') return rest.length === members.length ? value : { '@set': rest };
  const added = change.values.filter((one) => !members.some((member) => isEqual(member, one)));
  return added.length === 0 && value !== undefined ? value : { '@set': [...members, ...added] };
}

function changedList(list: EchoValue[], change: Extract<Change, { op: `list${string}` }>): EchoValue[] {
  const items = [...list];
  switch (change.op) {
    case 'listInsert':
      items.splice(change.at ?? items.length, 0, ...change.values);
      break;
    case 'listDelete':
      items.splice(change.at, change.len ?? 1);
      break;
    case 'listMove':
      items.splice(change.to, 0, ...items.splice(change.from, 1));
      break;
    case 'listSet':
      if (change.at < items.length) items[change.at] = change.value;
      break;
  }
  return items;
}

function spliced(value: EchoValue | undefined, changes: TextSplice[]): EchoValue | undefined {
  let characters = charactersOf(value);
  if (characters === undefined) return value;
  for (const { at, delete: length, insert } of changes) {
    characters = characters.slice(0, at) + insert + characters.slice(at + length);
  }
  // Where the marks are then, the host knows.
  return { '@text': characters };
}

function merged(shown: EchoValue | undefined, base: EchoValue | undefined, value: EchoValue): EchoValue {
  if (kindOf(base) !== 'map' || kindOf(value) !== 'map') return isEqual(base, value) ? (shown ?? value) : value;
  const [before, after] = [base as EchoProperties, value as EchoProperties];
  let result: EchoValue | undefined = kindOf(shown) === 'map' ? shown : {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [one, two] = [valueAt(before, [key]), valueAt(after, [key])];
    if (isEqual(one, two)) continue;
    const change: Change = two === undefined ? { op: 'unset' } : { op: 'merge', value: two, ...(one === undefined ? { base: null } : { base: one }) };
    result = changeAt(result, [key], change);
  }
  return result ?? {};
}

/** Whether two values are the same JSON; the order of keys and of members of sets does not count. */
export function isEqual(one: EchoValue | undefined, two: EchoValue | undefined): boolean {
  if (Object.is(one, two) || one === two) return true;
  if (typeof one !== 'object' || typeof two !== 'object' || one === null || two === null) return false;
  if (Array.isArray(one) || Array.isArray(two)) {
    return Array.isArray(one) && Array.isArray(two) && one.length === two.length && one.every((item, at) => isEqual(item, two[at]));
  }
  if (kindOf(one) === 'set' && kindOf(two) === 'set') {
    const [some, others] = [inside(one) as EchoValue[], inside(two) as EchoValue[]];
    return some.length === others.length && some.every((member) => others.some((other) => isEqual(member, other)));
  }
  const keys = Object.keys(one);
  return keys.length === Object.keys(two).length && keys.every((key) => Object.hasOwn(two, key) && isEqual(one[key], two[key]));
}

/** The object that an operation is on. */
export function objectOf(op: ObjectOp): string | undefined {
  return op.op === 'relate' ? undefined : (op.object ?? undefined);
}

/** An object after an operation on it; undefined when there is none. */
export function applyOp(object: ObjectInfo | undefined, op: ObjectOp): ObjectInfo | undefined {
  if (op.op === 'create') {
    if (object) return object;
    const moment = { lamport: 0, timeMs: Date.now() };
    return { id: op.object ?? '', type: op.type, properties: op.properties ?? {}, created: moment, updated: moment };
  }
  if (!object) return undefined;
  switch (op.op) {
    case 'delete':
      return object.deleted ? object : { ...object, deleted: true };
    case 'restore':
      return object.deleted ? { ...object, deleted: false } : object;
    case 'tag':
    case 'untag':
    case 'setParent':
    case 'addKey':
    case 'removeKey':
      return { ...object, meta: changedMeta(object.meta ?? {}, op) };
    case 'relate':
      return object;
    default: {
      const path = op.path === undefined || op.path === null ? [] : parsePath(op.path);
      const properties = changeAt(object.properties, path, op as Change);
      if (properties === object.properties) return object;
      return { ...object, properties: (properties ?? {}) as EchoProperties };
    }
  }
}

function changedMeta(meta: MetaInfo, op: Extract<ObjectOp, { op: 'tag' | 'untag' | 'setParent' | 'addKey' | 'removeKey' }>): MetaInfo {
  const tags = meta.tags ?? [];
  const keys = meta.keys ?? [];
  switch (op.op) {
    case 'tag':
      return { ...meta, tags: [...new Set([...tags, ...op.tags])] };
    case 'untag':
      return { ...meta, tags: tags.filter((tag) => !op.tags.includes(tag)) };
    case 'setParent':
      return { ...meta, parent: op.parent ?? null };
    default: {
      const rest = keys.filter((key) => key.source !== op.key.source || key.id !== op.key.id);
      return { ...meta, keys: op.op === 'addKey' ? [...rest, op.key] : rest };
    }
  }
}
