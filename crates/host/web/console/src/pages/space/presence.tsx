import type { Space } from '@dxos-rs/client';
import { useStore } from '../../data/store.js';
import { Avatar } from '../../ui/controls.js';

const SHOWN = 4;

/** Who else of a space is online. */
export function Presence({ space }: { space: Space }) {
  const members = useStore(space.members);
  const online = members.filter((member) => member.online && !member.own);
  const names = online.map((member) => member.profile.displayName ?? 'somebody').join(', ');
  return (
    <span className="people" role="img" aria-label={online.length === 0 ? 'Nobody else is online' : `Online: ${names}`} title={names}>
      {online.slice(0, SHOWN).map((member) => (
        <Avatar key={member.identity} name={member.profile.displayName} id={member.identity} online />
      ))}
      {online.length > SHOWN && <span className="small faint">+{online.length - SHOWN}</span>}
    </span>
  );
}
