/** What is particular to browsers and to Node. */
import type { ClientOptions, SocketLike, TokenStorage } from './api/client.js';
import { ClientStateError } from './errors.js';

/** Where the host is, and the token that came with its address. */
export interface HostAddress {
  /** The address of the service, such as `ws://127.0.0.1:4100/rpc`. */
  readonly url: string;
  readonly token: string | undefined;
}

/**
 * Reads the address of a host.
 *
 * @throws {TypeError} when it is none, or there is none.
 */
export function parseHost(host: string | undefined): HostAddress {
  const given = host ?? pageAddress();
  if (given === undefined) throw new TypeError('say where the host is: `new Client({ host })`, with what `dx host` prints');
  let url: URL;
  try {
    url = new URL(given.includes('://') ? given : `http://${given}`);
  } catch {
    throw new TypeError(`"${withoutToken(given)}" is no address of a host: it is like http://127.0.0.1:4100`);
  }
  const isSecure = url.protocol === 'https:' || url.protocol === 'wss:';
  if (!isSecure && url.protocol !== 'http:' && url.protocol !== 'ws:') {
    throw new TypeError(`a host has an address that begins with http:, not with ${url.protocol}`);
  }
  return { url: `${isSecure ? 'wss' : 'ws'}://${url.host}/rpc`, token: tokenOf(url.hash) };
}

const withoutToken = (address: string): string => address.split('#')[0] ?? '';

function tokenOf(fragment: string): string | undefined {
  return new URLSearchParams(fragment.replace(/^#/, '')).get('token') ?? undefined;
}

/** Where the page came from. */
function pageAddress(): string | undefined {
  const location = (globalThis as { location?: Location }).location;
  return location?.protocol.startsWith('http') ? location.origin : undefined;
}

/** The token in the address bar, which is taken out of it. */
export function takePageToken(): string | undefined {
  const { location, history } = globalThis as { location?: Location; history?: History };
  const token = tokenOf(location?.hash ?? '');
  if (token === undefined || !location || !history) return undefined;
  const rest = new URLSearchParams(location.hash.slice(1));
  rest.delete('token');
  const fragment = rest.size > 0 ? `#${rest.toString()}` : '';
  history.replaceState(history.state, '', location.pathname + location.search + fragment);
  return token;
}

/** Where tokens are kept in a browser: with this origin, a place for each host. */
function pageStorage(url: string): TokenStorage | null {
  const name = `dxos.token ${url}`;
  try {
    const { localStorage } = globalThis as { localStorage?: Storage };
    // Some give it and refuse every access.
    if (!(globalThis as { document?: Document }).document || !localStorage) return null;
    return {
      read: () => localStorage.getItem(name),
      write: (token) => (token === null ? localStorage.removeItem(name) : localStorage.setItem(name, token)),
    };
  } catch {
    return null;
  }
}

export function storageOf(options: ClientOptions, url: string): TokenStorage | null {
  return options.storage === undefined ? pageStorage(url) : options.storage;
}

/** How a WebSocket is made here. */
export async function socketMaker(options: ClientOptions): Promise<(url: string) => SocketLike> {
  if (options.createSocket) return options.createSocket;
  const { WebSocket: known } = globalThis as { WebSocket?: new (url: string) => unknown };
  if (known) return (url) => new known(url) as SocketLike;
  // Node before 22 has none. A variable keeps bundlers for browsers from looking for it.
  const name = 'ws';
  try {
    const { WebSocket } = (await import(/* @vite-ignore */ name)) as { WebSocket: new (url: string) => unknown };
    return (url) => new WebSocket(url) as SocketLike;
  } catch {
    throw new ClientStateError('there is no WebSocket here: use Node 22 or newer, or install the package `ws`');
  }
}
