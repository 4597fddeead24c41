/** The spaces of the identity. */
import type { ArchiveOptions, ArchiveSource } from '../api/archive.js';
import type { Echo as EchoApi, Space as SpaceApi } from '../api/space.js';
import type { GuestInvitation } from '../api/invitation.js';
import { live, type Context } from '../context.js';
import type { LiveTopic } from '../core/live.js';
import { until } from '../core/store.js';
import type { SpaceInfo } from '../generated/protocol.js';
import { Guest } from '../invitation.js';
import { Serializer } from '../serializer.js';
import { Space } from './space.js';
import { encodeProperties } from './values.js';

/** How long the list of spaces may take to show one that was joined. */
const ARRIVAL_MS = 10_000;

export class Echo implements EchoApi {
  readonly spaces: LiveTopic<readonly Space[]>;
  readonly #known = new Map<string, Space>();
  /** The keys of those that the host has listed last: one that was made just now may not be among them. */
  #listed: ReadonlySet<string> = new Set();
  readonly #context: Context;
  #first: Promise<Space> | undefined;

  constructor(context: Context) {
    this.#context = context;
    this.spaces = live<readonly Space[]>(context, { topic: 'spaces' }, [], (infos: readonly SpaceInfo[]) => this.#list(infos));
  }

  querySpaces(): LiveTopic<readonly Space[]> {
    return this.spaces;
  }

  getSpace(key: string): Space | undefined {
    const known = this.#known.get(key);
    return known?.state.get() === 'deleted' ? undefined : known;
  }

  async createSpace(properties: Record<string, unknown> = {}): Promise<Space> {
    const info = await this.#context.link.call('echo.createSpace', { properties: encodeProperties(properties) });
    return this.#shown(this.#one(info));
  }

  cloneSpace(archive: ArchiveSource, options: ArchiveOptions = {}): Promise<SpaceApi> {
    return new Serializer(this.#context.link, this).deserializeSpace(archive, { ...options, as: 'clone' });
  }

  acceptInvitation(code: string): GuestInvitation {
    const accept = this.#context.link.call('echo.acceptInvitation', { invitation: code });
    return new Guest(this.#context, 'space', code, accept, async ({ spaceKey }) => {
      if (spaceKey === undefined) return;
      await until(this.spaces, () => this.getSpace(spaceKey) !== undefined, AbortSignal.timeout(ARRIVAL_MS));
    });
  }

  join(code: string): GuestInvitation {
    return this.acceptInvitation(code);
  }

  getOrCreateFirstSpace(properties: Record<string, unknown> = {}): Promise<Space> {
    // Several callers of this page share one run; several pages take turns.
    this.#first ??= exclusively(`dxos.first-space ${this.#context.link.url}`, () => this.#findOrCreate(properties)).finally(() => {
      this.#first = undefined;
    });
    return this.#first;
  }

  /** All spaces that are known. */
  known(): Space[] {
    return [...this.#known.values()];
  }

  /** Takes in what an answer says of a space that was made. */
  adopt(info: SpaceInfo): Promise<Space> {
    return this.#shown(this.#one(info));
  }

  async #findOrCreate(properties: Record<string, unknown>): Promise<Space> {
    const infos = await this.#context.link.call('echo.spaces', {}, 'always');
    const own = infos.filter((info) => !info.departure);
    const first = own.find((info) => info.state !== 'closed') ?? own[0];
    return first ? this.#shown(this.#one(first)) : this.createSpace(properties);
  }

  #list(infos: readonly SpaceInfo[]): Space[] {
    const listed = new Set(infos.map(({ key }) => key));
    for (const key of this.#listed) if (!listed.has(key)) this.#known.get(key)?.gone();
    this.#listed = listed;
    return infos.map((info) => this.#one(info));
  }

  /** Waits until a space is ready and in the list: whoever looks there next is to find it. */
  async #shown(space: Space): Promise<Space> {
    await space.waitUntilReady();
    // The space is there also where the list does not come, as without a connection.
    await until(this.spaces, (all) => all.includes(space), AbortSignal.timeout(ARRIVAL_MS)).catch(() => undefined);
    return space;
  }

  #one(info: SpaceInfo): Space {
    const known = this.#known.get(info.key);
    if (known) {
      known.update(info);
      return known;
    }
    const space = new Space(this.#context, info);
    this.#known.set(info.key, space);
    return space;
  }
}

/** Runs something while no other page of this origin does; where there are no locks, at once. */
function exclusively<T>(name: string, run: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  return locks ? (locks.request(name, run) as Promise<T>) : run();
}
