import { createContext, use } from 'react';
import type { ClientApi, Space } from '@dxos-rs/client';
import { useStore } from './store.js';

/** The client of this page. */
export const ClientContext = createContext<ClientApi | undefined>(undefined);

/** The client of this page. */
export function useClient(): ClientApi {
  const client = use(ClientContext);
  if (!client) throw new Error('there is no client above this component');
  return client;
}

/** What a space is called. */
export function nameOf(space: Space): string {
  const { name } = space.properties.get();
  return typeof name === 'string' && name.trim() !== '' ? name : `Space ${space.key.slice(0, 6)}`;
}

/** What a space is called, kept up to date. */
export function useName(space: Space): string {
  useStore(space.properties);
  return nameOf(space);
}

/** The spaces by name; those that this identity has left, or was removed from, come last. */
export function useSpacesByName(): readonly Space[] {
  const spaces = useStore(useClient().spaces);
  const rank = (space: Space) => (space.departure.get() === undefined ? 0 : 1);
  return [...spaces].sort(
    (one, other) => rank(one) - rank(other) || nameOf(one).localeCompare(nameOf(other)) || one.key.localeCompare(other.key),
  );
}

/** Whether the identity may write in a space. */
export function useMayWrite(space: Space): boolean {
  const role = useStore(space.role);
  return role === 'editor' || role === 'admin';
}
