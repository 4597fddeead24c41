/** What the parts of a client share. */
import type { Store } from './api/store.js';
import type { Link } from './core/link.js';
import { LiveTopic } from './core/live.js';
import type { Topic } from './generated/protocol.js';

export interface Context {
  readonly link: Link;
  /** Changes whenever what was refused before may be given: the client is active, there is an identity. */
  readonly retryOn: ReadonlyArray<Store<unknown>>;
  /** Hears of each subscription that the host has ended. */
  readonly ended?: (error: Error | undefined) => void;
}

/** Follows a topic that is one value. */
export function live<T>(context: Context, topic: Topic, initial: T, view: (value: never) => T = (value) => value): LiveTopic<T> {
  return new LiveTopic({ link: context.link, retryOn: context.retryOn, topic, initial, view, ...(context.ended ? { ended: context.ended } : {}) });
}
