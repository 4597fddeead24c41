import type { Client, HostInvitation, MemberInfo, PipelineInfo, Space, Store, SyncStatusInfo } from '@dxos-rs/client';
import { useEffect, useMemo } from 'react';
import { useClient } from './provider.js';
import { NONE, NOTHING, useStore } from './store.js';

/** A space, or its key. */
export type SpaceLike = Space | string | null | undefined;

function useSpaceLike(space: SpaceLike): Space | undefined {
  const found = useSpace(typeof space === 'string' ? space : undefined);
  return typeof space === 'string' ? found : (space ?? undefined);
}

/**
 * The space with that key; undefined without a key, or when there is no such space.
 *
 * @example
 * ```tsx
 * import { useSpace, useSpaces } from '@dxos-rs/react-client';
 *
 * const Peers = ({ spaceKey }: { spaceKey?: string }) => <p>{useSpace(spaceKey)?.peers.get().length ?? 'no'} peers</p>;
 *
 * export default function Example() {
 *   return <Peers spaceKey={useSpaces()[0]?.key} />;
 * }
 * ```
 */
export function useSpace(spaceKey?: string): Space | undefined {
  const spaces = useStore(useClient().echo.spaces);
  return spaceKey === undefined ? undefined : spaces.find((space) => space.key === spaceKey);
}

/**
 * The spaces of which the identity is a member, by key; with `all` also those that it was a
 * member of.
 *
 * @example
 * ```tsx
 * import { useSpaces } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const spaces = useSpaces();
 *   return <ul>{spaces.map((space) => <li key={space.key}>{String(space.properties.get()['name'] ?? space.key)}</li>)}</ul>;
 * }
 * ```
 */
export function useSpaces(options: { all?: boolean } = {}): readonly Space[] {
  const { echo } = useClient();
  const current = useMemo(() => currentSpaces(echo), [echo]);
  return useStore(options.all ? echo.spaces : current);
}

// One store a client: what it shows keeps its identity for every component.
const lists = new WeakMap<Client['echo'], Store<readonly Space[]>>();
const firsts = new WeakMap<Client['echo'], Store<Space | undefined>>();

/** Spaces that were not left, and from which the identity was not removed. */
function currentSpaces(echo: Client['echo']): Store<readonly Space[]> {
  const known = lists.get(echo);
  if (known) return known;
  let last: readonly Space[] = [];
  const get = (): readonly Space[] => {
    const now = echo.spaces.get().filter((space) => !space.departure.get());
    if (now.length !== last.length || now.some((space, at) => space !== last[at])) last = now;
    return last;
  };
  const store = { get, subscribe: subscribeToEach(echo, (space) => [space.departure]) };
  lists.set(echo, store);
  return store;
}

/** The first of them that is open; where all are closed, the first one. */
function firstSpace(echo: Client['echo']): Store<Space | undefined> {
  const known = firsts.get(echo);
  if (known) return known;
  const current = currentSpaces(echo);
  const get = (): Space | undefined => current.get().find((space) => space.isOpen) ?? current.get()[0];
  const store = { get, subscribe: subscribeToEach(echo, (space) => [space.departure, space.state]) };
  firsts.set(echo, store);
  return store;
}

/** Hears of the list of spaces, and of something of each of them. */
function subscribeToEach(echo: Client['echo'], of: (space: Space) => ReadonlyArray<Store<unknown>>): Store<unknown>['subscribe'] {
  return (listener) => {
    let each: Array<() => void> = [];
    const watch = (): void => {
      for (const stop of each) stop();
      each = echo.spaces.get().flatMap((space) => of(space).map((store) => store.subscribe(listener)));
    };
    const stop = echo.spaces.subscribe(() => {
      watch();
      listener();
    });
    watch();
    return () => {
      stop();
      for (const deaf of each) deaf();
    };
  };
}

/**
 * The first space that is open, ready to be used; null until there is one. When there is none, open
 * or closed, it is created, once, also under StrictMode and in several tabs. Needs an identity, and waits for it.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace({ name: 'Home' });
 *   return <p>{space ? String(space.properties.get()['name']) : 'One moment…'}</p>;
 * }
 * ```
 */
export function useOrCreateFirstSpace(properties?: Record<string, unknown>): Space | null {
  const client = useClient();
  const identity = useStore(client.halo.identity)?.identity;
  // One that was closed on purpose stays closed.
  const first = useStore(useMemo(() => firstSpace(client.echo), [client.echo]));
  const state = useStore<string | undefined>(first?.state ?? NOTHING);
  const wanted = JSON.stringify(properties ?? {});
  useEffect(() => {
    if (first || identity === undefined) return;
    // What fails here shows elsewhere: the host is silent, or the client is locked.
    client.echo.getOrCreateFirstSpace(JSON.parse(wanted) as Record<string, unknown>).catch(() => {});
  }, [client, first, identity, wanted]);
  return first && state === 'ready' ? first : null;
}

/**
 * The members of a space, with presence.
 *
 * @example
 * ```tsx
 * import { useMembers, useOrCreateFirstSpace } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const members = useMembers(useOrCreateFirstSpace()?.key);
 *   return <ul>{members.map(({ identity, profile, role }) => <li key={identity}>{profile.displayName} ({role})</li>)}</ul>;
 * }
 * ```
 */
export function useMembers(space: SpaceLike): readonly MemberInfo[] {
  return useStore<readonly MemberInfo[]>(useSpaceLike(space)?.members ?? NONE);
}

/**
 * The open invitations to a space.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace, useSpaceInvitations } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace();
 *   const invitations = useSpaceInvitations(space?.key);
 *   return (
 *     <>
 *       <button onClick={() => space?.createInvitation()}>Invite</button>
 *       <ul>{invitations.map(({ id, invitationCode, authCode }) => <li key={id}>{invitationCode} {authCode}</li>)}</ul>
 *     </>
 *   );
 * }
 * ```
 */
export function useSpaceInvitations(space: SpaceLike): readonly HostInvitation[] {
  return useStore<readonly HostInvitation[]>(useSpaceLike(space)?.invitations ?? NONE);
}

/**
 * What of a space is here, and what is missing; undefined without a space.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace, useSpaceSyncState } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const sync = useSpaceSyncState(useOrCreateFirstSpace());
 *   return <p>{sync?.missingBlocks === 0 ? 'Everything that others announced is here.' : `${sync?.missingBlocks ?? '…'} blocks to come`}</p>;
 * }
 * ```
 */
export function useSpaceSyncState(space: SpaceLike): PipelineInfo | undefined {
  return useStore<PipelineInfo | undefined>(useSpaceLike(space)?.pipeline ?? NOTHING);
}

/**
 * Which devices have signed that they stored a space, or one object of it, durably; undefined until
 * the host has said so, and while the space cannot be read.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace, useSyncStatus } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const sync = useSyncStatus(useOrCreateFirstSpace());
 *   const others = sync?.devices.filter((device) => !device.own && device.missing === 0).length ?? 0;
 *   return <p>{others === 0 ? 'Only this device is known to have all of it.' : `${others} other devices have stored all of it.`}</p>;
 * }
 * ```
 */
export function useSyncStatus(space: SpaceLike, objectId?: string): SyncStatusInfo | undefined {
  const found = useSpaceLike(space);
  const status = useMemo(() => (objectId === undefined ? found?.syncStatus : found?.objectSyncStatus(objectId)), [found, objectId]);
  return useStore<SyncStatusInfo | undefined>(status ?? NOTHING);
}
