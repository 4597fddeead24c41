import { useCallback, useEffect, useRef, useState } from 'react';
import type { HistoryEntryInfo, HistoryPageInfo, Space, TimeframeInfo } from '@dxos-rs/client';
import { asError, useStore } from './store.js';

/** The history of a space, as far as it was read. */
export interface Past {
  /** The transactions, the newest first. */
  readonly entries: readonly HistoryEntryInfo[];
  /** What is covered by the newest. */
  readonly now: TimeframeInfo | undefined;
  /** Whether there is more before the oldest. */
  readonly more: boolean;
  readonly error: Error | undefined;
  readonly loading: boolean;
  readonly readMore: () => void;
}

const PAGE = 200;

/** Reads the history of a space, and again from the front when something was written. */
export function usePast(space: Space): Past {
  const { blocks } = useStore(space.pipeline);
  const [state, setState] = useState<Omit<Past, 'readMore' | 'more'> & { next: HistoryPageInfo['next'] }>({
    entries: [],
    now: undefined,
    next: null,
    error: undefined,
    loading: true,
  });
  const round = useRef(0);
  useEffect(() => {
    const own = ++round.current;
    const read = async () => {
      // The time first: what is written between both is in the entries, and then counts as newer.
      const now = await space.timeframe();
      const page = await space.history({ limit: PAGE });
      if (own !== round.current) return;
      setState((before) => {
        const [entries, next] = join(page, before.entries, before.next);
        return { entries, next, now: cover(now, page.entries), error: undefined, loading: false };
      });
    };
    read().catch((error: unknown) => own === round.current && setState((before) => ({ ...before, error: asError(error), loading: false })));
  }, [space, blocks]);
  const { next } = state;
  const readMore = useCallback(() => {
    if (!next) return;
    const own = ++round.current;
    setState((before) => ({ ...before, loading: true }));
    space.history({ limit: PAGE, before: next }).then(
      (page) => {
        if (own !== round.current) return;
        setState((before) => ({ ...before, entries: [...before.entries, ...page.entries], next: page.next ?? null, loading: false }));
      },
      (error: unknown) => own === round.current && setState((before) => ({ ...before, error: asError(error), loading: false })),
    );
  }, [space, next]);
  return { entries: state.entries, now: state.now, more: state.next != null, error: state.error, loading: state.loading, readMore };
}

/** Puts a fresh first page in front of what was read before, when both meet. */
function join(page: HistoryPageInfo, before: readonly HistoryEntryInfo[], next: HistoryPageInfo['next']): [readonly HistoryEntryInfo[], HistoryPageInfo['next']] {
  const last = page.entries.at(-1);
  const at = last ? before.findIndex((entry) => entry.committed.hash === last.committed.hash) : -1;
  if (at < 0 || at === before.length - 1) return [page.entries, at < 0 ? (page.next ?? null) : next];
  return [[...page.entries, ...before.slice(at + 1)], next];
}

/** A time that covers these entries, too. */
function cover(time: TimeframeInfo, entries: readonly HistoryEntryInfo[]): TimeframeInfo {
  const feeds = { ...time.feeds };
  for (const { committed } of entries) feeds[committed.feed] = Math.max(feeds[committed.feed] ?? 0, committed.seq + 1);
  return { feeds };
}

/** The time right after an entry: what covers it and all that are older, and none that is newer. */
export function timeframeAt(now: TimeframeInfo, entries: readonly HistoryEntryInfo[], index: number): TimeframeInfo {
  const feeds = { ...now.feeds };
  for (const { committed } of entries.slice(0, index)) {
    feeds[committed.feed] = Math.min(feeds[committed.feed] ?? committed.seq, committed.seq);
  }
  return { feeds };
}
