import { type EchoObject, type EchoProperties, type EchoValue, META, parsePath } from '@dxos-rs/client';
import { kindOf, textOf } from './values.js';

/** A part of a text: what was searched for, or what is around it. */
export interface Piece {
  readonly text: string;
  readonly found: boolean;
}

/** Where words were found: the property, and what is around them. */
export interface Snippet {
  readonly path: string;
  readonly pieces: readonly Piece[];
}

/** Letters before the first word that was found, and of a snippet in all. */
const BEFORE = 48;
const LENGTH = 200;
/** Snippets of one object. */
const SNIPPETS_MAX = 3;

/** The places at which the words of a query are in an object, for people. */
export function snippetsOf(object: EchoObject): Snippet[] {
  const { info } = object[META];
  const snippets: Snippet[] = [];
  for (const { path, ranges } of info.highlights ?? []) {
    const text = charactersAt(info.properties, parsePath(path));
    if (text !== undefined && ranges.length > 0) snippets.push({ path, pieces: cut(text, ranges) });
    if (snippets.length === SNIPPETS_MAX) break;
  }
  return snippets;
}

/** The characters of a text, also of one inside a list or a set. */
function charactersAt(properties: EchoProperties, path: readonly string[]): string | undefined {
  let value: EchoValue | undefined = properties;
  for (const part of path) {
    const items: EchoValue | undefined = kindOf(value) === 'set' ? (value as { '@set': EchoValue[] })['@set'] : value;
    if (typeof items !== 'object' || items === null || !Object.hasOwn(items, part)) return undefined;
    value = (items as Record<string, EchoValue>)[part];
  }
  if (typeof value === 'string') return value;
  return kindOf(value) === 'text' ? textOf(value) : undefined;
}

/** The part of a text in which the first words are, in pieces. */
export function cut(text: string, ranges: ReadonlyArray<readonly [number, number]>): Piece[] {
  const first = ranges[0]?.[0] ?? 0;
  const start = first <= BEFORE ? 0 : boundary(text, first - BEFORE, first);
  const end = start + LENGTH >= text.length ? text.length : lastBoundary(text, start + LENGTH);
  const pieces: Piece[] = [];
  const add = (from: number, until: number, found: boolean): void => {
    if (from < until) pieces.push({ text: text.slice(from, until).replace(/\s+/g, ' '), found });
  };
  let at = start;
  if (start > 0) pieces.push({ text: '… ', found: false });
  for (const [from, until] of ranges) {
    if (until <= at) continue;
    if (from >= end) break;
    add(at, Math.max(at, from), false);
    add(Math.max(at, from), Math.min(end, until), true);
    at = Math.min(end, until);
  }
  add(at, end, false);
  if (end < text.length) pieces.push({ text: ' …', found: false });
  return pieces;
}

/** Where a word begins, at or behind a place; the place itself where there is none before `before`. */
function boundary(text: string, at: number, before: number): number {
  const space = text.slice(at, before).search(/\s\S/);
  return space < 0 ? whole(text, at) : at + space + 1;
}

function lastBoundary(text: string, at: number): number {
  const space = text.slice(at - 24, at).search(/\s\S*$/);
  return space < 0 ? whole(text, at) : at - 24 + space;
}

/** Not between the two halves of a character. */
function whole(text: string, at: number): number {
  return /[\uDC00-\uDFFF]/.test(text.charAt(at)) ? at + 1 : at;
}
