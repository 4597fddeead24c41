import type {
  BlockPage,
  CommittedInfo,
  ConflictInfo,
  CredentialInfo,
  DanglingInfo,
  DepartureInfo,
  EchoProperties,
  EpochInfo,
  ErasureInfo,
  FeedInfo,
  ForkInfo,
  HistoryPageInfo,
  Json,
  MemberInfo,
  MessageInfo,
  Methods,
  ObjectInfo,
  PipelineInfo,
  QueryPage,
  QueueInfo,
  ReadBlocks,
  ReadHistory,
  ResolvedRef,
  RoleInfo,
  SchemaInfo,
  SpaceInfo,
  SpaceReasonInfo,
  SpaceStateInfo,
  SpaceStatsInfo,
  SyncStatusInfo,
  TimeframeInfo,
} from '../generated/protocol.js';
import type { ArchiveOptions, ArchiveSource } from './archive.js';
import type { GuestInvitation, HostInvitation, InvitationOptions } from './invitation.js';
import type { Database, QueryInput } from './object.js';
import type { Queue } from './queue.js';
import type { Live, Store } from './store.js';

/** What a space is doing. */
export type SpaceState = SpaceStateInfo;

/** What a member may do. */
export type Role = RoleInfo;

/** A space: a database that its members share. There is one object a key, for as long as the client lives. */
export interface Space {
  readonly key: string;
  /** All that the list of spaces says of it. */
  readonly info: Store<SpaceInfo>;
  readonly state: Store<SpaceState>;
  /** Whether it is neither closed nor deleted. */
  readonly isOpen: boolean;
  /** Why it is in another state than `ready`, and what to do. */
  readonly reason: Store<SpaceReasonInfo | undefined>;
  /** Why it is in the state `error`. */
  readonly error: Store<string | undefined>;
  /** For people, such as `name`; changed by {@link updateProperties}. */
  readonly properties: Store<EchoProperties>;
  /** What this identity may do; undefined when it is no member any more. */
  readonly role: Store<Role | undefined>;
  /** What is here and what is missing. */
  readonly pipeline: Store<PipelineInfo>;
  /** Devices with which it is replicating. */
  readonly peers: Store<readonly string[]>;
  readonly forks: Store<readonly ForkInfo[]>;
  /** How this identity stopped being a member. */
  readonly departure: Store<DepartureInfo | undefined>;
  readonly members: Live<readonly MemberInfo[]>;
  /** The open invitations to it. */
  readonly invitations: Live<readonly HostInvitation[]>;
  /**
   * Which devices have signed that they stored it durably, and what each is not known to have. It
   * says no more than their receipts prove.
   */
  readonly syncStatus: Live<SyncStatusInfo | undefined>;
  /** Its epochs that count, the latest first. */
  readonly epochs: Live<readonly EpochInfo[]>;
  /** How far the erasure is that was asked for last; null when there was none. */
  readonly erasure: Live<ErasureInfo | null | undefined>;
  /** The queues that there are, by their names. */
  readonly queues: Live<readonly QueueInfo[]>;
  /** Its objects. */
  readonly db: Database;

  /**
   * Waits until its objects can be read, and written as far as the role allows. It needs nobody
   * else to be online, but for a space that has never met another device.
   *
   * @throws {Error} when it is closed, deleted or cannot be read, with the reason.
   */
  waitUntilReady(): Promise<Space>;
  /** Opens it if it was closed, and waits until it is ready. */
  open(): Promise<Space>;
  /**
   * Closes it on this device: it is neither read, written nor replicated until it is opened, also
   * after a restart of the host. What is followed of it stands still, and goes on when it is open.
   */
  close(): Promise<void>;
  /**
   * Deletes it on this device, with what no other device has of it. Nobody else is told, and the
   * identity stays a member: see {@link leave}. An invitation or an archive brings it back.
   */
  delete(): Promise<void>;
  /** Changes properties; null takes one out. */
  updateProperties(properties: Record<string, unknown>): Promise<void>;
  createInvitation(options?: InvitationOptions): Promise<HostInvitation>;
  /** The same as {@link createInvitation}. */
  share(options?: InvitationOptions): Promise<HostInvitation>;
  removeMember(identityKey: string): Promise<void>;
  updateMemberRole(identityKey: string, role: Role): Promise<void>;
  /** Leaves for good, with all devices; the last admin names a successor. */
  leave(options?: { successor?: string }): Promise<void>;

  /** Sends a message to everybody who listens now. It is not stored and may be lost. */
  postMessage(channel: string, payload: Json): Promise<void>;
  /** Hears messages of others, until the function that it returns is called. */
  listen(channel: string, listener: (message: MessageInfo) => void): () => void;

  /** The same as {@link syncStatus} for one object: of the blocks that were written until it changed last. */
  objectSyncStatus(objectId: string): Live<SyncStatusInfo | undefined>;
  /**
   * Signs a snapshot of it as it is on this device. From then on it stands for what was written
   * before: new members load it, and each device may drop the blocks before it ({@link trim}).
   * Admins may. It is refused while there are members who were let in without the history, unless
   * `shareState` lets them read the state as it is now.
   */
  createEpoch(options?: { shareState?: boolean }): Promise<EpochInfo>;
  /**
   * Drops the blocks that the current epoch stands for from this device, and gives their number:
   * history before it cannot be read here any more. It is refused while devices of admins are not
   * known to know of the epoch, unless `force`.
   */
  trim(options?: { force?: boolean }): Promise<number>;
  /**
   * Has everything that was deleted by now destroyed on every device, with the content keys that
   * it was sealed with. It returns at once; {@link erasure} tells how far it is and for which
   * devices it waits. It does not reach what somebody copied, such as archives. Admins may.
   */
  erase(options?: { shareState?: boolean }): Promise<ErasureInfo>;
  /** An append-only log of it, by its name of 1 to 256 bytes; the first item makes it. */
  queue(name: string): Queue;
  /** How much of it is stored; all of it is read. */
  stats(): Promise<SpaceStatsInfo>;

  credentials(): Promise<CredentialInfo[]>;
  feeds(): Promise<FeedInfo[]>;
  blocks(options?: Partial<Omit<ReadBlocks, 'space'>>): Promise<BlockPage>;
  stateHash(): Promise<string>;
  schemas(): Promise<SchemaInfo[]>;
  putSchema(type: string, schema: Json): Promise<void>;
  conflicts(objectId: string): Promise<ConflictInfo[]>;
  resolve(reference: string): Promise<ResolvedRef>;
  dangling(): Promise<DanglingInfo[]>;

  history(options?: Partial<Omit<ReadHistory, 'space'>>): Promise<HistoryPageInfo>;
  /** Undoes a transaction by a new one; `any`: also that of somebody else. */
  undo(committed: CommittedInfo, options?: { any?: boolean }): Promise<Methods['echo.undo']['result']>;
  timeframe(): Promise<TimeframeInfo>;
  objectAt(timeframe: TimeframeInfo, objectId: string): Promise<ObjectInfo | null>;
  queryAt(timeframe: TimeframeInfo, query?: QueryInput, from?: number): Promise<QueryPage>;
  diff(from: TimeframeInfo, until: TimeframeInfo): Promise<Methods['echo.diff']['result']>;
}

/** The spaces of the identity. */
export interface Echo {
  /** All of them, by key. */
  readonly spaces: Live<readonly Space[]>;
  /** The same as {@link spaces}. */
  querySpaces(): Live<readonly Space[]>;
  /** The space with that key, if it is on the host, open or closed. */
  getSpace(key: string): Space | undefined;
  /** Creates a space, ready to be used. */
  createSpace(properties?: Record<string, unknown>): Promise<Space>;
  /**
   * Makes a new space of the objects of an archive: shorthand for `deserializeSpace` of a
   * serializer, with `as: 'clone'`.
   */
  cloneSpace(archive: ArchiveSource, options?: ArchiveOptions): Promise<Space>;
  /** Begins to join a space with the text of an invitation, or a link that ends in it. */
  acceptInvitation(code: string): GuestInvitation;
  /** The same as {@link acceptInvitation}. */
  join(code: string): GuestInvitation;
  /**
   * The first space that is open; creates one when there is none, open or closed. Calls that run at the same time, in other
   * tabs of this origin too, create one together.
   */
  getOrCreateFirstSpace(properties?: Record<string, unknown>): Promise<Space>;
}
