/** Spaces as archives. They pass in parts: neither side holds more than one. */
import type { ArchiveContents, ArchiveOptions, ArchiveProtection, ArchiveSource, RestoreOptions, SpaceSerializer } from './api/archive.js';
import type { Space as SpaceApi } from './api/space.js';
import type { Link } from './core/link.js';
import type { Echo } from './echo/echo.js';
import { fromBase64, toBase64 } from './echo/values.js';
import type { ArchiveProtectionSpec } from './generated/protocol.js';

/** Bytes that are handed in at once, where the host takes that much. */
const PART_BYTES = 256 * 1024;
/** What a message has besides. */
const ENVELOPE_BYTES = 1024;
/** What archives are, for a browser that saves one. */
const MEDIA_TYPE = 'application/vnd.dxos.archive';

export class Serializer implements SpaceSerializer {
  /** Names archives within the session of the client, whatever serializer makes them. */
  static #lastArchive = 0;

  constructor(
    private readonly link: Link,
    private readonly echo: Echo,
  ) {}

  async serializeSpace(space: SpaceApi, protection: ArchiveProtection): Promise<Blob> {
    const parts = this.streamSpace(space, protection);
    return await new Response(parts, { headers: { 'content-type': MEDIA_TYPE } }).blob();
  }

  streamSpace(space: SpaceApi, protection: ArchiveProtection): ReadableStream<Uint8Array<ArrayBuffer>> {
    const spec = protectionSpec(protection);
    const archive = ++Serializer.#lastArchive;
    let at: number | undefined;
    const drop = (): Promise<unknown> => this.#drop(archive);
    // It is read when whoever takes it wants more, which is what bounds it.
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          try {
            if (at === undefined) {
              await space.db.flush();
              await this.link.call('archive.create', { archive, space: space.key, protection: spec }, 'session');
              at = 0;
            }
            const { bytes, next } = await this.link.call('archive.read', { archive, at }, 'session');
            controller.enqueue(fromBase64(bytes));
            if (next === undefined || next === null) {
              await drop();
              controller.close();
            } else at = next;
          } catch (error) {
            await drop();
            controller.error(error);
          }
        },
        cancel: async () => {
          await drop();
        },
      },
      { highWaterMark: 0 },
    );
  }

  inspect(archive: ArchiveSource, options: ArchiveOptions = {}): Promise<ArchiveContents> {
    return this.#handIn(archive, (name) => this.link.call('archive.inspect', { archive: name, ...secretOf(options) }, 'session'));
  }

  deserializeSpace(archive: ArchiveSource, options: RestoreOptions = {}): Promise<SpaceApi> {
    return this.#handIn(archive, async (name) => {
      const info = await this.link.call('archive.restore', { archive: name, as: options.as ?? 'same', ...secretOf(options) }, 'session');
      return this.echo.adopt(info);
    });
  }

  async #handIn<T>(source: ArchiveSource, use: (archive: number) => Promise<T>): Promise<T> {
    const archive = ++Serializer.#lastArchive;
    const frame = this.link.welcome?.limits.frameBytes ?? Infinity;
    const room = Math.max(1, Math.min(PART_BYTES, Math.floor(((frame - ENVELOPE_BYTES) * 3) / 4)));
    try {
      let at = 0;
      const write = async (part: Uint8Array): Promise<void> => {
        ({ bytes: at } = await this.link.call('archive.write', { archive, at, bytes: toBase64(part) }, 'session'));
      };
      for await (const part of partsOf(source)) {
        for (let from = 0; from < part.length; from += room) await write(part.subarray(from, from + room));
      }
      // An empty one is one, too: the host says what is wrong with it.
      if (at === 0) await write(new Uint8Array());
      return await use(archive);
    } finally {
      await this.#drop(archive);
    }
  }

  /** Lets the host forget an archive. When it is away it does that by itself, later. */
  #drop(archive: number): Promise<unknown> {
    return this.link.call('archive.drop', { archive }, 'session').catch(() => undefined);
  }
}

function protectionSpec(protection: ArchiveProtection): ArchiveProtectionSpec {
  const { passphrase, plain } = (protection ?? {}) as { passphrase?: unknown; plain?: unknown };
  if (typeof passphrase === 'string' && passphrase !== '' && plain === undefined) return { kind: 'passphrase', passphrase };
  if (plain === true && passphrase === undefined) return { kind: 'plain' };
  throw new TypeError('say who may read the archive: `{ passphrase: "…" }`, or `{ plain: true }` for whoever has it');
}

function secretOf({ passphrase }: ArchiveOptions): { passphrase?: string } {
  return passphrase === undefined ? {} : { passphrase };
}

async function* partsOf(source: ArchiveSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) yield source;
  else if (source instanceof ArrayBuffer) yield new Uint8Array(source);
  else if (source instanceof Blob) yield* read(source.stream());
  else if (source instanceof ReadableStream) yield* read(source);
  else yield* source;
}

/** Safari has streams that cannot be iterated. */
async function* read(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    // When it was read to its end that is nothing.
    await reader.cancel().catch(() => undefined);
  }
}
