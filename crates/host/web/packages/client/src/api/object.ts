import type {
  Applied,
  DeletedSpec,
  DurabilitySpec,
  EchoFilter,
  ExplanationInfo,
  GroupInfo,
  MarkInfo,
  MetaInfo,
  MomentInfo,
  ObjectInfo,
  ObjectOp,
  OrderSpec,
  QuerySpec,
  CursorInfo,
  TextSplice,
  ExpandSpec,
  EchoValue,
} from '../generated/protocol.js';
import type { Live, Store } from './store.js';

/** Properties of an object, by name. */
export type Properties = Record<string, unknown>;

/**
 * An object of a space, as if it were a plain one.
 *
 * Reading gives what shows now, writes of this client included. Assigning, `delete`, and the
 * methods of lists, sets and counters write: they show at once, everything that is written
 * before the next microtask is one transaction, and what the host refuses is undone (see
 * {@link Database.failure}). Dates, `Uint8Array`, `Set`, {@link Ref}, {@link Text} and
 * {@link Counter} stand for the values that JSON has no word for.
 *
 * Each time it changes, queries and stores give it a new identity. Two of them are of one object
 * when their `objectId` is the same.
 */
export type EchoObject<T extends object = Properties> = T & ObjectHandle;

/** What every object has besides its properties. */
export interface ObjectHandle {
  /** Its id in its space. */
  readonly objectId: string;
  /** Everything that is known of it. */
  readonly [META]: ObjectMeta;
}

/** The key of what is known of an object besides its properties: `object[META].type`. */
export const META: unique symbol = Symbol.for('dxos.meta');

/** What is known of an object besides its properties. */
export interface ObjectMeta {
  readonly id: string;
  /** The key of its space. */
  readonly space: string;
  /** Its type with version, such as `example.com/type/Task@0.1.0`. */
  readonly type: string;
  readonly deleted: boolean;
  /** Whether it is hidden, because an object above it is deleted. */
  readonly hidden: boolean;
  /** Whether it shows writes of this client that the host has not confirmed. */
  readonly pending: boolean;
  readonly created: MomentInfo | undefined;
  readonly updated: MomentInfo | undefined;
  readonly tags: readonly string[];
  readonly keys: NonNullable<MetaInfo['keys']>;
  readonly parent: string | undefined;
  /** Where the relation comes from, if it is one. */
  readonly source: string | undefined;
  /** Where the relation leads to, if it is one. */
  readonly target: string | undefined;
  /** Paths with concurrent values beside the one that shows. */
  readonly conflicts: readonly string[];
  /** The object as the protocol has it, writes of this client included. */
  readonly info: ObjectInfo;
}

/** What to look for: a type (`{ type }` finds all its versions), equal properties, or a filter of the protocol. */
export interface QueryInput {
  /** The type, with `@version` for one version only. */
  type?: string;
  /** Properties and what they have to be equal to, by path. */
  where?: Record<string, unknown>;
  /**
   * Words that all have to be in its texts: `'quick bro*'`. With `order: ['-@meta.relevance']` the
   * best come first, and `object[META].info.score` tells how well each fits.
   */
  text?: string;
  /** Any further filter. */
  filter?: EchoFilter;
  order?: Array<string | OrderSpec>;
  limit?: number;
  deleted?: DeletedSpec;
  /** Whether `object[META].info.highlights` tells where the words are. */
  highlights?: boolean;
}

/** The answer to a query, kept up to date. Each change gives a new list; objects that did not change keep their identity. */
export interface Query<T extends object = Properties> extends Live<ReadonlyArray<EchoObject<T>>> {
  /** What is asked. */
  readonly spec: QuerySpec;
}

/** Which page of an answer. */
export interface PageOptions {
  /** How many objects: 100 when left out, at most 1,000. Large ones make a page shorter. */
  size?: number;
  /** `next` of the page before. */
  after?: string;
}

/** A page of an answer. */
export interface Page<T extends object = Properties> {
  readonly objects: ReadonlyArray<EchoObject<T>>;
  /** Where the next page begins; undefined when there is nothing behind this one now. */
  readonly next: string | undefined;
}

/** A transaction that the host refused, and that was undone here. */
export interface WriteFailure {
  readonly error: Error;
  readonly ops: readonly ObjectOp[];
}

/** Where the objects of a space are. */
export interface Database {
  /** The key of the space. */
  readonly spaceKey: string;
  /** Adds an object, and gives it at once. Without a type it is an `expando`. */
  add<T extends object>(properties: T, options?: { type?: string; parent?: string; tags?: string[] }): EchoObject<T>;
  /** Deletes an object; `restore` brings it back. */
  remove(object: ObjectHandle | string): void;
  restore(object: ObjectHandle | string): void;
  /** Follows the answer to a query. Equal queries share one subscription. */
  query<T extends object = Properties>(query?: QueryInput): Query<T>;
  /**
   * Asks once for a page: what comes first, or what is behind a cursor. What is added, changed
   * or removed between two pages moves none of the others.
   *
   * @throws {HostError} when the cursor is one of another order.
   */
  page<T extends object = Properties>(query?: QueryInput, options?: PageOptions): Promise<Page<T>>;
  /** How many objects a query finds, its limit left aside. */
  count(query?: QueryInput): Promise<number>;
  /**
   * How many objects a query finds of each value at a path, in the order of the values. Its
   * limit is left aside. `@meta.type`, `@meta.tags`, `@meta.parent` count by these.
   */
  groupCount(path: string, query?: QueryInput): Promise<GroupInfo[]>;
  /** Runs a query and tells how it was answered: by which index, and what was read. */
  explain(query?: QueryInput): Promise<ExplanationInfo>;
  /**
   * Reads a query in its text form, as `dx query` takes it:
   * `type:Task done:false text:"quick bro*" order:-@relevance limit:10`.
   *
   * @throws {HostError} when it is none, with the place and what is expected there.
   */
  parseQuery(text: string): Promise<QueryInput>;
  /** Writes a query in its text form. */
  formatQuery(query: QueryInput): Promise<string>;
  /** Asks once for everything. */
  find<T extends object = Properties>(query?: QueryInput): Promise<Array<EchoObject<T>>>;
  /** An object that is known here: shown by a query, followed, or just added. */
  getObjectById<T extends object = Properties>(id: string): EchoObject<T> | undefined;
  /** Follows one object; `undefined` when there is none or it is not known yet. */
  object<T extends object = Properties>(id: string): Live<EchoObject<T> | undefined>;
  /** Changes tags, keys in other systems, or the parent. */
  tag(object: ObjectHandle | string, ...tags: string[]): void;
  untag(object: ObjectHandle | string, ...tags: string[]): void;
  setParent(object: ObjectHandle | string, parent: ObjectHandle | string | undefined): void;
  /**
   * Makes a relation, which is an object with two ends, and gives its id.
   *
   * @throws {HostError} when the host refuses it.
   */
  relate(type: string, source: ObjectHandle | string, target: ObjectHandle | string, properties?: object): Promise<string>;
  /**
   * Runs operations as one transaction, shown at once and undone when the host refuses them.
   *
   * @throws {HostError} when it does.
   */
  apply(ops: ObjectOp[], options?: { durability?: DurabilitySpec }): Promise<Applied>;
  /**
   * Waits until everything written so far is on the disk of this device.
   *
   * @throws {HostError} the first failure among what was written since the last `flush`.
   */
  flush(): Promise<void>;
  /** The write that failed last; for a message on screen. */
  readonly failure: Store<WriteFailure | undefined>;
  /** How many transactions the host has not answered yet. */
  readonly unsent: Store<number>;
  /** Opens a text for editing; each call is an editor of its own. Close it when done. */
  text(object: ObjectHandle | string, path: string): TextEditor;
}

/** A selection in a text, in UTF-16 units. */
export interface TextSelection {
  readonly anchor: number;
  readonly head: number;
}

/** What a text shows. */
export interface TextSnapshot {
  /** Whether the host has given it: before that it cannot be edited. */
  readonly loaded: boolean;
  readonly content: string;
  /** As of the version of the host; those of characters that are being typed come a moment later. */
  readonly marks: readonly MarkInfo[];
}

/** A text that is being edited by this client, and by others at the same time. Positions count UTF-16 units. */
export interface TextEditor {
  /** What shows: the content with what is typed here. */
  readonly snapshot: Store<TextSnapshot>;
  /** Where others have their cursors, moved along with what is typed here. */
  readonly cursors: Store<readonly CursorInfo[]>;
  /** Why it ended, such as `notFound` or a role that may not write. */
  readonly error: Store<Error | undefined>;
  /** Waits until it can be edited. */
  ready(): Promise<void>;
  /**
   * Edits what shows; each splice is as of the text after those before it.
   *
   * @throws {RangeError} when it is outside of the text.
   */
  edit(changes: readonly TextSplice[]): void;
  /** Replaces the content by what is different in `content`. */
  replace(content: string): void;
  /** Hears of what others, `undo` and `redo` changed: splices to apply to what shows, in order. */
  onChange(listener: (changes: readonly TextSplice[]) => void): () => void;
  /** Undoes the last edit of this editor; says whether there was one. */
  undo(): Promise<boolean>;
  redo(): Promise<boolean>;
  /** Puts a mark on a range, null takes it off. */
  mark(from: number, to: number, name: string, value: EchoValue, expand?: ExpandSpec): Promise<void>;
  /** Shows others the selection; undefined shows none. */
  setCursor(selection: TextSelection | undefined): void;
  /** Waits until everything typed is committed. */
  flush(): Promise<void>;
  /** Ends editing; what was typed is still sent. */
  close(): void;
}
