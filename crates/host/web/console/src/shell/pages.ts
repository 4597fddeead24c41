import type { IconName } from '../ui/icon.js';

/** A page with a name. */
export interface PageName {
  readonly id: string;
  readonly title: string;
  readonly icon: IconName;
}

/** The pages of a space, as its tabs show them. */
export const SPACE_PAGES: readonly PageName[] = [
  { id: 'objects', title: 'Objects', icon: 'objects' },
  { id: 'documents', title: 'Documents', icon: 'text' },
  { id: 'search', title: 'Search', icon: 'search' },
  { id: 'query', title: 'Query', icon: 'query' },
  { id: 'queues', title: 'Queues', icon: 'queue' },
  { id: 'history', title: 'History', icon: 'history' },
  { id: 'members', title: 'Members', icon: 'contacts' },
  { id: 'feeds', title: 'Feeds', icon: 'feeds' },
  { id: 'replication', title: 'Replication', icon: 'sync' },
  { id: 'settings', title: 'Settings', icon: 'settings' },
];

/** The pages that belong to no space. */
export const PAGES: ReadonlyArray<{ title: string; pages: readonly PageName[] }> = [
  {
    title: 'Identity',
    pages: [
      { id: 'profile', title: 'Profile', icon: 'identity' },
      { id: 'devices', title: 'Devices', icon: 'devices' },
      { id: 'contacts', title: 'Contacts', icon: 'contacts' },
    ],
  },
  {
    title: 'System',
    pages: [
      { id: 'network', title: 'Network', icon: 'network' },
      { id: 'host', title: 'Host', icon: 'host' },
      { id: 'simulation', title: 'Simulation', icon: 'timeline' },
    ],
  },
];
