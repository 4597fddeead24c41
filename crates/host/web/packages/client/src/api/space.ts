import type {
  BlockPage,
  CommittedInfo,
  ConflictInfo,
  CredentialInfo,
  DanglingInfo,
  DepartureInfo,
  EchoProperties,
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
  ReadBlocks,
  ReadHistory,
  ResolvedRef,
  RoleInfo,
  SchemaInfo,
  SpaceInfo,
  SpaceStateInfo,
  TimeframeInfo,
} from '../generated/protocol.js';
import type { ArchiveOptions, ArchiveSource } from './archive.js';
import type { GuestInvitation, HostInvitation, InvitationOptions } from './invitation.js';
import type { Database, QueryInput } from './object.js';
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
  readonly isOpen: boolean;
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
  /** Its objects. */
  readonly db: Database;

  /** Waits until objects can be read and written. @throws {HostError} when it cannot be opened. */
  waitUntilReady(): Promise<Space>;
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
  /** The space with that key, if it is known. */
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
   * The first space; creates one when there is none. Calls that run at the same time, in other
   * tabs of this origin too, create one together.
   */
  getOrCreateFirstSpace(properties?: Record<string, unknown>): Promise<Space>;
}
