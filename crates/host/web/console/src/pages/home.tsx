import type { IdentityInfo, Space } from '@dxos-rs/client';
import { useName, useSpacesByName } from '../data/client.js';
import { useObjectCount } from '../data/objects.js';
import { useStore } from '../data/store.js';
import { href } from '../router.js';
import { openDialog } from '../shell/dialogs.js';
import { PageFrame } from '../shell/shell.js';
import { Avatar, Badge, Button, Empty } from '../ui/controls.js';
import { plural } from '../ui/format.js';
import { Presence } from './space/presence.js';

/** The spaces of the identity. */
export function Home({ identity }: { identity: IdentityInfo }) {
  const spaces = useSpacesByName();
  const actions = (
    <>
      <Button icon="join" onClick={() => openDialog({ dialog: 'joinSpace' })}>
        Join
      </Button>
      <Button icon="undo" aria-label="Restore an archive" onClick={() => openDialog({ dialog: 'restore' })}>
        <span className="optional">Restore</span>
      </Button>
      <Button icon="add" kind="primary" onClick={() => openDialog({ dialog: 'createSpace' })}>
        Create<span className="optional"> a space</span>
      </Button>
    </>
  );
  return (
    <PageFrame title="Spaces" name="Spaces" actions={spaces.length > 0 && actions}>
      <div className="column">
        {spaces.length === 0 ? (
          <Empty icon="block" title={`Welcome, ${identity.profile.displayName ?? 'you'}`} actions={actions}>
            A space holds objects and documents, and is shared with those you invite. All of it is on your own disk, and works
            offline.
          </Empty>
        ) : (
          <ul className="card list">
            {spaces.map((space) => (
              <SpaceRow key={space.key} space={space} />
            ))}
          </ul>
        )}
      </div>
    </PageFrame>
  );
}

/** How many objects are in a space; the room for it is there before the host has said so. */
function Count({ space }: { space: Space }) {
  const count = useObjectCount(space);
  return count === undefined ? '\u00a0' : plural(count, 'object');
}

function SpaceRow({ space }: { space: Space }) {
  const name = useName(space);
  const { missingBlocks } = useStore(space.pipeline);
  const role = useStore(space.role);
  const departure = useStore(space.departure);
  const state = useStore(space.state);
  return (
    <li>
      <Avatar name={name} id={space.key} square large />
      <div className="grow">
        <a className="truncate" style={{ display: 'block', fontWeight: 560, color: 'var(--text)' }} href={href('space', space.key, 'objects')}>
          {name}
        </a>
        <span className="small faint">
          {state === 'closed' ? 'Not in use on this device' : <Count space={space} />}
          {missingBlocks > 0 && `, ${plural(missingBlocks, 'block')} on the way`}
        </span>
      </div>
      {departure === undefined && state === 'ready' && <Presence space={space} />}
      {departure ? (
        <Badge>{departure.how === 'removed' ? 'removed' : 'left'}</Badge>
      ) : state === 'error' ? (
        <Badge tone="bad">error</Badge>
      ) : state === 'closed' ? (
        <Badge>closed</Badge>
      ) : (
        role && <Badge>{role}</Badge>
      )}
    </li>
  );
}
