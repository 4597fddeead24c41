import type { ConnectionInfo, DeviceSyncInfo, MemberInfo, Space } from '@dxos-rs/client';
import { useClient } from '../../data/client.js';
import { useAreTold, useLoad, useStore } from '../../data/store.js';
import { Badge, Dot, Empty, Figure, Key } from '../../ui/controls.js';
import { formatBytes, formatCount, plural } from '../../ui/format.js';

/** How far this device is, who has stored the space, and with whom it replicates. */
export function Replication({ space }: { space: Space }) {
  const pipeline = useStore(space.pipeline);
  const peers = useStore(space.peers);
  const hash = useLoad(() => space.stateHash(), [space, pipeline.blocks, pipeline.objects]);
  const { blocks, missingBlocks, objects } = pipeline;
  const share = blocks + missingBlocks === 0 ? 1 : blocks / (blocks + missingBlocks);
  const client = useClient();
  const told = useAreTold([space.syncStatus, space.members, client.mesh.networkStatus]);
  if (!told) return <div aria-busy="true" />;
  const percent = missingBlocks === 0 ? 100 : Math.min(99, Math.floor(share * 100));
  return (
    <div className="column">
      <section className="card" aria-labelledby="progress-title">
        <div className="card-head">
          <h2 id="progress-title">Progress</h2>
          {missingBlocks === 0 ? <Badge tone="good">nothing is missing</Badge> : <Badge tone="warn">{formatCount(missingBlocks)} missing</Badge>}
        </div>
        <div className="card-body stack">
          <Progress label="Blocks here, of those that are known" percent={percent} />
          <p className="small faint">
            {formatCount(blocks)} of {formatCount(blocks + missingBlocks)} blocks that peers have announced are on this device.
          </p>
        </div>
      </section>
      <div className="figures">
        <Figure label="Objects">{formatCount(objects)}</Figure>
        <Figure label="Blocks">{formatCount(blocks)}</Figure>
        <Figure label="Missing">{formatCount(missingBlocks)}</Figure>
        <Figure label="Replicating with">{formatCount(peers.length)}</Figure>
      </div>
      <Devices space={space} />
      <section className="card" aria-labelledby="state-title">
        <div className="card-head">
          <h2 id="state-title">State</h2>
          {hash.value !== undefined && <Key value={hash.value} what="State hash" />}
        </div>
        <p className="card-body soft">
          The hash of everything that shows. Devices that have the same blocks have the same hash, in whatever order the blocks came.
        </p>
      </section>
    </div>
  );
}

function Progress({ label, percent }: { label: string; percent: number }) {
  return (
    <div
      className={`progress ${percent === 100 ? 'done' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <span style={{ width: `${percent}%` }} />
    </div>
  );
}

/** The devices of the space: who has signed to have stored it, and who is connected. */
function Devices({ space }: { space: Space }) {
  const client = useClient();
  const peers = useStore(space.peers);
  const members = useStore(space.members);
  const own = useStore(client.halo.devices);
  const network = useStore(client.mesh.networkStatus);
  const sync = useStore(space.syncStatus);
  const others = (sync?.devices ?? []).filter((device) => !device.own);
  const rank = ({ device }: DeviceSyncInfo) => (peers.includes(device) ? 0 : 1);
  others.sort((one, other) => rank(one) - rank(other));
  const complete = others.filter(isComplete).length;
  const nameOf = ({ device, identity }: DeviceSyncInfo) => {
    const known = own.find((one) => one.device === device);
    const member: MemberInfo | undefined = members.find((one) => one.identity === identity);
    return known?.name ?? `${member?.profile.displayName ?? 'No name'}${(member?.devices.length ?? 0) > 1 ? `, ${device.slice(0, 6)}` : ''}`;
  };
  return (
    <section className="card" aria-labelledby="peers-title">
      <div className="card-head">
        <h2 id="peers-title">Stored by other devices</h2>
        {others.length > 0 && (
          <Badge tone={complete > 0 ? 'good' : 'warn'}>
            {formatCount(complete)} of {formatCount(others.length)} have all of it
          </Badge>
        )}
      </div>
      {sync && others.length === 0 ? (
        <Empty icon="sync" title="No other device yet">
          What is written here is on this device only.
        </Empty>
      ) : (
        <ul className="list">
          {others.map((device) => (
            <DeviceRow
              key={device.device}
              device={device}
              name={nameOf(device)}
              replicates={peers.includes(device.device)}
              connection={network?.connections.find((one) => one.device === device.device)}
            />
          ))}
        </ul>
      )}
    </section>
  );
}

const isComplete = ({ receipt, missing }: DeviceSyncInfo) => receipt != null && missing === 0;

interface DeviceRowProps {
  device: DeviceSyncInfo;
  name: string;
  replicates: boolean;
  connection: ConnectionInfo | undefined;
}

function DeviceRow({ device, name, replicates, connection }: DeviceRowProps) {
  const total = device.stored + device.missing;
  const percent = isComplete(device) ? 100 : total === 0 ? 0 : Math.min(99, Math.floor((device.stored / total) * 100));
  const said =
    device.receipt == null
      ? 'Has signed for nothing yet.'
      : device.missing === 0
        ? 'Has signed that all of it is on its disk.'
        : `Has signed for ${formatCount(device.stored)} of ${plural(total, 'block')}.`;
  return (
    <li className="device-sync">
      <Dot tone={replicates ? 'good' : connection ? 'warn' : 'neutral'} />
      <div className="grow">
        <strong style={{ fontWeight: 560 }}>{name}</strong>
        <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
          <span>{replicates ? 'replicating' : connection ? 'connected' : 'not connected'}</span>
          {connection && (
            <span>
              {(connection.rttUs / 1000).toFixed(1)} ms, ↑ {formatBytes(connection.bytesSent)} ↓ {formatBytes(connection.bytesReceived)}
            </span>
          )}
          <Key value={device.device} what="Device" />
        </span>
      </div>
      <div className="stored">
        <Progress label={`Blocks that ${name} has signed to have stored`} percent={percent} />
        <span className="small soft">{said}</span>
      </div>
    </li>
  );
}
