/**
 * Which objects a query finds, and in what order, as the host decides it: to show writes that it
 * has not confirmed. `undefined` is what only the host can tell.
 */
import type { EchoComparison, EchoFilter, EchoProperties, EchoValue, ObjectInfo, QuerySpec } from '../generated/protocol.js';
import { valueAt } from './change.js';
import { compareIds } from './id.js';
import { parsePath } from './path.js';
import { charactersOf, inside, kindOf, type Kind } from './values.js';

type Answer = boolean | undefined;

/** Whether a query finds an object, if its limit leaves room. */
export function finds(query: QuerySpec, object: ObjectInfo): Answer {
  const isGone = Boolean(object.deleted) || Boolean(object.hidden);
  const wanted = query.deleted ?? 'exclude';
  if ((wanted === 'exclude' && isGone) || (wanted === 'only' && !isGone)) return false;
  return query.filter === undefined ? true : matches(query.filter, object);
}

function matches(filter: EchoFilter, object: ObjectInfo): Answer {
  if (filter === 'has_parent') return Boolean(object.meta?.parent);
  if ('and' in filter) return every(filter.and.map((one) => matches(one, object)));
  if ('or' in filter) return negate(every(filter.or.map((one) => negate(matches(one, object)))));
  if ('not' in filter) return negate(matches(filter.not, object));
  if ('compare' in filter) return compares(filter.compare.comparison, at(object, filter.compare.path), filter.compare.value);
  if ('in' in filter) return filter.in.values.some((value) => isSame(at(object, filter.in.path) ?? null, value));
  if ('contains' in filter) return contains(at(object, filter.contains.path), filter.contains.value);
  if ('prefix' in filter) return charactersOf(at(object, filter.prefix.path))?.startsWith(filter.prefix.prefix) ?? false;
  if ('exists' in filter) return at(object, filter.exists) !== undefined;
  if ('ids' in filter) return filter.ids.includes(object.id);
  if ('type_exact' in filter) return object.type === filter.type_exact;
  if ('type_any_version' in filter) return object.type.split('@')[0] === filter.type_any_version;
  if ('tag' in filter) return object.meta?.tags?.includes(filter.tag) ?? false;
  if ('foreign_keys' in filter) {
    return filter.foreign_keys.some((key) => object.meta?.keys?.some((own) => own.source === key.source && own.id === key.id));
  }
  if ('child_of' in filter) return object.meta?.parent === filter.child_of;
  if ('references' in filter) {
    const { path, target } = filter.references;
    return refersTo(typeof path === 'string' ? at(object, path) : object.properties, target);
  }
  if ('relation_from' in filter) return object.meta?.source === filter.relation_from;
  if ('relation_to' in filter) return object.meta?.target === filter.relation_to;
  // What others hold is not known here.
  return undefined;
}

function every(answers: Answer[]): Answer {
  if (answers.includes(false)) return false;
  return answers.includes(undefined) ? undefined : true;
}

function negate(answer: Answer): Answer {
  return answer === undefined ? undefined : !answer;
}

function at(object: ObjectInfo, path: string): EchoValue | undefined {
  const parts = parsePath(path);
  return parts.length === 2 && parts[0] === '@meta' ? about(object, parts[1]) : valueAt(object.properties, parts);
}

/** What is known of an object besides its properties. */
function about({ type, created, updated, meta, score }: ObjectInfo, name: string | undefined): EchoValue | undefined {
  const reference = (target: string | null | undefined): EchoValue | undefined => (target == null ? undefined : { '@ref': target });
  switch (name) {
    case 'type':
      return type;
    case 'created':
      return { '@time': created.timeMs };
    case 'updated':
      return { '@time': updated.timeMs };
    case 'relevance':
      return score ?? undefined;
    case 'tags':
      return meta?.tags?.length ? { '@set': meta.tags } : undefined;
    case 'parent':
      return reference(meta?.parent);
    case 'source':
      return reference(meta?.source);
    case 'target':
      return reference(meta?.target);
    default:
      return undefined;
  }
}

function refersTo(value: EchoValue | undefined, target: string): boolean {
  const kind = kindOf(value);
  if (kind === 'ref') return inside(value) === target;
  if (kind === 'list') return (value as EchoValue[]).some((item) => refersTo(item, target));
  if (kind === 'set') return (inside(value) as EchoValue[]).some((item) => refersTo(item, target));
  return kind === 'map' && Object.values(value as EchoProperties).some((item) => refersTo(item, target));
}

function contains(found: EchoValue | undefined, value: EchoValue): boolean {
  const kind = kindOf(found);
  const members = kind === 'list' ? (found as EchoValue[]) : kind === 'set' ? (inside(found) as EchoValue[]) : undefined;
  if (members) return members.some((member) => isSame(member, value));
  const [text, part] = [charactersOf(found), charactersOf(value)];
  return text !== undefined && part !== undefined && text.includes(part);
}

function compares(comparison: EchoComparison, property: EchoValue | undefined, value: EchoValue): boolean {
  if (comparison === 'eq') return isSame(property ?? null, value);
  if (comparison === 'ne') return !isSame(property ?? null, value);
  if (property === undefined || property === null || familyOf(property) !== familyOf(value)) return false;
  const order = compareValues(property, value);
  return comparison === 'lt' ? order < 0 : comparison === 'le' ? order <= 0 : comparison === 'gt' ? order > 0 : order >= 0;
}

const isSame = (one: EchoValue, two: EchoValue): boolean => compareValues(one, two) === 0;

const FAMILIES: Partial<Record<Kind, number>> = { counter: 2, float: 2, time: 3, text: 4, bytes: 5, ref: 6, list: 7, set: 8, map: 9 };

function familyOf(value: EchoValue): number {
  if (value === null) return 0;
  if (typeof value === 'boolean') return 1;
  if (typeof value === 'number') return 2;
  if (typeof value === 'string') return 4;
  return FAMILIES[kindOf(value)] ?? 9;
}

function numberOf(value: EchoValue): number {
  return typeof value === 'number' ? value : Number(inside(value));
}

/** The order of any two values. */
export function compareValues(one: EchoValue, two: EchoValue): number {
  const family = familyOf(one);
  if (family !== familyOf(two)) return family - familyOf(two);
  switch (family) {
    case 0:
      return 0;
    case 1:
      return Number(one) - Number(two);
    case 2:
      return compareNumbers(numberOf(one), numberOf(two));
    case 3:
      return Number(inside(one)) - Number(inside(two));
    case 4:
      return compareText(charactersOf(one) ?? '', charactersOf(two) ?? '');
    case 7:
      return compareLists(one as EchoValue[], two as EchoValue[]);
    case 8:
      return compareLists(sorted(one), sorted(two));
    case 9:
      return compareMaps(one as EchoProperties, two as EchoProperties);
    default:
      return compareText(String(inside(one)), String(inside(two)));
  }
}

/** NaN comes last and is equal to itself. */
function compareNumbers(one: number, two: number): number {
  if (one < two) return -1;
  if (one > two) return 1;
  return Number(Number.isNaN(one)) - Number(Number.isNaN(two));
}

/** By Unicode scalar values, which is not the order of UTF-16 units. */
export function compareText(one: string, two: string): number {
  const length = Math.min(one.length, two.length);
  for (let place = 0; place < length; place += 1) {
    const [a, b] = [one.charCodeAt(place), two.charCodeAt(place)];
    if (a === b) continue;
    // Units of surrogate pairs stand for what is beyond all others.
    const isPair = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
    return isPair(a) === isPair(b) ? a - b : isPair(a) ? 1 : -1;
  }
  return one.length - two.length;
}

function sorted(set: EchoValue): EchoValue[] {
  return [...(inside(set) as EchoValue[])].sort(compareValues);
}

function compareLists(one: EchoValue[], two: EchoValue[]): number {
  for (let place = 0; place < Math.min(one.length, two.length); place += 1) {
    const order = compareValues(one[place] as EchoValue, two[place] as EchoValue);
    if (order !== 0) return order;
  }
  return one.length - two.length;
}

function compareMaps(one: EchoProperties, two: EchoProperties): number {
  const entries = (map: EchoProperties): EchoValue[] =>
    Object.keys(map).sort(compareText).map((key) => [key, map[key] as EchoValue]);
  return compareLists(entries(one), entries(two));
}

/** Which of two objects a query gives first. */
export function compareObjects(query: QuerySpec, one: ObjectInfo, two: ObjectInfo): number {
  for (const key of query.order ?? []) {
    const order = compareValues(at(one, key.path) ?? null, at(two, key.path) ?? null);
    if (order !== 0) return key.descending ? -order : order;
  }
  return compareIds(one.id, two.id);
}

/** Whether a query has them at the same place. */
export function isOrderedAlike(query: QuerySpec, one: ObjectInfo, two: ObjectInfo): boolean {
  return (query.order ?? []).every((key) => compareValues(at(one, key.path) ?? null, at(two, key.path) ?? null) === 0);
}
