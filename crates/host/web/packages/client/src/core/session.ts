/**
 * What goes over a connection and what becomes of it, as a pure state machine: requests and
 * their answers, subscriptions with credits, coming back to a session. Sockets, timers and
 * promises are in `link.ts`.
 */
import type { ErrorInfo, Resumed, SessionLimits, SubscriptionEvent, Topic, Welcome } from '../generated/protocol.js';
import { ErrorCode, PROTOCOL } from '../generated/protocol.js';
import { ConnectionError, HostError } from '../errors.js';

/** Notifications that a subscription may have on their way. */
export const CREDITS = 16;
/** Credits are given back this many at once. */
const CREDITS_BACK = 8;

/** What is done with a request when the connection was lost before its answer. */
export type Retry =
  /** It reads, or may be repeated: it is sent again. */
  | 'always'
  /** It is sent again to the same session, which knows its key; not to another one. */
  | 'session'
  /** Nobody knows whether it was done: it fails. */
  | 'never';

/** Why no further connection is tried. */
export type Stop = 'unauthenticated' | 'replaced' | 'incompatible';

/** What the shell has to do. */
export type Effect =
  | { do: 'send'; text: string }
  | { do: 'close' }
  | { do: 'settle'; call: number; result: unknown; error: Error | undefined }
  | { do: 'event'; subscription: number; kind: 'value' | 'change'; value: unknown }
  | { do: 'end'; subscription: number; error: Error | undefined }
  /** The subscription goes on: where it stood, or anew. */
  | { do: 'began'; subscription: number; fresh: boolean }
  | { do: 'token'; token: string | null }
  | { do: 'live'; welcome: Welcome }
  | { do: 'stop'; why: Stop; error: Error };

interface Call {
  method: string;
  params: unknown;
  retry: Retry;
  sent: boolean;
}

interface Following {
  topic: Topic;
  /** The last number that was taken in. */
  seq: number;
  /** Taken in and not given back yet. */
  owed: number;
  /** Whether the host may know of it. */
  sent: boolean;
}

type Phase = 'down' | 'greeting' | 'resuming' | 'live';

/** One session with a host, over any number of connections. */
export class Session {
  #phase: Phase = 'down';
  #lastId = 0;
  #lastSubscription = 0;
  /** The answer that `greeting` or `resuming` waits for. */
  #awaited = 0;
  #name: string | undefined;
  #tokens: string[] = [];
  #limits: SessionLimits | undefined;
  readonly #calls = new Map<number, Call>();
  readonly #subscriptions = new Map<number, Following>();
  #effects: Effect[] = [];

  /** What is to be done since the last time. */
  take(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  get isLive(): boolean {
    return this.#phase === 'live';
  }

  /** Which tokens to show, one after another until one holds. */
  setTokens(tokens: readonly string[]): void {
    this.#tokens = [...tokens];
  }

  /** Forgets the session: the next connection begins a new one. */
  forget(): void {
    this.#name = undefined;
  }

  call(method: string, params: unknown, retry: Retry): number {
    const id = ++this.#lastId;
    const call: Call = { method, params, retry, sent: false };
    this.#calls.set(id, call);
    if (this.#phase === 'live') this.#sendCall(id, call);
    return id;
  }

  /** Gives a request up: its answer is of no interest. */
  abandon(id: number): void {
    this.#calls.delete(id);
  }

  subscribe(topic: Topic): number {
    const id = ++this.#lastSubscription;
    const following: Following = { topic, seq: 0, owed: 0, sent: false };
    this.#subscriptions.set(id, following);
    if (this.#phase === 'live') this.#sendSubscribe(id, following);
    return id;
  }

  unsubscribe(id: number): void {
    const following = this.#subscriptions.get(id);
    if (!following) return;
    this.#subscriptions.delete(id);
    if (following.sent && this.#phase === 'live') this.#request('unsubscribe', { id });
  }

  /** A connection is there. */
  opened(): void {
    const token = this.#tokens[0];
    if (token === undefined) {
      this.#stop('unauthenticated', new ConnectionError('there is no token: open the address that `dx host` prints'));
      return;
    }
    this.#phase = 'greeting';
    const session = this.#name;
    this.#awaited = this.#request('hello', { protocol: PROTOCOL, token, ...(session === undefined ? {} : { session }) });
  }

  /** A connection is gone, or could not be made. */
  closed(): void {
    this.#phase = 'down';
    for (const [id, call] of this.#calls) {
      if (call.sent && call.retry === 'never') {
        this.#settle(id, undefined, new ConnectionError(`the connection was lost before ${call.method} was answered: it may have been done or not`));
      }
    }
  }

  /** A message came. What no host sends ends the connection. */
  received(text: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(text) as Record<string, unknown>;
      if (typeof message !== 'object' || message === null) throw new Error('no object');
    } catch {
      this.#effects.push({ do: 'close' });
      return;
    }
    if (message['method'] === 'subscription') this.#event(message['params'] as SubscriptionEvent);
    else if (message['method'] === 'goodbye') this.#goodbye((message['params'] as { error: ErrorInfo }).error);
    else if (typeof message['id'] === 'number') this.#answer(message['id'], message['result'], message['error'] as ErrorInfo | undefined);
  }

  #answer(id: number, result: unknown, error: ErrorInfo | undefined): void {
    if (id === this.#awaited && this.#phase === 'greeting') {
      if (error) this.#refused(error);
      else this.#welcomed(result as Welcome);
    } else if (id === this.#awaited && this.#phase === 'resuming') {
      if (error) this.#effects.push({ do: 'close' });
      else this.#resumed(result as Resumed);
    } else {
      const subscription = this.#asked.get(id);
      this.#asked.delete(id);
      if (subscription !== undefined && error) this.#ended(subscription, new HostError(error));
      else this.#settle(id, result, error && new HostError(error));
    }
  }

  #welcomed(welcome: Welcome): void {
    this.#tokens = [welcome.token];
    this.#effects.push({ do: 'token', token: welcome.token });
    this.#limits = welcome.limits;
    this.#name = welcome.session;
    this.#asked.clear();
    if (!welcome.resumed) {
      for (const [id, call] of this.#calls) {
        if (!call.sent || call.retry === 'always') continue;
        this.#settle(id, undefined, new ConnectionError(`the host was started anew before it answered ${call.method}: it may have been done or not`));
      }
      for (const following of this.#subscriptions.values()) following.sent = false;
    }
    this.#welcome = welcome;
    const kept = [...this.#subscriptions].filter(([, following]) => following.sent);
    if (kept.length === 0 && !welcome.resumed) {
      this.#goOn();
      return;
    }
    this.#phase = 'resuming';
    const subscriptions = kept.map(([id, { seq }]) => ({ id, seq, credits: CREDITS }));
    for (const [, following] of kept) following.owed = 0;
    this.#awaited = this.#request('resume', { subscriptions });
  }

  #resumed(resumed: Resumed): void {
    for (const id of resumed.gone) {
      const following = this.#subscriptions.get(id);
      if (following) following.sent = false;
    }
    for (const id of resumed.resumed) {
      if (this.#subscriptions.has(id)) this.#effects.push({ do: 'began', subscription: id, fresh: false });
      // It was given up while the connection was coming back.
      else this.#request('unsubscribe', { id });
    }
    this.#goOn();
  }

  /** Sends everything that waited. */
  #goOn(): void {
    this.#phase = 'live';
    if (this.#welcome) this.#effects.push({ do: 'live', welcome: this.#welcome });
    for (const [id, following] of this.#subscriptions) {
      if (!following.sent) this.#sendSubscribe(id, following);
    }
    for (const [id, call] of this.#calls) this.#sendCall(id, call);
  }

  #refused(info: ErrorInfo): void {
    const error = new HostError(info);
    this.#phase = 'down';
    if (info.code === ErrorCode.UNAUTHENTICATED) {
      this.#tokens.shift();
      this.#name = undefined;
      if (this.#tokens.length > 0) this.#effects.push({ do: 'close' });
      else this.#stop('unauthenticated', error);
    } else if (info.code === ErrorCode.VERSION) this.#stop('incompatible', error);
    else this.#effects.push({ do: 'close' });
  }

  #goodbye(info: ErrorInfo): void {
    const kind = info.data.kind;
    const error = new HostError(info);
    if (kind === 'replaced') this.#stop('replaced', error);
    else if (kind === 'version') this.#stop('incompatible', error);
    else if (kind === 'unauthenticated') {
      // While it is being greeted, the answer to `hello` says the same and is looked at.
      if (this.#phase === 'greeting') this.#refused(info);
      else if (this.#phase !== 'down') {
        this.#tokens = [];
        this.#stop('unauthenticated', error);
      }
    } else this.#effects.push({ do: 'close' });
  }

  #stop(why: Stop, error: Error): void {
    this.#phase = 'down';
    if (why === 'unauthenticated') this.#effects.push({ do: 'token', token: null });
    this.#effects.push({ do: 'stop', why, error }, { do: 'close' });
  }

  #event(event: SubscriptionEvent): void {
    const following = this.#subscriptions.get(event.id);
    if (!following || event.seq <= following.seq) return;
    following.seq = event.seq;
    if (event.kind === 'end') {
      this.#ended(event.id, event.error ? new HostError(event.error) : undefined);
      return;
    }
    this.#effects.push({ do: 'event', subscription: event.id, kind: event.kind, value: event.value });
    following.owed += 1;
    if (following.owed >= CREDITS_BACK) {
      const params = { id: event.id, n: following.owed };
      following.owed = 0;
      this.#effects.push({ do: 'send', text: JSON.stringify({ jsonrpc: '2.0', method: 'credit', params }) });
    }
  }

  #ended(id: number, error: Error | undefined): void {
    if (!this.#subscriptions.delete(id)) return;
    this.#effects.push({ do: 'end', subscription: id, error });
  }

  #sendCall(id: number, call: Call): void {
    const text = JSON.stringify({ jsonrpc: '2.0', id, method: call.method, params: call.params });
    const limit = this.#limits?.frameBytes ?? Infinity;
    if (text.length * 3 > limit && new TextEncoder().encode(text).length > limit) {
      this.#settle(id, undefined, new RangeError(`${call.method}: the request is longer than the ${limit} bytes that the host takes`));
      return;
    }
    call.sent = true;
    this.#effects.push({ do: 'send', text });
  }

  #sendSubscribe(id: number, following: Following): void {
    Object.assign(following, { sent: true, seq: 0, owed: 0 });
    this.#effects.push({ do: 'began', subscription: id, fresh: true });
    this.#asked.set(this.#request('subscribe', { id, topic: following.topic, credits: CREDITS }), id);
  }

  /** `subscribe` requests without an answer, and what they are for. */
  readonly #asked = new Map<number, number>();
  #welcome: Welcome | undefined;

  #request(method: string, params: unknown): number {
    const id = ++this.#lastId;
    this.#effects.push({ do: 'send', text: JSON.stringify({ jsonrpc: '2.0', id, method, params }) });
    return id;
  }

  #settle(call: number, result: unknown, error: Error | undefined): void {
    if (!this.#calls.delete(call)) return;
    this.#effects.push({ do: 'settle', call, result, error });
  }
}
