/** The objects of a space. */
import type { Database as DatabaseApi, EchoObject, ObjectHandle, Page, PageOptions, Properties, Query, QueryInput, TextEditor, WriteFailure } from '../api/object.js';
import type { Live, Store } from '../api/store.js';
import type { Link } from '../core/link.js';
import { notify } from '../core/store.js';
import type { Applied, DurabilitySpec, ExplanationInfo, GroupInfo, ObjectInfo, ObjectOp } from '../generated/protocol.js';
import { objectOf } from './change.js';
import { newObjectId } from './id.js';
import { Layer } from './layer.js';
import { LiveObject } from './object.js';
import { viewOf } from './objects.js';
import { LiveQuery, querySpec } from './query.js';
import { encodeProperties } from './values.js';
import { Writer } from './writer.js';

/** What shows objects, and is told when some may have changed. */
export interface Shower {
  refresh(): void;
  forget(ids: Iterable<string>): void;
}

/** What a database needs of the client. */
export interface DatabaseOptions {
  readonly link: Link;
  readonly space: string;
  readonly retryOn: ReadonlyArray<Store<unknown>>;
  /** Hears of each subscription that the host has ended. */
  readonly ended?: (error: Error | undefined) => void;
  readonly openText: (object: string, path: string) => TextEditor;
}

/** Objects of a page when nothing is said, and at most. */
const PAGE = 100;
const PAGE_MAX = 1000;

const idOf = (object: ObjectHandle | string): string => (typeof object === 'string' ? object : object.objectId);

export class Database implements DatabaseApi {
  readonly spaceKey: string;
  readonly link: Link;
  readonly layer = new Layer();
  readonly #options: DatabaseOptions;
  readonly #writer: Writer;
  readonly #queries = new Map<string, LiveQuery<never>>();
  readonly #objects = new Map<string, LiveObject>();
  readonly #showers = new Set<Shower>();

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.spaceKey = options.space;
    this.link = options.link;
    this.#writer = new Writer({
      link: options.link,
      space: options.space,
      layer: this.layer,
      changed: () => this.changed(),
      undone: (ops) => this.#forget(ops.map(objectOf).filter((id) => id !== undefined)),
      overdue: (ids, until) => void this.#ask(ids, until),
    });
  }

  add<T extends object>(properties: T, options: { type?: string; parent?: string; tags?: string[] } = {}): EchoObject<T> {
    const object = newObjectId();
    const create: ObjectOp = { op: 'create', object, type: options.type ?? 'expando', properties: encodeProperties(properties) };
    this.#write(create);
    if (options.parent !== undefined) this.#write({ op: 'setParent', object, parent: options.parent });
    if (options.tags?.length) this.#write({ op: 'tag', object, tags: options.tags });
    return this.view(object, true) as EchoObject<T>;
  }

  remove(object: ObjectHandle | string): void {
    this.#write({ op: 'delete', object: idOf(object) });
  }

  restore(object: ObjectHandle | string): void {
    this.#write({ op: 'restore', object: idOf(object) });
  }

  tag(object: ObjectHandle | string, ...tags: string[]): void {
    this.#write({ op: 'tag', object: idOf(object), tags });
  }

  untag(object: ObjectHandle | string, ...tags: string[]): void {
    this.#write({ op: 'untag', object: idOf(object), tags });
  }

  setParent(object: ObjectHandle | string, parent: ObjectHandle | string | undefined): void {
    this.#write({ op: 'setParent', object: idOf(object), parent: parent === undefined ? null : idOf(parent) });
  }

  async relate(type: string, source: ObjectHandle | string, target: ObjectHandle | string, properties: object = {}): Promise<string> {
    const op: ObjectOp = { op: 'relate', type, source: idOf(source), target: idOf(target), properties: encodeProperties(properties) };
    const { created } = await this.apply([op]);
    return created[0] as string;
  }

  query<T extends object = Properties>(input: QueryInput = {}): Query<T> {
    const spec = querySpec(input);
    const name = JSON.stringify(spec);
    let query = this.#queries.get(name);
    if (!query) {
      query = new LiveQuery<never>(this, spec, () => this.#drop(this.#queries, name, query));
      this.#queries.set(name, query);
      this.#trim(this.#queries);
    }
    return query as unknown as Query<T>;
  }

  async find<T extends object = Properties>(input: QueryInput = {}): Promise<Array<EchoObject<T>>> {
    const found: Array<EchoObject<T>> = [];
    const wanted = input.limit ?? Infinity;
    let after: string | undefined;
    while (found.length < wanted) {
      const page: Page<T> = await this.page<T>(input, { size: Math.min(PAGE_MAX, wanted - found.length), ...(after === undefined ? {} : { after }) });
      found.push(...page.objects);
      after = page.next;
      if (after === undefined) break;
    }
    return found;
  }

  async page<T extends object = Properties>(input: QueryInput = {}, options: PageOptions = {}): Promise<Page<T>> {
    const query = querySpec(input);
    const wantsDeleted = query.deleted !== undefined && query.deleted !== 'exclude';
    const page = await this.link.call('echo.page', { space: this.spaceKey, query, size: PAGE, ...options }, 'always');
    const objects: Array<EchoObject<T>> = [];
    for (const info of page.objects) {
      // Held by the list that is given, and by nothing else.
      const entry = this.layer.entry(info.id);
      this.layer.told(info, undefined);
      const object = viewOf(entry, this.spaceKey, this.#write, wantsDeleted);
      if (object) objects.push(object as EchoObject<T>);
    }
    this.changed();
    return { objects, next: page.next ?? undefined };
  }

  async count(input: QueryInput = {}): Promise<number> {
    return (await this.link.call('echo.count', { space: this.spaceKey, query: querySpec(input) }, 'always')).count;
  }

  groupCount(path: string, input: QueryInput = {}): Promise<GroupInfo[]> {
    return this.link.call('echo.groupCount', { space: this.spaceKey, query: querySpec(input), path }, 'always');
  }

  explain(input: QueryInput = {}): Promise<ExplanationInfo> {
    return this.link.call('echo.explain', { space: this.spaceKey, query: querySpec(input) }, 'always');
  }

  async parseQuery(text: string): Promise<QueryInput> {
    const { limit, ...query } = await this.link.call('echo.parseQuery', { text }, 'always');
    return typeof limit === 'number' ? { ...query, limit } : query;
  }

  async formatQuery(input: QueryInput): Promise<string> {
    return (await this.link.call('echo.formatQuery', { query: querySpec(input) }, 'always')).text;
  }

  getObjectById<T extends object = Properties>(id: string): EchoObject<T> | undefined {
    return this.view(id, false) as EchoObject<T> | undefined;
  }

  object<T extends object = Properties>(id: string): Live<EchoObject<T> | undefined> {
    let object = this.#objects.get(id);
    if (!object) {
      object = new LiveObject(this, id, () => this.#drop(this.#objects, id, object));
      this.#objects.set(id, object);
      this.#trim(this.#objects);
    }
    return object as unknown as Live<EchoObject<T> | undefined>;
  }

  apply(ops: ObjectOp[], options: { durability?: DurabilitySpec } = {}): Promise<Applied> {
    return this.#writer.apply(ops, options.durability);
  }

  async flush(): Promise<void> {
    await this.#writer.drain();
    await this.link.call('echo.flush', { space: this.spaceKey }, 'always');
  }

  get failure(): Store<WriteFailure | undefined> {
    return this.#writer.failure;
  }

  get unsent(): Store<number> {
    return this.#writer.unsent;
  }

  /** Waits until the host has answered everything that was written. */
  drain(): Promise<void> {
    return this.#writer.drain();
  }

  /** The same, whether they are refused or not. */
  answered(): Promise<void> {
    return this.#writer.answered();
  }

  text(object: ObjectHandle | string, path: string): TextEditor {
    return this.#options.openText(idOf(object), path);
  }

  /** What stands for an object that is known here. */
  view(id: string, wantsDeleted: boolean): EchoObject | undefined {
    const entry = this.layer.find(id);
    return entry && viewOf(entry, this.spaceKey, this.#write, wantsDeleted);
  }

  register(shower: Shower): void {
    this.#showers.add(shower);
  }

  unregister(shower: Shower): void {
    this.#showers.delete(shower);
  }

  /** A subscription to something of it was ended by the host. */
  ended(error: Error | undefined): void {
    this.#options.ended?.(error);
  }

  watchRetry(retry: () => void): () => void {
    const stops = this.#options.retryOn.map((store) => store.subscribe(retry));
    return () => notify(stops);
  }

  /** Shows what has changed, everywhere at once. */
  changed(shower?: Shower): void {
    const changed = this.layer.takeChanged();
    if (changed.size > 0) for (const one of [...this.#showers]) one.refresh();
    else shower?.refresh();
  }

  readonly #write = (op: ObjectOp): void => this.#writer.gather(op);

  #forget(ids: readonly string[]): void {
    for (const shower of this.#showers) shower.forget(ids);
  }

  /** The host has not told of what it committed: what was written changed nothing there, or no query shows it. */
  async #ask(ids: readonly string[], until: number): Promise<void> {
    for (const object of ids) {
      const waits = this.layer.find(object)?.pending.some(({ committed }) => committed !== undefined && committed <= until);
      if (waits) {
        try {
          const info: ObjectInfo | null = await this.link.call('echo.object', { space: this.spaceKey, object }, 'always');
          this.layer.asked(object, info ?? undefined, until);
        } catch {
          // When the host is back, subscriptions tell of it.
          continue;
        }
      }
      this.#forget([object]);
    }
    this.changed();
    for (const shower of [...this.#showers]) shower.refresh();
  }

  #drop(stores: Map<string, unknown>, name: string, store: unknown): void {
    if (stores.get(name) === store) stores.delete(name);
  }

  /** Stores that were made and never listened to are forgotten, the oldest first. */
  #trim(stores: Map<string, unknown>): void {
    const UNUSED_MAX = 10_000;
    if (stores.size <= UNUSED_MAX) return;
    for (const [name, store] of stores) {
      if (this.#showers.has(store as Shower)) continue;
      stores.delete(name);
      return;
    }
  }
}
