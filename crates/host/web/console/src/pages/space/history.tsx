import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { HistoryEntryInfo, Space } from '@dxos-rs/client';
import { isInternal } from '../../data/objects.js';
import { timeframeAt, usePast } from '../../data/past.js';
import { columnsOf, rowOfInfo } from '../../data/rows.js';
import { useAction, useLoad, useSettled } from '../../data/store.js';
import { href, navigate } from '../../router.js';
import { Ago, Avatar, Button, Empty, IconButton, Note } from '../../ui/controls.js';
import { formatMoment, plural } from '../../ui/format.js';
import { Changes } from './changes.js';
import { Table } from './table.js';

const PLAY_MS = 350;

/** The past of a space: a slider over its transactions, and the objects as they were. */
export function History({ space, mayWrite }: { space: Space; mayWrite: boolean }) {
  const past = usePast(space);
  const { entries } = past;
  // The entry that is chosen by its hash: new ones may come before it.
  const [chosen, setChosen] = useState<string>();
  const [playing, setPlaying] = useState(false);
  const found = chosen === undefined ? 0 : entries.findIndex((entry) => entry.committed.hash === chosen);
  const index = Math.max(0, found);
  const choose = useCallback((at: number) => setChosen(at === 0 ? undefined : entries[at]?.committed.hash), [entries]);
  useEffect(() => {
    if (!playing) return undefined;
    if (index === 0) {
      setPlaying(false);
      return undefined;
    }
    const timer = setTimeout(() => choose(index - 1), PLAY_MS);
    return () => clearTimeout(timer);
  }, [playing, index, choose]);
  const entry = entries[index];
  if (past.error) {
    return (
      <div style={{ padding: 'var(--space-4)' }}>
        <Note tone="bad" icon="warning">
          {past.error.message}
        </Note>
      </div>
    );
  }
  if (!entry) return past.loading ? <div aria-busy="true" /> : <Empty icon="history" title="Nothing was written yet" />;
  return (
    <div className="history">
      <div className="scrubber">
        <IconButton
          icon="back"
          label="One step back"
          disabled={index >= entries.length - 1}
          onClick={() => choose(index + 1)}
        />
        <input
          type="range"
          className="range"
          min={0}
          max={Math.max(1, entries.length - 1)}
          value={entries.length - 1 - index}
          aria-label="Time"
          aria-valuetext={`${formatMoment(entry.timeMs)}, change ${entries.length - index} of ${entries.length}`}
          onChange={(event) => {
            setPlaying(false);
            choose(entries.length - 1 - Number(event.target.value));
          }}
        />
        <Button
          small
          onClick={() => {
            if (!playing && index === 0) choose(entries.length - 1);
            setPlaying(!playing);
          }}
        >
          {playing ? 'Pause' : 'Play'}
        </Button>
        <span className="small soft scrubber-time">{index === 0 ? 'Now' : formatMoment(entry.timeMs)}</span>
      </div>
      <div className="history-parts">
        <Entries space={space} entries={entries} index={index} onChoose={choose} mayWrite={mayWrite} more={past.more} readMore={past.readMore} />
        <AsItWas space={space} past={past} index={index} />
      </div>
    </div>
  );
}

interface EntriesProps {
  space: Space;
  entries: readonly HistoryEntryInfo[];
  index: number;
  onChoose: (index: number) => void;
  mayWrite: boolean;
  more: boolean;
  readMore: () => void;
}

function Entries({ space, entries, index, onChoose, mayWrite, more, readMore }: EntriesProps) {
  const [busy, run] = useAction();
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' });
  }, [index]);
  return (
    <ol className="history-list" ref={list} aria-label="Changes">
      {entries.map((entry, at) => (
        <li key={entry.committed.hash} className={at === index ? 'chosen' : at < index ? 'undone' : ''}>
          <button type="button" className="history-entry" aria-current={at === index ? 'step' : undefined} onClick={() => onChoose(at)}>
            <Avatar name={entry.author.displayName} id={entry.author.identity ?? entry.author.device} />
            <span className="grow">
              <span className="row between small">
                <strong style={{ fontWeight: 560 }}>{entry.author.displayName ?? entry.author.device.slice(0, 8)}</strong>
                <span className="faint">
                  <Ago timeMs={entry.timeMs} />
                </span>
              </span>
              <Changes changes={entry.changes} />
            </span>
          </button>
          {at === index && mayWrite && (
            <Button small icon="undo" disabled={busy} onClick={() => void run(() => space.undo(entry.committed, { any: true }), 'Undone by a new change')}>
              Undo this change
            </Button>
          )}
        </li>
      ))}
      {more && (
        <li>
          <Button small className="wide" onClick={readMore}>
            Read older changes
          </Button>
        </li>
      )}
    </ol>
  );
}

function AsItWas({ space, past, index }: { space: Space; past: ReturnType<typeof usePast>; index: number }) {
  const { entries, now } = past;
  const time = useMemo(() => (now ? timeframeAt(now, entries, index) : undefined), [now, entries, index]);
  const settled = useSettled(time, 60);
  const key = settled && JSON.stringify(settled.feeds);
  const { value, error } = useLoad(async () => (settled ? space.queryAt(settled) : undefined), [space, key]);
  const rows = useMemo(() => (value?.objects ?? []).filter((object) => !isInternal(object.type)).map(rowOfInfo), [value]);
  const columns = useMemo(() => columnsOf(undefined, rows), [rows]);
  const changed = entries[index]?.changes[0]?.object;
  const open = useCallback((id: string) => navigate(href('space', space.key, 'objects', id)), [space]);
  return (
    <section className="history-state" aria-label="Objects as they were">
      <p className="answer-head small soft" role="status">
        {value ? plural(rows.length, 'object') : ' '}
        {value?.next != null && ', of more that are not shown'}
      </p>
      {error ? (
        <Note tone="bad" icon="warning">
          {error.message}
        </Note>
      ) : value && rows.length === 0 ? (
        <Empty icon="objects" title="There were no objects" />
      ) : (
        <Table label="Objects as they were" rows={rows} columns={columns} sorting={undefined} openId={changed} onOpen={open} />
      )}
    </section>
  );
}
