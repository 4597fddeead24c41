import { useLayoutEffect, useMemo } from 'react';
import { lifeOf, type Moment, type Timeline } from '../data/timeline.js';
import { formatBytes } from '../ui/format.js';
import { useWidth } from '../ui/width.js';

const LANE = 44;
const TRAFFIC = 46;
const AXIS = 22;
const LEFT = 64;
const RIGHT = 16;

/** Virtual time in words. */
export function formatVirtual(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
}

const WORDS: Record<string, string> = {
  started: 'started',
  stopped: 'was closed',
  killed: 'was killed: what was acknowledged survives',
  'power-lost': 'lost its power: what was not synced may be gone',
  joined: 'joined the space',
  committed: 'committed a transaction',
  flushed: 'put everything onto its disk',
  refused: 'had a transaction refused',
  'disk-full': 'has a full disk',
  'disk-freed': 'has space on its disk again',
  imaged: 'had its disk copied for a backup',
  restored: 'was restored from a backup: what it wrote since comes back from others',
  'clock-set': 'had its wall clock set to another time',
  online: 'went online',
  offline: 'went offline',
  'cast-out': 'was thrown out of the space',
  banned: 'wrote something after it was thrown out, which nobody may see',
};

/** A moment in a sentence. */
export function sayMoment({ what, peers }: Moment): string {
  const names = peers.map((peer) => `Peer ${peer}`).join(' and ');
  if (what === 'healed') return 'The network is whole again';
  if (what === 'one-state') return 'All replicas have one state';
  if (what === 'partitioned') return `${names} cut off from the others`;
  if (what === 'link-changed') return `The link between ${names} became another one`;
  if (what === 'dropped') return `The connections between ${names} were broken`;
  return `${names} ${WORDS[what] ?? what.replaceAll('-', ' ')}`.trim();
}

/** A moment as a sign, around the origin. */
export function Glyph({ what }: { what: string }) {
  switch (what) {
    case 'committed':
      return <circle r={3} fill="var(--accent)" />;
    case 'flushed':
      return <rect x={-1} y={-6} width={2} height={12} rx={1} fill="var(--accent)" />;
    case 'started':
      return <path d="M-3.500-5v10L5 0z" fill="var(--good-dot)" />;
    case 'joined':
    case 'one-state':
      return <path d="M0-5.500 5.500 0 0 5.500-5.500 0z" fill="var(--good-dot)" />;
    case 'imaged':
      return <path d="M-4.500-4.500h9v9h-9z" fill="none" stroke="var(--text-faint)" strokeWidth={1.500} />;
    case 'restored':
      return <path d="M4-4.500-4 0 4 4.500z" fill="var(--warn)" />;
    case 'stopped':
      return <rect x={-4} y={-4} width={8} height={8} rx={1} fill="var(--text-faint)" />;
    case 'killed':
    case 'power-lost':
      return <path d="m-4-4 8 8m0-8-8 8" stroke="var(--bad)" strokeWidth={2.500} strokeLinecap="round" fill="none" />;
    case 'cast-out':
    case 'banned':
      return <path d="M-5 0H5" stroke="var(--bad)" strokeWidth={3} strokeLinecap="round" fill="none" />;
    case 'refused':
    case 'disk-full':
    case 'dropped':
    case 'partitioned':
    case 'offline':
      return <path d="M0-5 5.200 4H-5.200z" fill="var(--warn)" />;
    default:
      return <circle r={3} fill="none" stroke="var(--text-faint)" strokeWidth={1.500} />;
  }
}

interface ChartProps {
  timeline: Timeline;
  zoom: number;
  chosen: Moment | undefined;
  onChoose: (moment: Moment) => void;
}

/** The world in virtual time: each peer a lane. The list of moments says the same in words. */
export function WorldChart({ timeline, zoom, chosen, onChoose }: ChartProps) {
  const [room, frame] = useWidth();
  const width = Math.max(320, room) * zoom;
  const x = (ms: number) => LEFT + (ms / timeline.endMs) * (width - LEFT - RIGHT);
  const y = (peer: number) => TRAFFIC + peer * LANE + LANE / 2;
  const height = TRAFFIC + timeline.peers * LANE + AXIS;
  const at = chosen && x(chosen.atMs);
  useLayoutEffect(() => {
    const box = frame.current;
    if (!box || at === undefined) return;
    if (at < box.scrollLeft + LEFT || at > box.scrollLeft + box.clientWidth - RIGHT) box.scrollLeft = at - box.clientWidth / 2;
  }, [frame, at]);
  const pick = (clientX: number, clientY: number, box: DOMRect) => {
    const [px, py] = [clientX - box.left, clientY - box.top];
    let nearest: Moment | undefined;
    let best = Number.POSITIVE_INFINITY;
    for (const moment of timeline.moments) {
      for (const place of moment.peers.length > 0 ? moment.peers.map(y) : [height - AXIS]) {
        const distance = Math.hypot(x(moment.atMs) - px, place - py);
        if (distance < best) [nearest, best] = [moment, distance];
      }
    }
    if (nearest) onChoose(nearest);
  };
  return (
    <div className="world" ref={frame} tabIndex={0} role="region" aria-label="The world in virtual time">
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`${timeline.peers} peers over ${formatVirtual(timeline.endMs)}`}
        onClick={(event) => pick(event.clientX, event.clientY, event.currentTarget.getBoundingClientRect())}
      >
        <SentEachSecond timeline={timeline} x={x} />
        <Lanes timeline={timeline} x={x} y={y} />
        <Axis timeline={timeline} x={x} width={width} top={height - AXIS} />
        {chosen && at !== undefined && (
          <g>
            <line x1={at} x2={at} y1={0} y2={height - AXIS} stroke="var(--text)" strokeDasharray="2 3" />
            {chosen.peers.map((peer) => (
              <circle key={peer} cx={at} cy={y(peer)} r={9} fill="none" stroke="var(--text)" strokeWidth={1.500} />
            ))}
          </g>
        )}
      </svg>
      <div className="world-names" aria-hidden="true" style={{ paddingTop: TRAFFIC }}>
        {Array.from({ length: timeline.peers }, (_, peer) => (
          <span key={peer} style={{ height: LANE }}>
            Peer {peer}
          </span>
        ))}
      </div>
    </div>
  );
}

interface PartProps {
  timeline: Timeline;
  x: (ms: number) => number;
}

function SentEachSecond({ timeline, x }: PartProps) {
  const { path, most } = useMemo(() => {
    const seconds = new Map<number, number>();
    for (const { second, bytes } of timeline.traffic) seconds.set(second, (seconds.get(second) ?? 0) + bytes);
    return { path: [...seconds].sort(([one], [other]) => one - other), most: Math.max(1, ...seconds.values()) };
  }, [timeline]);
  const bar = Math.max(1, x(1000) - x(0) - 1);
  return (
    <g>
      {path.map(([second, bytes]) => {
        const tall = Math.max(1, (bytes / most) * (TRAFFIC - 18));
        return <rect key={second} x={x(second * 1000)} y={TRAFFIC - 4 - tall} width={bar} height={tall} fill="var(--line-strong)" />;
      })}
      <text x={LEFT} y={11} className="graph-note">
        sent each second, at most {formatBytes(most)}
      </text>
    </g>
  );
}

function Lanes({ timeline, x, y }: PartProps & { y: (peer: number) => number }) {
  const lives = useMemo(() => Array.from({ length: timeline.peers }, (_, peer) => lifeOf(timeline, peer)), [timeline]);
  return (
    <>
      {lives.map((life, peer) => (
        <g key={peer}>
          <line x1={x(0)} x2={x(timeline.endMs)} y1={y(peer)} y2={y(peer)} stroke="var(--line)" />
          {life.apart.map((span, at) => (
            <rect key={at} x={x(span.fromMs)} width={Math.max(1, x(span.toMs) - x(span.fromMs))} y={y(peer) - 17} height={34} fill="var(--warn-soft)" />
          ))}
          {life.running.map((span, at) => (
            <rect key={at} x={x(span.fromMs)} width={Math.max(2, x(span.toMs) - x(span.fromMs))} y={y(peer) - 10} height={20} rx={4} fill="var(--accent-soft)" />
          ))}
          {life.offline.map((span, at) => (
            <rect key={at} x={x(span.fromMs)} width={Math.max(2, x(span.toMs) - x(span.fromMs))} y={y(peer) + 11} height={3} rx={1.5} fill="var(--warn)" />
          ))}
        </g>
      ))}
      {timeline.moments.map((moment, at) =>
        moment.peers.map((peer) => (
          <g key={`${at} ${peer}`} transform={`translate(${x(moment.atMs)} ${y(peer)})`}>
            <Glyph what={moment.what} />
          </g>
        )),
      )}
    </>
  );
}

function Axis({ timeline, x, width, top }: PartProps & { width: number; top: number }) {
  // A step of time that leaves room for its word.
  const wanted = (timeline.endMs / (width - LEFT - RIGHT)) * 96;
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21_600].map((seconds) => seconds * 1000).find((ms) => ms >= wanted) ?? timeline.endMs;
  const ticks = Array.from({ length: Math.floor(timeline.endMs / step) + 1 }, (_, at) => at * step);
  return (
    <g>
      {ticks.map((ms) => (
        <g key={ms}>
          <line x1={x(ms)} x2={x(ms)} y1={TRAFFIC - 4} y2={top + 4} stroke="var(--line)" />
          <text x={x(ms)} y={top + 16} className="graph-note" textAnchor={ms === 0 ? 'start' : x(ms) > width - 40 ? 'end' : 'middle'}>
            {step < 60_000 && ms < 60_000 ? `${ms / 1000} s` : formatVirtual(ms)}
          </text>
        </g>
      ))}
    </g>
  );
}
