import type { Store } from '../api/store.js';

/** A store that is written. */
export class Cell<T> implements Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly get = (): T => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    // One listener may be given twice: each has an end of its own.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  /** Takes a value in place of the one there is, and tells if it is another one. */
  set(value: T): void {
    if (Object.is(this.#value, value)) return;
    this.#value = value;
    notify(this.#listeners);
  }
}

/** Calls each listener; one that throws does not keep others from hearing. */
export function notify(listeners: Iterable<() => void>): void {
  for (const listener of [...listeners]) {
    try {
      listener();
    } catch (error) {
      reportError(error);
    }
  }
}

function reportError(error: unknown): void {
  // As an exception of nobody: on the console, or wherever the program collects them.
  queueMicrotask(() => {
    throw error;
  });
}

/** A store with what `view` makes of another one; parts that did not change keep their identity. */
export function derive<S, T>(source: Store<S>, view: (value: S) => T): Store<T> {
  let from: S;
  let to: T;
  let isFresh = false;
  const get = (): T => {
    const now = source.get();
    if (!isFresh || !Object.is(from, now)) {
      const seen = view(now);
      to = isFresh ? reuse(to, seen) : seen;
      from = now;
      isFresh = true;
    }
    return to;
  };
  const subscribe = (listener: () => void): (() => void) => {
    let last = get();
    return source.subscribe(() => {
      const now = get();
      if (Object.is(last, now)) return;
      last = now;
      listener();
    });
  };
  return { get, subscribe };
}

/** `next`, but with those parts of `last` that are equal: JSON keeps its identity where it did not change. */
export function reuse<T>(last: T, next: T): T {
  return share(last, next) as T;
}

function share(last: unknown, next: unknown): unknown {
  if (Object.is(last, next)) return last;
  if (Array.isArray(last) && Array.isArray(next)) {
    let same = last.length === next.length;
    const items = next.map((item: unknown, place) => {
      const kept = place < last.length ? share(last[place], item) : item;
      same &&= Object.is(kept, last[place]);
      return kept;
    });
    return same ? last : items;
  }
  if (isPlain(last) && isPlain(next)) {
    const keys = Object.keys(next);
    let same = Object.keys(last).length === keys.length;
    const fields: Record<string, unknown> = {};
    for (const key of keys) {
      const kept = Object.hasOwn(last, key) ? share(last[key], next[key]) : next[key];
      same &&= Object.hasOwn(last, key) && Object.is(kept, last[key]);
      define(fields, key, kept);
    }
    return same ? last : fields;
  }
  return next;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Sets a field, also one that is called `__proto__`: names come from others. */
export function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

/** Waits until a store shows what `wanted` is true of. */
export function until<T>(store: Store<T>, wanted: (value: T) => boolean, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stop();
      signal?.removeEventListener('abort', abort);
    };
    const abort = (): void => {
      end();
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    const look = (): void => {
      const value = store.get();
      if (!wanted(value)) return;
      end();
      resolve(value);
    };
    const stop = store.subscribe(look);
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort);
    look();
  });
}
