import { type DragEvent, type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react';
import { type Moment, parseTimeline, type Timeline, TIMELINE_BYTES_MAX } from '../data/timeline.js';
import { asError } from '../data/store.js';
import { PageFrame } from '../shell/shell.js';
import { Badge, Button, Empty, Figure, Note, Segments, Select } from '../ui/controls.js';
import { formatBytes, formatCount, plural } from '../ui/format.js';
import { formatVirtual, Glyph, sayMoment, WorldChart } from './simulation-chart.js';
import '../styles/simulation.css';

/** What was opened last: it is there when one comes back to the page. */
let opened: Timeline | undefined;

const ZOOMS = [
  { value: '1', label: 'All' },
  { value: '4', label: '4×' },
  { value: '16', label: '16×' },
] as const;

/** A simulated world, from a file that `sim --timeline` wrote. */
export function Simulation() {
  const [timeline, setTimeline] = useState(opened);
  const [error, setError] = useState<Error>();
  const [over, setOver] = useState(false);
  const open = async (file: File | undefined) => {
    if (!file) return;
    try {
      if (file.size > TIMELINE_BYTES_MAX) throw new Error(`this file has ${formatBytes(file.size)}, and more than ${formatBytes(TIMELINE_BYTES_MAX)} are not read: run fewer steps`);
      opened = parseTimeline(await file.text());
      setTimeline(opened);
      setError(undefined);
    } catch (failure) {
      setError(asError(failure));
    }
  };
  const drag = (event: DragEvent, isOver: boolean) => {
    event.preventDefault();
    setOver(isOver);
  };
  return (
    <PageFrame title="Simulation" name="Simulation" actions={timeline && <OpenFile onOpen={(file) => void open(file)} kind="quiet" />}>
      <div
        className={`column wide drop ${over ? 'over' : ''}`}
        onDragOver={(event) => drag(event, true)}
        onDragLeave={(event) => drag(event, false)}
        onDrop={(event) => {
          drag(event, false);
          void open(event.dataTransfer.files[0]);
        }}
      >
        {error && (
          <Note tone="bad" icon="warning">
            {error.message}
          </Note>
        )}
        {timeline ? (
          <World key={`${timeline.seed} ${timeline.hash}`} timeline={timeline} />
        ) : (
          <Empty icon="timeline" title="Look at a simulated world" actions={<OpenFile onOpen={(file) => void open(file)} kind="primary" />}>
            A world of whole clients, with a network and disks that fail, runs again the same from its seed. Write down what happens in one, and open the file
            here or drop it: <code>cargo xtask sim --seed 7 --timeline world.json</code>
          </Empty>
        )}
      </div>
    </PageFrame>
  );
}

function OpenFile({ onOpen, kind }: { onOpen: (file: File | undefined) => void; kind: 'primary' | 'quiet' }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        hidden
        accept=".json,application/json"
        aria-label="A timeline"
        onChange={(event) => {
          onOpen(event.target.files?.[0]);
          // The same file may be chosen again.
          event.target.value = '';
        }}
      />
      <Button icon="open" kind={kind} onClick={() => input.current?.click()}>
        Open a timeline
      </Button>
    </>
  );
}

function World({ timeline }: { timeline: Timeline }) {
  const [zoom, setZoom] = useState<(typeof ZOOMS)[number]['value']>('1');
  const [what, setWhat] = useState('');
  const [at, setAt] = useState(0);
  const kinds = useMemo(() => [...new Set(timeline.moments.map((moment) => moment.what))].sort(), [timeline]);
  const moments = useMemo(() => timeline.moments.filter((moment) => what === '' || moment.what === what), [timeline, what]);
  const chosen = moments[Math.min(at, moments.length - 1)];
  const choose = (moment: Moment) => {
    const index = moments.indexOf(moment);
    if (index >= 0) setAt(index);
    else {
      setWhat('');
      setAt(timeline.moments.indexOf(moment));
    }
  };
  const count = (...all: string[]) => timeline.moments.filter((moment) => all.includes(moment.what)).length;
  return (
    <>
      {timeline.violation !== undefined && (
        <Note tone="bad" icon="warning">
          {timeline.violation}
        </Note>
      )}
      <div className="figures">
        <Figure label="Seed">{timeline.seed}</Figure>
        <Figure label="Peers">{formatCount(timeline.peers)}</Figure>
        <Figure label="Virtual time">{formatVirtual(timeline.endMs)}</Figure>
        <Figure label="Transactions">{formatCount(count('committed'))}</Figure>
        <Figure label="Crashes">{formatCount(count('killed', 'power-lost'))}</Figure>
        <Figure label="Backups restored">{formatCount(count('restored'))}</Figure>
        <Figure label="Partitions">{formatCount(count('partitioned'))}</Figure>
        <Figure label="Sent">{formatBytes(timeline.traffic.reduce((sum, one) => sum + one.bytes, 0))}</Figure>
      </div>
      <section className="card" aria-labelledby="world-title">
        <div className="card-head world-head">
          <h2 id="world-title">Timeline</h2>
          {timeline.violation === undefined ? <Badge tone="good">everything held</Badge> : <Badge tone="bad">violated</Badge>}
          <span className="grow" />
          <Segments label="Zoom" value={zoom} options={ZOOMS} onChange={setZoom} />
        </div>
        <WorldChart timeline={timeline} zoom={Number(zoom)} chosen={chosen} onChoose={choose} />
      </section>
      <section className="card" aria-labelledby="moments-title">
        <div className="card-head">
          <h2 id="moments-title">{plural(moments.length, 'moment')}</h2>
          <span className="grow" />
          <Select
            aria-label="Kind"
            className="fit"
            value={what}
            onChange={(event) => {
              setWhat(event.target.value);
              setAt(0);
            }}
          >
            <option value="">All kinds</option>
            {kinds.map((kind) => (
              <option key={kind} value={kind}>
                {kind.replaceAll('-', ' ')}
              </option>
            ))}
          </Select>
        </div>
        <Moments moments={moments} at={Math.min(at, moments.length - 1)} onChoose={setAt} />
      </section>
    </>
  );
}

/** The moments as a list: one stop of the keyboard, walked through with arrows. */
function Moments({ moments, at, onChoose }: { moments: readonly Moment[]; at: number; onChoose: (at: number) => void }) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = list.current;
    const row = box?.children[at] as HTMLElement | undefined;
    if (!box || !row) return;
    // Only the list scrolls, not the page around it.
    if (row.offsetTop < box.scrollTop) box.scrollTop = row.offsetTop;
    else if (row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = row.offsetTop + row.offsetHeight - box.clientHeight;
  }, [at]);
  const press = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: moments.length - 1 };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    onChoose(Math.max(0, Math.min(moments.length - 1, next)));
  };
  return (
    <div ref={list} className="moments" role="listbox" aria-label="Moments" tabIndex={0} aria-activedescendant={moments.length > 0 ? `${id}-${at}` : undefined} onKeyDown={press}>
      {moments.map((moment, index) => (
        <div key={index} id={`${id}-${index}`} role="option" aria-selected={index === at} className="moment" onClick={() => onChoose(index)}>
          <span className="moment-time">{formatVirtual(moment.atMs)}</span>
          <svg width={16} height={16} viewBox="-8 -8 16 16" aria-hidden="true">
            <Glyph what={moment.what} />
          </svg>
          <span>{sayMoment(moment)}</span>
        </div>
      ))}
    </div>
  );
}
