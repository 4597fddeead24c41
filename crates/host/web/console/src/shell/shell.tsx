import { createContext, type ReactNode, use, useEffect, useRef, useState } from 'react';
import type { Database, IdentityInfo } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { useStore } from '../data/store.js';
import { Page } from '../pages/page.js';
import { href, useRoute, useTitle } from '../router.js';
import { Button, IconButton } from '../ui/controls.js';
import { useModal } from '../ui/dialog.js';
import { Icon } from '../ui/icon.js';
import { toast } from '../ui/toast.js';
import { Dialogs, isDialogOpen, openDialog } from './dialogs.js';
import type { PageName } from './pages.js';
import { Sidebar } from './sidebar.js';

/** Opens the menu, where there is no room for it beside the page. */
const MenuContext = createContext<() => void>(() => undefined);

/** Everything around a page: the way to the others, and what holds for all of them. */
export function Shell({ identity, connected }: { identity: IdentityInfo; connected: boolean }) {
  const [drawer, setDrawer] = useState(false);
  const { path } = useRoute();
  useEffect(() => setDrawer(false), [path]);
  useKeys();
  useArrival(path);
  return (
    <div className="shell">
      <a
        className="skip"
        href={window.location.hash}
        onClick={(event) => {
          event.preventDefault();
          document.querySelector('main')?.focus();
        }}
      >
        Skip to the page
      </a>
      <Sidebar identity={identity} />
      <MenuContext value={() => setDrawer(true)}>
        <div className="main-area">
          {!connected && <Lost />}
          <Failures />
          <Page identity={identity} />
        </div>
      </MenuContext>
      {drawer && <Drawer identity={identity} onClose={() => setDrawer(false)} />}
      <Dialogs />
    </div>
  );
}

interface PageFrameProps {
  title: ReactNode;
  /** The title of the window. */
  name: string;
  actions?: ReactNode;
  tabs?: { current: string; base: string[]; pages: readonly PageName[] };
  /** Whether the page scrolls by itself. */
  fill?: boolean;
  children: ReactNode;
}

/** A page with its title, what can be done on it, and its tabs. */
export function PageFrame({ title, name, actions, tabs, fill, children }: PageFrameProps) {
  useTitle(name);
  const openMenu = use(MenuContext);
  return (
    <main className="main" tabIndex={-1} aria-label={name}>
      <header className="topbar">
        <IconButton icon="menu" label="Menu" className="menu" onClick={openMenu} />
        <h1>{title}</h1>
        <div className="actions">{actions}</div>
      </header>
      {tabs ? <Tabs {...tabs} /> : <div className="no-tabs" />}
      <div className={`content ${fill ? 'fill' : ''}`} tabIndex={fill ? undefined : 0} role="region" aria-label={`${name}, content`}>
        {children}
      </div>
    </main>
  );
}

function Tabs({ current, base, pages }: { current: string; base: string[]; pages: readonly PageName[] }) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    const nav = ref.current;
    if (!nav) return undefined;
    const show = () => nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    // At once, and when a phone is turned.
    const sizes = new ResizeObserver(show);
    sizes.observe(nav);
    return () => sizes.disconnect();
  }, [current]);
  return (
    <nav className="tabs" aria-label="Pages of this space" ref={ref}>
      {pages.map((page) => (
        <a key={page.id} href={href(...base, page.id)} aria-current={page.id === current ? 'page' : undefined}>
          {page.title}
        </a>
      ))}
    </nav>
  );
}

function Drawer({ identity, onClose }: { identity: IdentityInfo; onClose: () => void }) {
  const ref = useModal(onClose);
  return (
    <dialog ref={ref} className="drawer" aria-label="Menu">
      <Sidebar identity={identity} />
    </dialog>
  );
}

function Lost() {
  const client = useClient();
  const [late, setLate] = useState(false);
  // A short break, as when the host starts anew, is not worth a word.
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 600);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return null;
  return (
    <div className="banner" role="status">
      <Icon name="warning" />
      <span className="grow">The host does not answer. What you change is kept here and sent when it is back.</span>
      <Button small onClick={() => void client.resumeHostServices().catch(() => undefined)}>
        Try now
      </Button>
    </div>
  );
}

/** Says what the host refused, whichever page wrote it. */
function Failures() {
  const spaces = useStore(useClient().spaces);
  return spaces.map((space) => <Failure key={space.key} db={space.db} />);
}

function Failure({ db }: { db: Database }) {
  const failure = useStore(db.failure);
  const seen = useRef(failure);
  useEffect(() => {
    if (failure && failure !== seen.current) toast(`Not written: ${failure.error.message}`, 'bad');
    seen.current = failure;
  }, [failure]);
  return null;
}

/** The keys that work everywhere. */
function useKeys(): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        openDialog({ dialog: 'palette' });
        return;
      }
      const target = event.target as HTMLElement;
      const types = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (types || isDialogOpen() || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '?') openDialog({ dialog: 'shortcuts' });
      if (event.key === '/') {
        const filter = document.querySelector<HTMLInputElement>('[data-filter]');
        if (filter) {
          event.preventDefault();
          filter.focus();
        }
      }
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, []);
}

/** Puts the focus on a page when it was gone to, so that the keyboard and a reader go on there. */
function useArrival(path: string): void {
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    if (isDialogOpen()) return;
    const active = document.activeElement;
    // Whoever walks through tabs stays on them.
    if (active?.closest('.tabs')) return;
    document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
  }, [path]);
}
