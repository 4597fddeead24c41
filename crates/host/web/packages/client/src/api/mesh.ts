import type { NetworkInfo } from '../generated/protocol.js';
import type { Live } from './store.js';

/** The network. */
export interface Mesh {
  /** Swarms and connections; undefined until the host has said it. */
  readonly networkStatus: Live<NetworkInfo | undefined>;
  /** Goes online or offline, also for after a restart. */
  setConnectionState(state: 'online' | 'offline'): Promise<void>;
  /** Tells where a device of a space can be reached; addresses are `host:port`. */
  addPeer(spaceKey: string, deviceKey: string, addresses: string[]): Promise<void>;
}
