import type { EchoObject, EchoProperties, Json, ObjectInfo } from '@dxos-rs/client';
import { type FieldSpec, fieldsOf } from './schema.js';
import { infoOf, isInternal } from './objects.js';
import { compareKeys, showValue, sortKey } from './values.js';

/** An object, as a table shows it. */
export interface Row {
  readonly id: string;
  readonly type: string;
  readonly properties: EchoProperties;
  readonly updatedMs: number;
  readonly conflicts: readonly string[];
}

// Objects that did not change keep their identity, so that of 100,000 only the changed are read.
const rows = new WeakMap<EchoObject, Row>();
const texts = new WeakMap<Row, string>();

/** The row of an object. */
export function rowOf(object: EchoObject): Row {
  let row = rows.get(object);
  if (!row) {
    row = rowOfInfo(infoOf(object));
    rows.set(object, row);
  }
  return row;
}

/** The row of an object that is not followed, such as one of the past. */
export function rowOfInfo(info: ObjectInfo): Row {
  return {
    id: info.id,
    type: info.type,
    properties: info.properties,
    updatedMs: info.updated.timeMs,
    conflicts: info.conflicts ?? [],
  };
}

/** The rows of objects, without those that the space keeps for itself. */
export function rowsOf(objects: readonly EchoObject[]): Row[] {
  const found: Row[] = [];
  for (const object of objects) {
    const row = rowOf(object);
    if (!isInternal(row.type)) found.push(row);
  }
  return found;
}

/** How many rows there are of each type, the most frequent first. */
export function countTypes(all: readonly Row[]): ReadonlyArray<{ type: string; count: number }> {
  const counts = new Map<string, number>();
  for (const row of all) counts.set(row.type, (counts.get(row.type) ?? 0) + 1);
  return [...counts].map(([type, count]) => ({ type, count })).sort((one, other) => other.count - one.count || one.type.localeCompare(other.type));
}

function textOfRow(row: Row): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = `${row.id} ${Object.values(row.properties).map(showValue).join(' ')}`.toLowerCase();
    texts.set(row, text);
  }
  return text;
}

/** The rows that have all words of `text` in one of their properties. */
export function filterRows(all: readonly Row[], text: string): readonly Row[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return all;
  return all.filter((row) => {
    const own = textOfRow(row);
    return words.every((word) => own.includes(word));
  });
}

/** By which column rows are ordered; `updated` is the time of the latest change. */
export interface Sorting {
  readonly column: string;
  readonly descending: boolean;
}

/** The rows in order. What has no value comes last, whichever way they are ordered. */
export function sortRows(all: readonly Row[], sorting: Sorting | undefined): readonly Row[] {
  if (!sorting) return all;
  const keyed = all.map((row) => ({
    row,
    key: sorting.column === UPDATED ? row.updatedMs : sortKey(row.properties[sorting.column]),
  }));
  const sign = sorting.descending ? -1 : 1;
  keyed.sort((one, other) => {
    if (one.key === undefined || other.key === undefined) return compareKeys(one.key, other.key);
    return sign * compareKeys(one.key, other.key);
  });
  return keyed.map((one) => one.row);
}

/** The column that shows when an object was changed. */
export const UPDATED = '@updated';

const EXAMPLES = 60;
const COLUMNS_MAX = 14;

/** The columns of a table: what the schema names, and what some of the objects have. */
export function columnsOf(schema: Json | undefined, all: readonly Row[]): FieldSpec[] {
  const examples: EchoProperties[] = [];
  const step = Math.max(1, Math.floor(all.length / EXAMPLES));
  for (let at = 0; at < all.length && examples.length < EXAMPLES; at += step) {
    const row = all[at];
    if (row) examples.push(row.properties);
  }
  return fieldsOf(schema, examples).slice(0, COLUMNS_MAX);
}
