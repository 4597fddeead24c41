/**
 * Changes of a text as values: a list of what to keep (a positive number of UTF-16 units), to
 * delete (a negative one) and to insert (a string), from the beginning; what is after is kept.
 */
import type { TextSplice } from '../generated/protocol.js';

export type Delta = ReadonlyArray<number | string>;

export const NOTHING: Delta = [];

export const isNothing = (delta: Delta): boolean => delta.length === 0;

/** Puts parts together, with equal ones beside each other as one and none without effect. */
class Builder {
  readonly parts: Array<number | string> = [];

  add(part: number | string): void {
    if (part === 0 || part === '') return;
    const last = this.parts.at(-1);
    const at = this.parts.length - 1;
    if (typeof part === 'string') {
      if (typeof last === 'string') this.parts[at] = last + part;
      else if (typeof last === 'number' && last < 0) {
        // What is inserted stands before what is deleted: one form for one change.
        const before = this.parts[at - 1];
        if (typeof before === 'string') this.parts[at - 1] = before + part;
        else this.parts.splice(at, 0, part);
      } else this.parts.push(part);
    } else if (typeof last === 'number' && last > 0 === part > 0) this.parts[at] = last + part;
    else this.parts.push(part);
  }

  build(): Delta {
    const last = this.parts.at(-1);
    if (typeof last === 'number' && last > 0) this.parts.pop();
    return this.parts;
  }
}

/** Reads a delta in pieces. */
class Reader {
  #at = 0;
  #left: number | string | undefined;

  constructor(private readonly delta: Delta) {
    this.#left = delta[0];
  }

  /** The part that is next, undefined at the end: there all is kept. */
  get next(): number | string | undefined {
    return this.#left;
  }

  skip(): void {
    this.#at += 1;
    this.#left = this.delta[this.#at];
  }

  /** Takes `length` of a part that is a number. */
  take(length: number): void {
    const left = this.#left as number;
    const rest = left > 0 ? left - length : left + length;
    if (rest === 0) this.skip();
    else this.#left = rest;
  }

  /** Takes `length` of a part that is a string. */
  takeText(length: number): void {
    const left = this.#left as string;
    if (length >= left.length) this.skip();
    else this.#left = left.slice(length);
  }
}

/** How long a text has to be for a delta. */
export function reach(delta: Delta): number {
  let length = 0;
  for (const part of delta) if (typeof part === 'number') length += Math.abs(part);
  return length;
}

export function apply(delta: Delta, text: string): string {
  let result = '';
  let at = 0;
  for (const part of delta) {
    if (typeof part === 'string') result += part;
    else if (part > 0) {
      result += text.slice(at, at + part);
      at += part;
    } else at -= part;
  }
  return result + text.slice(at);
}

/** The first, then the second. */
export function compose(first: Delta, second: Delta): Delta {
  const result = new Builder();
  const [one, two] = [new Reader(first), new Reader(second)];
  for (;;) {
    const [a, b] = [one.next, two.next];
    if (typeof b === 'string') {
      result.add(b);
      two.skip();
    } else if (typeof a === 'number' && a < 0) {
      result.add(a);
      one.skip();
    } else if (a === undefined && b === undefined) {
      return result.build();
    } else if (a === undefined) {
      result.add(b as number);
      two.skip();
    } else {
      const ahead = typeof a === 'string' ? a.length : a;
      const length = Math.min(ahead, Math.abs(b ?? Infinity));
      if (b === undefined || b > 0) result.add(typeof a === 'string' ? a.slice(0, length) : length);
      else if (typeof a === 'number') result.add(-length);
      if (typeof a === 'string') one.takeText(length);
      else one.take(length);
      if (b !== undefined) two.take(length);
    }
  }
}

/** `delta` as it is after `other`, of the same text. `before`: what both insert at one place, this one has first. */
export function map(delta: Delta, other: Delta, before: boolean): Delta {
  const result = new Builder();
  const [one, two] = [new Reader(delta), new Reader(other)];
  for (;;) {
    const [a, b] = [one.next, two.next];
    if (typeof a === 'string' && (before || typeof b !== 'string')) {
      result.add(a);
      one.skip();
    } else if (typeof b === 'string') {
      result.add(b.length);
      two.skip();
    } else if (a === undefined) {
      return result.build();
    } else {
      const length = Math.min(Math.abs(a as number), Math.abs(b ?? Infinity));
      if (b === undefined || b > 0) result.add((a as number) > 0 ? length : -length);
      one.take(length);
      if (b !== undefined) two.take(length);
    }
  }
}

/** Where a position is afterwards; `before`: it stays before what is inserted there. */
export function mapPosition(position: number, delta: Delta, before = false): number {
  let at = 0;
  let moved = position;
  for (const part of delta) {
    if (at > position) break;
    if (typeof part === 'string') {
      if (at < position || !before) moved += part.length;
    } else if (part > 0) at += part;
    else {
      moved -= Math.min(-part, position - at);
      at -= part;
    }
  }
  return moved;
}

/** Splices, each as of the text after those before it, of a text of `length`. */
export function fromSplices(splices: readonly TextSplice[], length = Infinity): Delta {
  let delta: Delta = NOTHING;
  for (const { at, delete: count, insert } of splices) {
    if (!(Number.isInteger(at) && Number.isInteger(count) && at >= 0 && count >= 0 && at + count <= length)) {
      throw new RangeError(`a text of ${length} UTF-16 units has no place ${at} with ${count} after it`);
    }
    const one = new Builder();
    one.add(at);
    one.add(insert);
    one.add(-count);
    delta = compose(delta, one.build());
    length += insert.length - count;
  }
  return delta;
}

export function toSplices(delta: Delta): TextSplice[] {
  const splices: TextSplice[] = [];
  let at = 0;
  let open: TextSplice | undefined;
  for (const part of delta) {
    if (typeof part === 'number' && part > 0) {
      at += part;
      open = undefined;
      continue;
    }
    if (!open) {
      open = { at, delete: 0, insert: '' };
      splices.push(open);
    }
    if (typeof part === 'string') {
      open.insert += part;
      at += part.length;
    } else open.delete -= part;
  }
  return splices;
}

/** What turns one text into another: what is between the beginning and the end that both have. */
export function difference(from: string, to: string): Delta {
  if (from === to) return NOTHING;
  const shorter = Math.min(from.length, to.length);
  let start = 0;
  while (start < shorter && from.charCodeAt(start) === to.charCodeAt(start)) start += 1;
  if (isHigh(from, start - 1)) start -= 1;
  let end = 0;
  while (end < shorter - start && from.charCodeAt(from.length - 1 - end) === to.charCodeAt(to.length - 1 - end)) end += 1;
  // Neither side is cut in the middle of a character.
  if (end > 0 && isLow(from, from.length - end)) end -= 1;
  const delta = new Builder();
  delta.add(start);
  delta.add(to.slice(start, to.length - end));
  delta.add(-(from.length - end - start));
  return delta.build();
}

/** How much a delta changes. */
export function sizeOf(delta: Delta): number {
  let size = 0;
  for (const part of delta) size += typeof part === 'string' ? part.length : Math.max(0, -part);
  return size;
}

const isHigh = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800;
const isLow = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xdc00;
