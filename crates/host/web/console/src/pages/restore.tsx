import { useState } from 'react';
import { HostError, type RestoreOptions } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { asError } from '../data/store.js';
import { href, navigate } from '../router.js';
import { Field, Input, Note, Segments } from '../ui/controls.js';
import { FormDialog } from '../ui/dialog.js';
import { toast } from '../ui/toast.js';

type As = NonNullable<RestoreOptions['as']>;

const BECOMES: ReadonlyArray<{ value: As; label: string; hint: string }> = [
  { value: 'same', label: 'The same space', hint: 'The same space, of which you are a member. What is here already stays.' },
  {
    value: 'clone',
    label: 'A new space',
    hint: 'A new space of your own with the objects as they showed, without its members and its history.',
  },
];

/** Brings a space back from an archive and goes to it. */
export function RestoreDialog({ onClose }: { onClose: () => void }) {
  const client = useClient();
  const [file, setFile] = useState<File>();
  const [as, setAs] = useState<As>('same');
  const [passphrase, setPassphrase] = useState('');
  const [isSecret, setSecret] = useState(false);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    if (!file) return;
    setError(undefined);
    setBusy(true);
    try {
      const secret = passphrase === '' ? {} : { passphrase };
      const space = await client.createSerializer().deserializeSpace(file, { as, ...secret });
      onClose();
      toast('The space is here');
      navigate(href('space', space.key, 'objects'));
    } catch (failure) {
      if (failure instanceof HostError && failure.kind === 'archiveNeedsPassphrase') setSecret(true);
      setError(asError(failure).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <FormDialog
      title="Restore an archive"
      narrow
      action="Restore"
      doing="Restoring…"
      busy={busy}
      disabled={!file}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <Field label="Archive" hint="A file that was exported here, or written by dx archive.">
        {(ids) => (
          <Input
            {...ids}
            type="file"
            data-autofocus
            onChange={(event) => {
              setFile(event.target.files?.[0]);
              setSecret(false);
              setError(undefined);
            }}
          />
        )}
      </Field>
      <div>
        <Segments label="What it becomes" value={as} options={BECOMES} onChange={setAs} />
      </div>
      <p className="soft small">{BECOMES.find(({ value }) => value === as)?.hint}</p>
      <Field label="Passphrase" hint={isSecret ? undefined : 'If it was written under one.'}>
        {(ids) => (
          <Input {...ids} type="password" autoComplete="off" value={passphrase} onChange={(event) => setPassphrase(event.target.value)} />
        )}
      </Field>
      {error !== undefined && (
        <Note tone="bad" icon="warning">
          {error}
        </Note>
      )}
    </FormDialog>
  );
}
