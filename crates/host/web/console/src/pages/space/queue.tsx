import { memo, type FormEvent, type KeyboardEvent, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { QueueItem, RetentionInfo, Space } from '@dxos-rs/client';
import { asError, useAction, useStore } from '../../data/store.js';
import { href } from '../../router.js';
import { Ago, Avatar, Button, Empty, Field, Input, Note } from '../../ui/controls.js';
import { FormDialog } from '../../ui/dialog.js';
import { formatBytes, formatCount, plural } from '../../ui/format.js';
import { holds } from './queues.js';

/** Items that show at first; more of the earlier ones are asked for. */
const PAGE = 100;
/** As many as the host gives at once. */
const SHOWN_MAX = 1024;
const DAY_MS = 86_400_000;

interface QueueViewProps {
  space: Space;
  name: string;
  mayWrite: boolean;
}

/** A queue that is being followed: its last items, the latest at the end, and what appends to it. */
export function QueueView({ space, name, mayWrite }: QueueViewProps) {
  const [limit, setLimit] = useState(PAGE);
  const [setting, setSetting] = useState(false);
  const queue = useMemo(() => space.queue(name), [space, name]);
  const tail = useMemo(() => queue.tail(limit), [queue, limit]);
  const info = useStore(queue.info);
  const items = useStore(tail);
  const loaded = useStore(tail.loaded);
  const error = useStore(tail.error);
  // While more of them are on their way, those that were there stay.
  const kept = useRef(items);
  if (loaded) kept.current = items;
  const shown = kept.current;
  const all = info?.items ?? 0;
  return (
    <section className="document queue" aria-label={`Queue ${name}`}>
      <div className="queue-head">
        <a className="button quiet icon only-phone" href={href('space', space.key, 'queues')} aria-label="All queues">
          ←
        </a>
        <div className="grow">
          <h2 className="truncate">{name}</h2>
          <span className="small faint">
            {info ? `${plural(all, 'item')}, ${formatBytes(info.bytes)}; ${holds(info.retention)}` : 'Nobody has written to it yet.'}
          </span>
        </div>
        {mayWrite && (
          <Button small icon="settings" onClick={() => setSetting(true)}>
            Retention
          </Button>
        )}
      </div>
      {error && (
        <div style={{ padding: 'var(--space-3) var(--space-4)' }}>
          <Note tone="bad" icon="warning">
            {error.message}
          </Note>
        </div>
      )}
      <Log items={shown} all={all} loaded={loaded} onEarlier={shown.length < Math.min(all, SHOWN_MAX) ? () => setLimit(Math.min(SHOWN_MAX, limit * 4)) : undefined} />
      {mayWrite ? <Append append={(value) => queue.append([value])} /> : <p className="queue-form small faint">Your role may read here, and not write.</p>}
      {setting && <RetentionDialog retention={info?.retention ?? {}} save={(retention) => queue.setRetention(retention)} onClose={() => setSetting(false)} />}
    </section>
  );
}

interface LogProps {
  items: readonly QueueItem[];
  all: number;
  loaded: boolean;
  onEarlier: (() => void) | undefined;
}

/** The items. Whoever is at the end stays there when some come; whoever reads further up is not moved. */
function Log({ items, all, loaded, onEarlier }: LogProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const place = useRef({ atEnd: true, fromEnd: 0 });
  const first = items[0]?.id;
  const note = () => {
    const { current } = scroller;
    if (!current) return;
    const fromEnd = current.scrollHeight - current.scrollTop;
    place.current = { atEnd: fromEnd - current.clientHeight < 24, fromEnd };
  };
  useLayoutEffect(() => {
    const { current } = scroller;
    if (!current) return;
    if (place.current.atEnd) current.scrollTop = current.scrollHeight;
  }, [items]);
  useLayoutEffect(() => {
    const { current } = scroller;
    // Earlier items came above those that are being read.
    if (current && !place.current.atEnd) current.scrollTop = current.scrollHeight - place.current.fromEnd;
  }, [first]);
  return (
    <div ref={scroller} className="queue-log" role="log" aria-label="Items" tabIndex={0} onScroll={note}>
      {onEarlier && (
        <div className="results-more">
          <Button small onClick={onEarlier}>
            Earlier items
          </Button>
        </div>
      )}
      {!onEarlier && all > items.length && loaded && (
        <p className="results-more small faint">Before these there are {formatCount(all - items.length)} more: programs and `dx queue read` page through them.</p>
      )}
      {loaded && items.length === 0 ? (
        <Empty icon="queue" title="Nothing in it yet">
          What anybody appends shows here at once, the latest at the end.
        </Empty>
      ) : (
        <ol className="queue-items">
          {items.map((item) => (
            <Item key={item.id} item={item} />
          ))}
        </ol>
      )}
    </div>
  );
}

const Item = memo(function Item({ item }: { item: QueueItem }) {
  const { author, value } = item;
  const by = author.displayName ?? 'No name';
  return (
    <li>
      <Avatar name={author.displayName} id={author.identity ?? author.device} />
      <div className="grow">
        <span className="small faint">
          <strong>{by}</strong> <Ago timeMs={item.timeMs} />
        </span>
        {typeof value === 'string' ? <p>{value}</p> : <pre>{write(value)}</pre>}
      </div>
    </li>
  );
});

/** A value as it is typed. */
function write(value: unknown): string {
  const line = JSON.stringify(value) ?? '';
  return line.length <= 80 ? line : JSON.stringify(value, null, 2);
}

/** What was typed, as a value: JSON where it is written as an object, a list or a word in quotes, else the text. */
export function readItem(text: string): unknown {
  return /^\s*[{["]/.test(text) ? (JSON.parse(text) as unknown) : text;
}

function Append({ append }: { append: (value: unknown) => Promise<unknown> }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string>();
  const [busy, run] = useAction();
  const send = async () => {
    if (text.trim() === '') return;
    let value: unknown;
    try {
      value = readItem(text);
    } catch (error) {
      setProblem(`This is no JSON: ${asError(error).message}`);
      return;
    }
    setProblem(undefined);
    if ((await run(() => append(value))) !== undefined) setText('');
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  return (
    <form
      className="queue-form"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void send();
      }}
    >
      <Field label="Append" error={problem} hint="A line of text, or JSON. Enter appends it.">
        {(ids) => (
          <span className="row" style={{ alignItems: 'flex-end' }}>
            <textarea {...ids} className="textarea grow" rows={Math.min(6, text.split('\n').length)} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={press} />
            <Button type="submit" kind="primary" disabled={busy || text.trim() === ''}>
              Append
            </Button>
          </span>
        )}
      </Field>
    </form>
  );
}

interface RetentionDialogProps {
  retention: RetentionInfo;
  save: (retention: RetentionInfo) => Promise<void>;
  onClose: () => void;
}

const KIB = 1024;

/** A bound as it was typed: none where nothing was. */
function bound(text: string, unit: number): number | undefined {
  const value = Number.parseFloat(text);
  return text.trim() !== '' && value > 0 ? Math.max(1, Math.round(value * unit)) : undefined;
}

const shown = (value: number | null | undefined, unit: number): string => (value == null ? '' : String(Math.round((value / unit) * 100) / 100));

function RetentionDialog({ retention, save, onClose }: RetentionDialogProps) {
  const [items, setItems] = useState(shown(retention.itemsMax, 1));
  const [bytes, setBytes] = useState(shown(retention.bytesMax, KIB));
  const [days, setDays] = useState(shown(retention.ageMaxMs, DAY_MS));
  const [busy, run] = useAction();
  const submit = async () => {
    const [itemsMax, bytesMax, ageMaxMs] = [bound(items, 1), bound(bytes, KIB), bound(days, DAY_MS)];
    const done = await run(async () => {
      await save({
        ...(itemsMax === undefined ? {} : { itemsMax }),
        ...(bytesMax === undefined ? {} : { bytesMax }),
        ...(ageMaxMs === undefined ? {} : { ageMaxMs }),
      });
      return true;
    }, 'From the next item on the queue holds that much');
    if (done) onClose();
  };
  const number = { type: 'number', min: 0, step: 'any', placeholder: 'everything' } as const;
  return (
    <FormDialog title="How much the queue holds" action="Save" doing="Saving…" busy={busy} narrow onClose={onClose} onSubmit={() => void submit()}>
      <p className="soft">For everybody in the space. Whoever appends next drops the oldest items beyond it. What is left empty is no bound.</p>
      <Field label="Items at most">{(ids) => <Input {...ids} {...number} data-autofocus="" value={items} onChange={(event) => setItems(event.target.value)} />}</Field>
      <div className="pair">
        <Field label="KiB at most">{(ids) => <Input {...ids} {...number} value={bytes} onChange={(event) => setBytes(event.target.value)} />}</Field>
        <Field label="Days at most">{(ids) => <Input {...ids} {...number} value={days} onChange={(event) => setDays(event.target.value)} />}</Field>
      </div>
    </FormDialog>
  );
}
