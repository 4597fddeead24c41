import type { ArchiveContentsInfo } from '../generated/protocol.js';
import type { Space } from './space.js';

/** What an archive holds. */
export type ArchiveContents = ArchiveContentsInfo;

/**
 * Who may read an archive, which holds everything in its space and the keys of it: whoever has a
 * passphrase, or, to be said explicitly, whoever has the archive.
 */
export type ArchiveProtection = { passphrase: string } | { plain: true };

/** Where an archive comes from: a file that was chosen, bytes, or a stream of them. */
export type ArchiveSource = Blob | Uint8Array | ArrayBuffer | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** What reading an archive takes. */
export interface ArchiveOptions {
  /** For an archive that was written under one. */
  passphrase?: string;
}

/** How a space is brought back. */
export interface RestoreOptions extends ArchiveOptions {
  /**
   * `same`, when left out: the same space, on a device of an identity that is a member of it. What
   * is there already stays; doing it again changes nothing. `clone`: a new space of which this
   * identity is the only member, with the objects as they showed, under the same ids, and without
   * who wrote what.
   */
  as?: 'same' | 'clone';
}

/**
 * Writes spaces into archives and reads them. What goes over to the host or comes from it goes in
 * parts, and the next one when this one was taken: memory on both sides is bounded.
 *
 * An archive that was cut or altered, is of another kind, or is encrypted under another
 * passphrase is refused with a `HostError` of the code `REFUSED`, and nothing is changed.
 */
export interface SpaceSerializer {
  /**
   * Writes a space into an archive, what was just written included.
   *
   * @throws {TypeError} when it is not said who may read it.
   */
  serializeSpace(space: Space, protection: ArchiveProtection): Promise<Blob>;
  /** The same in parts, for an archive that is to go elsewhere than into memory. */
  streamSpace(space: Space, protection: ArchiveProtection): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Reads an archive to its end and tells what it holds. Nothing is written. */
  inspect(archive: ArchiveSource, options?: ArchiveOptions): Promise<ArchiveContents>;
  /** Brings a space back, ready to be used. */
  deserializeSpace(archive: ArchiveSource, options?: RestoreOptions): Promise<Space>;
}
