/** The methods of lists that write: each is as few operations as merge well with those of others. */
import { encode } from './values.js';
import type { Place } from './place.js';

type Method = (place: Place, items: unknown[], given: unknown[], list: unknown[]) => unknown;

function splice(place: Place, items: unknown[], at: number, count: number, put: unknown[]): unknown[] {
  // What is taken out is given as it was, bound to nothing that is there.
  const out = items.slice(at, at + count);
  const values = put.map((item) => encode(item));
  if (count > 0) place.change({ op: 'listDelete', at, len: count });
  if (values.length > 0) place.change({ op: 'listInsert', at, values });
  return out;
}

/** An index that may count from the end, within the list. */
function index(given: unknown, length: number, otherwise: number): number {
  if (given === undefined) return otherwise;
  const at = Math.trunc(Number(given)) || 0;
  return at < 0 ? Math.max(0, length + at) : Math.min(at, length);
}

/** Puts items into another order, as moves. */
function reorder(place: Place, items: unknown[], ordered: unknown[]): void {
  const now = [...items];
  ordered.forEach((item, to) => {
    const from = now.indexOf(item, to);
    if (from === to || from < 0) return;
    now.splice(to, 0, ...now.splice(from, 1));
    place.change({ op: 'listMove', from, to });
  });
}

export const LIST_METHODS: Record<string, Method> = {
  push(place, items, given) {
    const { length } = items;
    splice(place, items, length, 0, given);
    return length + given.length;
  },
  pop: (place, items) => splice(place, items, items.length - 1, Math.min(1, items.length), [])[0],
  shift: (place, items) => splice(place, items, 0, Math.min(1, items.length), [])[0],
  unshift(place, items, given) {
    const { length } = items;
    splice(place, items, 0, 0, given);
    return length + given.length;
  },
  splice(place, items, given) {
    const [start, count, ...put] = given;
    const at = index(start, items.length, 0);
    const left = items.length - at;
    const out = given.length === 0 ? 0 : given.length === 1 ? left : Math.max(0, Math.min(left, Math.trunc(Number(count)) || 0));
    return splice(place, items, at, out, put);
  },
  sort(place, items, given, list) {
    reorder(place, items, [...items].sort(given[0] as (one: unknown, two: unknown) => number));
    return list;
  },
  reverse(place, items, _given, list) {
    reorder(place, items, [...items].reverse());
    return list;
  },
  fill(place, items, given, list) {
    const [item, from, to] = given;
    const end = index(to, items.length, items.length);
    for (let at = index(from, items.length, 0); at < end; at += 1) place.change({ op: 'listSet', at, value: encode(item) });
    return list;
  },
  copyWithin() {
    throw new TypeError('`copyWithin` is not offered for lists of objects');
  },
};
