import { lazy, Suspense } from 'react';
import type { Space } from '@dxos-rs/client';
import { useClient, useMayWrite, useName } from '../../data/client.js';
import { useStore } from '../../data/store.js';
import { href } from '../../router.js';
import { openDialog } from '../../shell/dialogs.js';
import { SPACE_PAGES } from '../../shell/pages.js';
import { PageFrame } from '../../shell/shell.js';
import { Badge, Button, Empty, Note } from '../../ui/controls.js';
import { Closed } from './kept.js';
import { Members } from './members.js';
import { Objects } from './objects.js';
import { Presence } from './presence.js';
import { SpaceSettings } from './settings.js';

const Documents = lazy(() => import('./documents.js').then((module) => ({ default: module.Documents })));
const QueryTab = lazy(() => import('./query.js').then((module) => ({ default: module.QueryTab })));
const Queues = lazy(() => import('./queues.js').then((module) => ({ default: module.Queues })));
const Search = lazy(() => import('./search.js').then((module) => ({ default: module.Search })));
const History = lazy(() => import('./history.js').then((module) => ({ default: module.History })));
const Feeds = lazy(() => import('./feeds.js').then((module) => ({ default: module.Feeds })));
const Replication = lazy(() => import('./replication.js').then((module) => ({ default: module.Replication })));

const FILLING = new Set(['objects', 'documents', 'search', 'query', 'queues', 'history']);

/** A space, with its pages as tabs. */
export function SpacePage({ spaceKey, page, item }: { spaceKey: string; page: string; item: string | undefined }) {
  const client = useClient();
  // The list decides whether the space is here.
  useStore(client.spaces);
  const space = client.getSpace(spaceKey);
  if (!space) {
    return (
      <PageFrame title="No such space" name="No such space">
        <Empty icon="block" title="This space is not here" actions={<a href={href()}>To your spaces</a>}>
          You are no member of it, or it has not reached this device yet.
        </Empty>
      </PageFrame>
    );
  }
  return <Known key={spaceKey} space={space} page={page} item={item} />;
}

function Known({ space, page, item }: { space: Space; page: string; item: string | undefined }) {
  const name = useName(space);
  const role = useStore(space.role);
  const state = useStore(space.state);
  const error = useStore(space.error);
  const reason = useStore(space.reason);
  const departure = useStore(space.departure);
  const title = SPACE_PAGES.find((one) => one.id === page)?.title ?? 'Objects';
  return (
    <PageFrame
      title={name}
      name={`${title}, ${name}`}
      tabs={{ current: page, base: ['space', space.key], pages: SPACE_PAGES }}
      fill={FILLING.has(page)}
      actions={
        <>
          {departure === undefined && state === 'ready' && <Presence space={space} />}
          {role === 'reader' || role === 'replicator' ? <Badge>{role}</Badge> : null}
          {role === 'admin' && state === 'ready' && (
            <Button icon="invite" onClick={() => openDialog({ dialog: 'invite', space: space.key })}>
              Invite
            </Button>
          )}
        </>
      }
    >
      {departure && <Departed how={departure.how} />}
      {state === 'error' && (
        <div style={{ padding: 'var(--space-4)' }}>
          <Note tone="bad" icon="warning">
            {error ?? 'This space could not be opened.'}
          </Note>
        </div>
      )}
      {(state === 'initializing' || state === 'control-only') && (
        <div className="banner" role="status">
          Not ready yet: {reason?.message ?? 'it is being opened'}.
        </div>
      )}
      {state === 'closed' ? (
        <Closed space={space} />
      ) : (
        <Suspense fallback={<div aria-busy="true" />}>
          <Tab space={space} page={page} item={item} />
        </Suspense>
      )}
    </PageFrame>
  );
}

function Departed({ how }: { how: string }) {
  const said = { left: 'You have left this space.', removed: 'You were removed from this space.' }[how];
  return (
    <div className="banner" role="status">
      {said ?? 'You are no member of this space any more.'} What was here before stays readable.
    </div>
  );
}

function Tab({ space, page, item }: { space: Space; page: string; item: string | undefined }) {
  const mayWrite = useMayWrite(space);
  switch (page) {
    case 'documents':
      return <Documents space={space} item={item} mayWrite={mayWrite} />;
    case 'query':
      return <QueryTab space={space} />;
    case 'search':
      return <Search space={space} />;
    case 'queues':
      return <Queues space={space} item={item} mayWrite={mayWrite} />;
    case 'history':
      return <History space={space} mayWrite={mayWrite} />;
    case 'members':
      return <Members space={space} />;
    case 'feeds':
      return <Feeds space={space} />;
    case 'replication':
      return <Replication space={space} />;
    case 'settings':
      return <SpaceSettings space={space} />;
    default:
      return <Objects space={space} item={item} mayWrite={mayWrite} />;
  }
}
