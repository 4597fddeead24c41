/** Values of the protocol, and what stands for them in JavaScript. */
import type { EchoProperties, EchoValue, MarkInfo } from '../generated/protocol.js';
import { define } from '../core/store.js';

/** A reference to another object, in the same space unless one is named. */
export class Ref {
  constructor(
    readonly objectId: string,
    readonly spaceKey?: string,
  ) {}

  /** As the protocol has it: an object id, or a space key, a colon and an object id. */
  toString(): string {
    return this.spaceKey === undefined ? this.objectId : `${this.spaceKey}:${this.objectId}`;
  }

  static parse(text: string): Ref {
    const colon = text.indexOf(':');
    return colon < 0 ? new Ref(text) : new Ref(text.slice(colon + 1), text.slice(0, colon));
  }
}

/** A text that merges by character; edit it with `db.text(object, path)`. */
export class Text {
  constructor(
    readonly content: string = '',
    /** Positions count Unicode scalar values. */
    readonly marks: ReadonlyArray<[from: number, to: number, name: string, value: EchoValue]> = [],
  ) {}

  get length(): number {
    return this.content.length;
  }

  toString(): string {
    return this.content;
  }

  toJSON(): string {
    return this.content;
  }
}

/** A number that everybody counts on at the same time: what is added on two devices adds up. */
export class Counter {
  constructor(protected number = 0) {}

  get value(): number {
    return this.number;
  }

  /** Adds; on a counter of an object, as a write. */
  increment(by = 1): void {
    this.number += by;
  }

  valueOf(): number {
    return this.value;
  }

  toString(): string {
    return String(this.value);
  }

  toJSON(): number {
    return this.value;
  }
}

/** What tells an object of a space from a plain one: the reference to it, when it is a value. */
export const AS_REFERENCE: unique symbol = Symbol('reference');
/** What tells the value at a place of an object: the protocol's form of it. */
export const AS_VALUE: unique symbol = Symbol('value');

/** How deeply values nest at most; the host refuses less. */
const DEPTH_MAX = 200;

/**
 * The protocol's form of a value.
 *
 * @throws {TypeError} for functions, symbols, bigints, and rings.
 */
export function encode(value: unknown, depth = 0): EchoValue {
  if (depth > DEPTH_MAX) throw new TypeError('a value nests too deeply, or contains itself');
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : { '@float': String(value) };
    case 'undefined':
      return null;
    case 'object':
      return value === null ? null : encodeObject(value, depth + 1);
    default:
      throw new TypeError(`a ${typeof value} is no value of an object`);
  }
}

function encodeObject(value: object, depth: number): EchoValue {
  const inside = value as { [AS_REFERENCE]?: Ref; [AS_VALUE]?: EchoValue };
  if (inside[AS_REFERENCE]) return { '@ref': inside[AS_REFERENCE].toString() };
  if (inside[AS_VALUE] !== undefined) return inside[AS_VALUE];
  if (value instanceof Date) {
    const time = value.getTime();
    if (Number.isNaN(time)) throw new TypeError('an invalid date is no value of an object');
    return { '@time': time };
  }
  if (value instanceof Uint8Array) return { '@bytes': toBase64(value) };
  if (value instanceof Ref) return { '@ref': value.toString() };
  if (value instanceof Counter) return { '@counter': value.value };
  if (value instanceof Text) {
    if (value.marks.length === 0) return { '@text': value.content };
    return { '@text': { content: value.content, marks: value.marks.map((mark) => [...mark]) } };
  }
  if (value instanceof Set) return { '@set': [...value].map((member) => encode(member, depth)) };
  if (Array.isArray(value)) return value.map((item) => encode(item, depth));
  return encodeProperties(value, depth);
}

/** Properties in the form of the protocol; those that are undefined are left out. */
export function encodeProperties(properties: object, depth = 0): EchoProperties {
  const fields: EchoProperties = {};
  for (const [key, value] of Object.entries(properties)) {
    if (value !== undefined) define(fields, outerKey(key), encode(value, depth));
  }
  return fields;
}

/** A key of an application as the protocol has it, and back. */
export const outerKey = (key: string): string => (key.startsWith('@') ? `@${key}` : key);
export const innerKey = (key: string): string => (key.startsWith('@@') ? key.slice(1) : key);

/** Which kind of value it is. */
export type Kind = 'plain' | 'list' | 'map' | 'time' | 'bytes' | 'ref' | 'text' | 'set' | 'counter' | 'float';

const TAGS: Record<string, Kind> = {
  '@time': 'time',
  '@bytes': 'bytes',
  '@ref': 'ref',
  '@text': 'text',
  '@set': 'set',
  '@counter': 'counter',
  '@float': 'float',
};

export function kindOf(value: EchoValue | undefined): Kind {
  if (typeof value !== 'object' || value === null) return 'plain';
  if (Array.isArray(value)) return 'list';
  for (const key in value) return (key.startsWith('@') && TAGS[key]) || 'map';
  return 'map';
}

/** What is inside of a value that JSON has no word for. */
export function inside(value: EchoValue | undefined): EchoValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return Object.values(value)[0] ?? null;
}

/** The characters of a text or string. */
export function charactersOf(value: EchoValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (kindOf(value) !== 'text') return undefined;
  const text = inside(value);
  if (typeof text === 'string') return text;
  const content = (text as { content?: unknown } | null)?.content;
  return typeof content === 'string' ? content : undefined;
}

/** A value that stands for itself: no list and no map. */
export function decodeLeaf(value: EchoValue, kind: Kind): unknown {
  const content = inside(value);
  switch (kind) {
    case 'time':
      return new Date(content as number);
    case 'bytes':
      return fromBase64(content as string);
    case 'ref':
      return Ref.parse(content as string);
    case 'text':
      return new Text(charactersOf(value), (content as { marks?: Text['marks'] } | null)?.marks ?? []);
    case 'counter':
      return new Counter(content as number);
    case 'float':
      return Number(content);
    default:
      return value;
  }
}

/** A value as plain JavaScript that is bound to nothing. */
export function decode(value: EchoValue | undefined): unknown {
  const kind = kindOf(value);
  if (value === undefined || kind === 'plain') return value;
  if (kind === 'list') return (value as EchoValue[]).map(decode);
  if (kind === 'set') return new Set((inside(value) as EchoValue[]).map(decode));
  if (kind !== 'map') return decodeLeaf(value, kind);
  const fields: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value as EchoProperties)) define(fields, innerKey(key), decode(field));
  return fields;
}

/** Marks of a text that count UTF-16 units, from those of a value. */
export function marksInUnits(text: Text): MarkInfo[] {
  const units: number[] = [0];
  for (const character of text.content) units.push((units.at(-1) ?? 0) + character.length);
  const unit = (scalar: number): number => units[scalar] ?? text.content.length;
  return text.marks.map(([from, to, name, value]) => ({ from: unit(from), to: unit(to), name, value }));
}

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
