/**
 * Something that can be read at any time and that tells when it has changed.
 *
 * A snapshot keeps its identity (`===`) for as long as nothing in it has changed, so that
 * `useSyncExternalStore(store.subscribe, store.get)` works and renders only when it has to.
 * Both functions may be passed on without their object.
 */
export interface Store<T> {
  /** What is known now. */
  readonly get: () => T;
  /** Calls `listener` after each change, until the function that it returns is called. */
  readonly subscribe: (listener: () => void) => () => void;
}

/**
 * A store whose content comes from the host. The client follows it there while somebody
 * listens, and for a moment longer; what was shown last stays readable.
 */
export interface Live<T> extends Store<T> {
  /** Whether the host has said it: false means that `get` still gives what is shown before. */
  readonly loaded: Store<boolean>;
  /** Why it is not followed, such as `notPermitted` or `notFound`; it is tried again when the client becomes active or somebody new listens. */
  readonly error: Store<Error | undefined>;
  /**
   * Gives the content once the host has said it.
   *
   * @throws {HostError} when the host refuses it.
   */
  readonly load: () => Promise<T>;
}
