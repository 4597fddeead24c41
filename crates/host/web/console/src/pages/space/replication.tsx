import type { MemberInfo, Space } from '@dxos-rs/client';
import { useClient } from '../../data/client.js';
import { useLoad, useStore } from '../../data/store.js';
import { Badge, Dot, Empty, Figure, Key } from '../../ui/controls.js';
import { formatBytes, formatCount } from '../../ui/format.js';

/** How far this device is, and with whom it replicates. */
export function Replication({ space }: { space: Space }) {
  const client = useClient();
  const pipeline = useStore(space.pipeline);
  const peers = useStore(space.peers);
  const members = useStore(space.members);
  const devices = useStore(client.halo.devices);
  const network = useStore(client.mesh.networkStatus);
  const hash = useLoad(() => space.stateHash(), [space, pipeline.blocks, pipeline.objects]);
  const { blocks, missingBlocks, objects } = pipeline;
  const share = blocks + missingBlocks === 0 ? 1 : blocks / (blocks + missingBlocks);
  const percent = missingBlocks === 0 ? 100 : Math.min(99, Math.floor(share * 100));
  const others = members.flatMap((member) => member.devices.map((device) => ({ member, device }))).filter((one) => one.device !== network?.device);
  const rank = (device: string) => (peers.includes(device) ? 0 : 1);
  others.sort((one, other) => rank(one.device) - rank(other.device));
  const nameOf = (member: MemberInfo, device: string) => {
    const own = devices.find((known) => known.device === device);
    return own?.name ?? `${member.profile.displayName ?? 'No name'}${member.devices.length > 1 ? `, ${device.slice(0, 6)}` : ''}`;
  };
  return (
    <div className="column">
      <section className="card" aria-labelledby="progress-title">
        <div className="card-head">
          <h2 id="progress-title">Progress</h2>
          {missingBlocks === 0 ? <Badge tone="good">nothing is missing</Badge> : <Badge tone="warn">{formatCount(missingBlocks)} missing</Badge>}
        </div>
        <div className="card-body stack">
          <div
            className={`progress ${missingBlocks === 0 ? 'done' : ''}`}
            role="progressbar"
            aria-label="Blocks here, of those that are known"
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={percent}
          >
            <span style={{ width: `${percent}%` }} />
          </div>
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
      <section className="card" aria-labelledby="state-title">
        <div className="card-head">
          <h2 id="state-title">State</h2>
          {hash.value !== undefined && <Key value={hash.value} what="State hash" />}
        </div>
        <p className="card-body soft">
          The hash of everything that shows. Devices that have the same blocks have the same hash, in whatever order the blocks came.
        </p>
      </section>
      <section className="card" aria-labelledby="peers-title">
        <div className="card-head">
          <h2 id="peers-title">Devices of the space</h2>
        </div>
        {others.length === 0 ? (
          <Empty icon="sync" title="No other device yet" />
        ) : (
          <ul className="list">
            {others.map(({ member, device }) => {
              const connection = network?.connections.find((one) => one.device === device);
              const replicates = peers.includes(device);
              return (
                <li key={device}>
                  <Dot tone={replicates ? 'good' : connection ? 'warn' : 'neutral'} />
                  <div className="grow">
                    <strong style={{ fontWeight: 560 }}>{nameOf(member, device)}</strong>
                    <span className="small faint row wrap" style={{ columnGap: 8, rowGap: 0 }}>
                      <span>{replicates ? 'replicating' : connection ? 'connected' : 'not connected'}</span>
                      <Key value={device} what="Device" />
                    </span>
                  </div>
                  {connection && (
                    <span className="small soft" style={{ textAlign: 'right' }}>
                      {(connection.rttUs / 1000).toFixed(1)} ms
                      <span className="faint" style={{ display: 'block' }}>
                        ↑ {formatBytes(connection.bytesSent)} ↓ {formatBytes(connection.bytesReceived)}
                      </span>
                    </span>
                  )}
                </li>
              );
            })}
          </ul>
        )}
      </section>
    </div>
  );
}
