import { useState } from 'react';
import type { OneTimeToken } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { useAction, useLoad, useStore } from '../data/store.js';
import { PageFrame } from '../shell/shell.js';
import { setTheme, type Theme, useTheme } from '../shell/theme.js';
import { Button, ConfirmButton, copy, Figure, Segments } from '../ui/controls.js';
import { formatBytes, formatCount, formatDuration } from '../ui/format.js';
import { toast } from '../ui/toast.js';
import { Doctor } from './doctor.js';

const THEMES: ReadonlyArray<{ value: Theme; label: string }> = [
  { value: 'system', label: 'System' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
];

/** The host that serves this page: what it does, who may talk to it, and how it is set. */
export function HostPage() {
  const client = useClient();
  const theme = useTheme();
  const metrics = useStore(client.metrics);
  const usage = useLoad(() => client.usage(), [client]);
  const [busy, run] = useAction();
  const collect = async () => {
    const garbage = await run(() => client.gc());
    if (!garbage) return;
    const given = Math.max(0, garbage.diskBytesBefore - garbage.diskBytesAfter);
    toast(`${formatBytes(given)} given back, ${formatBytes(garbage.diskBytesAfter)} are in use on the disk`);
    usage.reload();
  };
  const total = usage.value ? usage.value.blocks + usage.value.objects + usage.value.rest : 0;
  return (
    <PageFrame title="Host" name="Host">
      <div className="column">
        <div className="figures">
          <Figure label="Runs for">{metrics ? formatDuration(metrics.uptimeMs) : '–'}</Figure>
          <Figure label="Open pages">{metrics ? formatCount(metrics.connections) : '–'}</Figure>
          <Figure label="Requests">{metrics ? formatCount(metrics.requests) : '–'}</Figure>
          <Figure label="Notifications">{metrics ? formatCount(metrics.notifications) : '–'}</Figure>
          <Figure label="Sent">{metrics ? formatBytes(metrics.bytesSent) : '–'}</Figure>
          <Figure label="Refused">{metrics ? formatCount(metrics.refused) : '–'}</Figure>
        </div>
        <section className="card" aria-labelledby="storage-title">
          <div className="card-head">
            <h2 id="storage-title">Storage</h2>
            <span className="soft small">{usage.value ? formatBytes(total) : ''}</span>
          </div>
          <div className="card-body stack">
            <div className="parts" aria-hidden="true">
              {usage.value && total > 0 && (
                <>
                  <span style={{ flexGrow: usage.value.blocks, background: 'var(--accent)' }} />
                  <span style={{ flexGrow: usage.value.objects, background: 'var(--good-dot)' }} />
                  <span style={{ flexGrow: usage.value.rest, background: 'var(--line-strong)' }} />
                </>
              )}
            </div>
            <dl className="facts">
              <dt>Blocks</dt>
              <dd>{usage.value ? formatBytes(usage.value.blocks) : '–'}, what is replicated</dd>
              <dt>Objects</dt>
              <dd>{usage.value ? formatBytes(usage.value.objects) : '–'}, made from blocks</dd>
              <dt>Everything else</dt>
              <dd>{usage.value ? formatBytes(usage.value.rest) : '–'}</dd>
            </dl>
            <div>
              <Button disabled={busy} onClick={() => void collect()}>
                {busy ? 'Clearing up…' : 'Give back unused room'}
              </Button>
            </div>
          </div>
        </section>
        <Doctor />
        <Access />
        <section className="card" aria-labelledby="look-title">
          <div className="card-head">
            <h2 id="look-title">Colours</h2>
            <Segments label="Colours" value={theme} options={THEMES} onChange={setTheme} />
          </div>
        </section>
        <Configuration />
        <Danger />
      </div>
    </PageFrame>
  );
}

function Access() {
  const client = useClient();
  const [token, setToken] = useState<OneTimeToken>();
  const [busy, run] = useAction();
  return (
    <section className="card" aria-labelledby="access-title">
      <div className="card-head">
        <h2 id="access-title">Access from this machine</h2>
      </div>
      <div className="card-body stack">
        <p className="soft">Only programs of this machine that show a token are let in. An address opens once, within ten minutes.</p>
        {token && (
          <div className="stack tight">
            <code className="invitation-code">{token.url}</code>
            <Button small icon="copy" onClick={() => void copy(token.url, 'Address')}>
              Copy the address
            </Button>
          </div>
        )}
        <div className="row wrap">
          <Button
            disabled={busy}
            onClick={() =>
              void run(async () => {
                setToken(await client.createToken());
              })
            }
          >
            Address for another browser
          </Button>
          <ConfirmButton
            disabled={busy}
            question="Sign all others out?"
            onConfirm={() => void run(() => client.endSessions(), 'All other sessions have ended')}
          >
            End other sessions
          </ConfirmButton>
        </div>
      </div>
    </section>
  );
}

function Configuration() {
  const client = useClient();
  const config = useLoad(() => client.hostConfig(), [client]);
  return (
    <details className="card fold">
      <summary className="card-head">
        <h2>Configuration</h2>
        <span className="faint small">
          host {client.hostVersion ?? ''}, page {client.version}
        </span>
      </summary>
      <pre className="card-body json" tabIndex={0} aria-label="Configuration">
        {config.value === undefined ? '' : JSON.stringify(config.value, null, 2)}
      </pre>
    </details>
  );
}

function Danger() {
  const client = useClient();
  const [busy, run] = useAction();
  return (
    <section className="card" aria-labelledby="danger-title">
      <div className="card-head">
        <h2 id="danger-title">Lock or wipe</h2>
      </div>
      <div className="card-body stack">
        <p className="soft">Locking closes the profile until its passphrase is given. Wiping deletes it: what no other device has is gone for good.</p>
        <div className="row wrap">
          <Button disabled={busy} onClick={() => void run(() => client.lock())}>
            Lock
          </Button>
          <ConfirmButton disabled={busy} question="Delete everything on this device?" onConfirm={() => void run(() => client.reset())}>
            Wipe the profile
          </ConfirmButton>
        </div>
      </div>
    </section>
  );
}
