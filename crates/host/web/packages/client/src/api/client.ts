import type { ClientStatus, DoctorInfo, GarbageInfo, Json, Methods, Metrics, OneTimeToken, UsageInfo } from '../generated/protocol.js';
import type { SpaceSerializer } from './archive.js';
import type { Echo, Space } from './space.js';
import type { Halo } from './halo.js';
import type { Mesh } from './mesh.js';
import type { Live, Store } from './store.js';

/** Keeps the session token between two runs of a program. */
export interface TokenStorage {
  read(): string | null | undefined;
  write(token: string | null): void;
}

/** How a client finds its host, and what it may do there. */
export interface ClientOptions {
  /**
   * The host: `http://127.0.0.1:PORT`, its `ws:` form, or what `dx host` prints with
   * `#token=…`. Left out in a page that the host serves: where the page came from.
   */
  host?: string;
  /**
   * A one-time token. Left out in a browser: that of the address bar's fragment, which is
   * then removed from there.
   */
  token?: string;
  /** Where the session token is kept. In browsers `localStorage` when left out, else nowhere. */
  storage?: TokenStorage | null;
  /** How a WebSocket is made, where there is no global one. */
  createSocket?: (url: string) => SocketLike;
  /** How long a request may take while the host is silent, in milliseconds; 30,000 when left out. */
  timeoutMs?: number;
}

/** What the client needs of a WebSocket. */
export interface SocketLike {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
}

/**
 * Where the connection to the host stands. `unauthenticated`: no token that holds; get a new
 * one and give it to `resumeHostServices`. `replaced`: another page took this session over.
 */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'unauthenticated' | 'replaced' | 'incompatible' | 'closed';

/** What the client's own configuration is. */
export interface ClientConfig {
  /** The address of the host's service, without a token. */
  readonly host: string;
  readonly timeoutMs: number;
}

/** The way into everything: one client of one host. */
export interface ClientApi {
  /** The version of this package. */
  readonly version: string;
  readonly config: ClientConfig;
  readonly echo: Echo;
  readonly halo: Halo;
  readonly mesh: Mesh;
  readonly initialized: boolean;
  /** The connection to the host. */
  readonly connection: Store<ConnectionState>;
  /** Whether the host's client is usable; null when the host is silent. */
  readonly status: Store<ClientStatus | null>;
  /** The version of the host; undefined before it was reached. */
  readonly hostVersion: string | undefined;
  /** What the host counts, each second while somebody listens. */
  readonly metrics: Live<Metrics | undefined>;
  /** Shorthand for `echo.spaces`. */
  readonly spaces: Live<readonly Space[]>;

  /** Connects, and waits until identity and the list of spaces are known. May be called again at any time. */
  initialize(): Promise<void>;
  /** Ends everything after writes are sent. The client may be initialized again. */
  destroy(): Promise<void>;
  /** Wipes the profile and ends the host; this client refuses every call after it. */
  reset(): Promise<void>;
  /** Connects again at once, with another token if one is given, and goes on with all subscriptions. */
  resumeHostServices(options?: { token?: string }): Promise<void>;
  /** Asks the host; null when it does not answer. */
  getStatus(): Promise<ClientStatus | null>;
  /** What writes spaces into archives, and brings them back. */
  createSerializer(): SpaceSerializer;
  createSpace(properties?: Record<string, unknown>): Promise<Space>;
  getSpace(key: string): Space | undefined;

  lock(): Promise<void>;
  unlock(passphrase: string): Promise<void>;
  usage(): Promise<UsageInfo>;
  /**
   * Removes what is of spaces that are not on the host any more, and has its store give back the
   * room of everything that was deleted.
   */
  gc(): Promise<GarbageInfo>;
  /**
   * Checks everything that the host has stored, as `dx doctor`: every block against its hash, its
   * signature and the block before it, and objects, indexes and queues against the blocks. All of
   * it is read. With `repair` what is derived and wrong is made anew, and what is of spaces that
   * are gone is removed; blocks are never touched.
   */
  doctor(options?: { repair?: boolean }): Promise<DoctorInfo>;
  /** The configuration of the host, without secrets. */
  hostConfig(): Promise<Json>;
  /** A token for another browser or program. */
  createToken(): Promise<OneTimeToken>;
  /** Makes all session tokens void but this client's own. */
  endSessions(): Promise<number>;
  /** Calls any method of the protocol. */
  call<M extends keyof Methods>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']>;
  /** Whether it is initialised, spaces, identity, network state; never a secret. */
  toJSON(): object;
}
