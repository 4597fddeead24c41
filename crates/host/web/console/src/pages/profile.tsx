import { type FormEvent, useState } from 'react';
import type { IdentityInfo } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { useAction, useStore } from '../data/store.js';
import { PageFrame } from '../shell/shell.js';
import { Avatar, Badge, Button, copy, Field, Input, Key, Note } from '../ui/controls.js';

/** Who the user is, to others and by key. */
export function Profile({ identity }: { identity: IdentityInfo }) {
  return (
    <PageFrame title="Profile" name="Profile">
      <div className="column">
        <Shown identity={identity} />
        <Recovery />
        <Credentials />
      </div>
    </PageFrame>
  );
}

function Shown({ identity }: { identity: IdentityInfo }) {
  const client = useClient();
  const before = identity.profile.displayName ?? '';
  const [name, setName] = useState(before);
  const [busy, run] = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => client.halo.updateProfile({ displayName: name.trim() }), 'Your name was changed');
  };
  return (
    <section className="card">
      <div className="card-body stack">
        <div className="row" style={{ gap: 'var(--space-3)' }}>
          <Avatar name={identity.profile.displayName} id={identity.identity} large />
          <div className="grow">
            <strong style={{ fontSize: 'var(--size-l)', fontWeight: 620 }}>{before || 'No name'}</strong>
            <div>
              <Key value={identity.identity} what="Identity" full />
            </div>
          </div>
        </div>
        <form className="row" style={{ alignItems: 'flex-end' }} onSubmit={submit}>
          <div className="grow">
            <Field label="Name" hint="What others see in spaces that you share.">
              {(ids) => <Input {...ids} autoComplete="name" maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />}
            </Field>
          </div>
          <Button type="submit" style={{ marginBottom: 23 }} disabled={busy || name.trim() === '' || name.trim() === before}>
            Save
          </Button>
        </form>
      </div>
    </section>
  );
}

function Recovery() {
  const client = useClient();
  const devices = useStore(client.halo.devices);
  const [phrase, setPhrase] = useState<string>();
  const [busy, run] = useAction();
  const phrases = devices.filter((device) => device.kind === 'recovery-phrase' && !device.revoked);
  const create = async () => {
    const made = await run(() => client.halo.createRecoveryPhrase());
    if (made) setPhrase(made.phrase);
  };
  return (
    <section className="card" aria-labelledby="recovery-title">
      <div className="card-head">
        <h2 id="recovery-title">Recovery phrase</h2>
        {phrases.length > 0 ? <Badge tone="good">{phrases.length === 1 ? 'made' : `${phrases.length} made`}</Badge> : <Badge tone="warn">none</Badge>}
      </div>
      <div className="card-body stack">
        {phrase === undefined ? (
          <>
            <p className="soft">
              24 words bring your identity back when all your devices are lost, from any peer that is online. Whoever has them is
              you: write them on paper, and nowhere else.
            </p>
            <div>
              <Button disabled={busy} onClick={() => void create()}>
                {busy ? 'Making…' : phrases.length > 0 ? 'Make another' : 'Make a recovery phrase'}
              </Button>
            </div>
          </>
        ) : (
          <>
            <Note tone="warn" icon="warning">
              These words show once. Write them down in this order.
            </Note>
            <ol className="words" aria-label="The recovery phrase">
              {phrase.split(' ').map((word, at) => (
                <li key={at}>{word}</li>
              ))}
            </ol>
            <div className="row">
              <Button kind="primary" onClick={() => setPhrase(undefined)}>
                I have written them down
              </Button>
              <Button icon="copy" onClick={() => void copy(phrase, 'Phrase')}>
                Copy
              </Button>
            </div>
          </>
        )}
      </div>
    </section>
  );
}

function Credentials() {
  const credentials = useStore(useClient().halo.credentials);
  return (
    <details className="card fold">
      <summary className="card-head">
        <h2>Credentials</h2>
        <span className="faint small">{credentials.length}</span>
      </summary>
      <div className="scroll-x">
        <table className="plain">
          <thead>
            <tr>
              <th>Kind</th>
              <th>Subject</th>
              <th>Issuer</th>
              <th className="number">Time</th>
            </tr>
          </thead>
          <tbody>
            {credentials.map((credential, at) => (
              <tr key={at}>
                <td>
                  {credential.kind} {!credential.counts && <Badge tone="warn">does not count</Badge>}
                </td>
                <td>{credential.subject != null && <Key value={credential.subject} what="Subject" />}</td>
                <td>
                  <Key value={credential.issuer} what="Issuer" />
                </td>
                <td className="number">{credential.lamport}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
