import type { IdentityInfo, Space } from '@dxos-rs/client';
import { useClient, useName, useSpacesByName } from '../data/client.js';
import { useStore } from '../data/store.js';
import { href, useRoute } from '../router.js';
import { Avatar, Badge, Dot, IconButton } from '../ui/controls.js';
import { hueOf } from '../ui/format.js';
import { Icon } from '../ui/icon.js';
import { openDialog } from './dialogs.js';
import { PAGES } from './pages.js';
import { setTheme, useTheme } from './theme.js';

/** The way to everything. */
export function Sidebar({ identity }: { identity: IdentityInfo }) {
  const spaces = useSpacesByName();
  const { parts } = useRoute();
  const theme = useTheme();
  const dark = theme === 'dark' || (theme === 'system' && window.matchMedia('(prefers-color-scheme: dark)').matches);
  return (
    <div className="sidebar">
      <a className="brand" href={href()} style={{ color: 'inherit', textDecoration: 'none' }}>
        <img src="/icon.svg" alt="" width="22" height="22" />
        DXOS
      </a>
      <button type="button" className="button jump" onClick={() => openDialog({ dialog: 'palette' })}>
        <span className="row">
          <Icon name="search" />
          Search or jump to
        </span>
        <kbd>Ctrl K</kbd>
      </button>
      <nav aria-label="Main">
        <div className="nav-title">
          <h2 style={{ font: 'inherit' }}>Spaces</h2>
          <IconButton icon="add" label="Create a space" small onClick={() => openDialog({ dialog: 'createSpace' })} />
        </div>
        {spaces.length === 0 && (
          <a className="nav-item" href={href()} aria-current={parts.length === 0 ? 'page' : undefined}>
            <Icon name="add" />
            Your first space
          </a>
        )}
        <ul>
          {spaces.map((space) => (
            <li key={space.key}>
              <SpaceItem space={space} current={parts[0] === 'space' && parts[1] === space.key} />
            </li>
          ))}
        </ul>
        {PAGES.map((group) => (
          <div key={group.title}>
            <div className="nav-title">
              <h2 style={{ font: 'inherit' }}>{group.title}</h2>
            </div>
            <ul>
              {group.pages.map((page) => (
                <li key={page.id}>
                  <a className="nav-item" href={href(page.id)} aria-current={parts[0] === page.id ? 'page' : undefined}>
                    <Icon name={page.icon} />
                    {page.title}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <div className="who">
        <a className="nav-item" href={href('profile')}>
          <Avatar name={identity.profile.displayName} id={identity.identity} />
          <span className="truncate">
            <span className="truncate" style={{ display: 'block', color: 'var(--text)', fontWeight: 560 }}>
              {identity.profile.displayName ?? 'No name'}
            </span>
            <NetworkWord />
          </span>
        </a>
        <IconButton
          icon={dark ? 'sun' : 'moon'}
          label={dark ? 'Light colours' : 'Dark colours'}
          onClick={() => setTheme(dark ? 'light' : 'dark')}
        />
      </div>
    </div>
  );
}

function NetworkWord() {
  const network = useStore(useClient().mesh.networkStatus);
  if (!network) return <span className="small faint">&nbsp;</span>;
  const devices = network.connections.length;
  const word = network.state !== 'online' ? network.state : devices === 0 ? 'online, nobody else' : `online, ${devices} connected`;
  return (
    <span className="small faint row" style={{ gap: 5 }}>
      <Dot tone={network.state === 'online' ? 'good' : 'warn'} />
      {word}
    </span>
  );
}

function SpaceItem({ space, current }: { space: Space; current: boolean }) {
  const name = useName(space);
  const state = useStore(space.state);
  const departure = useStore(space.departure);
  const peers = useStore(space.peers);
  return (
    <a className="nav-item" href={href('space', space.key, 'objects')} aria-current={current ? 'page' : undefined}>
      <span className="space-mark" aria-hidden="true" style={{ '--hue': hueOf(space.key) } as React.CSSProperties} />
      <span className="truncate">{name}</span>
      {departure ? (
        <Badge>left</Badge>
      ) : state === 'error' ? (
        <Badge tone="bad">error</Badge>
      ) : state === 'closed' ? (
        <Badge>closed</Badge>
      ) : (
        peers.length > 0 && (
          <span className="count row" style={{ gap: 4 }} title={`replicating with ${peers.length}`}>
            <Dot tone="good" />
            {peers.length}
            <span className="sr-only">devices connected</span>
          </span>
        )
      )}
    </a>
  );
}
