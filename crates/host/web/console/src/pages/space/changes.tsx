import type { ChangeInfo, EchoValue } from '@dxos-rs/client';
import { showValue } from '../../data/values.js';
import { labelOf, plural, shortType } from '../../ui/format.js';

const SHOWN = 8;

/** What a transaction did, in words. */
export function Changes({ changes }: { changes: readonly ChangeInfo[] }) {
  const told = changes.filter((change) => change.change.kind !== 'restored' || !changes.some((other) => isCreation(other, change.object)));
  return (
    <ul className="small soft changes">
      {told.slice(0, SHOWN).map((change, at) => (
        <li key={at}>{sayChange(change)}</li>
      ))}
      {told.length > SHOWN && <li>and {plural(told.length - SHOWN, 'more change')}</li>}
    </ul>
  );
}

/** What is created is there: that it is restored, too, tells nobody anything. */
const isCreation = ({ object, change }: ChangeInfo, of: string) => object === of && change.kind === 'created';
const short = (text: string) => (text.length > 120 ? `${text.slice(0, 120)}…` : text);
const values = (list: readonly EchoValue[]) => short(list.map(showValue).join(', '));

/** One change in words. */
export function sayChange({ path, change }: ChangeInfo): string {
  const at = path == null ? '' : `${labelOf(path)}: `;
  switch (change.kind) {
    case 'created':
      return `created ${shortType(change.type).toLowerCase()} ${short(showValue(change.properties.title ?? change.properties.name ?? null))}`.trim();
    case 'deleted':
      return 'deleted';
    case 'restored':
      return 'restored';
    case 'assigned':
      return `${at}${short(showValue(change.value)) || 'empty'}`;
    case 'unset':
      return `${at}taken out`;
    case 'counted':
      return `${at}${change.by >= 0 ? '+' : ''}${change.by}`;
    case 'added':
      return `${at}added ${values(change.values)}`;
    case 'removed':
      return `${at}removed ${values(change.values)}`;
    case 'text-edited': {
      const typed = change.inserted.join('');
      const parts = [
        typed === '' ? '' : `typed “${short(typed)}”`,
        change.deleted > 0 ? `deleted ${plural(change.deleted, 'character')}` : '',
        change.marked.length > 0 ? `marked ${change.marked.join(', ')}` : '',
      ];
      return `${at}${parts.filter(Boolean).join(', ') || 'edited'}`;
    }
    case 'list-edited': {
      const parts = [
        change.inserted.length > 0 ? `put in ${values(change.inserted)}` : '',
        change.deleted > 0 ? `took out ${plural(change.deleted, 'item')}` : '',
        change.moved > 0 ? `moved ${plural(change.moved, 'item')}` : '',
      ];
      return `${at}${parts.filter(Boolean).join(', ') || 'edited'}`;
    }
    case 'edited':
      return `${at}edited`;
  }
}
