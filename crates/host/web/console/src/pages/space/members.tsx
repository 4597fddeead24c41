import type { HostInvitation, MemberInfo, Space } from '@dxos-rs/client';
import { useClient } from '../../data/client.js';
import { useAction, useStore } from '../../data/store.js';
import { openDialog } from '../../shell/dialogs.js';
import { Ago, Avatar, Badge, Button, ConfirmButton, Key, Select } from '../../ui/controls.js';
import { plural } from '../../ui/format.js';
import { InvitationCard } from './invite.js';

type Role = MemberInfo['role'];

const ROLES: readonly Role[] = ['admin', 'editor', 'reader', 'replicator'];

/** The members of a space, and the invitations that are open. */
export function Members({ space }: { space: Space }) {
  const members = useStore(space.members);
  const role = useStore(space.role);
  const admin = role === 'admin';
  const sorted = [...members].sort(
    (one, other) => Number(other.own) - Number(one.own) || Number(other.online) - Number(one.online) || ROLES.indexOf(one.role) - ROLES.indexOf(other.role),
  );
  return (
    <div className="column">
      <section className="card" aria-labelledby="members-title">
        <div className="card-head">
          <h2 id="members-title">{plural(members.length, 'member')}</h2>
          {admin && (
            <Button small icon="invite" onClick={() => openDialog({ dialog: 'invite', space: space.key })}>
              Invite
            </Button>
          )}
        </div>
        <ul className="list">
          {sorted.map((member) => (
            <MemberRow key={member.identity} space={space} member={member} admin={admin} />
          ))}
        </ul>
      </section>
      {admin && <Invitations space={space} />}
    </div>
  );
}

function MemberRow({ space, member, admin }: { space: Space; member: MemberInfo; admin: boolean }) {
  const [busy, run] = useAction();
  const name = member.profile.displayName ?? 'No name';
  return (
    <li className="member">
      <Avatar name={member.profile.displayName} id={member.identity} online={member.online} />
      <div className="grow">
        <div className="row wrap">
          <strong className="truncate" style={{ fontWeight: 560 }}>
            {name}
          </strong>
          {member.own && <Badge tone="accent">you</Badge>}
        </div>
        <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
          {member.online ? 'online' : 'offline'}
          {member.devices.length > 0 && <span>{plural(member.devices.length, 'device')}</span>}
          <Key value={member.identity} what="Identity" />
        </span>
      </div>
      {admin && !member.own ? (
        <div className="row wrap member-actions">
          <Select
            aria-label={`Role of ${name}`}
            className="fit"
            disabled={busy}
            value={member.role}
            onChange={(event) => {
              const role = event.target.value as Role;
              void run(() => space.updateMemberRole(member.identity, role), `${name} is ${role} now`);
            }}
          >
            {ROLES.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </Select>
          <ConfirmButton
            small
            disabled={busy}
            question={`Remove ${name}?`}
            onConfirm={() => void run(() => space.removeMember(member.identity), `${name} was removed`)}
          >
            Remove
          </ConfirmButton>
        </div>
      ) : (
        <Badge>{member.role}</Badge>
      )}
    </li>
  );
}

function Invitations({ space }: { space: Space }) {
  const invitations = useStore(space.invitations);
  if (invitations.length === 0) return null;
  return (
    <section className="card" aria-labelledby="invitations-title">
      <div className="card-head">
        <h2 id="invitations-title">Open invitations</h2>
      </div>
      <div className="list">
        {invitations.map((invitation) => (
          <InvitationRow key={invitation.id} invitation={invitation} />
        ))}
      </div>
    </section>
  );
}

function InvitationRow({ invitation }: { invitation: HostInvitation }) {
  const info = useStore(invitation.info);
  const status = useStore(invitation.status);
  const client = useClient();
  const by = useStore(client.halo.contacts).find((contact) => contact.identity === info.by);
  return (
    <details className="item fold">
      <summary>
        <span className="grow">
          <strong style={{ fontWeight: 560 }}>For {info.multiUse ? 'many' : 'one'}</strong> as {info.role}
          <span className="small faint" style={{ display: 'block' }}>
            ends <Ago timeMs={info.expiresMs} />
            {info.uses > 0 && `, used ${plural(info.uses, 'time')}`}
            {by && `, by ${by.profile.displayName ?? 'another admin'}`}
          </span>
        </span>
        <Badge tone={status.ended ? 'neutral' : 'accent'}>{info.type}</Badge>
      </summary>
      <InvitationCard invitation={invitation} guest="they" onDone={() => undefined} />
    </details>
  );
}
