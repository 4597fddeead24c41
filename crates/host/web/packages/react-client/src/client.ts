import type { ClientConfig, ClientStatus, ConnectionState, NetworkInfo } from '@dxos-rs/client';
import { useClient } from './provider.js';
import { useStore } from './store.js';

/**
 * Whether the host's client is usable: `active`, `inactive` or `locked`; null when the host is silent.
 *
 * @example
 * ```tsx
 * import { useStatus } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const status = useStatus();
 *   return <p role="status">{status === null ? 'The host does not answer.' : `The client is ${status}.`}</p>;
 * }
 * ```
 */
export function useStatus(): ClientStatus | null {
  return useStore(useClient().status);
}

/**
 * Where the connection to the host stands.
 *
 * @example
 * ```tsx
 * import { useClient, useConnection } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const client = useClient();
 *   const connection = useConnection();
 *   if (connection === 'connected') return <p>Connected</p>;
 *   return <button onClick={() => client.resumeHostServices()}>Reconnect ({connection})</button>;
 * }
 * ```
 */
export function useConnection(): ConnectionState {
  return useStore(useClient().connection);
}

/**
 * The client's configuration: where its host is.
 *
 * @example
 * ```tsx
 * import { useConfig } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   return <code>{useConfig().host}</code>;
 * }
 * ```
 */
export function useConfig(): ClientConfig {
  return useClient().config;
}

/**
 * Swarms and connections; undefined until the host has said it.
 *
 * @example
 * ```tsx
 * import { useClient, useNetworkStatus } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const { mesh } = useClient();
 *   const network = useNetworkStatus();
 *   const isOnline = network?.state === 'online';
 *   return (
 *     <label>
 *       <input type="checkbox" checked={isOnline} onChange={() => mesh.setConnectionState(isOnline ? 'offline' : 'online')} />
 *       Online, with {network?.connections.length ?? 0} devices
 *     </label>
 *   );
 * }
 * ```
 */
export function useNetworkStatus(): NetworkInfo | undefined {
  return useStore(useClient().mesh.networkStatus);
}
