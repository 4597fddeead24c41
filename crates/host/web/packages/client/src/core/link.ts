/** The connection to the host: sockets, timers and promises around `Session`. */
import type { ConnectionState, SocketLike } from '../api/client.js';
import type { Store } from '../api/store.js';
import { ClientStateError, ConnectionError } from '../errors.js';
import type { Methods, Topic, Welcome } from '../generated/protocol.js';
import { Session, type Effect, type Retry } from './session.js';
import { Cell } from './store.js';

/** Who takes in what a subscription says. */
export interface Follower {
  /** `fresh`: it begins anew, and with it everything that the host counts for it. */
  began?(fresh: boolean): void;
  event(kind: 'value' | 'change', value: unknown): void;
  /** The host ended it. */
  end(error: Error | undefined): void;
}

/** A subscription, until it is closed. */
export interface Subscription {
  readonly id: number;
  close(): void;
}

/** How a link reaches the world. */
export interface LinkOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly createSocket: (url: string) => SocketLike;
  readonly token: (token: string | null) => void;
  /** From 0 to 1, for back-off. */
  readonly random?: () => number;
}

const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 10_000;
/** How long a connection may take until `hello` is answered. */
const GREETING_MS = 10_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Link {
  readonly #session = new Session();
  readonly #options: LinkOptions;
  readonly #state = new Cell<ConnectionState>('idle');
  readonly #waiting = new Map<number, Waiting>();
  readonly #followers = new Map<number, Follower>();
  #socket: SocketLike | undefined;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #welcome: Welcome | undefined;
  #error: Error | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#options.url;
  }

  get state(): Store<ConnectionState> {
    return this.#state;
  }

  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** Why the connection is not tried any more. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Connects, and stays connected until `close`. */
  open(tokens: readonly string[]): void {
    this.#session.setTokens(tokens);
    this.#error = undefined;
    this.reconnect();
  }

  /** Tries again at once. */
  reconnect(): void {
    this.#drop();
    this.#failures = 0;
    this.#connect();
  }

  /** Ends the connection and the session; what waits fails. */
  close(): void {
    this.#drop();
    this.#session.forget();
    this.#state.set('closed');
    this.#failAll(new ClientStateError('the client was destroyed'));
    for (const [id, follower] of [...this.#followers]) {
      this.#followers.delete(id);
      this.#session.unsubscribe(id);
      follower.end(undefined);
    }
  }

  /**
   * Calls a method. While the host is not there, the request waits: for `timeoutMs`, or without
   * end when that is `null`.
   */
  call<M extends keyof Methods>(
    method: M,
    params: Methods[M]['params'],
    retry: Retry = 'never',
    timeoutMs: number | null = this.#options.timeoutMs,
  ): Promise<Methods[M]['result']> {
    const state = this.#state.get();
    if (this.#error) return Promise.reject(this.#error);
    if (state === 'idle' || state === 'closed') {
      return Promise.reject(new ClientStateError(`${method}: call \`initialize()\` first`));
    }
    return new Promise((resolve, reject) => {
      const id = this.#session.call(method, params, retry);
      const expire = (): void => {
        const waiting = this.#waiting.get(id);
        if (!waiting) return;
        // While the host is there, it is busy with it: that takes as long as it takes.
        if (this.#session.isLive) waiting.timer = setTimeout(expire, timeoutMs ?? 0);
        else {
          this.#waiting.delete(id);
          this.#session.abandon(id);
          reject(new ConnectionError(`${method}: the host at ${this.#options.url} does not answer`));
        }
      };
      const timer = timeoutMs === null ? undefined : setTimeout(expire, timeoutMs);
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
      this.#pump();
    });
  }

  subscribe(topic: Topic, follower: Follower): Subscription {
    const id = this.#session.subscribe(topic);
    this.#followers.set(id, follower);
    this.#pump();
    return {
      id,
      close: () => {
        if (!this.#followers.delete(id)) return;
        this.#session.unsubscribe(id);
        this.#pump();
      },
    };
  }

  #connect(): void {
    this.#state.set('connecting');
    let socket: SocketLike;
    try {
      socket = this.#options.createSocket(this.#options.url);
    } catch (error) {
      this.#lost(error instanceof Error ? error : undefined);
      return;
    }
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(), GREETING_MS);
    // A socket that was let go says nothing any more: its handlers are taken off.
    socket.onopen = () => {
      this.#session.opened();
      this.#pump();
    };
    socket.onmessage = (event: { data: unknown }) => {
      if (typeof event.data === 'string') this.#received(event.data);
    };
    socket.onerror = () => {};
    socket.onclose = () => this.#lost();
  }

  #received(text: string): void {
    try {
      this.#session.received(text);
    } catch {
      // What comes is not the protocol.
      this.#lost();
      return;
    }
    this.#pump();
  }

  /** The connection is gone; another one is tried later. */
  #lost(error?: Error): void {
    this.#drop();
    if (this.#error) return;
    const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#failures);
    const random = this.#options.random ?? Math.random;
    this.#failures = error ? 30 : Math.min(this.#failures + 1, 30);
    this.#state.set('waiting');
    this.#timer = setTimeout(() => this.#connect(), ceiling * (0.5 + random() / 2));
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // One that is not open yet may throw, or report an error that nobody has to hear.
    socket.onerror = () => {};
    try {
      socket.close();
    } catch {
      /* It is gone. */
    }
    this.#session.closed();
    this.#pump();
  }

  /** Carries out what the session wants. What it calls may want more: that is done after it. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (let effects = this.#session.take(); effects.length > 0; effects = this.#session.take()) {
        for (const effect of effects) this.#carryOut(effect);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #isPumping = false;

  #carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'send':
        try {
          this.#socket?.send(effect.text);
        } catch {
          // It closes: `onclose` tells.
        }
        break;
      case 'close':
        // After the other effects, of which it is the last.
        queueMicrotask(() => this.#socket && this.#lost());
        break;
      case 'settle':
        this.#settle(effect.call, effect.result, effect.error);
        break;
      case 'event':
        guard(() => this.#followers.get(effect.subscription)?.event(effect.kind, effect.value));
        break;
      case 'began':
        guard(() => this.#followers.get(effect.subscription)?.began?.(effect.fresh));
        break;
      case 'end': {
        const follower = this.#followers.get(effect.subscription);
        this.#followers.delete(effect.subscription);
        guard(() => follower?.end(effect.error));
        break;
      }
      case 'token':
        guard(() => this.#options.token(effect.token));
        break;
      case 'live':
        clearTimeout(this.#timer);
        this.#failures = 0;
        this.#welcome = effect.welcome;
        this.#state.set('connected');
        break;
      case 'stop':
        this.#error = effect.error;
        this.#failAll(effect.error);
        this.#state.set(effect.why);
        break;
    }
  }

  #settle(id: number, result: unknown, error: Error | undefined): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (error) waiting.reject(error);
    else waiting.resolve(result);
  }

  #failAll(error: Error): void {
    for (const id of [...this.#waiting.keys()]) {
      this.#session.abandon(id);
      this.#settle(id, undefined, error);
    }
  }
}

/** One follower that fails keeps no other from hearing. */
function guard(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
