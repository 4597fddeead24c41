import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, Counter, ErrorCode, META, newObjectId, Ref, Text } from '../../src/index.js';
import { Host } from '../support/host.js';
import { eventually, shows } from '../support/wait.js';

describe('one host', () => {
  let host: Host;
  let client: Client;

  beforeAll(async () => {
    host = await Host.start('--offline');
    client = host.client();
  });

  afterAll(async () => {
    await client.destroy();
    await host.remove();
  });

  it('refuses what is called before `initialize`', async () => {
    await expect(client.createSpace()).rejects.toThrow(/initialize/);
    expect(client.initialized).toBe(false);
    expect(await client.getStatus()).toBeNull();
  });

  it('comes up, and says what it is', async () => {
    await Promise.all([client.initialize(), client.initialize()]);
    expect(client.initialized).toBe(true);
    expect(await client.getStatus()).toBe('active');
    expect(client.status.get()).toBe('active');
    expect(client.halo.identity.get()).toBeNull();
    expect(client.hostVersion).toMatch(/^\d/);
    await expect(client.createSpace()).rejects.toMatchObject({ code: ErrorCode.NO_IDENTITY });
  });

  it('makes an identity, once', async () => {
    const made = await client.halo.createIdentity('Ann');
    const shown = await shows(client.halo.identity, Boolean);
    expect(shown).toEqual(made);
    await shows(client.halo.devices, (devices) => devices.length === 1);
    await expect(client.halo.createIdentity('Bob')).rejects.toMatchObject({ name: 'HostError' });
    const json = JSON.stringify(client);
    expect(json).toContain(made.identity);
    expect(inspect(client)).toContain(made.identity);
    expect(json + inspect(client)).not.toContain(new URL(host.url).hash.slice(7));
  });

  it('writes objects that show at once, and are the same for another client', async () => {
    const space = await client.createSpace({ name: 'Home' });
    expect(space.properties.get()).toEqual({ name: 'Home' });
    const open = space.db.query<{ title: string; done: boolean }>({ type: 'task', where: { done: false }, order: ['title'] });
    const stop = open.subscribe(() => {});
    const task = space.db.add({ title: 'Water the plants', done: false, tags: ['a'], place: { room: 'kitchen' } }, { type: 'task' });
    expect(task.title).toBe('Water the plants');
    expect(open.get().map((one) => one.title)).toEqual(['Water the plants']);
    space.db.add({ title: 'Buy bread', done: false }, { type: 'task' });
    expect(open.get().map((one) => one.title)).toEqual(['Buy bread', 'Water the plants']);
    task.tags.push('b');
    task.place.room = 'hall';
    await space.db.flush();

    const token = await client.createToken();
    const other = new Client({ host: token.url });
    await other.initialize();
    const same = other.getSpace(space.key);
    const found = await same!.db.find<{ title: string; tags: string[]; place: { room: string } }>({ where: { title: 'Water the plants' } });
    expect(found[0]!.tags).toEqual(['a', 'b']);
    expect(found[0]!.place).toEqual({ room: 'hall' });
    // What the other writes shows here.
    Object.assign(found[0]!, { done: true });
    await shows(open, (tasks) => tasks.length === 1);
    expect(open.get()[0]!.title).toBe('Buy bread');
    stop();
    await other.destroy();
  });

  it('appends to a queue, reads on from where it was left, and follows what comes', async () => {
    const [space] = client.spaces.get();
    const queue = space!.queue('chat');
    const heard: unknown[] = [];
    const stop = queue.subscribe((page) => heard.push(...page.items.map((item) => item.value)));
    const ids = await queue.append([{ text: 'one', at: new Date(5) }, 'two', 3]);
    const page = await queue.read({ limit: 2 });
    expect(page.items.map((item) => item.id)).toEqual(ids.slice(0, 2));
    expect(page.items[0]!.value).toEqual({ text: 'one', at: new Date(5) });
    expect((await queue.read({ from: page.next })).items.map((item) => item.value)).toEqual([3]);
    const [last] = await queue.latest({ limit: 1 });
    expect(last!.author.displayName).toBe('Ann');
    expect((await queue.latest({ before: last!.position })).map((item) => item.value)).toEqual(['two', page.items[0]!.value]);
    await eventually(() => heard.length === 3);
    await queue.setRetention({ itemsMax: 2 });
    await queue.append(['four'], { durable: true });
    expect((await queue.items()).map((item) => item.value)).toEqual([3, 'four']);
    await eventually(() => heard.length === 4);
    const info = await shows(queue.info, (one) => one?.items === 2);
    expect(info).toMatchObject({ name: 'chat', retention: { itemsMax: 2 } });
    expect(heard).toEqual([page.items[0]!.value, 'two', 3, 'four']);
    expect((await space!.queues.load()).map((one) => one.name)).toEqual(['chat']);
    await expect(queue.read({ from: '00000000-7' })).rejects.toThrow(/cursor/);
    stop();
    // The last items are a store.
    const tail = queue.tail(3);
    expect(queue.tail(3)).toBe(tail);
    const last3 = await shows(tail, (items) => items.length === 2);
    expect(last3.map((item) => item.value)).toEqual([3, 'four']);
    const unfollow = tail.subscribe(() => {});
    await queue.append(['five', 'six']);
    await eventually(() => tail.get().map((item) => item.value).join() === 'five,six');
    unfollow();
  });

  it('reads queries in their text form, and finds by words with the place of each', async () => {
    const space = await client.createSpace({ name: 'Words' });
    space.db.add({ title: 'The quick brown fox' }, { type: 'note' });
    space.db.add({ title: 'Brown bread, and a broth' }, { type: 'note' });
    await space.db.flush();
    const query = await space.db.parseQuery('type:note text:"quick bro*" order:-@relevance limit:5');
    expect((await space.db.find<{ title: string }>(query)).map(({ title }) => title)).toEqual(['The quick brown fox']);
    expect(await space.db.parseQuery(await space.db.formatQuery(query))).toEqual(query);
    await expect(space.db.parseQuery('type:')).rejects.toThrow(/at character/);
    const found = await space.db.query({ text: 'bro*', order: ['-@meta.relevance'], highlights: true }).load();
    expect(found).toHaveLength(2);
    expect(found[0]![META].info.score).toBeGreaterThan(0);
    const quick = found.find((object) => String(object['title']).includes('quick'));
    expect(quick![META].info.highlights).toEqual([{ path: 'title', ranges: [[10, 15]] }]);
  });

  it('has the host check what it has stored', async () => {
    const report = await client.doctor();
    expect(report).toMatchObject({ whole: true, orphanRows: 0, orphansRemoved: false });
    expect(report.spaces.some(({ space, findings }) => client.getSpace(space) !== undefined && findings.length === 0)).toBe(true);
    const space = client.spaces.get()[0]!;
    const follow = space.db.query();
    const stop = follow.subscribe(() => {});
    await shows(follow.loaded, Boolean);
    // Spaces are made anew under what follows them.
    expect(await client.doctor({ repair: true })).toMatchObject({ whole: true, orphansRemoved: true });
    const added = space.db.add({ title: 'Afterwards' }, { type: 'note' });
    await eventually(() => follow.get().some(({ objectId }) => objectId === added.objectId));
    await space.db.flush();
    stop();
  });

  it('keeps every kind of value', async () => {
    const [space] = client.spaces.get();
    const values = {
      when: new Date(1_700_000_000_000),
      bytes: Uint8Array.of(0, 255, 128),
      set: new Set(['x', 'y']),
      votes: new Counter(2),
      body: new Text('Hello'),
      not: Number.NaN,
      '@odd': 1,
      nothing: null,
      other: new Ref(newObjectId()),
    };
    const made = space!.db.add(values, { type: 'values', tags: ['red'] });
    made.votes.increment(3);
    made.set.add('z');
    await space!.db.flush();
    const [found] = await space!.db.find<typeof values>({ type: 'values' });
    expect(found!.when).toEqual(values.when);
    expect(found!.bytes).toEqual(values.bytes);
    expect([...found!.set].sort()).toEqual(['x', 'y', 'z']);
    expect(found!.votes.value).toBe(5);
    expect(found!.body.content).toBe('Hello');
    expect(found!.not).toBeNaN();
    expect(found!['@odd']).toBe(1);
    expect(found!.nothing).toBeNull();
    expect(found!.other).toEqual(values.other);
    expect(found![META].tags).toEqual(['red']);
  });

  it('reads pages behind cursors, counts, and tells how it found what it found', async () => {
    const space = await client.createSpace({ name: 'Pages' });
    const type = 'example.com/type/Page';
    for (let n = 0; n < 25; n += 1) space.db.add({ n, even: n % 2 === 0 }, { type });
    await space.db.flush();
    const query = { type, order: ['-n'] };
    const seen: number[] = [];
    let after: string | undefined;
    do {
      const page = await space.db.page<{ n: number }>(query, { size: 10, ...(after === undefined ? {} : { after }) });
      seen.push(...page.objects.map(({ n }) => n));
      after = page.next;
      // Those that come where the reader has been are not its business.
      space.db.add({ n: 100 + seen.length }, { type });
      await space.db.flush();
    } while (after !== undefined);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, place) => 24 - place));
    await expect(space.db.page({ type, order: ['even'] }, { after: 'x' })).rejects.toMatchObject({ code: ErrorCode.INVALID_PARAMS });

    expect(await space.db.count({ type, limit: 3 })).toBe(28);
    expect(await space.db.groupCount('even', { type })).toEqual([
      { value: null, count: 3 },
      { value: false, count: 12 },
      { value: true, count: 13 },
    ]);
    expect(await space.db.groupCount('@meta.type', { type })).toEqual([{ value: type, count: 28 }]);
    expect(await space.db.find({ type, limit: 4 })).toHaveLength(4);
    expect(await space.db.find({ type, limit: 0 })).toHaveLength(0);
    const explained = await space.db.explain(query);
    expect(explained.results).toBe(28);
    expect(explained.index).not.toBeNull();
    expect((await space.feeds()).map(({ designation }) => designation).sort()).toEqual(['control', 'data']);
  });

  it('writes a space into an archive, and brings it back as itself or as another one', async () => {
    const space = await client.createSpace({ name: 'Archived' });
    const note = space.db.add({ text: 'x'.repeat(700_000) }, { type: 'note' });
    const serializer = client.createSerializer();
    const archive = await serializer.serializeSpace(space, { passphrase: 'correct horse' });
    expect(archive.size).toBeGreaterThan(700_000);
    await expect(serializer.inspect(archive)).rejects.toMatchObject({ code: ErrorCode.REFUSED, kind: 'archiveNeedsPassphrase' });
    const wrong = serializer.deserializeSpace(archive, { passphrase: 'wrong' });
    await expect(wrong).rejects.toMatchObject({ kind: 'archiveWrongPassphrase' });
    await expect(serializer.inspect(new Blob(['PK']))).rejects.toMatchObject({ kind: 'notAnArchive' });
    const contents = await serializer.inspect(archive, { passphrase: 'correct horse' });
    expect(contents).toMatchObject({ space: space.key, objects: 1 });

    expect(await serializer.deserializeSpace(archive, { passphrase: 'correct horse' })).toBe(space);
    const clone = await client.echo.cloneSpace(archive, { passphrase: 'correct horse' });
    expect(clone.key).not.toBe(space.key);
    expect(clone.properties.get()).toMatchObject({ name: 'Archived' });
    const [found] = await clone.db.find({ type: 'note' });
    expect(found!.objectId).toBe(note.objectId);
    await shows(client.spaces, (spaces) => spaces.includes(clone));
  });

  it('closes a space and opens it again, and what is followed goes on', async () => {
    const space = await client.createSpace({ name: 'Drawer' });
    const notes = space.db.query<{ n: number }>({ type: 'note' });
    const stop = notes.subscribe(() => {});
    space.db.add({ n: 1 }, { type: 'note' });
    await space.close();
    expect(space.isOpen).toBe(false);
    expect(space.reason.get()).toMatchObject({ kind: 'closed-by-user' });
    await expect(space.waitUntilReady()).rejects.toThrow(/closed here; open it/);
    await expect(space.db.find({ type: 'note' })).rejects.toMatchObject({ kind: 'spaceClosed', action: 'openSpace' });
    space.db.add({ n: 2 }, { type: 'note' });
    await expect(space.db.flush()).rejects.toMatchObject({ kind: 'spaceClosed' });
    expect(notes.get().map(({ n }) => n)).toEqual([1]);

    await space.open();
    expect(space.state.get()).toBe('ready');
    expect(space.reason.get()).toBeUndefined();
    space.db.add({ n: 3 }, { type: 'note' });
    await space.db.flush();
    // Another client writes: what shows here was told by the host.
    const other = new Client({ host: (await client.createToken()).url });
    await other.initialize();
    const same = other.getSpace(space.key)!;
    // However fast it is closed and opened.
    for (let round = 0; round < 5; round += 1) {
      await same.close();
      await same.open();
    }
    same.db.add({ n: 4 }, { type: 'note' });
    await same.db.flush();
    await shows(notes, (list) => list.length === 3);
    stop();
    await other.destroy();
  });

  it('makes epochs, drops what is before them, and says what is stored', async () => {
    const space = await client.createSpace({ name: 'Epochs' });
    await expect(space.trim()).rejects.toMatchObject({ kind: 'noEpoch' });
    const object = space.db.add({ n: 0 }, { type: 'count' });
    for (let n = 1; n <= 20; n += 1) {
      object.n = n;
      await space.db.flush();
    }
    const before = await space.stats();
    expect(before).toMatchObject({ feeds: 2 });
    expect(before.bytes.blocks).toBeGreaterThan(0);
    const stop = space.epochs.subscribe(() => {});
    const epoch = await space.createEpoch();
    expect(epoch).toMatchObject({ number: 1, state: 'current', trimmed: false, mayContest: [] });
    await shows(space.epochs, ([latest]) => latest?.number === 1);
    expect(await space.trim()).toBeGreaterThan(20);
    await shows(space.epochs, ([latest]) => latest?.trimmed === true && !latest.tidying);
    await shows(space.pipeline, ({ blocks }) => blocks < before.blocks);
    expect(object.n).toBe(20);
    expect((await client.gc()).diskBytesAfter).toBeGreaterThan(0);
    const sync = await shows(space.syncStatus, (status) => status?.complete === true);
    expect(sync?.devices).toMatchObject([{ own: true, missing: 0 }]);
    stop();
  });

  it('erases what was deleted', async () => {
    const space = await client.createSpace({ name: 'Erased' });
    const secret = space.db.add({ text: 'secret' }, { type: 'note' });
    await space.db.flush();
    space.db.remove(secret);
    await space.db.flush();
    const stop = space.erasure.subscribe(() => {});
    expect(await space.erase()).toMatchObject({ keys: 1 });
    await shows(space.erasure, (erasure) => erasure?.state === 'done');
    expect(space.erasure.get()?.waitsFor).toEqual([]);
    stop();
  });

  it('deletes a space on this device', async () => {
    const space = await client.createSpace({ name: 'Gone' });
    await shows(client.spaces, (spaces) => spaces.includes(space));
    const archive = await client.createSerializer().serializeSpace(space, { plain: true });
    await expect(client.call('echo.deleteSpace', { space: space.key, confirm: 'yes' })).rejects.toMatchObject({ code: ErrorCode.INVALID_PARAMS });
    await space.delete();
    expect(client.getSpace(space.key)).toBeUndefined();
    expect(space.state.get()).toBe('deleted');
    await shows(client.spaces, (spaces) => !spaces.includes(space));
    await expect(space.db.find()).rejects.toMatchObject({ code: ErrorCode.NOT_FOUND });
    // The archive brings it back, and whoever held it has it again.
    expect(await client.createSerializer().deserializeSpace(archive)).toBe(space);
    expect((await space.waitUntilReady()).isOpen).toBe(true);
    expect(client.getSpace(space.key)).toBe(space);
  });

  it('undoes what is refused', async () => {
    const [space] = client.spaces.get();
    const task = space!.db.add({ title: 'x' }, { type: 'task' });
    await space!.db.flush();
    await expect(space!.db.apply([{ op: 'listInsert', object: task.objectId, path: 'title', values: [1] }])).rejects.toMatchObject({ name: 'HostError' });
    expect(space!.db.failure.get()?.error).toMatchObject({ name: 'HostError' });
    expect(task.title).toBe('x');
  });
});
