/** Archives in parts: as many as are asked for, over connections that are cut, and from anything that has bytes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Link } from '../src/core/link.js';
import type { Echo } from '../src/echo/echo.js';
import { fromBase64, toBase64 } from '../src/echo/values.js';
import type { ArchiveSource, Space } from '../src/index.js';
import { Serializer } from '../src/serializer.js';
import { ModelHost, turn } from './support/model-host.js';

const PART = 1000;

describe('archives', () => {
  const content = Uint8Array.from({ length: 3500 }, (_, place) => (place * 7) % 256);
  const space = { key: 's', db: { flush: async () => {} }, waitUntilReady: async () => space } as unknown as Space;
  const echo = { adopt: () => space } as unknown as Echo;
  let host: ModelHost;
  let link: Link;
  let serializer: Serializer;
  let calls: string[];
  let handedIn: Map<number, Uint8Array>;
  let pump: ReturnType<typeof setInterval>;

  beforeEach(() => {
    host = new ModelHost();
    link = new Link({ url: 'ws://model', timeoutMs: 60_000, createSocket: host.connect, token: () => {}, random: () => 1 });
    link.open(['t']);
    serializer = new Serializer(link, echo);
    calls = [];
    handedIn = new Map();
    const answer = (method: string, run: (params: never) => unknown): void => {
      host.answers.set(method, (params) => {
        calls.push(method);
        return run(params);
      });
    };
    answer('archive.create', () => ({ bytes: content.length }));
    answer('archive.read', ({ at }: { at: number }) => {
      const next = at + PART < content.length ? { next: at + PART } : {};
      return { bytes: toBase64(content.subarray(at, at + PART)), ...next };
    });
    answer('archive.write', ({ archive, at, bytes }: { archive: number; at: number; bytes: string }) => {
      const before = handedIn.get(archive) ?? new Uint8Array();
      const part = fromBase64(bytes);
      if (at === before.length) handedIn.set(archive, new Uint8Array(Buffer.concat([before, part])));
      else if (at + part.length > before.length) throw new Error('there is a gap');
      return { bytes: handedIn.get(archive)?.length };
    });
    answer('archive.inspect', () => ({ objects: 1 }));
    answer('archive.restore', () => ({ key: 's' }));
    answer('archive.drop', () => ({}));
    pump = setInterval(() => {
      const { wire } = host;
      if (!wire) link.reconnect();
      else while (wire.up.length + wire.down.length > 0) [wire.deliverUp(), wire.deliverDown()];
    }, 1);
  });

  afterEach(() => clearInterval(pump));

  const count = (method: string): number => calls.filter((one) => one === method).length;

  it('are read as far as somebody takes them, and dropped when nobody wants the rest', async () => {
    const reader = serializer.streamSpace(space, { plain: true }).getReader();
    for (let rounds = 0; rounds < 20; rounds += 1) await turn();
    expect(calls).toEqual([]);
    expect((await reader.read()).value).toEqual(content.slice(0, PART));
    await reader.read();
    expect(count('archive.read')).toBe(2);
    await reader.cancel();
    expect(calls.at(-1)).toBe('archive.drop');
  });

  it('are whole, though the connection is cut at every step', async () => {
    const cut = setInterval(() => host.wire?.session && host.wire.close(), 7);
    try {
      const archive = await serializer.serializeSpace(space, { passphrase: 'x' });
      expect(new Uint8Array(await archive.arrayBuffer())).toEqual(content);
      expect(await serializer.deserializeSpace(archive)).toBe(space);
      expect([...handedIn.values()]).toEqual([content]);
    } finally {
      clearInterval(cut);
    }
  });

  it('come from anything that has bytes, in parts that the host takes', async () => {
    const halves = [content.subarray(0, 1700), content.subarray(1700)];
    const sources: ArchiveSource[] = [
      content,
      content.slice().buffer,
      new Blob([content]),
      new Response(content.slice()).body!,
      (async function* () {
        yield* halves;
      })(),
    ];
    for (const source of sources) {
      handedIn.clear();
      expect(await serializer.inspect(source)).toEqual({ objects: 1 });
      expect([...handedIn.values()]).toEqual([content]);
      expect(calls.at(-1)).toBe('archive.drop');
    }
    // Longer than what the host takes at once.
    handedIn.clear();
    const long = new Uint8Array(600_000).fill(7);
    const before = count('archive.write');
    await serializer.inspect(new Blob([long]));
    expect([...handedIn.values()].map((bytes) => bytes.length)).toEqual([long.length]);
    expect(count('archive.write') - before).toBeGreaterThan(2);
    await serializer.inspect(new Uint8Array());
    expect([...handedIn.values()].at(-1)).toEqual(new Uint8Array());
  });

  it('are dropped when something fails, and who may read one has to be said', async () => {
    host.answers.set('archive.create', () => {
      throw new Error('no');
    });
    await expect(serializer.serializeSpace(space, { plain: true })).rejects.toThrow(/no/);
    expect(calls).toEqual(['archive.drop']);
    const failing = (async function* () {
      yield content;
      throw new Error('the file is gone');
    })();
    await expect(serializer.deserializeSpace(failing)).rejects.toThrow('the file is gone');
    expect(calls.slice(1)).toEqual(['archive.write', 'archive.drop']);
    for (const protection of [{}, { passphrase: '' }, { plain: false }, { plain: true, passphrase: 'x' }, undefined]) {
      expect(() => serializer.streamSpace(space, protection as never)).toThrow(TypeError);
    }
  });
});
