import { type FormEvent, useState } from 'react';
import type { Space } from '@dxos-rs/client';
import { useMayWrite, useName } from '../../data/client.js';
import { useAction, useLoad, useStore } from '../../data/store.js';
import { href, navigate } from '../../router.js';
import { Badge, Button, ConfirmButton, Field, Input, Key, Select } from '../../ui/controls.js';
import { ArchiveCard } from './archive.js';
import { Kept } from './kept.js';
import { Schemas } from './schemas.js';

/** What a space is called, what it consists of, and how to leave it. */
export function SpaceSettings({ space }: { space: Space }) {
  const mayWrite = useMayWrite(space);
  const departure = useStore(space.departure);
  return (
    <div className="column">
      {mayWrite && <Name space={space} />}
      <About space={space} />
      <Schemas space={space} mayWrite={mayWrite} />
      <ArchiveCard space={space} />
      <Credentials space={space} />
      <Kept space={space} />
      {departure === undefined && <Leave space={space} />}
    </div>
  );
}

function Name({ space }: { space: Space }) {
  const shown = useName(space);
  const [name, setName] = useState(shown);
  const [busy, run] = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(() => space.updateProperties({ name: name.trim() }), 'Renamed');
  };
  return (
    <section className="card">
      <form className="card-body row" style={{ alignItems: 'flex-end' }} onSubmit={submit}>
        <div className="grow">
          <Field label="Name">
            {(ids) => <Input {...ids} maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />}
          </Field>
        </div>
        <Button type="submit" disabled={busy || name.trim() === '' || name.trim() === shown}>
          Rename
        </Button>
      </form>
    </section>
  );
}

function About({ space }: { space: Space }) {
  const info = useStore(space.info);
  return (
    <section className="card" aria-labelledby="about-title">
      <div className="card-head">
        <h2 id="about-title">About</h2>
      </div>
      <dl className="card-body facts">
        <dt>Key</dt>
        <dd>
          <Key value={space.key} what="Space key" full />
        </dd>
        <dt>Topic</dt>
        <dd>
          <Key value={info.topic} what="Topic" full />
        </dd>
        <dt>State</dt>
        <dd>
          {info.state}
          {info.reason && <span className="faint">: {info.reason.message}</span>}
        </dd>
        <dt>Your role</dt>
        <dd>{info.role ?? 'none'}</dd>
        {info.forks.length > 0 && (
          <>
            <dt>Forked feeds</dt>
            <dd>
              {info.forks.map((fork) => (
                <div key={fork.feed}>
                  <Badge tone="bad">cut at {fork.seq}</Badge> <Key value={fork.feed} what="Feed" />
                </div>
              ))}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}

function Credentials({ space }: { space: Space }) {
  const { value } = useLoad(() => space.credentials(), [space]);
  return (
    <details className="card fold">
      <summary className="card-head">
        <h2>Credentials</h2>
        <span className="faint small">{value ? value.length : ''}</span>
      </summary>
      <div className="scroll-x">
        <table className="plain">
          <thead>
            <tr>
              <th>Kind</th>
              <th>Subject</th>
              <th>Detail</th>
              <th>Issuer</th>
              <th className="number">Time</th>
            </tr>
          </thead>
          <tbody>
            {(value ?? []).map((credential, index) => (
              <tr key={index}>
                <td>
                  {credential.kind} {!credential.counts && <Badge tone="warn">does not count</Badge>}
                </td>
                <td>{credential.subject != null && <Key value={credential.subject} what="Subject" />}</td>
                <td>{credential.detail}</td>
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

function Leave({ space }: { space: Space }) {
  const members = useStore(space.members);
  const [successor, setSuccessor] = useState('');
  const [busy, run] = useAction();
  const others = members.filter((member) => !member.own && member.role !== 'replicator');
  const own = members.find((member) => member.own);
  const lastAdmin = own?.role === 'admin' && others.length > 0 && !others.some((member) => member.role === 'admin');
  const leave = async () => {
    const left = await run(async () => {
      await space.leave(successor === '' ? {} : { successor });
      return true;
    }, 'You have left the space');
    if (left) navigate(href());
  };
  return (
    <section className="card" aria-labelledby="leave-title">
      <div className="card-head">
        <h2 id="leave-title">Leave</h2>
      </div>
      <div className="card-body stack">
        <p className="soft">You leave with all your devices, and get nothing new from then on. Only an invitation brings you back.</p>
        {lastAdmin && (
          <Field label="Who becomes an admin" hint="You are the last one.">
            {(ids) => (
              <Select {...ids} value={successor} onChange={(event) => setSuccessor(event.target.value)}>
                <option value="">Choose…</option>
                {others.map((member) => (
                  <option key={member.identity} value={member.identity}>
                    {member.profile.displayName ?? member.identity.slice(0, 8)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        )}
        <div>
          <ConfirmButton
            icon="leave"
            disabled={busy || (lastAdmin && successor === '')}
            question="Leave this space for good?"
            onConfirm={() => void leave()}
          >
            Leave the space
          </ConfirmButton>
        </div>
      </div>
    </section>
  );
}
