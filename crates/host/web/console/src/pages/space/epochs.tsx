import { useState } from 'react';
import type { EpochInfo, ErasureInfo, Space } from '@dxos-rs/client';
import { useAction, useStore } from '../../data/store.js';
import { Badge, Button, ConfirmButton, Key } from '../../ui/controls.js';
import { formatCount, plural } from '../../ui/format.js';

const TONES = { current: 'good', loading: 'warn', refused: 'bad', superseded: 'neutral' } as const;

/** The epochs of a space: signed snapshots, before which blocks may be dropped. */
export function Epochs({ space }: { space: Space }) {
  const epochs = useStore(space.epochs);
  const role = useStore(space.role);
  const members = useStore(space.members);
  const [share, setShare] = useState(false);
  const [busy, run] = useAction();
  const [current] = epochs.filter((epoch) => epoch.state === 'current');
  const contested = current && !current.trimmed ? current.mayContest.length : 0;
  const create = () => void run(() => space.createEpoch({ shareState: share }), 'The snapshot is signed');
  const trim = () => void run(() => space.trim({ force: contested > 0 }), 'Older blocks are dropped from this device');
  return (
    <section className="card" aria-labelledby="epochs-title">
      <div className="card-head">
        <h2 id="epochs-title">Epochs</h2>
        <span className="faint small">signed snapshots that stand for what was before</span>
      </div>
      {epochs.length > 0 && (
        <ul className="list">
          {epochs.map((epoch) => (
            <EpochRow key={epoch.block} epoch={epoch} by={members.find((member) => member.identity === epoch.identity)?.profile.displayName} />
          ))}
        </ul>
      )}
      <Erasure space={space} />
      {(role === 'admin' || (current && !current.trimmed)) && (
        <div className="card-body stack">
          {epochs.length === 0 && (
            <p className="soft">
              New members load the latest snapshot and what came after it. Each device may then drop the blocks before it: what shows stays, its history goes.
            </p>
          )}
          {role === 'admin' && members.length > 1 && (
            <label className="row">
              <input type="checkbox" className="checkbox" checked={share} onChange={(event) => setShare(event.target.checked)} />
              Also let members read it who were let in without the history
            </label>
          )}
          <div className="row wrap">
            {role === 'admin' && (
              <Button disabled={busy} onClick={create}>
                {busy ? 'One moment…' : 'Create an epoch'}
              </Button>
            )}
            {role === 'admin' && (
              <ConfirmButton
                disabled={busy}
                question="Destroy what was deleted on every device, with its keys? Nothing undoes that."
                onConfirm={() => void run(() => space.erase({ shareState: share }), 'Devices are asked to erase what was deleted')}
              >
                Erase what was deleted
              </ConfirmButton>
            )}
            {current && !current.trimmed && (
              <ConfirmButton
                disabled={busy}
                question={
                  contested > 0
                    ? `${plural(contested, 'device')} of admins may still contest it. Drop the history here all the same?`
                    : 'Drop the history before it from this device?'
                }
                onConfirm={trim}
              >
                Drop older blocks here
              </ConfirmButton>
            )}
          </div>
        </div>
      )}
    </section>
  );
}

const ERASURE: Record<ErasureInfo['state'], string> = {
  acknowledging: 'Devices have still to say that they write nothing more with the keys before.',
  requested: 'A device of an admin that has all blocks signs the epoch next.',
  erasing: 'Blocks and keys are being destroyed.',
  done: 'What was deleted is destroyed on this device, with its keys.',
};

/** How far the erasure is that was asked for last. */
function Erasure({ space }: { space: Space }) {
  const erasure = useStore(space.erasure);
  if (!erasure) return null;
  const waits = erasure.waitsFor.length;
  return (
    <div className="card-body row wrap erasure" role="status">
      <Badge tone={erasure.state === 'done' ? 'good' : 'warn'}>{erasure.state === 'done' ? 'erased' : 'erasing'}</Badge>
      <span className="soft small">
        {ERASURE[erasure.state]}
        {waits > 0 && ` It waits for ${plural(waits, 'device')}; one that is lost has to be revoked.`}
      </span>
    </div>
  );
}

function EpochRow({ epoch, by }: { epoch: EpochInfo; by: string | null | undefined }) {
  const facts = [
    epoch.blocks != null && `for ${plural(epoch.blocks, 'block')}`,
    epoch.objects != null && plural(epoch.objects, 'object'),
    epoch.mayContest.length > 0 && `${plural(epoch.mayContest.length, 'device')} of admins may contest it`,
  ].filter((fact) => fact !== false);
  return (
    <li>
      <span className="epoch-number" aria-hidden="true">
        {formatCount(epoch.number)}
      </span>
      <div className="grow">
        <strong style={{ fontWeight: 560 }}>
          Epoch {formatCount(epoch.number)}
          {by && <span className="soft"> by {by}</span>}
        </strong>
        <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
          {facts.length > 0 && <span>{facts.join(', ')}</span>}
          <Key value={epoch.snapshot} what="Snapshot" />
        </span>
      </div>
      {epoch.tidying ? <Badge tone="warn">dropping blocks</Badge> : epoch.trimmed && <Badge>older blocks dropped</Badge>}
      <Badge tone={TONES[epoch.state]}>{epoch.state}</Badge>
    </li>
  );
}
