import { type RefObject, useCallback, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

/** Rows around those in view that are in the page, too. */
const AROUND = 8;
/** How long nothing has to scroll until rows are put into the order in which they are read. */
const REST_MS = 150;

/** Whether the focus is within an element, and not on itself. */
function isWrittenIn(element: HTMLElement): boolean {
  const active = document.activeElement;
  return active !== element && element.contains(active);
}

interface View {
  readonly first: number;
  /** The one after the last. */
  readonly end: number;
  readonly moving: boolean;
}

/** A row that is in the page. */
export interface PlacedRow {
  readonly index: number;
  /** Its element: another row takes it over when this one goes out of view. */
  readonly slot: number;
}

/**
 * Which of many rows of one height are in view. Their elements are used again: while somebody
 * scrolls they stay where they are in the page, and only what they show and where they stand
 * changes. Afterwards they are put into order, for whoever is read to.
 */
export function useRowsInView(scroller: RefObject<HTMLElement | null>, count: number, height: number) {
  const [view, setView] = useState<View>({ first: 0, end: 0, moving: false });
  const [slots, setSlots] = useState(1);
  const known = useRef(view);
  const look = useCallback(
    (scrolls: boolean) => {
      const element = scroller.current;
      if (!element) return;
      // An element that is moved loses the focus: that waits for the end of an edit.
      const moving = scrolls || (known.current.moving && isWrittenIn(element));
      const shown = Math.ceil(element.clientHeight / height) + 1;
      setSlots(shown + 2 * AROUND);
      const top = Math.min(Math.floor(element.scrollTop / height), Math.max(0, count - shown));
      const first = Math.max(0, top - AROUND);
      const end = Math.min(count, top + shown + AROUND);
      const before = known.current;
      if (first === before.first && end === before.end && (moving || !before.moving)) return;
      known.current = { first, end, moving };
      setView(known.current);
    },
    [scroller, count, height],
  );
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    look(false);
    let rest: ReturnType<typeof setTimeout> | undefined;
    const scroll = () => {
      // In the frame that scrolls, or what comes into view would be empty in it.
      flushSync(() => look(true));
      clearTimeout(rest);
      rest = setTimeout(() => look(false), REST_MS);
    };
    element.addEventListener('scroll', scroll, { passive: true });
    const sizes = new ResizeObserver(() => look(false));
    sizes.observe(element);
    return () => {
      clearTimeout(rest);
      element.removeEventListener('scroll', scroll);
      sizes.disconnect();
    };
  }, [scroller, look]);
  const placed = useMemo(() => {
    const all: PlacedRow[] = [];
    for (let index = view.first; index < Math.min(count, view.end); index += 1) all.push({ index, slot: index % slots });
    return view.moving ? all.sort((one, other) => one.slot - other.slot) : all;
  }, [view, slots, count]);
  /** Scrolls as little as shows a row, below a head of one row. */
  const reveal = useCallback(
    (index: number) => {
      const element = scroller.current;
      if (!element) return;
      const [top, room] = [index * height, element.clientHeight - height];
      if (top < element.scrollTop) element.scrollTop = top;
      else if (top + height > element.scrollTop + room) element.scrollTop = top + height - room;
    },
    [scroller, height],
  );
  return { placed, reveal };
}
