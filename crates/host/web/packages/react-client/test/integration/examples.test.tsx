// @vitest-environment jsdom
/** Every hook has an example in its documentation; each is taken out of there, and rendered against a real host. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as client from '@dxos-rs/client';
import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import * as react from 'react';
import { createElement, StrictMode, type ComponentType } from 'react';
import * as jsx from 'react/jsx-runtime';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Host } from '../../../client/test/support/host.js';
import * as hooks from '../../src/index.js';

const SOURCES = join(import.meta.dirname, '../../src');
const EXAMPLE = /\/\*\*((?:(?!\*\/)[\s\S])*?@example\s*\n \* ```tsx\n([\s\S]*?) \* ```[\s\S]*?)\*\/\nexport function (\w+)/g;

/** The examples, by what they are of. */
function examples(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(SOURCES)) {
    const source = readFileSync(join(SOURCES, file), 'utf8');
    for (const [, , code = '', name = ''] of source.matchAll(EXAMPLE)) found.set(name, code.replace(/^ \* ?/gm, ''));
  }
  return found;
}

const MODULES: Record<string, unknown> = { react, 'react/jsx-runtime': jsx, '@dxos-rs/client': client, '@dxos-rs/react-client': hooks };

function component(code: string, exampleHost: string): ComponentType {
  const { CommonJS } = ts.ModuleKind;
  const { outputText } = ts.transpileModule(code, { compilerOptions: { module: CommonJS, target: ts.ScriptTarget.ES2022, jsx: ts.JsxEmit.ReactJSX } });
  const module = { exports: {} as { default: ComponentType } };
  new Function('module', 'exports', 'require', 'exampleHost', outputText)(module, module.exports, (name: string) => MODULES[name], exampleHost);
  return module.exports.default;
}

/** What each shows in the end, and what a user does with it. */
const EXPECTED: Record<string, { shows: RegExp; then?: () => Promise<void> }> = {
  ClientProvider: { shows: /Hello, Ann/ },
  useClient: { shows: /New space/ },
  useConfig: { shows: /ws:\/\/127\.0\.0\.1:\d+\/rpc/ },
  useConnection: { shows: /Connected/ },
  useContacts: { shows: /^$/ },
  useCredentials: { shows: /[1-9]\d* credentials count/ },
  useCursors: { shows: /0 others are here/ },
  useDevices: { shows: /\(online\)|\w/ },
  useHaloInvitations: {
    shows: /Add a device/,
    then: async () => {
      fireEvent.click(screen.getByText('Add a device'));
      await waitFor(() => expect(screen.getByRole('listitem').textContent).toMatch(/: dx1_\S+ \d{6}/), { timeout: 5000 });
    },
  },
  useIdentity: { shows: /Ann/ },
  useInvitationStatus: {
    shows: /init/,
    then: async () => {
      fireEvent.change(screen.getByLabelText('Invitation'), { target: { value: 'nothing that is one' } });
      await act(async () => fireEvent.submit(screen.getByLabelText('Invitation').closest('form')!));
      await waitFor(() => expect(document.body.textContent).toMatch(/invitation/i));
    },
  },
  useMembers: { shows: /Ann \(admin\)/ },
  useNetworkStatus: { shows: /Online, with 0 devices/ },
  useObject: {
    shows: /^$|No task/,
    then: async () => {
      const input = await screen.findByLabelText<HTMLInputElement>('Title', {}, { timeout: 5000 });
      fireEvent.change(input, { target: { value: 'Another title' } });
      await waitFor(() => expect(input.value).toBe('Another title'));
    },
  },
  useOrCreateFirstSpace: { shows: /Home/ },
  useQuery: {
    shows: /Add/,
    then: async () => {
      await waitFor(() => {
        fireEvent.click(screen.getByText('Add'));
        expect(screen.getAllByRole('checkbox').length).toBeGreaterThan(0);
      });
      const [box] = screen.getAllByRole<HTMLInputElement>('checkbox');
      const was = box!.checked;
      fireEvent.click(box!);
      expect(screen.getAllByRole<HTMLInputElement>('checkbox')[0]!.checked).toBe(!was);
    },
  },
  useQueue: {
    shows: /Send/,
    then: async () => {
      fireEvent.click(screen.getByText('Send'));
      await waitFor(() => expect(screen.getByRole('listitem').textContent).toBe('Ann: Good morning'), { timeout: 5000 });
    },
  },
  useSpace: { shows: /0 peers/ },
  useSpaceInvitations: {
    shows: /Invite/,
    then: async () => {
      await waitFor(
        () => {
          if (screen.queryAllByRole('listitem').length === 0) fireEvent.click(screen.getByText('Invite'));
          expect(screen.getAllByRole('listitem')[0]!.textContent).toMatch(/dx1_\S+ \d{6}/);
        },
        { timeout: 5000, interval: 500 },
      );
    },
  },
  useSpaceSyncState: { shows: /Everything that others announced is here/ },
  useSpaces: { shows: /Home/ },
  useStatus: { shows: /The client is active/ },
  useSyncStatus: { shows: /Only this device is known to have all of it/ },
  useStore: { shows: /Home/ },
  useText: {
    shows: /New note/,
    then: async () => {
      await waitFor(() => {
        const button = screen.queryByText('New note');
        if (button) fireEvent.click(button);
        expect(screen.getByLabelText<HTMLTextAreaElement>('Note').disabled).toBe(false);
      });
      fireEvent.change(screen.getByLabelText('Note'), { target: { value: 'Typed 🙂' } });
      await waitFor(() => expect(screen.getByLabelText<HTMLTextAreaElement>('Note').value).toBe('Typed 🙂'));
    },
  },
};

describe('examples in the documentation', () => {
  let host: Host;
  let shared: client.Client;
  const complaints = vi.fn();

  beforeAll(async () => {
    host = await Host.start('--allow-origin', window.location.origin);
    shared = host.client();
    await shared.initialize();
    await shared.halo.createIdentity('Ann');
    const space = await shared.createSpace({ name: 'Home' });
    space.db.add({ title: 'A task', done: false }, { type: 'example.com/type/Task' });
    await space.db.flush();
  });

  afterAll(async () => {
    await shared?.destroy();
    await host?.remove();
  });

  beforeEach(() => {
    complaints.mockClear();
    vi.spyOn(console, 'error').mockImplementation(complaints);
  });

  afterEach(cleanup);

  const all = examples();

  it('are there for every hook', () => {
    const exported = Object.keys(hooks).filter((name) => typeof hooks[name as keyof typeof hooks] === 'function');
    expect([...all.keys()].sort()).toEqual(exported.sort());
    expect(Object.keys(EXPECTED).sort()).toEqual(exported.sort());
  });

  it.each([...all])('%s', async (name, code) => {
    const { url } = await shared.createToken();
    const Example = component(code, url);
    const { container } = render(
      <StrictMode>
        <hooks.ClientProvider client={shared}>{createElement(Example)}</hooks.ClientProvider>
      </StrictMode>,
    );
    await waitFor(() => expect(container.textContent).toMatch(EXPECTED[name]!.shows), { timeout: 10_000 });
    await EXPECTED[name]!.then?.();
    expect(complaints.mock.calls).toEqual([]);
  });

  it('say outside of a provider that they need one', () => {
    const Lost = () => createElement('p', null, String(hooks.useStatus()));
    expect(() => render(<Lost />)).toThrow(/<ClientProvider>/);
  });
});
