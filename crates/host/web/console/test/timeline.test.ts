import { describe, expect, it } from 'vitest';
import { lifeOf, parseTimeline } from '../src/data/timeline.js';

const world = (moments: unknown, more: object = {}): string =>
  JSON.stringify({ format: 'dxos-sim-timeline/1', seed: '7', hash: 'h', virtualMs: 100, timeline: { peers: 2, moments, traffic: [] }, ...more });

describe('a timeline', () => {
  it('tells when a peer ran: not after its disk was restored, until it is started', () => {
    const timeline = parseTimeline(
      world([
        { atMs: 30, what: 'restored', peers: [0] },
        { atMs: 0, what: 'started', peers: [0] },
        { atMs: 10, what: 'imaged', peers: [0] },
        { atMs: 40, what: 'started', peers: [0] },
      ]),
    );
    expect(lifeOf(timeline, 0).running).toEqual([
      { fromMs: 0, toMs: 30 },
      { fromMs: 40, toMs: 100 },
    ]);
    expect(lifeOf(timeline, 1).running).toEqual([]);
  });

  it('is refused in words when it is another file, or names what is not there', () => {
    const refused = [
      ['no json', /not JSON/],
      ['null', /no object/],
      ['{"format":"other"}', /not of the format/],
      [world([{ atMs: 0, what: 'started', peers: [2] }]), /no peer 2/],
      [world([{ atMs: -1, what: 'started', peers: [] }]), /no count/],
      [world('all'), /no list/],
    ] as const;
    for (const [text, why] of refused) expect(() => parseTimeline(text), text).toThrow(why);
  });
});
