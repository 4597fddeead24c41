/** A host in memory, whose every message is delivered when the test says so: objects, queries, one text, sessions, credits. */
import { ErrorCode, type SocketLike } from '../../src/index.js';
import { TextHost, type HostEditor } from './text-host.js';
import type { EchoProperties, ObjectInfo, ObjectOp, QueryChange, QueryPart, QuerySpec, TextSplice, Topic } from '../../src/index.js';

/** Objects of one part of an answer: few, so that there are several. */
const PART = 2;

/** A connection: what is on its way in both directions. */
export class Wire implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: (() => void) | null = null;
  up: string[] = [];
  down: string[] = [];
  session: ModelSession | undefined;
  isCut = false;

  constructor(readonly host: ModelHost) {}

  send(text: string): void {
    if (!this.isCut) this.up.push(text);
  }

  close(): void {
    this.isCut = true;
    [this.up, this.down] = [[], []];
    if (this.session?.wire === this) this.session.wire = undefined;
  }

  /** The host reads the next message. */
  deliverUp(): void {
    const text = this.up.shift();
    if (text !== undefined) this.host.receive(this, JSON.parse(text));
  }

  /** The client reads the next message. */
  deliverDown(): void {
    const text = this.down.shift();
    if (text !== undefined) this.onmessage?.({ data: text });
  }

  say(message: object): void {
    if (!this.isCut) this.down.push(JSON.stringify({ jsonrpc: '2.0', ...message }));
  }
}

interface Subscription {
  topic: Topic;
  seq: number;
  credits: number;
  /** The answer as it was told last; undefined when all of it is to be told. */
  told: ObjectInfo[] | undefined;
  /** Where the next part begins. */
  from: number | undefined;
  last: string | undefined;
  /** One that follows the text. */
  editor: HostEditor | undefined;
}

/** What the host answers in place of a result. */
export class Refusal extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export class ModelSession {
  wire: Wire | undefined;
  readonly subscriptions = new Map<number, Subscription>();
  readonly applied = new Map<string, unknown>();
  /** Nothing is sent before `resume` after coming back. */
  isPaused = false;

  constructor(readonly name: string) {}
}

interface Request {
  id?: number;
  method: string;
  params: never;
}

export class ModelHost {
  readonly objects = new Map<string, ObjectInfo>();
  readonly wires: Wire[] = [];
  /** How often each key was run: more than once is a mistake of the host. */
  transactions = 0;
  /** The text that every subscription to one follows. */
  readonly text = new TextHost();
  /** What topics say that the model knows nothing of, such as `identity`. */
  readonly values = new Map<string, unknown>();
  /** What methods answer that it knows nothing of. */
  readonly answers = new Map<string, (params: never) => unknown>();
  /** What is refused. */
  refuse: (op: ObjectOp) => boolean = () => false;
  #sessions = new Map<string, ModelSession>();
  #names = 0;
  #lamport = 0;

  /** The connection that is open now. */
  get wire(): Wire | undefined {
    return this.wires.filter((wire) => !wire.isCut).at(-1);
  }

  readonly connect = (): Wire => {
    const wire = new Wire(this);
    this.wires.push(wire);
    queueMicrotask(() => wire.onopen?.());
    return wire;
  };

  /** Everything is forgotten but the objects: as after a restart. */
  restart(): void {
    this.#sessions.clear();
  }

  receive(wire: Wire, { id, method, params }: Request): void {
    if (method === 'hello') {
      const { session } = params as { session?: string };
      const known = session === undefined ? undefined : this.#sessions.get(session);
      wire.session = known ?? new ModelSession(`s${++this.#names}`);
      wire.session.isPaused = known !== undefined;
      wire.session.wire = wire;
      this.#sessions.set(wire.session.name, wire.session);
      const limits = { frameBytes: 1 << 20, requests: 64, subscriptions: 256, credits: 64, lingerMs: 120_000 };
      wire.say({ id, result: { protocol: 1, version: '0', session: wire.session.name, token: 't', expiresMs: 0, resumed: known !== undefined, limits } });
      return;
    }
    const session = wire.session!;
    try {
      const result = this.#call(session, method, params);
      if (id !== undefined) wire.say({ id, result });
    } catch (error) {
      const code = error instanceof Refusal ? error.code : -32009;
      wire.say({ id, error: { code, message: String(error), data: { kind: 'refused', action: 'correct' } } });
    }
    this.pump();
  }

  #call(session: ModelSession, method: string, params: never): unknown {
    switch (method) {
      case 'subscribe': {
        const { id, topic, credits } = params as { id: number; topic: Topic; credits: number };
        if (session.subscriptions.has(id)) throw new Error(`${id} is in use`);
        session.subscriptions.set(id, { topic, seq: 0, credits, told: undefined, from: 0, last: undefined, editor: topic.topic === 'text' ? this.text.open() : undefined });
        return {};
      }
      case 'unsubscribe':
        session.subscriptions.delete((params as { id: number }).id);
        return {};
      case 'credit': {
        const { id, n } = params as { id: number; n: number };
        const subscription = session.subscriptions.get(id);
        if (subscription) subscription.credits += n;
        return {};
      }
      case 'resume':
        return this.#resume(session, params);
      case 'echo.apply':
        return this.#apply(session, params);
      case 'echo.object':
        return this.objects.get((params as { object: string }).object) ?? null;
      case 'text.edit':
        return this.#edit(session, params);
      default:
        return this.answers.get(method)?.(params) ?? {};
    }
  }

  #edit(session: ModelSession, { id, edit, version, changes }: { id: number; edit: number; version: number; changes: TextSplice[] }): unknown {
    const taken = session.subscriptions.get(id)?.editor?.take(edit, version, changes);
    if (taken === undefined) throw new Refusal(ErrorCode.STALE, 'the text is of another version');
    return { version: taken };
  }

  #resume(session: ModelSession, { subscriptions }: { subscriptions: Array<{ id: number; seq: number; credits: number }> }): unknown {
    const wanted = new Map(subscriptions.map((point) => [point.id, point]));
    for (const [id, subscription] of session.subscriptions) {
      const point = wanted.get(id);
      if (!point) {
        session.subscriptions.delete(id);
        continue;
      }
      subscription.credits = point.credits;
      // What was sent and not taken in is told again, as all of it.
      if (point.seq !== subscription.seq) {
        Object.assign(subscription, { told: undefined, from: 0, last: undefined });
        if (subscription.editor) subscription.editor.renew = true;
      }
    }
    session.isPaused = false;
    const isHere = (id: number): boolean => session.subscriptions.has(id);
    return { resumed: [...wanted.keys()].filter(isHere), gone: [...wanted.keys()].filter((id) => !isHere(id)) };
  }

  #apply(session: ModelSession, { ops, key }: { ops: ObjectOp[]; key: string }): unknown {
    const known = session.applied.get(key);
    if (known) return known;
    const refused = ops.find(this.refuse);
    if (refused) throw new Error(`${refused.op} is refused`);
    const lamport = this.change(ops);
    const created = ops.flatMap((op) => (op.op === 'create' ? [op.object] : []));
    const answer = { committed: lamport === undefined ? null : { feed: 'f', seq: lamport, hash: 'h', lamport }, created };
    session.applied.set(key, answer);
    return answer;
  }

  /** Runs a transaction; gives its logical time, or undefined when it changed nothing. */
  change(ops: readonly ObjectOp[]): number | undefined {
    const moment = { lamport: this.#lamport + 1, timeMs: 0 };
    const before = JSON.stringify([...this.objects]);
    for (const op of ops) {
      if (op.op === 'create') {
        const { object: id = '', type, properties = {} } = op;
        if (!this.objects.has(id!)) this.objects.set(id!, { id: id!, type, properties, created: moment, updated: moment });
        continue;
      }
      if (op.op === 'relate') throw new Error('not modelled');
      const object = this.objects.get(op.object);
      if (!object) throw new Error(`there is no ${op.object}`);
      const properties: EchoProperties = { ...object.properties };
      let deleted = object.deleted ?? false;
      if (op.op === 'set') properties[op.path] = op.value;
      else if (op.op === 'unset') delete properties[op.path];
      else if (op.op === 'increment') properties[op.path] = Number(properties[op.path] ?? 0) + op.by;
      else if (op.op === 'delete') deleted = true;
      else throw new Error(`${op.op} is not modelled`);
      if (JSON.stringify([properties, deleted]) === JSON.stringify([object.properties, object.deleted ?? false])) continue;
      this.objects.set(op.object, { ...object, properties, deleted, updated: moment });
    }
    if (JSON.stringify([...this.objects]) === before) return undefined;
    this.#lamport += 1;
    this.transactions += 1;
    this.pump();
    return this.#lamport;
  }

  /** The answer to a query: those that are equal in one property, in the order of another one. */
  answer(query: QuerySpec): ObjectInfo[] {
    const filter = query.filter as { compare: { path: string; value: unknown } } | undefined;
    const path = query.order?.[0]?.path;
    const found = [...this.objects.values()].filter((object) => !object.deleted && (!filter || object.properties[filter.compare.path] === filter.compare.value));
    const key = (object: ObjectInfo): string => (path === undefined ? '' : String(object.properties[path]));
    found.sort((one, two) => (key(one) < key(two) ? -1 : key(one) > key(two) ? 1 : compareIds(one.id, two.id)));
    return query.limit == null ? found : found.slice(0, query.limit);
  }

  /** Tells what is to be told, as far as credits go. */
  pump(): void {
    for (const session of this.#sessions.values()) {
      if (!session.wire || session.isPaused) continue;
      for (const [id, subscription] of session.subscriptions) {
        while (subscription.credits > 0 && this.#tell(session.wire, id, subscription));
      }
    }
  }

  #tell(wire: Wire, id: number, subscription: Subscription): boolean {
    const { topic } = subscription;
    const send = (kind: string, value: unknown): boolean => {
      subscription.seq += 1;
      subscription.credits -= 1;
      wire.say({ method: 'subscription', params: { id, seq: subscription.seq, kind, value } });
      return true;
    };
    if (subscription.editor) {
      const told = subscription.editor.tell();
      return told !== undefined && send(told.kind, told.value);
    }
    if (topic.topic === 'object' || this.values.has(topic.topic)) {
      const text = JSON.stringify(topic.topic === 'object' ? (this.objects.get(topic.object) ?? null) : this.values.get(topic.topic));
      if (text === subscription.last) return false;
      subscription.last = text;
      return send('value', JSON.parse(text));
    }
    if (topic.topic !== 'query') return false;
    if (subscription.from !== undefined) {
      // An answer is told as it was when it began.
      if (subscription.from === 0) subscription.told = this.answer(topic.query);
      const all = subscription.told!;
      const { from } = subscription;
      const objects = all.slice(from, from + PART);
      subscription.from = from + PART < all.length ? from + PART : undefined;
      return send('value', { objects, from, total: all.length } satisfies QueryPart);
    }
    const before = subscription.told!;
    const after = this.answer(topic.query);
    const change = difference(before, after);
    if (!change) return false;
    subscription.told = after;
    return send('change', change);
  }
}

/** Lets everything that waits for nothing but its turn happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Delivers everything, in both directions, until nothing is on its way. */
export async function settle(host: ModelHost): Promise<void> {
  for (let rounds = 0; rounds < 1000; rounds += 1) {
    await turn();
    const { wire } = host;
    if (!wire || wire.up.length + wire.down.length === 0) return;
    while (wire.up.length > 0) wire.deliverUp();
    while (wire.down.length > 0) wire.deliverDown();
  }
  throw new Error('it does not settle');
}

/** How one answer becomes another: what kept its order among the others is not named. */
export function difference(before: readonly ObjectInfo[], after: readonly ObjectInfo[]): QueryChange | undefined {
  const old = new Map(before.map((object) => [object.id, JSON.stringify(object)]));
  const now = new Set(after.map(({ id }) => id));
  const removed = before.filter(({ id }) => !now.has(id)).map(({ id }) => id);
  const added = after.flatMap((object, position) => (old.has(object.id) ? [] : [{ position, object }]));
  const isChanged = (object: ObjectInfo): boolean => old.has(object.id) && old.get(object.id) !== JSON.stringify(object);
  const updated = after.flatMap((object, position) => (isChanged(object) ? [{ position, object }] : []));
  return removed.length + added.length + updated.length === 0 ? undefined : { added, removed, updated };
}

const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769';

function compareIds(one: string, two: string): number {
  for (let at = 0; at < one.length; at += 1) {
    const order = ALPHABET.indexOf(one.charAt(at)) - ALPHABET.indexOf(two.charAt(at));
    if (order !== 0) return order;
  }
  return 0;
}
