/** A space. */
import type { HostInvitation, InvitationOptions } from '../api/invitation.js';
import type { QueryInput } from '../api/object.js';
import type { Role, Space as SpaceApi } from '../api/space.js';
import type { Live, Store } from '../api/store.js';
import { live, type Context } from '../context.js';
import { follow } from '../core/live.js';
import { Cell, derive, reuse, until } from '../core/store.js';
import { HostedInvitations } from '../invitation.js';
import type {
  BlockPage,
  CommittedInfo,
  ConflictInfo,
  CredentialInfo,
  DanglingInfo,
  EpochInfo,
  ErasureInfo,
  FeedInfo,
  HistoryPageInfo,
  Json,
  MemberInfo,
  MessageInfo,
  Messages,
  Methods,
  ObjectInfo,
  QueryPage,
  QueueInfo,
  ReadBlocks,
  ReadHistory,
  ResolvedRef,
  SchemaInfo,
  SpaceInfo,
  SpaceStatsInfo,
  SyncStatusInfo,
  TimeframeInfo,
} from '../generated/protocol.js';
import { Editor } from '../text/editor.js';
import { Database } from './database.js';
import { isReadable, Life } from './life.js';
import { querySpec } from './query.js';
import { Queue } from './queue.js';
import { encodeProperties } from './values.js';

/** How many entries of the past are given at once when nothing is said. */
const PAGE = 100;

export class Space implements SpaceApi {
  readonly key: string;
  readonly db: Database;
  readonly members: Live<readonly MemberInfo[]>;
  readonly invitations: Live<readonly HostInvitation[]>;
  readonly syncStatus: Live<SyncStatusInfo | undefined>;
  readonly epochs: Live<readonly EpochInfo[]>;
  readonly erasure: Live<ErasureInfo | null | undefined>;
  readonly queues: Live<readonly QueueInfo[]>;
  readonly state: SpaceApi['state'];
  readonly reason: SpaceApi['reason'];
  readonly error: SpaceApi['error'];
  readonly properties: SpaceApi['properties'];
  readonly role: SpaceApi['role'];
  readonly pipeline: SpaceApi['pipeline'];
  readonly peers: SpaceApi['peers'];
  readonly forks: SpaceApi['forks'];
  readonly departure: SpaceApi['departure'];
  readonly #info: Cell<SpaceInfo>;
  readonly #life: Life;
  readonly #context: Context;
  readonly #hosted: HostedInvitations;
  readonly #editors = new Set<Editor>();
  readonly #queues = new Map<string, Queue>();

  constructor(given: Context, info: SpaceInfo) {
    this.key = info.key;
    this.#life = new Life(given, info.key, info.state, (told) => this.update(told));
    const context = { ...given, retryOn: [...given.retryOn, this.#life.opened], ended: this.#life.ended };
    this.#context = context;
    this.#info = new Cell(info);
    this.#hosted = new HostedInvitations(context);
    this.state = derive(this.#info, (one) => one.state);
    this.reason = derive(this.#info, (one) => one.reason ?? undefined);
    this.error = derive(this.#info, (one) => one.error ?? undefined);
    this.properties = derive(this.#info, (one) => one.properties);
    this.role = derive(this.#info, (one) => one.role ?? undefined);
    this.pipeline = derive(this.#info, (one) => one.pipeline);
    this.peers = derive(this.#info, (one) => one.peers);
    this.forks = derive(this.#info, (one) => one.forks);
    this.departure = derive(this.#info, (one) => one.departure ?? undefined);
    this.members = live<readonly MemberInfo[]>(context, { topic: 'members', space: this.key }, []);
    this.invitations = live<readonly HostInvitation[]>(context, { topic: 'spaceInvitations', space: this.key }, [], this.#hosted.all);
    this.syncStatus = live<SyncStatusInfo | undefined>(context, { topic: 'syncStatus', space: this.key }, undefined);
    this.epochs = live<readonly EpochInfo[]>(context, { topic: 'epochs', space: this.key }, []);
    this.erasure = live<ErasureInfo | null | undefined>(context, { topic: 'erasure', space: this.key }, undefined);
    this.queues = live<readonly QueueInfo[]>(context, { topic: 'queues', space: this.key }, []);
    this.db = new Database({
      ...context,
      space: this.key,
      openText: (object, path) => this.#openText(object, path),
    });
  }

  /** Takes in what the list of spaces says of it. */
  update(info: SpaceInfo): void {
    this.#info.set(reuse(this.#info.get(), info));
    this.#life.told(info.state);
  }

  /** It is not on the host any more. */
  gone(): void {
    if (this.state.get() === 'deleted') return;
    const reason = { kind: 'deleted-by-user', message: 'it was deleted on this device' } as const;
    this.update({ ...this.#info.get(), state: 'deleted', reason });
  }

  get info(): Store<SpaceInfo> {
    return this.#info;
  }

  get isOpen(): boolean {
    const state = this.state.get();
    return state !== 'closed' && state !== 'deleted';
  }

  async waitUntilReady(): Promise<Space> {
    const state = await until(this.state, (one) => one !== 'control-only' && one !== 'initializing');
    if (isReadable(state)) return this;
    throw new Error(`the space ${this.key} is ${state}: ${this.reason.get()?.message ?? this.error.get() ?? 'the host does not say why'}`);
  }

  async open(): Promise<Space> {
    this.update(await this.#call('echo.openSpace', {}, null));
    return this.waitUntilReady();
  }

  async close(): Promise<void> {
    await this.drain();
    this.update(await this.#call('echo.closeSpace', {}, null));
  }

  async delete(): Promise<void> {
    await this.#call('echo.deleteSpace', { confirm: 'delete-space' }, null);
    this.gone();
  }

  async updateProperties(properties: Record<string, unknown>): Promise<void> {
    this.update(await this.#call('echo.updateSpace', { properties: encodeProperties(properties) }));
  }

  async createInvitation(options: InvitationOptions = {}): Promise<HostInvitation> {
    return this.#hosted.made(await this.#call('echo.createInvitation', { options }));
  }

  share(options?: InvitationOptions): Promise<HostInvitation> {
    return this.createInvitation(options);
  }

  async removeMember(identity: string): Promise<void> {
    await this.#call('echo.removeMember', { identity });
  }

  async updateMemberRole(identity: string, role: Role): Promise<void> {
    await this.#call('echo.updateMemberRole', { identity, role });
  }

  async leave(options: { successor?: string } = {}): Promise<void> {
    await this.db.drain().catch(() => {});
    await this.#call('echo.leaveSpace', options);
  }

  async postMessage(channel: string, payload: Json): Promise<void> {
    await this.#call('echo.postMessage', { channel, payload });
  }

  listen(channel: string, listener: (message: MessageInfo) => void): () => void {
    const heard = (_kind: unknown, value: unknown): void => {
      for (const message of (value as Messages).messages) listener(message);
    };
    return follow(this.#context.link, { topic: 'messages', space: this.key, channel }, this.#context.retryOn, heard, this.#context.ended);
  }

  credentials(): Promise<CredentialInfo[]> {
    return this.#read('echo.credentials', {});
  }

  feeds(): Promise<FeedInfo[]> {
    return this.#read('echo.feeds', {});
  }

  blocks(options: Partial<Omit<ReadBlocks, 'space'>> = {}): Promise<BlockPage> {
    return this.#read('echo.blocks', { limit: PAGE, ...options });
  }

  async stateHash(): Promise<string> {
    return (await this.#read('echo.stateHash', {})).hash;
  }

  objectSyncStatus(object: string): Live<SyncStatusInfo | undefined> {
    return live<SyncStatusInfo | undefined>(this.#context, { topic: 'syncStatus', space: this.key, object }, undefined);
  }

  createEpoch(options: { shareState?: boolean } = {}): Promise<EpochInfo> {
    return this.#call('echo.createEpoch', options, null);
  }

  erase(options: { shareState?: boolean } = {}): Promise<ErasureInfo> {
    return this.#call('echo.erase', options, null);
  }

  async trim(options: { force?: boolean } = {}): Promise<number> {
    return (await this.#call('echo.trim', options, null)).blocks;
  }

  queue(name: string): Queue {
    let queue = this.#queues.get(name);
    if (!queue) {
      queue = new Queue(this.#context, this.key, name);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  stats(): Promise<SpaceStatsInfo> {
    return this.#read('echo.stats', {});
  }

  schemas(): Promise<SchemaInfo[]> {
    return this.#read('echo.schemas', {});
  }

  async putSchema(type: string, schema: Json): Promise<void> {
    await this.#call('echo.putSchema', { type, schema });
  }

  conflicts(object: string): Promise<ConflictInfo[]> {
    return this.#read('echo.conflicts', { object });
  }

  resolve(reference: string): Promise<ResolvedRef> {
    return this.#read('echo.resolve', { reference });
  }

  dangling(): Promise<DanglingInfo[]> {
    return this.#read('echo.dangling', {});
  }

  history(options: Partial<Omit<ReadHistory, 'space'>> = {}): Promise<HistoryPageInfo> {
    return this.#read('echo.history', { limit: PAGE, ...options });
  }

  undo(committed: CommittedInfo, options: { any?: boolean } = {}): Promise<Methods['echo.undo']['result']> {
    return this.#call('echo.undo', { committed, ...options });
  }

  timeframe(): Promise<TimeframeInfo> {
    return this.#read('echo.timeframe', {});
  }

  objectAt(timeframe: TimeframeInfo, object: string): Promise<ObjectInfo | null> {
    return this.#read('echo.objectAt', { timeframe, object });
  }

  queryAt(timeframe: TimeframeInfo, query?: QueryInput, from = 0): Promise<QueryPage> {
    return this.#read('echo.queryAt', { timeframe, query: querySpec(query), from });
  }

  diff(from: TimeframeInfo, until: TimeframeInfo): Promise<Methods['echo.diff']['result']> {
    return this.#read('echo.diff', { from, until });
  }

  /** Waits until everything written and typed is with the host. */
  async drain(): Promise<void> {
    await Promise.allSettled([this.db.drain(), ...[...this.#editors].map((editor) => editor.drain())]);
  }

  #openText(object: string, path: string): Editor {
    const isOnItsWay = this.db.layer.find(object)?.pending.some(({ committed }) => committed === undefined) ?? false;
    const editor: Editor = new Editor({
      ...this.#context,
      space: this.key,
      object,
      path,
      opens: isOnItsWay ? this.db.answered() : Promise.resolve(),
      closed: () => this.#editors.delete(editor),
    });
    this.#editors.add(editor);
    return editor;
  }

  #call<M extends keyof Methods>(method: M, params: Omit<Methods[M]['params'], 'space'>, timeoutMs?: null): Promise<Methods[M]['result']> {
    return this.#context.link.call(method, { space: this.key, ...params } as unknown as Methods[M]['params'], 'never', timeoutMs);
  }

  #read<M extends keyof Methods>(method: M, params: Omit<Methods[M]['params'], 'space'>): Promise<Methods[M]['result']> {
    return this.#context.link.call(method, { space: this.key, ...params } as unknown as Methods[M]['params'], 'always');
  }
}
