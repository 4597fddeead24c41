import { type FormEvent, type ReactNode, useState } from 'react';
import { useClient } from '../data/client.js';
import { asError, useAction } from '../data/store.js';
import { useTitle } from '../router.js';
import { Button, Field, Input } from '../ui/controls.js';

/** A page with one thing on it. */
export function Sheet({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  return (
    <main className="sheet">
      <div className="sheet-body">
        <div className="sheet-brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>DXOS</span>
        </div>
        <h1 tabIndex={-1}>{title}</h1>
        {children}
      </div>
    </main>
  );
}

/** Shows while nothing is known yet; at first nothing at all, so that a quick start does not flicker. */
export function Waiting({ silent }: { silent: boolean }) {
  const client = useClient();
  useTitle('Connecting');
  if (!silent) return <main className="sheet" aria-busy="true" aria-label="Connecting" />;
  return (
    <Sheet title="The host does not answer">
      <p className="soft">
        This page talks to <code>dx host</code> on this machine. It tries again by itself; if the host has ended, start it and
        open the address that it prints.
      </p>
      <Button kind="primary" onClick={() => void client.resumeHostServices().catch(() => undefined)}>
        Try now
      </Button>
    </Sheet>
  );
}

/** Asks for a token. */
export function SignIn() {
  const client = useClient();
  const [text, setText] = useState('');
  const [busy, run] = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const token = text.trim().split('token=').pop() ?? '';
    void run(() => client.resumeHostServices({ token }));
  };
  return (
    <Sheet title="Open the console with a fresh address">
      <p className="soft">
        An address opens once, within ten minutes. Press Enter in the terminal where <code>dx host</code> runs: it prints another.
        Open that, or paste it here.
      </p>
      <form className="stack" onSubmit={submit}>
        <Field label="Address or token">
          {(ids) => (
            <Input
              {...ids}
              autoFocus
              value={text}
              onChange={(event) => setText(event.target.value)}
              placeholder="http://127.0.0.1:…/#token=…"
            />
          )}
        </Field>
        <Button type="submit" kind="primary" disabled={busy || text.trim() === ''}>
          Continue
        </Button>
      </form>
    </Sheet>
  );
}

/** Another page has taken the session over. */
export function Replaced() {
  const client = useClient();
  const [busy, run] = useAction();
  return (
    <Sheet title="The console is open elsewhere">
      <p className="soft">Another window has taken this session over. What you wrote is safe.</p>
      <Button kind="primary" disabled={busy} onClick={() => void run(() => client.resumeHostServices())}>
        Use it here
      </Button>
    </Sheet>
  );
}

/** The page is older or newer than the host. */
export function Incompatible() {
  return (
    <Sheet title="The host has changed">
      <p className="soft">The host speaks another version of the protocol than this page. Loading the page anew mends that.</p>
      <Button kind="primary" onClick={() => window.location.reload()}>
        Load anew
      </Button>
    </Sheet>
  );
}

/** The client was ended, as after a reset. */
export function Closed() {
  return (
    <Sheet title="The host has ended">
      <p className="soft">
        Start <code>dx host</code> again and open the address that it prints.
      </p>
    </Sheet>
  );
}

/** Asks for the passphrase of the profile. */
export function Locked() {
  const client = useClient();
  const [passphrase, setPassphrase] = useState('');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await client.unlock(passphrase);
    } catch (failure) {
      setError(asError(failure).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Sheet title="The profile is locked">
      <p className="soft">Its keys are encrypted on this machine. The passphrase is used here and not kept.</p>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        <Field label="Passphrase" error={error}>
          {(ids) => (
            <Input
              {...ids}
              type="password"
              autoComplete="current-password"
              autoFocus
              value={passphrase}
              onChange={(event) => setPassphrase(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" kind="primary" disabled={busy || passphrase === ''}>
          {busy ? 'Opening…' : 'Unlock'}
        </Button>
      </form>
    </Sheet>
  );
}
