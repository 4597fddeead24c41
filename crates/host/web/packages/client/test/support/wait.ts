import { type Store, until } from '../../src/index.js';

/** How long a condition may take; on a slow machine too. */
const PATIENCE_MS = 20_000;

/** Waits until a store shows what is wanted, and says what it showed when that does not come. */
export async function shows<T>(store: Store<T>, wanted: (value: T) => boolean, patienceMs = PATIENCE_MS): Promise<T> {
  try {
    return await until(store, wanted, AbortSignal.timeout(patienceMs));
  } catch {
    throw new Error(`it shows ${JSON.stringify(store.get())?.slice(0, 2000)}, which was not waited for`);
  }
}

/** Waits until something that cannot be listened to holds. */
export async function eventually(wanted: () => boolean | Promise<boolean>, patienceMs = PATIENCE_MS): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await wanted())) {
    if (Date.now() > end) throw new Error(`it did not come to hold: ${wanted.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
