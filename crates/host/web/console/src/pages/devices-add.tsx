import { useEffect, useRef, useState } from 'react';
import type { HostInvitation } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { asError } from '../data/store.js';
import { Note } from '../ui/controls.js';
import { Dialog } from '../ui/dialog.js';
import { InvitationCard } from './space/invite.js';

/** Invites a device to be one of the identity. */
export function AddDeviceDialog({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const [invitation, setInvitation] = useState<HostInvitation>();
  const [error, setError] = useState<Error>();
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    client.halo.createInvitation().then(setInvitation, (failure: unknown) => setError(asError(failure)));
  }, [client]);
  return (
    <Dialog title="Add a device" onClose={onClose}>
      <p className="soft">
        Start <code>dx host</code> on the other device, and choose <strong>Join as another device</strong>. This one has to stay
        online meanwhile.
      </p>
      {error && (
        <Note tone="bad" icon="warning">
          {error.message}
        </Note>
      )}
      {invitation ? <InvitationCard invitation={invitation} guest="device" onDone={onClose} /> : !error && <div className="invitation-room" aria-busy="true" />}
    </Dialog>
  );
}
