import { useState } from 'react';
import type { QueueInfo, RetentionInfo, Space } from '@dxos-rs/client';
import { useStore } from '../../data/store.js';
import { href, navigate } from '../../router.js';
import { Button, Empty, Field, IconButton, Input } from '../../ui/controls.js';
import { FormDialog } from '../../ui/dialog.js';
import { formatBytes, plural } from '../../ui/format.js';
import { Filter } from './filter.js';
import { QueueView } from './queue.js';

interface QueuesProps {
  space: Space;
  item: string | undefined;
  mayWrite: boolean;
}

/** The queues of a space: logs that are only appended to. A list, and the one that is being read. */
export function Queues({ space, item, mayWrite }: QueuesProps) {
  const queues = useStore(space.queues);
  const loaded = useStore(space.queues.loaded);
  const [filter, setFilter] = useState('');
  const [naming, setNaming] = useState(false);
  const shown = queues.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  // One that was just named is not there before its first item.
  const fresh = item !== undefined && !queues.some(({ name }) => name === item) && name(item);
  const begin = (
    <Button kind="primary" icon="add" onClick={() => setNaming(true)}>
      New queue
    </Button>
  );
  const dialog = naming && <NameDialog space={space} onClose={() => setNaming(false)} />;
  if (!loaded) return <div aria-busy="true" />;
  if (queues.length === 0 && item === undefined) {
    return (
      <>
        <Empty icon="queue" title="No queues yet" actions={mayWrite && begin}>
          A queue is a log that is only appended to, such as of messages or readings: the same items in the same order on every device, and as many of the last
          ones as it is told to hold.
        </Empty>
        {dialog}
      </>
    );
  }
  return (
    <div className={`documents ${item === undefined ? 'none-open' : ''}`}>
      <div className="document-list">
        <div className="toolbar">
          <Filter value={filter} onChange={setFilter} />
          {mayWrite && <IconButton icon="add" label="New queue" kind="primary" onClick={() => setNaming(true)} />}
        </div>
        <ul aria-label={plural(queues.length, 'queue')}>
          {fresh && <Entry space={space} name={fresh} current />}
          {shown.map((queue) => (
            <Entry key={queue.name} space={space} name={queue.name} info={queue} current={queue.name === item} />
          ))}
        </ul>
      </div>
      {item === undefined ? (
        <div className="document">
          <Empty icon="queue" title="Choose a queue" />
        </div>
      ) : (
        <QueueView key={item} space={space} name={item} mayWrite={mayWrite} />
      )}
      {dialog}
    </div>
  );
}

/** A name that a queue may have. */
function name(item: string): string | false {
  return item.trim() !== '' && item;
}

function Entry({ space, name, info, current }: { space: Space; name: string; info?: QueueInfo; current: boolean }) {
  return (
    <li>
      <a className="document-item" href={href('space', space.key, 'queues', name)} aria-current={current ? 'page' : undefined}>
        <strong className="truncate">{name}</strong>
        <span className="truncate small faint">{info ? `${plural(info.items, 'item')}, ${formatBytes(info.bytes)}` : 'Nothing in it yet'}</span>
        {info && <span className="truncate small faint">{holds(info.retention)}</span>}
      </a>
    </li>
  );
}

/** How much a queue is to hold, in words. */
export function holds({ itemsMax, bytesMax, ageMaxMs }: RetentionInfo): string {
  const bounds = [
    itemsMax != null && `${plural(itemsMax, 'item')}`,
    bytesMax != null && formatBytes(bytesMax),
    ageMaxMs != null && plural(Math.round(ageMaxMs / 36e5) / 24, 'day'),
  ].filter((bound) => bound !== false);
  return bounds.length === 0 ? 'keeps everything' : `keeps the last ${bounds.join(', ')}`;
}

function NameDialog({ space, onClose }: { space: Space; onClose: () => void }) {
  const [text, setText] = useState('');
  const name = text.trim();
  const tooLong = new TextEncoder().encode(name).length > 256;
  const open = () => {
    onClose();
    navigate(href('space', space.key, 'queues', name));
  };
  return (
    <FormDialog title="New queue" action="Open it" doing="One moment…" busy={false} disabled={name === '' || tooLong} narrow onClose={onClose} onSubmit={open}>
      <Field label="Name" hint="The first item makes it, for everybody in the space." error={tooLong ? 'A name has 256 bytes at most.' : undefined}>
        {(ids) => <Input {...ids} data-autofocus="" value={text} onChange={(event) => setText(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
