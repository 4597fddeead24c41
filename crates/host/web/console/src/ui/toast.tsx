import { useSyncExternalStore } from 'react';
import { IconButton } from './controls.js';
import { Icon } from './icon.js';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: 'good' | 'bad';
}

const KEPT = 4;
let shown: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(toasts: readonly Toast[]): void {
  shown = toasts;
  for (const listener of listeners) listener();
}

/** Tells the user something in passing. What went wrong stays for longer. */
export function toast(text: string, tone: Toast['tone'] = 'good'): void {
  const id = next++;
  const others = shown.filter((one) => one.text !== text);
  set([...others.slice(1 - KEPT), { id, text, tone }]);
  setTimeout(() => dismiss(id), tone === 'bad' ? 9000 : 4000);
}

function dismiss(id: number): void {
  set(shown.filter((one) => one.id !== id));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Where toasts show. */
export function Toasts() {
  const toasts = useSyncExternalStore(subscribe, () => shown);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((one) => (
        <div key={one.id} className={`toast ${one.tone}`}>
          <span className={one.tone === 'bad' ? 'bad-text' : ''} style={{ display: 'inline-flex', paddingTop: 5 }}>
            <Icon name={one.tone === 'bad' ? 'warning' : 'check'} />
          </span>
          <span className="grow">{one.text}</span>
          <IconButton icon="close" label="Dismiss" small onClick={() => dismiss(one.id)} />
        </div>
      ))}
    </div>
  );
}
