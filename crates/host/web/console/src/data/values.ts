import type { EchoValue } from '@dxos-rs/client';
import { formatMoment } from '../ui/format.js';

/** What a value is, by how the protocol writes it. */
export type ValueKind =
  | 'nothing'
  | 'flag'
  | 'number'
  | 'string'
  | 'text'
  | 'time'
  | 'reference'
  | 'counter'
  | 'set'
  | 'bytes'
  | 'list'
  | 'map';

const TAGS: Record<string, ValueKind> = {
  '@text': 'text',
  '@time': 'time',
  '@ref': 'reference',
  '@counter': 'counter',
  '@set': 'set',
  '@bytes': 'bytes',
  '@float': 'number',
};

/** What is inside a value that JSON has no word for: of `{"@time": 5}` the 5. */
function inside(value: EchoValue): [string, EchoValue] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const [first, ...more] = Object.entries(value);
  return first !== undefined && more.length === 0 && first[0] in TAGS ? first : undefined;
}

/** Says what a value is. */
export function kindOf(value: EchoValue | undefined): ValueKind {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'boolean') return 'flag';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'string') return 'string';
  if (Array.isArray(value)) return 'list';
  const tagged = inside(value);
  return (tagged && TAGS[tagged[0]]) ?? 'map';
}

/** The characters of a text. */
export function textOf(value: EchoValue | undefined): string {
  const content = value === undefined ? undefined : inside(value)?.[1];
  if (typeof content === 'string') return content;
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) {
    return typeof content.content === 'string' ? content.content : '';
  }
  return '';
}

/** The milliseconds of a time. */
export function timeOf(value: EchoValue | undefined): number | undefined {
  const content = value === undefined ? undefined : inside(value)?.[1];
  return typeof content === 'number' ? content : undefined;
}

/** What a reference names. */
export function referenceOf(value: EchoValue | undefined): string | undefined {
  const content = value === undefined ? undefined : inside(value)?.[1];
  return typeof content === 'string' ? content : undefined;
}

/** A value in one line, for people. */
export function showValue(value: EchoValue | undefined): string {
  switch (kindOf(value)) {
    case 'nothing':
      return '';
    case 'flag':
      return value === true ? 'yes' : 'no';
    case 'string':
      return value as string;
    case 'text':
      return textOf(value).slice(0, 200).replace(/\s+/g, ' ');
    case 'time':
      return formatMoment(timeOf(value) ?? Number.NaN);
    case 'reference':
      return `→ ${(referenceOf(value) ?? '').split(':').pop()?.slice(0, 8) ?? ''}`;
    case 'number':
    case 'counter':
      return String(typeof value === 'number' ? value : Object.values(value as object)[0]);
    case 'set':
      return (inside(value as EchoValue)?.[1] as EchoValue[]).map(showValue).join(', ');
    case 'bytes':
      return `${Math.floor(((inside(value as EchoValue)?.[1] as string).length * 3) / 4)} bytes`;
    case 'list':
      return (value as EchoValue[]).map(showValue).join(', ');
    case 'map':
      return JSON.stringify(value);
  }
}

/** What a value sorts by: numbers and times by size, before words by the alphabet, nothing last. */
export function sortKey(value: EchoValue | undefined): number | string | undefined {
  switch (kindOf(value)) {
    case 'nothing':
      return undefined;
    case 'flag':
      return value === true ? 1 : 0;
    case 'number':
    case 'counter':
      return Number(showValue(value));
    case 'time':
      return timeOf(value);
    default:
      return showValue(value).toLowerCase();
  }
}

/** Orders two keys of {@link sortKey}. */
export function compareKeys(one: number | string | undefined, other: number | string | undefined): number {
  if (one === other) return 0;
  if (one === undefined) return 1;
  if (other === undefined) return -1;
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  if (typeof one === 'number') return -1;
  if (typeof other === 'number') return 1;
  return one < other ? -1 : 1;
}

/** A time as a field of a form takes it. */
export function timeToInput(timeMs: number | undefined): string {
  if (timeMs === undefined || !Number.isFinite(timeMs) || Math.abs(timeMs) > 8.64e15) return '';
  const local = new Date(timeMs - new Date(timeMs).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** The time that a field of a form says. */
export function timeFromInput(text: string): EchoValue {
  const time = Date.parse(text);
  return Number.isFinite(time) ? { '@time': time } : null;
}

/** A part of a path: dots and backslashes within it are written after a backslash. */
export function pathPart(name: string): string {
  return name.replace(/[\\.]/g, (sign) => `\\${sign}`);
}
