import { Dialog } from '../ui/dialog.js';

const KEYS: ReadonlyArray<readonly [string, string]> = [
  ['Ctrl K', 'Search, go to a page, run a command'],
  ['/', 'Filter what shows'],
  ['?', 'Show these keys'],
  ['↑ ↓ ← →', 'Move in a table'],
  ['Enter', 'Edit a cell, or follow what is chosen'],
  ['Space', 'Open the row of a table'],
  ['Home End PgUp PgDn', 'Move far in a table'],
  ['Esc', 'Give up an edit, close what is open'],
  ['Ctrl Z, Ctrl Shift Z', 'Undo and redo in a text'],
];

/** What the keyboard does. */
export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose} narrow>
      <dl className="facts">
        {KEYS.map(([keys, what]) => (
          <div key={keys} style={{ display: 'contents' }}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
