import { useMemo, useState } from 'react';
import type { NetworkInfo } from '@dxos-rs/client';
import { nameOf, useClient } from '../data/client.js';
import { useAction, useStore } from '../data/store.js';
import { href } from '../router.js';
import { PageFrame } from '../shell/shell.js';
import { Badge, Button, Dot, Empty, Figure, Key } from '../ui/controls.js';
import { formatBytes, formatCount, hueOf } from '../ui/format.js';

/** The network: whether this device takes part, the swarms that it is in, and its connections. */
export function Network() {
  const client = useClient();
  const network = useStore(client.mesh.networkStatus);
  const [busy, run] = useAction();
  const names = useNames();
  const online = network?.state === 'online';
  const toggle = () => void run(() => client.mesh.setConnectionState(online ? 'offline' : 'online'));
  return (
    <PageFrame
      title="Network"
      name="Network"
      actions={
        network &&
        network.state !== 'disabled' && (
          <>
            <Badge tone={online ? 'good' : 'warn'}>{network.state}</Badge>
            <Button disabled={busy} onClick={toggle}>
              {online ? 'Go offline' : 'Go online'}
            </Button>
          </>
        )
      }
    >
      {network && (
        <div className="column wide">
          {network.state === 'disabled' && <Empty icon="network" title="This client was started without a network" />}
          <div className="figures">
            <Figure label="Connections">{formatCount(network.connections.length)}</Figure>
            <Figure label="Swarms">{formatCount(network.swarms.length)}</Figure>
            <Figure label="Sent">{formatBytes(network.connections.reduce((sum, one) => sum + one.bytesSent, 0))}</Figure>
            <Figure label="Received">{formatBytes(network.connections.reduce((sum, one) => sum + one.bytesReceived, 0))}</Figure>
            <Figure label="Refused">{formatCount(network.refused)}</Figure>
          </div>
          <section className="card" aria-labelledby="graph-title">
            <div className="card-head">
              <h2 id="graph-title">Swarm</h2>
              <span className="faint small">this device in the middle, a colour for each space</span>
            </div>
            <Graph network={network} names={names} />
          </section>
          <Connections network={network} names={names} />
          <Swarms network={network} />
          <section className="card" aria-labelledby="address-title">
            <div className="card-head">
              <h2 id="address-title">This device</h2>
              <Key value={network.device} what="Device" />
            </div>
            <ul className="card-body mono small stack tight">
              {network.addresses.length === 0 ? <li className="soft">No addresses</li> : network.addresses.map((address) => <li key={address}>{address}</li>)}
            </ul>
          </section>
        </div>
      )}
    </PageFrame>
  );
}

/** What devices are called: those of the identity by their name, those of others by their owner. */
function useNames(): (device: string) => string {
  const client = useClient();
  const own = useStore(client.halo.devices);
  const spaces = useStore(client.spaces);
  // Members of the spaces that are followed elsewhere, or were.
  const members = spaces.flatMap((space) => space.members.get());
  return useMemo(() => {
    const names = new Map<string, string>();
    for (const member of members) {
      for (const device of member.devices) names.set(device, member.profile.displayName ?? device.slice(0, 8));
    }
    for (const device of own) {
      if (device.name) names.set(device.device, device.name);
    }
    return (device: string) => names.get(device) ?? device.slice(0, 8);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [own, members.length, spaces]);
}

interface NetworkProps {
  network: NetworkInfo;
  names: (device: string) => string;
}

/** Who is connected, drawn. The tables below say the same. */
function Graph({ network, names }: NetworkProps) {
  const [hovered, setHovered] = useState<string>();
  const devices = useMemo(() => {
    const all = new Set(network.connections.map((one) => one.device));
    for (const swarm of network.swarms) for (const device of swarm.sessions) all.add(device);
    return [...all].sort();
  }, [network]);
  // Room for a name at each device, and letters of one size at the width of a phone.
  const size = { width: 400 + Math.max(0, devices.length - 6) * 36, height: devices.length === 1 ? 170 : 280 };
  const center = { x: devices.length === 1 ? size.width / 4 : size.width / 2, y: size.height / 2 };
  const radius = { x: size.width / 2 - (devices.length === 1 ? 0 : 56), y: size.height / 2 - 48 };
  const place = (at: number) => {
    const angle = (at / Math.max(1, devices.length)) * 2 * Math.PI - Math.PI / 2 + (devices.length === 1 ? Math.PI / 2 : 0);
    return { x: center.x + Math.cos(angle) * radius.x, y: center.y + Math.sin(angle) * radius.y };
  };
  if (devices.length === 0) {
    return (
      <Empty icon="network" title="Connected with nobody">
        Devices that share a space with this one are looked for all the time.
      </Empty>
    );
  }
  return (
    <svg className="graph" style={{ maxWidth: size.width * 1.3 }} viewBox={`0 0 ${size.width} ${size.height}`} role="img" aria-label={`Connected with ${devices.map(names).join(', ')}`}>
      {devices.map((device, at) => {
        const to = place(at);
        const swarms = network.swarms.filter((swarm) => swarm.sessions.includes(device));
        const connection = network.connections.find((one) => one.device === device);
        return (
          <g key={device} onMouseEnter={() => setHovered(device)} onMouseLeave={() => setHovered(undefined)} opacity={hovered === undefined || hovered === device ? 1 : 0.35}>
            {(swarms.length > 0 ? swarms : [undefined]).map((swarm, lane, all) => (
              <line
                key={swarm?.topic ?? ''}
                x1={center.x}
                y1={center.y + (lane - (all.length - 1) / 2) * 5}
                x2={to.x}
                y2={to.y + (lane - (all.length - 1) / 2) * 5}
                stroke={swarm ? `hsl(${hueOf(swarm.space ?? swarm.topic)} 52% 55%)` : 'var(--line-strong)'}
                strokeWidth={2}
                strokeDasharray={connection ? undefined : '4 4'}
              />
            ))}
            <circle cx={to.x} cy={to.y} r={15} fill="var(--surface)" stroke="var(--text-faint)" strokeWidth={1.5} />
            <circle cx={to.x} cy={to.y} r={5} fill={connection ? 'var(--good-dot)' : 'var(--line-strong)'} />
            <text x={to.x} y={to.y + 32} textAnchor="middle" className="graph-name">
              {names(device)}
            </text>
            {connection && (
              <text x={(center.x + to.x) / 2} y={(center.y + to.y) / 2 - 9} textAnchor="middle" className="graph-note">
                {(connection.rttUs / 1000).toFixed(1)} ms
              </text>
            )}
          </g>
        );
      })}
      <circle cx={center.x} cy={center.y} r={19} fill="var(--accent)" />
      <text x={center.x} y={center.y + 38} textAnchor="middle" className="graph-name">
        this device
      </text>
    </svg>
  );
}

function Connections({ network, names }: NetworkProps) {
  if (network.connections.length === 0) return null;
  return (
    <section className="card" aria-labelledby="connections-title">
      <div className="card-head">
        <h2 id="connections-title">Connections</h2>
      </div>
      <div className="scroll-x">
        <table className="plain">
          <thead>
            <tr>
              <th>Device</th>
              <th>Address</th>
              <th className="number">Round trip</th>
              <th className="number">Sent</th>
              <th className="number">Received</th>
            </tr>
          </thead>
          <tbody>
            {network.connections.map((connection) => (
              <tr key={connection.device}>
                <td>
                  {names(connection.device)} <Key value={connection.device} what="Device" />
                </td>
                <td className="mono small">{connection.address ?? ''}</td>
                <td className="number">{(connection.rttUs / 1000).toFixed(1)} ms</td>
                <td className="number">{formatBytes(connection.bytesSent)}</td>
                <td className="number">{formatBytes(connection.bytesReceived)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Swarms({ network }: { network: NetworkInfo }) {
  const client = useClient();
  if (network.swarms.length === 0) return null;
  return (
    <section className="card" aria-labelledby="swarms-title">
      <div className="card-head">
        <h2 id="swarms-title">Swarms</h2>
      </div>
      <ul className="list">
        {network.swarms.map((swarm) => {
          const space = swarm.space == null ? undefined : client.getSpace(swarm.space);
          return (
            <li key={swarm.topic}>
              <span className="space-mark" aria-hidden="true" style={{ '--hue': hueOf(swarm.space ?? swarm.topic) } as React.CSSProperties} />
              <div className="grow">
                {space ? <a href={href('space', space.key, 'replication')}>{nameOf(space)}</a> : <span>{swarm.space == null ? 'Your devices' : 'A space that is not here'}</span>}
                <span className="small faint" style={{ display: 'block' }}>
                  <Key value={swarm.topic} what="Topic" />
                </span>
              </div>
              <span className="small soft row">
                <Dot tone={swarm.sessions.length > 0 ? 'good' : 'neutral'} />
                {swarm.known === 0 ? 'nobody else known' : `${formatCount(swarm.sessions.length)} of ${formatCount(swarm.known)} connected`}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
