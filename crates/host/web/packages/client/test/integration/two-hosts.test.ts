import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type HostInvitation, type GuestInvitation, type Space, type SyncStatusInfo, Text } from '../../src/index.js';
import { Host, memoryStorage } from '../support/host.js';
import { eventually, shows } from '../support/wait.js';

type Task = { title: string; done: boolean };

/** Joins with the code, as two people do. */
async function join(invitation: HostInvitation, guest: GuestInvitation): Promise<void> {
  await shows(guest.status, ({ state, ended }) => ended || state === 'ready-for-authentication');
  expect(guest.status.get().error).toBeUndefined();
  expect(await guest.authenticate(invitation.authCode ?? '')).toBe(true);
  await guest.done();
}

describe('two people on two hosts', () => {
  const storage = memoryStorage();
  let hosts: Host[];
  let ann: Client;
  let bob: Client;
  let annSpace: Space;
  let bobSpace: Space;

  beforeAll(async () => {
    hosts = await Promise.all([Host.start(), Host.start()]);
    ann = hosts[0]!.client({ storage });
    bob = hosts[1]!.client();
    await Promise.all([ann.initialize(), bob.initialize()]);
    await ann.halo.createIdentity('Ann');
    await bob.halo.createIdentity({ displayName: 'Bob' });
    annSpace = await ann.createSpace({ name: 'Home' });
  });

  afterAll(async () => {
    await Promise.all([ann?.destroy(), bob?.destroy()]);
    await Promise.all((hosts ?? []).map((host) => host.remove()));
  });

  it('tell a guest that a code is wrong, and let it in with the right one', async () => {
    const invitation = await annSpace.share();
    await shows(annSpace.invitations, (open) => open.some(({ id }) => id === invitation.id));
    const guest = bob.echo.join(invitation.invitationCode ?? '');
    await shows(guest.status, ({ state }) => state === 'ready-for-authentication');
    const wrong = invitation.authCode === '000000' ? '000001' : '000000';
    expect(await guest.authenticate(wrong)).toBe(false);
    await shows(guest.status, ({ attemptsLeft }) => attemptsLeft === 2);
    await join(invitation, guest);
    expect(guest.status.get().result?.spaceKey).toBe(annSpace.key);
    bobSpace = bob.getSpace(annSpace.key)!;
    await bobSpace.waitUntilReady();
    await shows(annSpace.members, (members) => members.length === 2);
    await shows(bobSpace.members, (members) => members.some(({ profile }) => profile.displayName === 'Ann'));
    expect((await invitation.done()).identityKey).toBe(bob.halo.identity.get()?.identity);
    // Whoever shares a space is a contact.
    await shows(ann.halo.contacts, (contacts) => contacts.some(({ profile }) => profile.displayName === 'Bob'));
    await expect(bob.echo.join('no invitation').done()).rejects.toMatchObject({ name: 'InvitationError' });
  });

  it('see what the other writes, in live queries', async () => {
    const [annTasks, bobTasks] = [annSpace, bobSpace].map((space) => space.db.query<Task>({ type: 'task', order: ['title'] }));
    const stops = [annTasks, bobTasks].map((tasks) => tasks!.subscribe(() => {}));
    annSpace.db.add<Task>({ title: 'One', done: false }, { type: 'task' });
    bobSpace.db.add<Task>({ title: 'Two', done: false }, { type: 'task' });
    for (const tasks of [annTasks!, bobTasks!]) await shows(tasks, (list) => list.length === 2);
    // Each changes another property of one object.
    annTasks!.get()[0]!.title = 'First';
    bobTasks!.get()[0]!.done = true;
    for (const tasks of [annTasks!, bobTasks!]) {
      await shows(tasks, (list) => list.some(({ title, done }) => title === 'First' && done));
    }
    bobSpace.db.remove(bobTasks!.get().find(({ title }) => title === 'Two')!);
    await shows(annTasks!, (list) => list.length === 1);
    for (const stop of stops) stop();
  });

  it('know what the device of the other has signed that it stored', async () => {
    const mine = annSpace.db.add<Task>({ title: 'Kept', done: false }, { type: 'kept' });
    await annSpace.db.flush();
    const own = ann.halo.identity.get()!.device;
    const isWithBob = (status: SyncStatusInfo | undefined): boolean =>
      status?.devices.length === 2 && status.devices.every(({ missing, receipt, device }) => missing === 0 && (device === own || receipt !== undefined));
    await shows(annSpace.syncStatus, isWithBob);
    await shows(annSpace.objectSyncStatus(mine.objectId), isWithBob);
    annSpace.db.remove(mine);
    await annSpace.db.flush();
  });

  it('type into one text at once', async () => {
    const note = annSpace.db.add({ body: new Text('') }, { type: 'note' });
    const annText = annSpace.db.text(note, 'body');
    const onOther = bobSpace.db.object(note.objectId);
    await shows(onOther, (found) => found !== undefined);
    const bobText = bobSpace.db.text(note, 'body');
    await Promise.all([annText.ready(), bobText.ready()]);
    for (const letter of 'abcdefghij') {
      annText.edit([{ at: 0, delete: 0, insert: letter }]);
      const { content } = bobText.snapshot.get();
      bobText.edit([{ at: content.length, delete: 0, insert: letter.toUpperCase() }]);
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await Promise.all([annText.flush(), bobText.flush()]);
    await eventually(() => annText.snapshot.get().content.length === 20 && annText.snapshot.get().content === bobText.snapshot.get().content);
    expect([...annText.snapshot.get().content].sort().join('')).toBe('ABCDEFGHIJabcdefghij');
    // Undo takes back what Ann typed last, and nothing of Bob's.
    expect(await annText.undo()).toBe(true);
    await eventually(() => annText.snapshot.get().content === bobText.snapshot.get().content);
    expect(annText.snapshot.get().content).toContain('ABCDEFGHIJ'.slice(0, 1));
    const stop = annText.cursors.subscribe(() => {});
    bobText.setCursor({ anchor: 0, head: 2 });
    await shows(annText.cursors, (cursors) => cursors.some(({ displayName, head }) => displayName === 'Bob' && head === 2));
    await annText.mark(0, 2, 'bold', true);
    await eventually(() => bobText.snapshot.get().marks.some(({ name }) => name === 'bold'));
    stop();
    annText.close();
    bobText.close();
  });

  it('hear messages that are not kept', async () => {
    const heard: unknown[] = [];
    const stop = bobSpace.listen('greetings', ({ payload }) => heard.push(payload));
    await eventually(async () => {
      await annSpace.postMessage('greetings', { text: 'hello' });
      return heard.length > 0;
    });
    expect(heard[0]).toEqual({ text: 'hello' });
    stop();
  });

  it('go on when the host is started anew under an open client', async () => {
    const tasks = annSpace.db.query<Task>({ type: 'task' });
    const stop = tasks.subscribe(() => {});
    await tasks.load();
    await annSpace.db.flush();
    await hosts[0]!.stop('SIGKILL');
    await shows(ann.status, (status) => status === null);
    expect(await ann.getStatus()).toBeNull();
    // What is written meanwhile shows, and is sent when the host is back.
    annSpace.db.add<Task>({ title: 'Meanwhile', done: false }, { type: 'task' });
    expect(tasks.get().map(({ title }) => title)).toContain('Meanwhile');
    await hosts[0]!.start();
    await ann.resumeHostServices();
    await shows(ann.status, (status) => status === 'active');
    await annSpace.db.flush();
    expect(tasks.get()).toHaveLength(2);
    const onBob = bobSpace.db.query<Task>({ type: 'task' });
    const stopBob = onBob.subscribe(() => {});
    await shows(onBob, (list) => list.some(({ title }) => title === 'Meanwhile'));
    bobSpace.db.add<Task>({ title: 'Bob again', done: false }, { type: 'task' });
    await shows(tasks, (list) => list.some(({ title }) => title === 'Bob again'));
    stop();
    stopBob();
  });

  it('add a device, which gets the spaces', async () => {
    const host = await Host.start();
    hosts.push(host);
    const phone = host.client();
    await phone.initialize();
    const invitation = await ann.halo.share();
    await join(invitation, phone.halo.join(invitation.invitationCode ?? '', { displayName: 'Phone' }));
    await shows(phone.halo.identity, (identity) => identity?.identity === ann.halo.identity.get()?.identity);
    const spaces = await shows(phone.spaces, (list) => list.some(({ key }) => key === annSpace.key));
    await shows(spaces.find(({ key }) => key === annSpace.key)!.state, (state) => state === 'ready');
    await shows(ann.halo.devices, (devices) => devices.filter(({ kind }) => kind === 'device').length === 2);
    const device = phone.halo.identity.get()!.device;
    await ann.halo.revokeDevice(device);
    await shows(ann.halo.devices, (devices) => devices.some((one) => one.device === device && one.revoked));
    await phone.destroy();
  });

  it('remove a member, who can write no longer', async () => {
    await annSpace.removeMember(bob.halo.identity.get()!.identity);
    await shows(bobSpace.departure, (departure) => departure?.how === 'removed');
    bobSpace.db.add<Task>({ title: 'Too late', done: false }, { type: 'task' });
    await expect(bobSpace.db.flush()).rejects.toMatchObject({ name: 'HostError' });
    expect(bobSpace.db.query({ type: 'task', where: { title: 'Too late' } }).get()).toHaveLength(0);
    expect(bobSpace.db.failure.get()?.ops[0]).toMatchObject({ op: 'create' });
  });
});
