import type { Live, Store } from '../api/store.js';
import type { Topic } from '../generated/protocol.js';
import type { Link, Subscription } from './link.js';
import { Cell, notify, reuse, until } from './store.js';

/** How long a subscription outlives its last listener: rendering twice does not make two. */
export const LINGER_MS = 1000;

/** What a followed topic needs. */
export interface LiveOptions<T> {
  readonly link: Link;
  /** What to follow; undefined while there is nothing to. */
  readonly topic: Topic;
  /** What it shows before the host has said anything. */
  readonly initial: T;
  /** What it shows of what the host says. */
  readonly view: (value: never) => T;
  /** When one of these changes, a subscription that had ended is tried again. */
  readonly retryOn: ReadonlyArray<Store<unknown>>;
  /** Hears that the host has ended it. */
  readonly ended?: (error: Error | undefined) => void;
}

/**
 * Begins and ends something with the number of those who need it: it begins with the first,
 * and ends a moment after the last.
 */
export class Demand {
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOn = false;

  constructor(
    private readonly start: () => void,
    private readonly stop: () => void,
    private readonly lingerMs = LINGER_MS,
  ) {}

  /** Needs it, until the function that it returns is called. */
  readonly hold = (): (() => void) => {
    this.#count += 1;
    clearTimeout(this.#timer);
    if (!this.#isOn) {
      this.#isOn = true;
      this.start();
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count -= 1;
      if (this.#count > 0) return;
      this.#timer = setTimeout(() => {
        this.#isOn = false;
        this.stop();
      }, this.lingerMs);
      // On Node it keeps no program from ending.
      (this.#timer as { unref?: () => void }).unref?.();
    };
  };

  get isOn(): boolean {
    return this.#isOn;
  }
}

/** A topic that is one value. */
export class LiveTopic<T> implements Live<T> {
  readonly #value: Cell<T>;
  readonly #loaded = new Cell(false);
  readonly #error = new Cell<Error | undefined>(undefined);
  readonly #options: LiveOptions<T>;
  readonly #demand: Demand;
  #subscription: Subscription | undefined;
  #unwatch: Array<() => void> = [];

  constructor(options: LiveOptions<T>) {
    this.#options = options;
    this.#value = new Cell(options.initial);
    this.#demand = new Demand(
      () => {
        this.#unwatch = options.retryOn.map((store) => store.subscribe(() => this.#begin()));
        this.#begin();
      },
      () => {
        for (const stop of this.#unwatch) stop();
        this.#subscription?.close();
        this.#subscription = undefined;
        // What nobody follows may be long past when it is asked for again.
        this.#loaded.set(false);
      },
    );
  }

  readonly get = (): T => this.#value.get();

  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#value.subscribe(listener);
    const release = this.hold();
    return () => {
      stop();
      release();
    };
  };

  get loaded(): Store<boolean> {
    return this.#loaded;
  }

  get error(): Store<Error | undefined> {
    return this.#error;
  }

  /** Follows it without listening. */
  readonly hold = (): (() => void) => {
    const release = this.#demand.hold();
    this.#begin();
    return release;
  };

  readonly load = (): Promise<T> => loaded(this, this.hold);

  /** Shows what the host answered to a call, which the topic says a moment later. */
  readonly offer = (value: T): void => this.#value.set(reuse(this.#value.get(), value));

  #begin(): void {
    if (this.#subscription || !this.#demand.isOn) return;
    const { link, topic, view } = this.#options;
    this.#subscription = link.subscribe(topic, {
      event: (_kind, value) => {
        this.#error.set(undefined);
        this.#value.set(reuse(this.#value.get(), view(value as never)));
        this.#loaded.set(true);
      },
      end: (error) => {
        this.#subscription = undefined;
        this.#error.set(error);
        if (error) this.#value.set(reuse(this.#value.get(), this.#options.initial));
        this.#options.ended?.(error);
      },
    });
  }
}

/** Waits until something live is loaded, and holds it meanwhile. */
export async function loaded<T>(live: Live<T>, hold: () => () => void): Promise<T> {
  const release = hold();
  try {
    const both: Store<boolean> = {
      get: () => live.loaded.get() || live.error.get() !== undefined,
      subscribe: (listener) => {
        const stops = [live.loaded.subscribe(listener), live.error.subscribe(listener)];
        return () => notify(stops);
      },
    };
    await until(both, Boolean);
    const error = live.error.get();
    if (error) throw error;
    return live.get();
  } finally {
    release();
  }
}

/** Something live that shows what `view` makes of another. */
export function mapLive<S, T>(source: Live<S>, store: Store<T>): Live<T> {
  return {
    get: store.get,
    subscribe: store.subscribe,
    loaded: source.loaded,
    error: source.error,
    load: async () => {
      await source.load();
      return store.get();
    },
  };
}

/** Hears everything of a topic until it is stopped, whatever becomes of the host meanwhile. */
export function follow(
  link: Link,
  topic: Topic,
  retryOn: ReadonlyArray<Store<unknown>>,
  heard: (kind: 'value' | 'change', value: unknown) => void,
  ended: (error: Error | undefined) => void = () => {},
): () => void {
  let subscription: Subscription | undefined;
  let isOn = true;
  const begin = (): void => {
    if (!isOn || subscription) return;
    subscription = link.subscribe(topic, {
      event: heard,
      end: (error) => {
        subscription = undefined;
        ended(error);
      },
    });
  };
  const stops = retryOn.map((store) => store.subscribe(begin));
  begin();
  return () => {
    isOn = false;
    for (const stop of stops) stop();
    subscription?.close();
    subscription = undefined;
  };
}
