/** What a server renders: it has no window, no host, and opens nothing. */
import { renderToString } from 'react-dom/server';
import { describe, expect, it, vi } from 'vitest';
import { ClientProvider, useIdentity, useInvitationStatus, useOrCreateFirstSpace, useQuery, useSpaces, useText } from '../src/index.js';

const App = () => {
  const space = useOrCreateFirstSpace();
  return (
    <p>
      {useIdentity()?.profile.displayName} {useSpaces().length} {useQuery(space).length} {useText(space, undefined, 'body').content}
    </p>
  );
};

describe('on a server', () => {
  it('there is no window', () => {
    expect(typeof window).toBe('undefined');
  });

  it('a provider renders its fallback, a node or a function, and opens nothing', () => {
    const createSocket = vi.fn();
    const options = { host: 'http://127.0.0.1:1', createSocket };
    const asNode = (
      <ClientProvider options={options} fallback={<i>One moment…</i>}>
        <App />
      </ClientProvider>
    );
    expect(renderToString(asNode)).toBe('<i>One moment…</i>');
    const asFunction = (
      <ClientProvider options={options} fallback={({ error }) => <i>{String(error)}</i>}>
        <App />
      </ClientProvider>
    );
    expect(renderToString(asFunction)).toBe('<i>undefined</i>');
    expect(createSocket).not.toHaveBeenCalled();
  });

  it('a page that leaves the address to the browser is rendered all the same', () => {
    // In Node a client without an address is an error: none is made before the page is there.
    expect(renderToString(<ClientProvider fallback="One moment…">{<App />}</ClientProvider>)).toBe('One moment…');
  });

  it('an invitation that is none yet is shown as that', () => {
    const Status = () => <b>{useInvitationStatus().status}</b>;
    expect(renderToString(<Status />)).toBe('<b>init</b>');
  });
});
