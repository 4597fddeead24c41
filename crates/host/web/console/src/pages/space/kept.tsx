import type { Space, SpaceStatsInfo } from '@dxos-rs/client';
import { useAction, useLoad, useSettled, useStore } from '../../data/store.js';
import { href, navigate } from '../../router.js';
import { Button, ConfirmButton, Empty } from '../../ui/controls.js';
import { formatBytes, formatCount, plural } from '../../ui/format.js';

/** What a space takes on this device, and how to put it away. */
export function Kept({ space }: { space: Space }) {
  // All of the space is read for it: not with every block that comes.
  const blocks = useSettled(useStore(space.pipeline).blocks, 2000);
  const { value: stats } = useLoad(() => space.stats(), [space, blocks]);
  const [busy, run] = useAction();
  return (
    <section className="card" aria-labelledby="kept-title">
      <div className="card-head">
        <h2 id="kept-title">On this device</h2>
        <span className="soft small">{stats ? formatBytes(totalOf(stats)) : ''}</span>
      </div>
      <div className="card-body stack">
        <dl className="facts">
          <dt>Blocks</dt>
          <dd>{stats ? `${formatCount(stats.blocks)} in ${plural(stats.feeds, 'feed')}, ${formatBytes(stats.bytes.blocks)}` : '–'}</dd>
          <dt>Objects</dt>
          <dd>{stats ? `${formatCount(stats.objects)}, ${formatBytes(stats.bytes.objects)}` : '–'}</dd>
          <dt>Indexes</dt>
          <dd>{stats ? `${plural(stats.indexRows, 'row')}, ${formatBytes(stats.bytes.indexes)}` : '–'}</dd>
        </dl>
        <p className="soft">
          A closed space is neither read, written nor replicated here until it is opened again. Deleting it here tells nobody: you stay a member, and an
          invitation or an archive brings it back.
        </p>
        <div className="row wrap">
          <Button disabled={busy} onClick={() => void run(() => space.close(), 'The space is closed')}>
            Close the space
          </Button>
          <DeleteButton space={space} />
        </div>
      </div>
    </section>
  );
}

/** What shows in place of the content of a closed space. */
export function Closed({ space }: { space: Space }) {
  const [busy, run] = useAction();
  const { value: stats } = useLoad(() => space.stats(), [space]);
  return (
    <div className="column">
      <Empty
        icon="block"
        title="This space is closed"
        actions={
          <>
            <Button kind="primary" disabled={busy} onClick={() => void run(() => space.open())}>
              {busy ? 'Opening…' : 'Open the space'}
            </Button>
            <DeleteButton space={space} />
          </>
        }
      >
        It is neither read, written nor replicated on this device.
        {stats && ` ${plural(stats.objects, 'object')} and ${plural(stats.blocks, 'block')} are kept, ${formatBytes(totalOf(stats))}.`}
      </Empty>
    </div>
  );
}

function DeleteButton({ space }: { space: Space }) {
  const [busy, run] = useAction();
  const sync = useStore(space.syncStatus);
  const elsewhere = sync?.devices.filter((device) => !device.own && device.receipt != null && device.missing === 0).length;
  const remove = async () => {
    const deleted = await run(async () => {
      await space.delete();
      return true;
    }, 'The space is deleted on this device');
    if (deleted) navigate(href());
  };
  const kept =
    elsewhere === undefined
      ? 'What no other device has of it is gone.'
      : elsewhere === 0
        ? 'No other device is known to have all of it.'
        : `${plural(elsewhere, 'other device has', 'other devices have')} signed to have all of it.`;
  return (
    <ConfirmButton icon="remove" disabled={busy} question={`Delete it from this device? ${kept}`} onConfirm={() => void remove()}>
      Delete on this device
    </ConfirmButton>
  );
}

function totalOf({ bytes }: SpaceStatsInfo): number {
  return bytes.blocks + bytes.branches + bytes.objects + bytes.indexes + bytes.rest;
}
