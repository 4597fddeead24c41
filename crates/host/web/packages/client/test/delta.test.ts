import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apply, compose, difference, fromSplices, map, mapPosition, toSplices, type Delta } from '../src/text/delta.js';
import { splice } from './support/text-host.js';

const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '🙂', 'é'), maxLength: 12 });

/** Whether no character is cut in the middle. */
const isWhole = (part: string): boolean => !/[\ud800-\udfff]/u.test(part);

/** A text and changes of it. */
function changesOf(length: number): fc.Arbitrary<Delta> {
  const part = fc.record({ at: fc.nat(), delete: fc.nat({ max: 4 }), insert: fc.string({ maxLength: 3 }) });
  return fc.array(part, { maxLength: 4 }).map((parts) => {
    let left = length;
    const splices = parts.map(({ at, delete: count, insert }) => {
      const place = at % (left + 1);
      const out = Math.min(count, left - place);
      left += insert.length - out;
      return { at: place, delete: out, insert };
    });
    return fromSplices(splices, length);
  });
}

const withTwo = text.chain((content) => fc.tuple(fc.constant(content), changesOf(content.length), changesOf(content.length)));

describe('changes of a text', () => {
  it('are the same as splices, one after another', () => {
    fc.assert(
      fc.property(withTwo, ([content, delta]) => {
        expect(toSplices(delta).reduce(splice, content)).toBe(apply(delta, content));
        expect(fromSplices(toSplices(delta))).toEqual(delta);
      }),
    );
  });

  it('compose', () => {
    fc.assert(
      fc.property(
        text.chain((content) =>
          changesOf(content.length).chain((first) => fc.tuple(fc.constant(content), fc.constant(first), changesOf(apply(first, content).length))),
        ),
        ([content, first, second]) => {
          expect(apply(compose(first, second), content)).toBe(apply(second, apply(first, content)));
        },
      ),
    );
  });

  it('come to the same in either order', () => {
    fc.assert(
      fc.property(withTwo, ([content, one, two]) => {
        const here = apply(map(two, one, true), apply(one, content));
        const there = apply(map(one, two, false), apply(two, content));
        expect(here).toBe(there);
      }),
    );
  });

  it('turn any text into any other, and cut no character', () => {
    fc.assert(
      fc.property(text, text, (from, to) => {
        const delta = difference(from, to);
        expect(apply(delta, from)).toBe(to);
        for (const { at, delete: count, insert } of toSplices(delta)) {
          expect(isWhole(insert)).toBe(true);
          expect(isWhole(from.slice(0, at)) && isWhole(from.slice(at, at + count))).toBe(true);
        }
      }),
    );
  });

  it('move positions with what is around them', () => {
    const delta = fromSplices([{ at: 2, delete: 2, insert: 'xyz' }], 6);
    expect([0, 1, 2, 3, 4, 6].map((at) => mapPosition(at, delta))).toEqual([0, 1, 5, 5, 5, 7]);
    expect(mapPosition(2, delta, true)).toBe(2);
  });

  it('refuse places that are not there', () => {
    expect(() => fromSplices([{ at: 4, delete: 0, insert: 'x' }], 3)).toThrow(RangeError);
    expect(() => fromSplices([{ at: 1, delete: 3, insert: '' }], 3)).toThrow(RangeError);
    expect(() => fromSplices([{ at: -1, delete: 0, insert: '' }], 3)).toThrow(RangeError);
  });
});
