/** The life of a client on a host of its own: each part that the class has besides its data. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client, ClientStateError } from '../../src/index.js';
import { Host } from '../support/host.js';
import { eventually, shows } from '../support/wait.js';

const PACKAGE = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string };

describe('a client', () => {
  let host: Host;
  let client: Client;

  beforeEach(async () => {
    host = await Host.start();
    client = host.client();
  });

  afterEach(async () => {
    await client.destroy();
    await host.remove();
  });

  it('has its version and configuration from the beginning, and opens nothing', () => {
    expect(client.version).toBe(PACKAGE.version);
    expect(client.config.host).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/rpc$/);
    expect(Object.isFrozen(client.config)).toBe(true);
    expect(client.connection.get()).toBe('idle');
    expect(client.toJSON()).toMatchObject({ version: PACKAGE.version, initialized: false, status: null, identity: null, spaces: [] });
    expect(() => new Client({ host: 'no address' })).toThrow(TypeError);
  });

  it('ends as often as somebody says so, and is initialized again with what it had', async () => {
    await client.destroy();
    await client.initialize();
    await client.halo.createIdentity('Ann');
    const space = await client.createSpace({ name: 'Home' });
    space.db.add({ title: 'Written last' }, { type: 'task' });
    // What was written is sent before it ends.
    await Promise.all([client.destroy(), client.destroy()]);
    await client.destroy();
    expect(client.initialized).toBe(false);
    expect(await client.getStatus()).toBeNull();
    await client.initialize();
    expect(await client.getStatus()).toBe('active');
    const [task] = await client.getSpace(space.key)!.db.find<{ title: string }>({ type: 'task' });
    expect(task?.title).toBe('Written last');
  });

  it('tells as JSON and to Node who and where it is, and no secret', async () => {
    await client.initialize();
    const { identity, device } = await client.halo.createIdentity('Ann');
    const space = await client.createSpace();
    const stop = client.mesh.networkStatus.subscribe(() => {});
    await shows(client.mesh.networkStatus, (network) => network?.state === 'online');
    const told = JSON.parse(JSON.stringify(client)) as Record<string, unknown>;
    expect(told).toMatchObject({ initialized: true, connection: 'connected', status: 'active', identity, device, network: 'online' });
    expect(told['spaces']).toEqual([{ key: space.key, state: 'ready' }]);
    expect(inspect(client)).toMatch(/^Client\b/);
    expect(inspect(client)).toContain(space.key);
    expect(JSON.stringify(client) + inspect(client)).not.toContain(new URL(host.url).hash.slice('#token='.length));
    stop();
  });

  it('goes offline and online, and says so', async () => {
    await client.initialize();
    await client.halo.createIdentity('Ann');
    const stop = client.mesh.networkStatus.subscribe(() => {});
    await client.mesh.setConnectionState('offline');
    await shows(client.mesh.networkStatus, (network) => network?.state === 'offline');
    await client.mesh.setConnectionState('online');
    await shows(client.mesh.networkStatus, (network) => network?.state === 'online');
    stop();
  });

  it('comes back to a host that was started anew, when it is told to', async () => {
    await client.initialize();
    await client.halo.createIdentity('Ann');
    await host.stop('SIGKILL');
    await shows(client.status, (status) => status === null);
    await host.start();
    await client.resumeHostServices();
    await shows(client.status, (status) => status === 'active');
    expect(client.halo.identity.get()?.profile.displayName).toBe('Ann');
  });

  it('wipes the profile, and refuses everything from then on', async () => {
    await client.initialize();
    await client.halo.createIdentity('Ann');
    await client.createSpace();
    await client.reset();
    expect(client.initialized).toBe(false);
    await expect(client.initialize()).rejects.toThrow(ClientStateError);
    await expect(client.resumeHostServices()).rejects.toThrow(/reset/);
    await expect(client.createSpace()).rejects.toThrow();
    await eventually(() => !existsSync(host.profile) || readdirSync(host.profile).length === 0);
    // The host ends with it. A new one begins with nothing.
    await host.stop();
    await host.start();
    const next = host.client();
    await next.initialize();
    expect(next.halo.identity.get()).toBeNull();
    expect(next.spaces.get()).toEqual([]);
    await next.destroy();
  });
});
