import { useState } from 'react';
import type { HostInvitation, InvitationOptions, InvitationStatus, Space } from '@dxos-rs/client';
import { useClient, useName } from '../../data/client.js';
import { useAction, useStore } from '../../data/store.js';
import { Button, copy, Field, Note, Select } from '../../ui/controls.js';
import { Dialog, FormDialog } from '../../ui/dialog.js';
import { QrCode } from '../../ui/qr.js';

type Role = NonNullable<InvitationOptions['role']>;
type Days = '1' | '7' | '30';

const ROLES: ReadonlyArray<{ role: Role; text: string }> = [
  { role: 'editor', text: 'Editor: reads and writes' },
  { role: 'reader', text: 'Reader: reads' },
  { role: 'admin', text: 'Admin: also invites and removes' },
  { role: 'replicator', text: 'Replicator: carries what it cannot read' },
];

/** Invites somebody to a space. */
export function InviteDialog({ spaceKey, onClose }: { spaceKey: string; onClose: () => void }) {
  const space = useClient().getSpace(spaceKey);
  if (!space) return null;
  return <Invite space={space} onClose={onClose} />;
}

function Invite({ space, onClose }: { space: Space; onClose: () => void }) {
  const name = useName(space);
  const [role, setRole] = useState<Role>('editor');
  const [guests, setGuests] = useState<'one' | 'many'>('one');
  const [days, setDays] = useState<Days>('7');
  const [host, setHost] = useState<'interactive' | 'delegated'>('interactive');
  const [invitation, setInvitation] = useState<HostInvitation>();
  const [busy, run] = useAction();
  const create = async () => {
    const made = await run(() =>
      space.createInvitation({
        role,
        type: host,
        multiUse: guests === 'many',
        lifetimeMs: Number(days) * 86_400_000,
        target: name,
      }),
    );
    if (made) setInvitation(made);
  };
  if (invitation) {
    return (
      <Dialog title={`Invitation to ${name}`} onClose={onClose}>
        <InvitationCard invitation={invitation} guest="they" onDone={onClose} />
      </Dialog>
    );
  }
  return (
    <FormDialog
      title={`Invite to ${name}`}
      action="Create invitation"
      doing="Creating…"
      busy={busy}
      onSubmit={() => void create()}
      onClose={onClose}
    >
      <Field label="Role">
        {(ids) => (
          <Select {...ids} data-autofocus value={role} onChange={(event) => setRole(event.target.value as Role)}>
            {ROLES.map((one) => (
              <option key={one.role} value={one.role}>
                {one.text}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <div className="pair">
        <Field label="For">
          {(ids) => (
            <Select {...ids} value={guests} onChange={(event) => setGuests(event.target.value as 'one' | 'many')}>
              <option value="one">One person</option>
              <option value="many">Everybody who has it</option>
            </Select>
          )}
        </Field>
        <Field label="Ends after">
          {(ids) => (
            <Select {...ids} value={days} onChange={(event) => setDays(event.target.value as Days)}>
              <option value="1">One day</option>
              <option value="7">Seven days</option>
              <option value="30">Thirty days</option>
            </Select>
          )}
        </Field>
      </div>
      <Field
        label="Who lets them in"
        hint={
          host === 'interactive'
            ? 'This device has to be online when they join.'
            : 'The device of any admin who is online lets them in, even when this one is not.'
        }
      >
        {(ids) => (
          <Select {...ids} value={host} onChange={(event) => setHost(event.target.value as 'interactive' | 'delegated')}>
            <option value="interactive">This device</option>
            <option value="delegated">Any admin</option>
          </Select>
        )}
      </Field>
    </FormDialog>
  );
}

const SAID: Partial<Record<InvitationStatus['state'], string>> = {
  init: 'Waiting for them',
  connecting: 'Waiting for them',
  connected: 'They are connected',
  'ready-for-authentication': 'They are asked for the code',
  authenticating: 'They have typed a code',
  success: 'They have joined',
};

interface InvitationCardProps {
  invitation: HostInvitation;
  /** Who joins: somebody, or a device of one's own. */
  guest: 'they' | 'device';
  onDone: () => void;
}

/** An invitation to hand over: as QR code, as text, and the six digits. */
export function InvitationCard({ invitation, guest, onDone }: InvitationCardProps) {
  const status = useStore(invitation.status);
  const [busy, run] = useAction();
  if (status.state === 'success' || (status.ended && status.result)) {
    return (
      <div className="stack" data-testid="invitation-used">
        <Note tone="good" icon="check">
          {guest === 'they' ? 'They have joined.' : 'The device was added.'}
        </Note>
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button kind="primary" autoFocus onClick={onDone}>
            Done
          </Button>
        </div>
      </div>
    );
  }
  if (status.ended) {
    return (
      <Note tone="warn" icon="warning">
        {status.error?.message ?? `The invitation has ended: ${status.state}.`}
      </Note>
    );
  }
  const code = invitation.invitationCode;
  return (
    <div className="invitation">
      {code !== undefined && (
        <div className="invitation-qr">
          <QrCode text={code} label="The invitation as a QR code" />
        </div>
      )}
      <div className="stack">
        {code !== undefined && (
          <div className="stack tight">
            <h3>1. Hand over this invitation</h3>
            <code className="invitation-code" data-testid="invitation-code" tabIndex={0} aria-label="The text of the invitation" role="textbox" aria-readonly="true">
              {code}
            </code>
            <Button small icon="copy" onClick={() => void copy(code, 'Invitation')}>
              Copy the text
            </Button>
          </div>
        )}
        {status.authCode !== undefined && (
          <div className="stack tight">
            <h3>2. Tell these digits, by voice or another channel</h3>
            <output className="digits" data-testid="auth-code" aria-label="Code">
              {status.authCode}
            </output>
          </div>
        )}
        <p className="small soft row" role="status">
          <span className="pulse" aria-hidden="true" />
          {guest === 'they' ? (SAID[status.state] ?? status.state) : 'Waiting for the device'}
          {status.attemptsLeft !== undefined && `; ${status.attemptsLeft} tries of the code are left`}
        </p>
        <Button kind="danger" small disabled={busy} onClick={() => void run(() => invitation.cancel(), 'The invitation was cancelled')}>
          Cancel the invitation
        </Button>
      </div>
    </div>
  );
}
