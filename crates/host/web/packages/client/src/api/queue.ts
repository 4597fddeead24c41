import type { QueueInfo, QueueItemInfo, QueuePosition, RetentionInfo } from '../generated/protocol.js';
import type { Live } from './store.js';

/** An item of a queue. */
export interface QueueItem<T = unknown> extends Omit<QueueItemInfo, 'value'> {
  readonly value: T;
}

/** A part of a queue, as it came to the host's device. */
export interface QueuePage {
  /** Items that count no more, as those of a member who was removed; they come before `items`, where some may be again. */
  readonly takenBack: readonly string[];
  readonly items: readonly QueueItem[];
  /** From where to go on: good on this host's device only. */
  readonly next: string;
}

/** An append-only log beside the objects of a space, such as of messages. See `space.queue(name)`. */
export interface Queue {
  readonly name: string;
  /** How much it holds; undefined when nobody has written to it. */
  readonly info: Live<QueueInfo | undefined>;
  /** Appends items, all of them on every device or none, and gives their names. */
  append(items: readonly unknown[], options?: { durable?: boolean }): Promise<string[]>;
  /** Reads on from `next` of an earlier page, also of an earlier run of the program: nothing is missed, and nothing comes twice. */
  read(options?: { from?: string; limit?: number }): Promise<QueuePage>;
  /** Items in the order that is the same on every device. */
  items(options?: { after?: QueuePosition; limit?: number }): Promise<QueueItem[]>;
  /** The last items in that order, the latest first. */
  latest(options?: { before?: QueuePosition; limit?: number }): Promise<QueueItem[]>;
  /**
   * The last items in that order, the latest last, kept up to date: up to 100, or as many as is
   * said, 1,024 at most. An item keeps its identity, so that only new ones render.
   */
  tail(limit?: number): Live<readonly QueueItem[]>;
  /** Says how much it is to hold, for everybody; without a bound everything stays. */
  setRetention(retention: RetentionInfo): Promise<void>;
  /** Hears what is there and what comes, page by page, until the function that it returns is called. */
  subscribe(listener: (page: QueuePage) => void, options?: { from?: string; onError?: (error: Error) => void }): () => void;
}
