import { Client, type ClientOptions } from '@dxos-rs/client';
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from 'react';

const ClientContext = createContext<Client | undefined>(undefined);

/** How long a client outlives its provider: React may unmount one and mount it again at once. */
const LINGER_MS = 1000;

/** What a fallback is told. */
export interface FallbackProps {
  /** Why the client did not come up; undefined while it is coming up. */
  readonly error: Error | undefined;
  /** Tries again, with another token if one is given. */
  readonly retry: (token?: string) => void;
}

/** How the tree gets its client. */
export interface ClientProviderProps {
  /** A client of the application; it stays the application's to destroy. */
  readonly client?: Client;
  /** How to make one, when there is none; read once. In a page that its host serves, nothing is needed. */
  readonly options?: ClientOptions;
  /** What shows until the client is initialized: a node, or a function that is told of errors. */
  readonly fallback?: ReactNode | ((props: FallbackProps) => ReactNode);
  /** Called once the client is initialized, before children show. */
  readonly onInitialized?: (client: Client) => void | Promise<void>;
  readonly children?: ReactNode;
}

/**
 * Gives the tree a client, initialized.
 *
 * @example
 * ```tsx
 * import { ClientProvider, useIdentity } from '@dxos-rs/react-client';
 *
 * const Hello = () => <p>Hello, {useIdentity()?.profile.displayName ?? 'stranger'}</p>;
 *
 * export default function Example() {
 *   return (
 *     <ClientProvider options={{ host: exampleHost }} fallback={({ error }) => <p>{error ? error.message : 'One moment…'}</p>}>
 *       <Hello />
 *     </ClientProvider>
 *   );
 * }
 * ```
 */
export function ClientProvider({ client: given, options, fallback, onInitialized, children }: ClientProviderProps): ReactNode {
  const [made] = useState(() => (given ? undefined : lazily(() => new Client(options))));
  const [ready, setReady] = useState<Client>();
  const [error, setError] = useState<Error>();
  const [attempt, setAttempt] = useState<{ number: number; token?: string }>({ number: 0 });
  const ending = useRef<ReturnType<typeof setTimeout>>(undefined);
  const told = useRef(onInitialized);
  useEffect(() => {
    told.current = onInitialized;
  });

  useEffect(() => {
    if (!given && !made) return;
    let isCurrent = true;
    clearTimeout(ending.current);
    const come = async (): Promise<void> => {
      const client = given ?? made!();
      // Whoever tries again waits for no back-off.
      if (attempt.number > 0) await client.resumeHostServices(attempt.token === undefined ? {} : { token: attempt.token });
      await client.initialize();
      await told.current?.(client);
      if (!isCurrent) return;
      setError(undefined);
      setReady(client);
    };
    come().catch((failure: unknown) => {
      if (isCurrent) setError(failure instanceof Error ? failure : new Error(String(failure)));
    });
    return () => {
      isCurrent = false;
      if (!given) ending.current = setTimeout(() => void made?.().destroy(), LINGER_MS);
    };
  }, [given, made, attempt]);

  if (ready && (!given || ready === given)) return <ClientContext.Provider value={ready}>{children}</ClientContext.Provider>;
  if (typeof fallback !== 'function') return fallback;
  const retry = (token?: string): void => {
    setError(undefined);
    setAttempt(({ number }) => ({ number: number + 1, ...(token === undefined ? {} : { token }) }));
  };
  return fallback({ error, retry });
}

/** Makes something once, when it is asked for: not while a server renders. */
function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * The client of the tree.
 *
 * @throws {Error} outside of a {@link ClientProvider}.
 *
 * @example
 * ```tsx
 * import { useClient } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const client = useClient();
 *   return <button onClick={() => client.createSpace({ name: 'Garden' })}>New space</button>;
 * }
 * ```
 */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('hooks of @dxos-rs/react-client are used inside of a <ClientProvider>');
  return client;
}
