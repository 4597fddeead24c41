// @vitest-environment jsdom
/** How often hooks render, and what they show while the host is away: on a host whose messages are delivered by hand. */
import { Client, type EchoObject, type QueueItem, type Space } from '@dxos-rs/client';
import { act, cleanup, render, screen } from '@testing-library/react';
import { memo, StrictMode, type ReactNode } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ModelHost, settle } from '../../client/test/support/model-host.js';
import { ClientProvider, useClient, useConnection, useIdentity, useObject, useOrCreateFirstSpace, useQuery, useQueue, useSpaces, useStatus, useText } from '../src/index.js';

type Task = { title: string; done: boolean };

const SPACE = {
  key: 'space',
  topic: 'topic',
  state: 'ready',
  properties: { name: 'Home' },
  role: 'admin',
  pipeline: { objects: 0, blocks: 0, missingBlocks: 0 },
  peers: [],
  forks: [],
  revoked: false,
};

let host: ModelHost;
const complaints = vi.fn();

beforeEach(() => {
  host = new ModelHost();
  host.answers.set('client.status', () => host.values.get('status'));
  host.values.set('status', { status: 'active', version: '0' });
  host.values.set('identity', { identity: 'ann', device: 'd', profile: { displayName: 'Ann', fields: {} } });
  host.values.set('spaces', [SPACE]);
  complaints.mockClear();
  vi.spyOn(console, 'error').mockImplementation(complaints);
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  expect(complaints.mock.calls).toEqual([]);
});

const makeClient = (): Client => new Client({ host: 'http://127.0.0.1:1', token: 't', storage: null, createSocket: host.connect });
/** Delivers until nothing is on its way: what renders may ask for more. */
async function deliver(): Promise<void> {
  let asked: boolean;
  do {
    await act(() => settle(host));
    const { wire } = host;
    asked = wire !== undefined && wire.up.length + wire.down.length > 0;
  } while (asked);
}

/** Renders something in a tree that has its client. */
async function show(children: ReactNode, client = makeClient()): Promise<Client> {
  render(
    <StrictMode>
      <ClientProvider client={client}>{children}</ClientProvider>
    </StrictMode>,
  );
  await deliver();
  return client;
}

function add(...titles: string[]): void {
  const ops = titles.map((title) => ({ op: 'create' as const, object: title, type: 'task', properties: { title, done: false } }));
  host.change(ops);
}

/** Counts renders that are shown: StrictMode calls a component twice for each. */
function counter(): { of: (name: string) => void; take: () => Record<string, number> } {
  let counts: Record<string, number> = {};
  return {
    of: (name) => {
      counts[name] = (counts[name] ?? 0) + 1;
    },
    take: () => {
      const taken = counts;
      counts = {};
      return taken;
    },
  };
}

describe('what renders', () => {
  const count = counter();
  const Row = memo(function Row({ task }: { task: EchoObject<Task> }) {
    count.of(task.objectId);
    return <li>{task.title}</li>;
  });
  function List({ space }: { space: Space | undefined }) {
    count.of('list');
    return <ul>{useQuery<Task>(space, { order: ['title'] }).map((task) => <Row key={task.objectId} task={task} />)}</ul>;
  }
  function Spaces() {
    count.of('spaces');
    return <List space={useSpaces()[0]} />;
  }
  function Who() {
    count.of('who');
    return <p>{useIdentity()?.profile.displayName}</p>;
  }

  it('is the row that changed, the list that it is in, and nothing else', async () => {
    add('a', 'b', 'c');
    await show(
      <>
        <Who />
        <Spaces />
      </>,
    );
    expect(screen.getAllByRole('listitem').map((row) => row.textContent)).toEqual(['a', 'b', 'c']);
    count.take();
    host.change([{ op: 'set', object: 'b', path: 'done', value: true }]);
    await deliver();
    // Twice each: StrictMode renders every render twice.
    expect(count.take()).toEqual({ list: 2, b: 2 });
    host.change([{ op: 'create', object: 'd', type: 'task', properties: { title: 'd', done: false } }]);
    await deliver();
    expect(count.take()).toEqual({ list: 2, d: 2 });
    host.values.set('identity', { identity: 'ann', device: 'd', profile: { displayName: 'Anne', fields: {} } });
    host.pump();
    await deliver();
    expect(count.take()).toEqual({ who: 2 });
  });

  it('is nothing, when the host says again what it has said', async () => {
    add('a');
    await show(<Spaces />);
    count.take();
    host.values.set('spaces', [{ ...SPACE, pipeline: { objects: 9, blocks: 9, missingBlocks: 1 } }]);
    host.pump();
    await deliver();
    expect(count.take()).toEqual({});
  });

  it('is one render for all that is written in one turn, and none when the host confirms it', async () => {
    add('a', 'b');
    const client = await show(<Spaces />);
    count.take();
    const [space] = client.spaces.get();
    const tasks = space!.db.query<Task>({ order: ['title'] }).get();
    act(() => {
      for (const task of tasks) task.done = true;
    });
    expect(count.take()).toEqual({ list: 2, a: 2, b: 2 });
    await deliver();
    const confirmed = count.take();
    // Rows show `updated`, too: at most once more, with what the host says of the time.
    expect(Math.max(0, ...Object.values(confirmed))).toBeLessThanOrEqual(2);
    expect(host.transactions).toBe(2);
  });

  it('is the item that came to a queue, and the list that it is in', async () => {
    const Item = memo(function Item({ item }: { item: QueueItem<string> }) {
      count.of(item.id);
      return <li>{item.value}</li>;
    });
    function Log() {
      const { items } = useQueue<string>(useSpaces()[0], 'log');
      return <ol>{items.map((item) => <Item key={item.id} item={item} />)}</ol>;
    }
    const item = (n: number) => ({ id: `i${n}`, position: { lamport: n, feed: 'y', seq: n, index: 0 }, author: { device: 'd' }, timeMs: n, value: `item ${n}` });
    const info = (items: number) => ({ name: 'log', items, bytes: 0, retention: {}, end: String(items) });
    const all = [item(1), item(2)];
    host.values.set('queue', info(2));
    host.answers.set('echo.readItems', () => [...all].reverse());
    host.answers.set('echo.readQueue', ({ from }: { from: string }) => ({ takenBack: [], items: all.slice(Number(from)), next: String(all.length) }));
    await show(<Log />);
    expect(screen.getAllByRole('listitem').map((row) => row.textContent)).toEqual(['item 1', 'item 2']);
    count.take();
    all.push(item(3));
    host.values.set('queue', info(3));
    host.pump();
    await deliver();
    expect(screen.getAllByRole('listitem').map((row) => row.textContent)).toEqual(['item 1', 'item 2', 'item 3']);
    expect(count.take()).toEqual({ i3: 2 });
  });

  it('is never torn: two components that show one object show the same of it', async () => {
    add('a');
    const seen: string[][] = [];
    const Title = ({ into }: { into: (title: string) => void }) => {
      const task = useObject<Task>(useSpaces()[0], 'a');
      into(task?.title ?? '');
      return <span>{task?.title}</span>;
    };
    const Both = () => {
      const pair: string[] = [];
      seen.push(pair);
      return (
        <>
          <Title into={(title) => (pair[0] = title)} />
          <Title into={(title) => (pair[1] = title)} />
        </>
      );
    };
    const client = await show(<Both />);
    const task = client.spaces.get()[0]!.db.getObjectById<Task>('a')!;
    act(() => void (task.title = 'b'));
    await deliver();
    expect(screen.getAllByText('b')).toHaveLength(2);
    for (const [one, other] of seen) expect(one).toBe(other);
  });
});

describe('a host that goes away', () => {
  const Page = () => {
    const space = useOrCreateFirstSpace();
    const tasks = useQuery<Task>(space, { order: ['title'] });
    const text = useText(space, 'note', 'body');
    return (
      <>
        <p data-testid="state">{`${useConnection()} ${useStatus()}`}</p>
        <p data-testid="tasks">{tasks.map(({ title, done }) => `${title}${done ? '!' : ''}`).join(' ')}</p>
        <p data-testid="text">{text.content}</p>
      </>
    );
  };
  const shown = (): string[] => ['state', 'tasks', 'text'].map((id) => screen.getByTestId(id).textContent ?? '');
  const leave = (): void =>
    act(() => {
      const { wire } = host;
      wire?.close();
      wire?.onclose?.();
    });

  it('leaves on screen what is there, keeps what is written, and has all of it when it comes back', async () => {
    add('a');
    host.text.content = 'Once';
    const client = await show(<Page />);
    expect(shown()).toEqual(['connected active', 'a', 'Once']);
    leave();
    expect(shown()).toEqual(['waiting null', 'a', 'Once']);
    const [space] = client.spaces.get();
    act(() => {
      space!.db.getObjectById<Task>('a')!.done = true;
    });
    expect(shown()[1]).toBe('a!');
    // Others go on, on the host's side.
    add('b');
    host.text.change([{ at: 4, delete: 0, insert: ' upon' }]);
    expect(shown()).toEqual(['waiting null', 'a!', 'Once']);
    await act(async () => {
      const back = client.resumeHostServices();
      await settle(host);
      await back;
    });
    await deliver();
    expect(shown()).toEqual(['connected active', 'a! b', 'Once upon']);
    expect(host.objects.get('a')?.properties).toEqual({ title: 'a', done: true });
  });

  it('that was started anew gives everything again, and nothing twice', async () => {
    add('a');
    host.text.content = 'Once';
    const client = await show(<Page />);
    host.restart();
    leave();
    add('b');
    await act(async () => {
      const back = client.resumeHostServices();
      await settle(host);
      await back;
    });
    await deliver();
    expect(shown()).toEqual(['connected active', 'a b', 'Once']);
  });

  it('is told in the fallback before it was ever there, and tried again', async () => {
    let isThere = false;
    const createSocket = (): ReturnType<ModelHost['connect']> => {
      const wire = host.connect();
      if (!isThere) {
        wire.onopen = null;
        queueMicrotask(() => {
          wire.close();
          wire.onclose?.();
        });
      }
      return wire;
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let again: (() => void) | undefined;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error('late')), ms);
      return controller.signal;
    });
    render(
      <ClientProvider
        options={{ host: 'http://127.0.0.1:1', token: 't', storage: null, createSocket, timeoutMs: 2000 }}
        fallback={({ error, retry }) => {
          again = retry;
          return <p>{error ? error.message : 'One moment…'}</p>;
        }}
      >
        <p>There</p>
      </ClientProvider>,
    );
    expect(screen.getByText('One moment…')).toBeDefined();
    await act(async () => {
      await vi.advanceTimersByTimeAsync(2500);
    });
    expect(screen.getByText(/does not answer/)).toBeDefined();
    isThere = true;
    act(() => again?.());
    expect(screen.getByText('One moment…')).toBeDefined();
    // Nobody waits for the next try of the back-off.
    await deliver();
    expect(screen.getByText('There')).toBeDefined();
  });
});

describe('a provider that makes its client', () => {
  const options = (): { host: string; token: string; storage: null; createSocket: ModelHost['connect'] } => ({
    host: 'http://127.0.0.1:1',
    token: 't',
    storage: null,
    createSocket: host.connect,
  });
  let made: Client | undefined;
  const Grab = () => {
    made = useClient();
    return <p>{useIdentity()?.profile.displayName}</p>;
  };
  const tree = () => (
    <StrictMode>
      <ClientProvider options={options()} fallback="One moment…">
        <Grab />
      </ClientProvider>
    </StrictMode>
  );

  it('connects once though StrictMode mounts twice, and ends the client once it has gone', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { unmount } = render(tree());
    await deliver();
    expect(screen.getByText('Ann')).toBeDefined();
    expect(host.wires).toHaveLength(1);
    // The end that the first, trial mount had begun was called off.
    await act(() => vi.advanceTimersByTimeAsync(5000));
    expect(made?.connection.get()).toBe('connected');
    unmount();
    expect(made?.connection.get()).toBe('connected');
    await vi.advanceTimersByTimeAsync(1500);
    await settle(host);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(made?.connection.get()).toBe('closed');
    expect(host.wire).toBeUndefined();
  });

  it('leaves on screen what a destroyed client showed, and follows it once it is initialized again', async () => {
    const client = await show(<Grab />);
    const ending = client.destroy();
    await deliver();
    await ending;
    expect(client.connection.get()).toBe('closed');
    await expect(client.halo.updateProfile({ displayName: 'x' })).rejects.toThrow(/initialize/);
    // What was on screen stays.
    expect(screen.getByText('Ann')).toBeDefined();
    await act(async () => {
      const again = client.initialize();
      await settle(host);
      await again;
    });
    await deliver();
    host.values.set('identity', { identity: 'ann', device: 'd', profile: { displayName: 'Anne', fields: {} } });
    host.pump();
    await deliver();
    expect(screen.getByText('Anne')).toBeDefined();
  });

  it('takes over what a server rendered without a word of complaint', async () => {
    const container = document.createElement('div');
    document.body.append(container);
    container.innerHTML = renderToString(tree());
    expect(container.textContent).toBe('One moment…');
    expect(host.wires).toHaveLength(0);
    const root = await act(async () => hydrateRoot(container, tree()));
    await deliver();
    expect(container.textContent).toBe('Ann');
    act(() => root.unmount());
    container.remove();
  });
});
