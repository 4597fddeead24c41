import { describe, expect, it } from 'vitest';
import { cut } from '../src/data/found.js';

const shown = (text: string, ranges: Array<[number, number]>): string => cut(text, ranges).map(({ text: part, found }) => (found ? `[${part}]` : part)).join('');

describe('a snippet', () => {
  it('is all of a short text, with what was found told apart', () => {
    expect(shown('A quick brown fox', [[2, 7], [8, 13]])).toBe('A [quick] [brown] fox');
    expect(shown('quick', [[0, 5]])).toBe('[quick]');
  });

  it('of a long text is what is around the first word, from word to word', () => {
    const text = `${'before '.repeat(40)}needle${' after'.repeat(80)}`;
    const at = text.indexOf('needle');
    const part = shown(text, [[at, at + 6]]);
    expect(part).toMatch(/^… (before )+\[needle\]( after)+ …$/);
    expect(part.length).toBeLessThan(230);
  });

  it('holds together what overlaps, and leaves out what is far away', () => {
    expect(shown('abcdef', [[0, 3], [2, 4]])).toBe('[abc][d]ef');
    const text = `needle ${'x '.repeat(400)}needle`;
    expect(shown(text, [[0, 6], [text.length - 6, text.length]]).match(/\[needle\]/g)).toHaveLength(1);
  });

  it('splits no character in two', () => {
    const text = `${'🙂'.repeat(100)} needle ${'🙂'.repeat(200)}`;
    const at = text.indexOf('needle');
    for (const { text: part } of cut(text, [[at, at + 6]])) expect(part).not.toMatch(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/);
  });
});
