import { useSyncExternalStore } from 'react';
import { AddDeviceDialog } from '../pages/devices-add.js';
import { RestoreDialog } from '../pages/restore.js';
import { InviteDialog } from '../pages/space/invite.js';
import { CreateSpaceDialog, JoinSpaceDialog } from '../pages/space-dialogs.js';
import { Palette } from './palette.js';
import { Shortcuts } from './shortcuts.js';

/** A dialog that can be opened from anywhere. */
export type Opened =
  | { dialog: 'palette' }
  | { dialog: 'shortcuts' }
  | { dialog: 'createSpace' }
  | { dialog: 'joinSpace'; code?: string }
  | { dialog: 'invite'; space: string }
  | { dialog: 'addDevice' }
  | { dialog: 'restore' };

let opened: Opened | undefined;
const listeners = new Set<() => void>();

function set(next: Opened | undefined): void {
  opened = next;
  for (const listener of listeners) listener();
}

/** Opens a dialog in place of the one that is open. */
export function openDialog(next: Opened): void {
  set(next);
}

/** Closes the dialog that is open. */
export function closeDialog(): void {
  set(undefined);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether a dialog is open. */
export function isDialogOpen(): boolean {
  return opened !== undefined;
}

/** The dialog that is open. */
export function Dialogs() {
  const shown = useSyncExternalStore(subscribe, () => opened);
  switch (shown?.dialog) {
    case 'palette':
      return <Palette onClose={closeDialog} />;
    case 'shortcuts':
      return <Shortcuts onClose={closeDialog} />;
    case 'createSpace':
      return <CreateSpaceDialog onClose={closeDialog} />;
    case 'joinSpace':
      return <JoinSpaceDialog code={shown.code} onClose={closeDialog} />;
    case 'invite':
      return <InviteDialog spaceKey={shown.space} onClose={closeDialog} />;
    case 'addDevice':
      return <AddDeviceDialog onClose={closeDialog} />;
    case 'restore':
      return <RestoreDialog onClose={closeDialog} />;
    case undefined:
      return null;
  }
}
