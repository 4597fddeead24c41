import type { Queue, QueueInfo, QueueItem } from '@dxos-rs/client';
import { useMemo } from 'react';
import type { MaybeSpace } from './objects.js';
import { NONE, NOTHING, useStore } from './store.js';

/** A queue on screen. */
export interface QueueView<T> {
  /** The last items, the latest last. An item keeps its identity: `memo` on one renders only new ones. */
  readonly items: ReadonlyArray<QueueItem<T>>;
  /** How much the queue holds; undefined when nobody has written to it. */
  readonly info: QueueInfo | undefined;
  /** What appends to it and reads further back; undefined without a space. */
  readonly queue: Queue | undefined;
  /** Whether the host has said what is in it. */
  readonly loaded: boolean;
  /** Why it cannot be read. */
  readonly error: Error | undefined;
}

/**
 * The last items of a queue, an append-only log of a space, kept up to date: up to 100, or
 * `limit`. The first item makes it.
 *
 * @example
 * ```tsx
 * import { useOrCreateFirstSpace, useQueue } from '@dxos-rs/react-client';
 *
 * type Message = { text: string };
 *
 * export default function Example() {
 *   const space = useOrCreateFirstSpace();
 *   const { items, queue } = useQueue<Message>(space, 'chat', { limit: 50 });
 *   return (
 *     <>
 *       <button onClick={() => void queue?.append([{ text: 'Good morning' }])}>Send</button>
 *       <ol>{items.map(({ id, author, value }) => <li key={id}>{author.displayName}: {value.text}</li>)}</ol>
 *     </>
 *   );
 * }
 * ```
 */
export function useQueue<T = unknown>(space: MaybeSpace, name: string, options: { limit?: number } = {}): QueueView<T> {
  const { limit } = options;
  const queue = useMemo(() => space?.queue(name), [space, name]);
  const tail = useMemo(() => queue?.tail(limit), [queue, limit]);
  const items = useStore<readonly QueueItem[]>(tail ?? NONE) as ReadonlyArray<QueueItem<T>>;
  const loaded = useStore<boolean | undefined>(tail?.loaded ?? NOTHING) ?? false;
  const error = useStore<Error | undefined>(tail?.error ?? NOTHING);
  const info = useStore<QueueInfo | undefined>(queue?.info ?? NOTHING);
  return useMemo(() => ({ items, info, queue, loaded, error }), [items, info, queue, loaded, error]);
}
