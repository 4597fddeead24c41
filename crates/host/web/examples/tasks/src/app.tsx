import type { EchoObject, Space } from '@dxos-rs/client';
import {
  ClientProvider,
  useClient,
  useIdentity,
  useInvitationStatus,
  useMembers,
  useOrCreateFirstSpace,
  useQuery,
  useSpaces,
  useStore,
} from '@dxos-rs/react-client';
import { memo, useState } from 'react';

const TYPE = 'example.com/type/Task';
type Task = { title: string; done: boolean };

/** One line of text with a button, for everything that is typed here. */
function Field({ label, button, onSubmit }: { label: string; button: string; onSubmit: (text: string) => void }) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit(String(new FormData(event.currentTarget).get('text')));
        event.currentTarget.reset();
      }}
    >
      <label>
        {label} <input name="text" autoComplete="off" required />
      </label>
      <button>{button}</button>
    </form>
  );
}

/** Finds the host, and waits for it. */
export function App() {
  const [host, setHost] = useState(() => localStorage.getItem('host'));
  if (!host) {
    const keep = (address: string) => {
      // The token in it is for one use; the client keeps what it gets for it.
      localStorage.setItem('host', address.split('#')[0]!);
      setHost(address);
    };
    return <Field label="The address that `dx host` prints" button="Connect" onSubmit={keep} />;
  }
  const problem = (error: Error | undefined, retry: () => void) =>
    error ? <p role="alert">{error.message} <button onClick={() => retry()}>Try again</button></p> : <p>Connecting…</p>;
  return (
    <ClientProvider options={{ host }} fallback={({ error, retry }) => problem(error, retry)}>
      <Home />
    </ClientProvider>
  );
}

/** Who are you? Then: which space? */
function Home() {
  const { halo } = useClient();
  const identity = useIdentity();
  const first = useOrCreateFirstSpace({ name: 'Tasks' });
  const spaces = useSpaces();
  const [chosen, choose] = useState<string>();
  const space = spaces.find(({ key }) => key === chosen) ?? first;
  if (identity === null) return <Field label="Your name" button="Begin" onSubmit={(name) => void halo.createIdentity(name)} />;
  if (!space) return <p>Opening…</p>;
  return (
    <>
      <label>
        Space{' '}
        <select value={space.key} onChange={(event) => choose(event.target.value)}>
          {spaces.map((one) => <Choice key={one.key} space={one} />)}
        </select>
      </label>
      <Tasks space={space} />
      <Invite space={space} />
      <Join onJoined={choose} />
    </>
  );
}

// The name comes with the space, a moment after it was joined.
function Choice({ space }: { space: Space }) {
  return <option value={space.key}>{String(useStore(space.properties)['name'] ?? 'Untitled')} {space.key.slice(0, 4)}</option>;
}

function Tasks({ space }: { space: Space }) {
  const tasks = useQuery<Task>(space, { type: TYPE, order: ['done', 'title'] });
  const members = useMembers(space);
  const add = (title: string) => space.db.add<Task>({ title, done: false }, { type: TYPE });
  return (
    <section aria-label="Tasks">
      <p>{members.map(({ profile, online, own }) => `${profile.displayName ?? '?'}${own || online ? '' : ' (away)'}`).join(', ')}</p>
      <ul>{tasks.map((task) => <Row key={task.objectId} task={task} space={space} />)}</ul>
      <Field label="New task" button="Add" onSubmit={add} />
    </section>
  );
}

// A task that did not change is the same object: only rows that changed render again.
const Row = memo(function Row({ task, space }: { task: EchoObject<Task>; space: Space }) {
  return (
    <li>
      <label>
        <input type="checkbox" checked={task.done} onChange={(event) => (task.done = event.target.checked)} /> {task.title}
      </label>
      <button aria-label={`Remove ${task.title}`} onClick={() => space.db.remove(task)}>×</button>
    </li>
  );
});

function Invite({ space }: { space: Space }) {
  const { status, invitationCode, authCode, connect } = useInvitationStatus();
  const invite = async () => connect(await space.share());
  if (!invitationCode || status === 'success') return <button onClick={() => void invite()}>Invite somebody</button>;
  return (
    <p>
      Send this: <code data-testid="invitation">{invitationCode}</code>, and tell them <strong data-testid="code">{authCode}</strong>
    </p>
  );
}

function Join({ onJoined }: { onJoined: (key: string) => void }) {
  const { echo } = useClient();
  const { status, error, attemptsLeft, connect, authenticate } = useInvitationStatus();
  const join = (code: string) => {
    const invitation = echo.join(code);
    connect(invitation);
    invitation.done().then(({ spaceKey }) => onJoined(spaceKey!), () => {});
  };
  if (status === 'ready-for-authentication') {
    const label = attemptsLeft === undefined ? 'Code' : `Wrong, ${attemptsLeft} left. Code`;
    return <Field label={label} button="Enter" onSubmit={(code) => void authenticate(code)} />;
  }
  return (
    <>
      <Field label="Invitation" button="Join" onSubmit={join} />
      {error && <p role="alert">{error.message}</p>}
    </>
  );
}
