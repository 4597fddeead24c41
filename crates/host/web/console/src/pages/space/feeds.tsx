import { useEffect, useLayoutEffect, useMemo, useState } from 'react';
import type { BlockInfo, FeedInfo, Space } from '@dxos-rs/client';
import { asError, useAreTold, useLoad, useStore } from '../../data/store.js';
import { Ago, Avatar, Badge, Button, Empty, Key } from '../../ui/controls.js';
import { formatCount, hueOf, plural } from '../../ui/format.js';
import { useWidth } from '../../ui/width.js';
import { Epochs } from './epochs.js';

const PAGE = 200;
const LANE = 34;
const LEFT = 8;
/** What is left free on both sides of the lanes. */
const PADDING = 16;

/** The feeds of a space and their blocks: each feed a lane, each block where logical time puts it. */
export function Feeds({ space }: { space: Space }) {
  const { blocks: count } = useStore(space.pipeline);
  const feeds = useLoad(() => space.feeds(), [space, count]);
  const [feed, setFeed] = useState<string>();
  const forks = useStore(space.forks);
  const sorted = useMemo(() => [...(feeds.value ?? [])].sort((one, other) => (one.designation === other.designation ? other.applied - one.applied : one.designation === 'data' ? -1 : 1)), [feeds.value]);
  const told = useAreTold([space.epochs, space.erasure, space.members]);
  const shown = feed === undefined ? undefined : sorted.find((one) => one.feed === feed);
  if (!feeds.value || !told) return <div aria-busy="true" />;
  return (
    <div className="column wide">
      <section className="card" aria-labelledby="feeds-title">
        <div className="card-head">
          <h2 id="feeds-title">{plural(sorted.length, 'feed')}</h2>
          <span className="faint small">each written by one device, signed and chained by hashes</span>
        </div>
        <ul className="list">
          {sorted.map((one) => {
            const fork = forks.find((known) => known.feed === one.feed);
            return (
              <li key={one.feed} className="feed">
                <Avatar name={one.author.displayName} id={one.author.identity ?? one.feed} />
                <div className="grow">
                  <strong style={{ fontWeight: 560 }}>{one.author.displayName ?? 'No name'}</strong>
                  <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
                    <Key value={one.feed} what="Feed" />
                    <Key value={one.author.device} what="Device" />
                  </span>
                </div>
                <Badge>{one.incarnation === 0 ? one.designation : `${one.designation}, ${one.incarnation + 1}.`}</Badge>
                {fork && <Badge tone="bad">forked, cut at {fork.seq}</Badge>}
                <span className="small soft feed-count">{plural(one.applied, 'block')}</span>
                {/* Credentials are on the page of the space's settings. */}
                <Button
                  small
                  style={one.designation === 'control' ? { visibility: 'hidden' } : undefined}
                  aria-pressed={feed === one.feed}
                  aria-label={`Only the blocks of ${one.author.displayName ?? 'this feed'}`}
                  onClick={() => setFeed(feed === one.feed ? undefined : one.feed)}
                >
                  {feed === one.feed ? 'All' : 'Blocks'}
                </Button>
              </li>
            );
          })}
        </ul>
      </section>
      <Epochs space={space} />
      <Blocks key={feed ?? ''} space={space} feeds={sorted} feed={shown} count={count} />
    </div>
  );
}

function useBlocks(space: Space, feed: string | undefined, count: number) {
  const [state, setState] = useState<{ blocks: readonly BlockInfo[]; next: Parameters<Space['blocks']>[0]; error: Error | undefined; loaded: boolean }>({
    blocks: [],
    next: undefined,
    error: undefined,
    loaded: false,
  });
  const options = feed === undefined ? {} : { feed };
  useEffect(() => {
    let current = true;
    space.blocks({ limit: PAGE, ...options }).then(
      (page) => current && setState({ blocks: page.blocks, next: page.next ? { before: page.next } : undefined, error: undefined, loaded: true }),
      (error: unknown) => current && setState((before) => ({ ...before, error: asError(error), loaded: true })),
    );
    return () => {
      current = false;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [space, feed, count]);
  const readMore = async () => {
    if (!state.next) return;
    try {
      const page = await space.blocks({ limit: PAGE, ...options, ...state.next });
      setState((before) => ({ ...before, blocks: [...before.blocks, ...page.blocks], next: page.next ? { before: page.next } : undefined }));
    } catch (error) {
      setState((before) => ({ ...before, error: asError(error) }));
    }
  };
  return { ...state, readMore };
}

function Blocks({ space, feeds, feed, count }: { space: Space; feeds: readonly FeedInfo[]; feed: FeedInfo | undefined; count: number }) {
  const { blocks, next, loaded, readMore } = useBlocks(space, feed?.feed, count);
  const [chosen, setChosen] = useState<string>();
  if (!loaded) return null;
  if (blocks.length === 0) {
    return (
      <section className="card">
        <Empty icon="block" title="No transactions yet" />
      </section>
    );
  }
  return (
    <section className="card" aria-labelledby="blocks-title">
      <div className="card-head">
        <h2 id="blocks-title">{feed ? `Blocks of ${feed.author.displayName ?? 'one feed'}` : 'Blocks'}</h2>
        <span className="faint small">transactions that count, the newest first</span>
      </div>
      <Lanes blocks={blocks} feeds={feeds} chosen={chosen} />
      <div className="scroll-x">
        <table className="plain">
          <thead>
            <tr>
              <th>Author</th>
              <th className="number">Block</th>
              <th className="number">Time</th>
              <th className="number">Changes</th>
              <th>Hash</th>
              <th>Written</th>
            </tr>
          </thead>
          <tbody>
            {blocks.map((block) => (
              <tr key={block.committed.hash} onMouseEnter={() => setChosen(block.committed.hash)} className={block.committed.hash === chosen ? 'chosen' : ''}>
                <td>{block.author.displayName ?? block.author.device.slice(0, 8)}</td>
                <td className="number">{formatCount(block.committed.seq)}</td>
                <td className="number">{formatCount(block.committed.lamport)}</td>
                <td className="number">{formatCount(block.changes)}</td>
                <td>
                  <Key value={block.committed.hash} what="Hash" />
                </td>
                <td>
                  <Ago timeMs={block.timeMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {next && (
        <div className="card-body">
          <Button small onClick={() => void readMore()}>
            Read older blocks
          </Button>
        </div>
      )}
    </section>
  );
}

/** The blocks in logical time, newest at the right. The table below says the same in words. */
function Lanes({ blocks, feeds, chosen }: { blocks: readonly BlockInfo[]; feeds: readonly FeedInfo[]; chosen: string | undefined }) {
  const lanes = useMemo(() => {
    const used = new Set(blocks.map((block) => block.committed.feed));
    return feeds.filter((feed) => used.has(feed.feed));
  }, [blocks, feeds]);
  const lamports = blocks.map((block) => block.committed.lamport);
  const first = Math.min(...lamports);
  const last = Math.max(...lamports);
  const [room, frame] = useWidth();
  const width = Math.max(0, room - PADDING, Math.min(4000, (last - first + 1) * 14));
  const x = (lamport: number) => LEFT + 6 + ((lamport - first) / Math.max(1, last - first)) * (width - LEFT * 2 - 12);
  // The newest is at the right.
  useLayoutEffect(() => {
    frame.current?.scrollTo({ left: frame.current.scrollWidth });
  }, [frame, width]);
  const y = (feed: string) => lanes.findIndex((lane) => lane.feed === feed) * LANE + LANE / 2;
  return (
    <div
      className="lanes"
      ref={frame}
      tabIndex={0}
      role="region"
      aria-label="Blocks in logical time"
    >
      <svg width={width} height={lanes.length * LANE} aria-hidden="true">
        {lanes.map((lane) => (
          <line key={lane.feed} x1={LEFT} x2={width - LEFT} y1={y(lane.feed)} y2={y(lane.feed)} stroke="var(--line)" />
        ))}
        {blocks.map((block) => (
          <rect
            key={block.committed.hash}
            x={x(block.committed.lamport) - 4}
            y={y(block.committed.feed) - 7}
            width={8}
            height={14}
            rx={2.5}
            fill={`hsl(${hueOf(block.author.identity ?? block.author.device)} 52% 55%)`}
            stroke={block.committed.hash === chosen ? 'var(--text)' : 'none'}
            strokeWidth={2}
          />
        ))}
      </svg>
    </div>
  );
}
