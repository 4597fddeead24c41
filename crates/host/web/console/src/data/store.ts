import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { Live, Store } from '@dxos-rs/client';
import { toast } from '../ui/toast.js';

/** What a store shows now, and again after each change. */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get, store.get);
}

/**
 * Whether the host has said all of these, or why it does not: what shows before that would move
 * when the rest comes.
 */
export function useAreTold(lives: ReadonlyArray<Live<unknown>>): boolean {
  const told = useMemo(() => {
    const stores = lives.flatMap((live) => [live.loaded, live.error]);
    return {
      get: () => lives.every((live) => live.loaded.get() || live.error.get() !== undefined),
      subscribe: (listener: () => void) => {
        // The live ones are followed as long as somebody listens.
        const stops = [...stores, ...lives].map((store: Store<unknown>) => store.subscribe(listener));
        return () => stops.forEach((stop) => stop());
      },
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, lives);
  return useStore(told);
}

/** What a single request has answered. */
export interface Loaded<T> {
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly loading: boolean;
  /** Asks again; what is shown stays until the answer is there. */
  readonly reload: () => void;
}

/**
 * Asks once, and again when one of `keys` changes. An answer that comes after a newer question is
 * not shown.
 */
export function useLoad<T>(load: () => Promise<T>, keys: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<{ value: T | undefined; error: Error | undefined; loading: boolean }>({
    value: undefined,
    error: undefined,
    loading: true,
  });
  const [round, setRound] = useState(0);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const stable = useCallback(load, keys);
  useEffect(() => {
    let current = true;
    setState((before) => ({ ...before, loading: true }));
    stable().then(
      (value) => current && setState({ value, error: undefined, loading: false }),
      (error: unknown) => current && setState((before) => ({ ...before, error: asError(error), loading: false })),
    );
    return () => {
      current = false;
    };
  }, [stable, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { ...state, reload };
}

/** Something that was thrown, as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Runs something that the user asked for; while it runs `busy` is true, and its failure shows. */
export function useAction(): [boolean, <T>(run: () => Promise<T>, done?: string) => Promise<T | undefined>] {
  const [running, setRunning] = useState(0);
  const start = useCallback(async <T,>(run: () => Promise<T>, done?: string): Promise<T | undefined> => {
    setRunning((before) => before + 1);
    try {
      const result = await run();
      if (done !== undefined) toast(done);
      return result;
    } catch (error) {
      toast(asError(error).message, 'bad');
      return undefined;
    } finally {
      setRunning((before) => before - 1);
    }
  }, []);
  return [running > 0, start];
}

/** A value that follows `value` once it has not changed for a while. */
export function useSettled<T>(value: T, delayMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delayMs);
    return () => clearTimeout(timer);
  }, [value, delayMs]);
  return settled;
}
