import { type FormEvent, useState } from 'react';
import { useClient } from '../data/client.js';
import { asError, useAction } from '../data/store.js';
import { Button, Field, Input, Note } from '../ui/controls.js';
import { Icon, type IconName } from '../ui/icon.js';
import { Sheet } from './gate.js';
import { JoinSteps } from './join.js';

type Way = 'create' | 'device' | 'recover';

const WAYS: ReadonlyArray<{ way: Way; icon: IconName; title: string; text: string }> = [
  { way: 'create', icon: 'identity', title: 'Create an identity', text: 'You are new here, and this is your first device.' },
  { way: 'device', icon: 'devices', title: 'Join as another device', text: 'You have an identity on a device that can invite this one.' },
  { way: 'recover', icon: 'history', title: 'Recover an identity', text: 'Your devices are lost, and you have the 24 words.' },
];

/** The first run: how this profile comes to its identity. */
export function Welcome() {
  const [way, setWay] = useState<Way>();
  if (way === 'create') return <Create back={() => setWay(undefined)} />;
  if (way === 'device') return <JoinDevice back={() => setWay(undefined)} />;
  if (way === 'recover') return <Recover back={() => setWay(undefined)} />;
  return (
    <Sheet title="Who are you?">
      <p className="soft">
        Your data lives on your devices and is shared with those you invite. There is no account and no server: an identity is a
        key that only you have.
      </p>
      <ul className="choices">
        {WAYS.map((one) => (
          <li key={one.way}>
            <button type="button" className="choice" onClick={() => setWay(one.way)}>
              <Icon name={one.icon} />
              <span>
                <strong>{one.title}</strong>
                <span className="soft">{one.text}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Sheet>
  );
}

function Back({ back }: { back: () => void }) {
  return (
    <Button kind="quiet" icon="back" onClick={back}>
      Back
    </Button>
  );
}

function Create({ back }: { back: () => void }) {
  const client = useClient();
  const [name, setName] = useState('');
  const [busy, run] = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => client.halo.createIdentity({ displayName: name.trim() }));
  };
  return (
    <Sheet title="Create an identity">
      <form className="stack" onSubmit={submit}>
        <Field label="Your name" hint="What others see in spaces that you share. It can be changed later.">
          {(ids) => (
            <Input {...ids} autoFocus autoComplete="name" maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
        <div className="row between">
          <Back back={back} />
          <Button type="submit" kind="primary" disabled={busy || name.trim() === ''}>
            {busy ? 'Creating…' : 'Create identity'}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

function JoinDevice({ back }: { back: () => void }) {
  const client = useClient();
  return (
    <Sheet title="Join as another device">
      <p className="soft">
        On a device that you have, open <strong>Devices</strong> and choose <strong>Add a device</strong>. Paste here what it shows.
      </p>
      <JoinSteps accept={(code) => client.halo.join(code)} onCancel={back} cancelLabel="Back" />
    </Sheet>
  );
}

function Recover({ back }: { back: () => void }) {
  const client = useClient();
  const [phrase, setPhrase] = useState('');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const words = phrase.trim().split(/\s+/).filter(Boolean);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await client.halo.recoverIdentity(words.join(' ').toLowerCase());
    } catch (failure) {
      setError(asError(failure).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Sheet title="Recover an identity">
      <form className="stack" onSubmit={(event) => void submit(event)}>
        <Field label="Recovery phrase" hint={`${words.length} of 24 words`} error={error}>
          {(ids) => (
            <textarea
              {...ids}
              className="textarea mono"
              rows={4}
              autoFocus
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              value={phrase}
              onChange={(event) => setPhrase(event.target.value)}
            />
          )}
        </Field>
        <Note icon="network">Somebody with whom you share a space, or one of your devices, has to be online.</Note>
        <div className="row between">
          <Back back={back} />
          <Button type="submit" kind="primary" disabled={busy || words.length !== 24}>
            {busy ? 'Looking for your devices…' : 'Recover identity'}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
