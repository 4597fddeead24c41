import { useCallback, useState } from 'react';
import type { InvitationResult } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { useAction } from '../data/store.js';
import { href, navigate } from '../router.js';
import { Field, Input } from '../ui/controls.js';
import { Dialog, FormDialog } from '../ui/dialog.js';
import { toast } from '../ui/toast.js';
import { JoinSteps } from './join.js';

/** Creates a space and goes to it. */
export function CreateSpaceDialog({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const [name, setName] = useState('');
  const [busy, run] = useAction();
  const submit = async () => {
    const space = await run(() => client.createSpace({ name: name.trim() }));
    if (!space) return;
    onClose();
    navigate(href('space', space.key, 'objects'));
  };
  return (
    <FormDialog
      title="Create a space"
      narrow
      action="Create space"
      doing="Creating…"
      busy={busy}
      disabled={name.trim() === ''}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <Field label="Name" hint="Such as Home, or the name of a project. You can invite others at any time.">
        {(ids) => <Input {...ids} data-autofocus autoFocus maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}

/** Joins a space by an invitation and goes to it. */
export function JoinSpaceDialog({ code, onClose }: { code: string | undefined; onClose: () => void }) {
  const client = useClient();
  const done = useCallback(
    (result: InvitationResult) => {
      onClose();
      toast('You are a member now');
      if (result.spaceKey !== undefined) navigate(href('space', result.spaceKey, 'objects'));
    },
    [onClose],
  );
  return (
    <Dialog title="Join a space" onClose={onClose} narrow>
      <JoinSteps accept={(text) => client.echo.join(text)} code={code} onCancel={onClose} onDone={done} />
    </Dialog>
  );
}
