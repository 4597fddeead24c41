/** The network. */
import type { Mesh as MeshApi } from './api/mesh.js';
import type { Live } from './api/store.js';
import { live, type Context } from './context.js';
import type { NetworkInfo } from './generated/protocol.js';

export class Mesh implements MeshApi {
  readonly networkStatus: Live<NetworkInfo | undefined>;

  constructor(private readonly context: Context) {
    this.networkStatus = live<NetworkInfo | undefined>(context, { topic: 'networkStatus' }, undefined);
  }

  async setConnectionState(state: 'online' | 'offline'): Promise<void> {
    await this.context.link.call('mesh.setConnectionState', { state });
  }

  async addPeer(space: string, device: string, addresses: string[]): Promise<void> {
    await this.context.link.call('mesh.addPeer', { space, device, addresses });
  }
}
