import type { Store } from '@dxos-rs/client';
import { useSyncExternalStore } from 'react';

/**
 * What a store shows, rendered again when that is something else. Everything of the client that
 * has `get` and `subscribe` is one: `space.properties`, `space.db.failure`, `client.connection`.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace, useStore } from '@dxos-rs/react-client';
 * import type { Space } from '@dxos-rs/client';
 *
 * const Name = ({ space }: { space: Space }) => <h1>{String(useStore(space.properties)['name'] ?? 'Untitled')}</h1>;
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace();
 *   return space && <Name space={space} />;
 * }
 * ```
 */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get, store.get);
}

/** A store of something that is always the same. */
export function constant<T>(value: T): Store<T> {
  return { get: () => value, subscribe: () => () => {} };
}

/** What shows where there is nothing to ask for yet. */
export const NONE: Store<readonly never[]> = constant<readonly never[]>([]);
export const NOTHING: Store<undefined> = constant(undefined);
