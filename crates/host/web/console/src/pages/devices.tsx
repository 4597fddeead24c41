import { type FormEvent, useState } from 'react';
import type { DeviceInfo } from '@dxos-rs/client';
import { useClient } from '../data/client.js';
import { useAction, useStore } from '../data/store.js';
import { openDialog } from '../shell/dialogs.js';
import { PageFrame } from '../shell/shell.js';
import { Ago, Badge, Button, ConfirmButton, IconButton, Input, Key, Dot } from '../ui/controls.js';
import { Icon } from '../ui/icon.js';

/** The devices of the identity. */
export function Devices() {
  const devices = useStore(useClient().halo.devices);
  const rank = (device: DeviceInfo) => (device.current ? 0 : device.revoked ? 3 : device.kind === 'device' ? 1 : 2);
  const sorted = [...devices].sort((one, other) => rank(one) - rank(other) || (one.createdMs ?? 0) - (other.createdMs ?? 0));
  return (
    <PageFrame
      title="Devices"
      name="Devices"
      actions={
        <Button kind="primary" icon="add" onClick={() => openDialog({ dialog: 'addDevice' })}>
          Add a device
        </Button>
      }
    >
      <div className="column">
        <ul className="card list">
          {sorted.map((device) => (
            <DeviceRow key={device.device} device={device} />
          ))}
        </ul>
        <p className="small faint">
          Every device has your identity in full and holds all your spaces. Revoke one that is lost: it gets nothing from then on,
          and what it writes does not count.
        </p>
      </div>
    </PageFrame>
  );
}

function DeviceRow({ device }: { device: DeviceInfo }) {
  const client = useClient();
  const [naming, setNaming] = useState(false);
  const [busy, run] = useAction();
  const paper = device.kind === 'recovery-phrase';
  const name = device.name ?? (paper ? 'Recovery phrase' : (device.platform ?? 'Device'));
  return (
    <li className="member">
      <span className="device-icon">
        <Icon name={paper ? 'text' : 'devices'} />
      </span>
      <div className="grow">
        {naming ? (
          <Rename device={device} onDone={() => setNaming(false)} />
        ) : (
          <div className="row wrap">
            <strong style={{ fontWeight: 560 }}>{name}</strong>
            {device.current && <Badge tone="accent">this device</Badge>}
            {device.revoked && <Badge tone="bad">revoked</Badge>}
            {device.recovered && <Badge>recovered</Badge>}
            {!paper && !device.revoked && <IconButton icon="settings" label={`Rename ${name}`} small onClick={() => setNaming(true)} />}
          </div>
        )}
        <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
          {!paper && !device.revoked && (
            <span className="row" style={{ gap: 5 }}>
              <Dot tone={device.online || device.current ? 'good' : 'neutral'} />
              {device.online || device.current ? 'online' : 'offline'}
            </span>
          )}
          {device.platform && device.platform !== name && <span>{device.platform}</span>}
          {device.createdMs != null && (
            <span>
              added <Ago timeMs={device.createdMs} />
            </span>
          )}
          {!device.online && !device.current && device.lastSeenMs != null && (
            <span>
              seen <Ago timeMs={device.lastSeenMs} />
            </span>
          )}
          <Key value={device.device} what="Device" />
        </span>
      </div>
      {!device.current && !device.revoked && (
        <ConfirmButton
          small
          disabled={busy}
          question={paper ? 'Make these words useless?' : `Revoke ${name} for good?`}
          onConfirm={() => void run(() => client.halo.revokeDevice(device.device), 'Revoked')}
        >
          Revoke
        </ConfirmButton>
      )}
    </li>
  );
}

function Rename({ device, onDone }: { device: DeviceInfo; onDone: () => void }) {
  const client = useClient();
  const [name, setName] = useState(device.name ?? '');
  const [busy, run] = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    await run(() => client.halo.renameDevice(device.device, name.trim()));
    onDone();
  };
  return (
    <form className="row" onSubmit={(event) => void submit(event)}>
      <Input
        autoFocus
        aria-label="Name of the device"
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && onDone()}
      />
      <Button small type="submit" disabled={busy || name.trim() === ''}>
        Rename
      </Button>
    </form>
  );
}
