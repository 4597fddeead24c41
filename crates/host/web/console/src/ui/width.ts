import { type RefObject, useLayoutEffect, useRef, useState } from 'react';

/** How wide an element is, before it is painted and whenever that changes. */
export function useWidth(): [number, RefObject<HTMLDivElement | null>] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const found = element.current;
    if (!found) return undefined;
    setWidth(found.clientWidth);
    const sizes = new ResizeObserver(() => setWidth(found.clientWidth));
    sizes.observe(found);
    return () => sizes.disconnect();
  }, []);
  return [width, element];
}
