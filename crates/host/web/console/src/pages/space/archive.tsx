import { type FormEvent, useState } from 'react';
import type { Space } from '@dxos-rs/client';
import { useClient, useName } from '../../data/client.js';
import { useAction } from '../../data/store.js';
import { openDialog } from '../../shell/dialogs.js';
import { Button, Field, Input, Note } from '../../ui/controls.js';

/** How long the browser is given to take a file over. */
const SAVE_MS = 60_000;

/** Gives the browser a file to save. */
function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), SAVE_MS);
}

/** A name that every system takes for a file. */
function fileName(name: string): string {
  const plain = name.replace(/[^\p{L}\p{N} _-]/gu, '').trim();
  return `${plain === '' ? 'space' : plain}.dxarchive`;
}

/** The space as one file, and back. */
export function ArchiveCard({ space }: { space: Space }) {
  const client = useClient();
  const name = useName(space);
  const [passphrase, setPassphrase] = useState('');
  const [plain, setPlain] = useState(false);
  const [busy, run] = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const archive = await run(
      () => client.createSerializer().serializeSpace(space, plain ? { plain: true } : { passphrase }),
      'The archive is written',
    );
    if (!archive) return;
    setPassphrase('');
    save(archive, fileName(name));
  };
  return (
    <section className="card" aria-labelledby="archive-title">
      <div className="card-head">
        <h2 id="archive-title">Archive</h2>
        <span className="faint small">the space as one file</span>
      </div>
      <form className="card-body stack" onSubmit={(event) => void submit(event)}>
        {!plain && (
          <Field label="Passphrase" hint="Without it nobody reads the archive, you neither.">
            {(ids) => (
              <Input {...ids} type="password" autoComplete="new-password" value={passphrase} onChange={(event) => setPassphrase(event.target.value)} />
            )}
          </Field>
        )}
        <label className="row">
          <input type="checkbox" className="checkbox" checked={plain} onChange={(event) => setPlain(event.target.checked)} />
          Without encryption
        </label>
        {plain && (
          <Note tone="warn" icon="warning">
            Whoever has the file reads everything in the space, and what is written to it later.
          </Note>
        )}
        <div className="row wrap">
          <Button type="submit" disabled={busy || (!plain && passphrase === '')}>
            {busy ? 'Writing…' : 'Export archive'}
          </Button>
          <Button kind="quiet" onClick={() => openDialog({ dialog: 'restore' })}>
            Restore an archive…
          </Button>
        </div>
      </form>
    </section>
  );
}
