import { lazy, Suspense, useEffect } from 'react';
import type { IdentityInfo } from '@dxos-rs/client';
import { useRoute, navigate, href } from '../router.js';
import { openDialog } from '../shell/dialogs.js';
import { PageFrame } from '../shell/shell.js';
import { Empty } from '../ui/controls.js';
import { Contacts } from './contacts.js';
import { Devices } from './devices.js';
import { Home } from './home.js';
import { HostPage } from './host.js';
import { Profile } from './profile.js';
import { SpacePage } from './space/space.js';

const Simulation = lazy(() => import('./simulation.js').then((module) => ({ default: module.Simulation })));
const Network = lazy(() => import('./network.js').then((module) => ({ default: module.Network })));

/** The page that the address names. */
export function Page({ identity }: { identity: IdentityInfo }) {
  return (
    <Suspense fallback={<main className="main" aria-busy="true" aria-label="Loading" />}>
      <Named identity={identity} />
    </Suspense>
  );
}

function Named({ identity }: { identity: IdentityInfo }) {
  const { parts } = useRoute();
  switch (parts[0]) {
    case undefined:
      return <Home identity={identity} />;
    case 'space':
      return <SpacePage spaceKey={parts[1] ?? ''} page={parts[2] ?? 'objects'} item={parts[3]} />;
    case 'join':
      return <JoinLink code={parts[1]} identity={identity} />;
    case 'profile':
      return <Profile identity={identity} />;
    case 'devices':
      return <Devices />;
    case 'contacts':
      return <Contacts />;
    case 'network':
      return <Network />;
    case 'host':
      return <HostPage />;
    case 'simulation':
      return <Simulation />;
    default:
      return (
        <PageFrame title="No such page" name="No such page">
          <Empty icon="query" title="There is no page here" actions={<a href={href()}>To your spaces</a>} />
        </PageFrame>
      );
  }
}

/** A link that invites: the spaces, with the dialog over them. */
function JoinLink({ code, identity }: { code: string | undefined; identity: IdentityInfo }) {
  useEffect(() => {
    openDialog(code === undefined ? { dialog: 'joinSpace' } : { dialog: 'joinSpace', code });
    navigate(href(), { replace: true });
  }, [code]);
  return <Home identity={identity} />;
}
