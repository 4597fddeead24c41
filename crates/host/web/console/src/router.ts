import { useEffect, useSyncExternalStore } from 'react';

/** Where the console is: the path in the address's fragment, and what follows its `?`. */
export interface Route {
  readonly path: string;
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

let shown: { hash: string; route: Route } | undefined;

/** Reads a fragment. One that is no path, such as a token, is the first page. */
export function parse(hash: string): Route {
  const text = hash.startsWith('#/') ? hash.slice(1) : '/';
  const [path = '/', query = ''] = text.split(/\?(.*)/s);
  const parts = path.split('/').filter(Boolean).map(decode);
  return { path, parts, query: new URLSearchParams(query) };
}

/** What was typed into the address bar may be no valid escape. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function current(): Route {
  const { hash } = window.location;
  if (shown?.hash !== hash) shown = { hash, route: parse(hash) };
  return shown.route;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

/** The current route. */
export function useRoute(): Route {
  return useSyncExternalStore(subscribe, current, current);
}

/** The address of a page. */
export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}

/** The address of a search in a space. */
export function searchHref(space: string, words: string): string {
  const base = href('space', space, 'search');
  return words === '' ? base : `${base}?q=${encodeURIComponent(words)}`;
}

/** Goes to a page. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (options.replace) {
    window.history.replaceState(null, '', to);
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  } else {
    window.location.hash = to;
  }
}

/** Names the page in the title of the window. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · DXOS`;
  }, [title]);
}
