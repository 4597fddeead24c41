import { useSyncExternalStore } from 'react';

const STEP_MS = 10_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, STEP_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time, in steps of ten seconds: one clock for everything that shows how long ago it was. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => {
    // Whoever comes after a pause must not see the time of before it.
    if (timer === undefined) now = Math.max(now, Math.floor(Date.now() / STEP_MS) * STEP_MS);
    return now;
  });
}
