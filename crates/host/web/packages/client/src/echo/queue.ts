/** Queues: append-only logs beside the objects of a space. */
import type { Queue as QueueApi, QueueItem, QueuePage } from '../api/queue.js';
import type { Live } from '../api/store.js';
import { live, type Context } from '../context.js';
import type { Methods, QueueInfo, QueueItemInfo, QueuePosition, RetentionInfo } from '../generated/protocol.js';
import { Tail } from './tail.js';
import { decode, encode } from './values.js';

/** Items that are read at once when nothing is said. */
const PAGE = 100;
/** Items that the host reads at once. */
const TAIL_MAX = 1024;

function toItem(info: QueueItemInfo): QueueItem {
  return { ...info, value: decode(info.value) };
}

export class Queue implements QueueApi {
  readonly info: Live<QueueInfo | undefined>;
  readonly #info;
  readonly #tails = new Map<number, Tail>();

  constructor(
    private readonly context: Context,
    private readonly space: string,
    readonly name: string,
  ) {
    this.#info = live<QueueInfo | undefined>(context, { topic: 'queue', space, queue: name }, undefined, (value: QueueInfo | null) => value ?? undefined);
    this.info = this.#info;
  }

  async append(items: readonly unknown[], options: { durable?: boolean } = {}): Promise<string[]> {
    return (await this.#call('echo.appendItems', { items: items.map((item) => encode(item)), durable: options.durable ?? false }, 'never')).ids;
  }

  async read(options: { from?: string; limit?: number } = {}): Promise<QueuePage> {
    const { takenBack, items, next } = await this.#call('echo.readQueue', { limit: PAGE, ...options }, 'always');
    return { takenBack, items: items.map(toItem), next };
  }

  async items(options: { after?: QueuePosition; limit?: number } = {}): Promise<QueueItem[]> {
    return this.#items('ascending', options.after, options.limit);
  }

  async latest(options: { before?: QueuePosition; limit?: number } = {}): Promise<QueueItem[]> {
    return this.#items('descending', options.before, options.limit);
  }

  tail(limit = PAGE): Live<readonly QueueItem[]> {
    const held = Math.max(1, Math.min(TAIL_MAX, Math.floor(limit)));
    let tail = this.#tails.get(held);
    if (!tail) {
      tail = new Tail(this, held);
      this.#tails.set(held, tail);
    }
    return tail;
  }

  async setRetention(retention: RetentionInfo): Promise<void> {
    await this.#call('echo.setRetention', { retention }, 'never');
  }

  subscribe(listener: (page: QueuePage) => void, options: { from?: string; onError?: (error: Error) => void } = {}): () => void {
    let next = options.from;
    let isReading = false;
    let isDue = true;
    let isOn = true;
    const read = async (): Promise<void> => {
      if (isReading) return;
      isReading = true;
      try {
        while (isDue && isOn) {
          isDue = false;
          const page: QueuePage = await this.read(next === undefined ? {} : { from: next });
          if (!isOn) return;
          next = page.next;
          if (page.items.length === 0 && page.takenBack.length === 0) continue;
          isDue = true;
          listener(page);
        }
      } catch (error) {
        // What is due is read when the host tells of the queue again.
        isDue = true;
        if (isOn) options.onError?.(error instanceof Error ? error : new Error(String(error)));
      } finally {
        isReading = false;
      }
    };
    const changed = (): void => {
      isDue = true;
      void read();
    };
    const stop = this.#info.subscribe(changed);
    changed();
    return () => {
      isOn = false;
      stop();
    };
  }

  async #items(order: 'ascending' | 'descending', beyond: QueuePosition | undefined, limit = PAGE): Promise<QueueItem[]> {
    const params = beyond === undefined ? { order, limit } : { order, limit, beyond };
    return (await this.#call('echo.readItems', params, 'always')).map(toItem);
  }

  #call<M extends 'echo.appendItems' | 'echo.readQueue' | 'echo.readItems' | 'echo.setRetention'>(
    method: M,
    params: Omit<Methods[M]['params'], 'space' | 'queue'>,
    retry: 'always' | 'never',
  ): Promise<Methods[M]['result']> {
    return this.context.link.call(method, { space: this.space, queue: this.name, ...params } as unknown as Methods[M]['params'], retry);
  }
}
