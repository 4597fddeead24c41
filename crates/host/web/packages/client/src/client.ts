/** The way into everything. */
import type { SpaceSerializer } from './api/archive.js';
import type { ClientApi, ClientConfig, ClientOptions, ConnectionState } from './api/client.js';
import type { Space } from './api/space.js';
import type { Live, Store } from './api/store.js';
import { live, type Context } from './context.js';
import { Link } from './core/link.js';
import { Cell, until } from './core/store.js';
import { Echo } from './echo/echo.js';
import { parseHost, socketMaker, storageOf, takePageToken } from './environment.js';
import { ClientStateError, ConnectionError } from './errors.js';
import type { ClientInfo, ClientStatus, DoctorInfo, GarbageInfo, IdentityInfo, Json, Methods, Metrics, NetworkInfo, OneTimeToken, UsageInfo } from './generated/protocol.js';
import { Halo } from './halo.js';
import { Mesh } from './mesh.js';
import { Serializer } from './serializer.js';
import { VERSION } from './version.js';

const TIMEOUT_MS = 30_000;
/** How long `getStatus` waits before it says that the host is silent. */
const STATUS_MS = 2000;
/** How long `destroy` waits for what was written. */
const DRAIN_MS = 5000;
/** After these, nothing is tried until somebody does something. */
const STOPPED: readonly ConnectionState[] = ['unauthenticated', 'replaced', 'incompatible', 'closed'];

/**
 * A client of a host.
 *
 * ```ts
 * const client = new Client({ host: 'http://127.0.0.1:4100/#token=…' });
 * await client.initialize();
 * const space = await client.echo.createSpace({ name: 'Home' });
 * ```
 */
export class Client implements ClientApi {
  readonly version = VERSION;
  readonly config: ClientConfig;
  readonly echo: Echo;
  readonly halo: Halo;
  readonly mesh: Mesh;
  readonly metrics: Live<Metrics | undefined>;
  readonly #options: ClientOptions;
  readonly #link: Link;
  readonly #status = new Cell<ClientStatus | null>(null);
  readonly #initialized = new Cell(false);
  /** Counts the times from which on more may be allowed than before. */
  readonly #chances = new Cell(0);
  #token: string | undefined;
  #createSocket: ReturnType<typeof socketMaker> | undefined;
  #initializing: Promise<void> | undefined;
  #holds: Array<() => void> = [];
  #wasReset = false;

  /** @throws {TypeError} when there is no address of a host. Nothing is opened before `initialize`. */
  constructor(options: ClientOptions = {}) {
    const { url, token } = parseHost(options.host);
    this.#options = options;
    this.#token = options.token ?? token;
    this.config = Object.freeze({ host: url, timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
    let createSocket: Awaited<ReturnType<typeof socketMaker>> | undefined;
    this.#createSocket = undefined;
    this.#link = new Link({
      url,
      timeoutMs: this.config.timeoutMs,
      createSocket: (to) => {
        if (!createSocket) throw new ClientStateError('call `initialize()` first');
        return createSocket(to);
      },
      token: (session) => this.#keepToken(session),
    });
    this.#prepare = async () => {
      this.#createSocket ??= socketMaker(options);
      createSocket = await this.#createSocket;
    };
    const context: Context = { link: this.#link, retryOn: [this.#chances] };
    this.echo = new Echo(context);
    this.halo = new Halo(context);
    this.mesh = new Mesh(context);
    this.metrics = live<Metrics | undefined>(context, { topic: 'metrics' }, undefined);
  }

  readonly #prepare: () => Promise<void>;

  get initialized(): boolean {
    return this.#initialized.get();
  }

  get connection(): Store<ConnectionState> {
    return this.#link.state;
  }

  get status(): Store<ClientStatus | null> {
    return this.#status;
  }

  get hostVersion(): string | undefined {
    return this.#link.welcome?.version;
  }

  get spaces(): Live<readonly Space[]> {
    return this.echo.spaces;
  }

  initialize(): Promise<void> {
    if (this.#wasReset) return Promise.reject(new ClientStateError('this client was reset: make another one'));
    if (this.#initialized.get()) return Promise.resolve();
    this.#initializing ??= this.#initialize().finally(() => (this.#initializing = undefined));
    return this.#initializing;
  }

  async #initialize(): Promise<void> {
    await this.#prepare();
    const state = this.#link.state.get();
    if (state === 'idle' || STOPPED.includes(state)) this.#open();
    await this.#connected();
    if (this.#holds.length === 0) this.#hold();
    let { status } = await this.#link.call('client.status', {}, 'always');
    if (status === 'inactive') ({ status } = await this.#link.call('client.initialize', {}, 'always'));
    this.#setStatus(status);
    // A locked client tells nothing: `unlock` is what comes next.
    if (status === 'active') {
      const identity = await this.halo.identity.load();
      if (identity) await this.echo.spaces.load();
    }
    this.#initialized.set(true);
  }

  /** Waits for the host, but not without end. */
  async #connected(): Promise<void> {
    const settled = until(this.#link.state, (state) => state === 'connected' || STOPPED.includes(state), AbortSignal.timeout(this.config.timeoutMs));
    const state = await settled.catch(() => 'waiting' as const);
    if (state === 'connected') return;
    throw this.#link.error ?? new ConnectionError(`the host at ${this.config.host} does not answer`);
  }

  /** Follows what is always of interest. */
  #hold(): void {
    const status = live<ClientInfo | undefined>({ link: this.#link, retryOn: [this.#link.state] }, { topic: 'status' }, undefined);
    let wasSomebody = false;
    const look = (): void => {
      const isConnected = this.#link.state.get() === 'connected';
      this.#setStatus(isConnected ? (status.get()?.status ?? this.#status.get()) : null);
    };
    const lookAtIdentity = (): void => {
      const isSomebody = Boolean(this.halo.identity.get());
      if (isSomebody && !wasSomebody) this.#chances.set(this.#chances.get() + 1);
      wasSomebody = isSomebody;
    };
    this.#holds = [
      status.subscribe(look),
      this.#link.state.subscribe(look),
      this.halo.identity.subscribe(lookAtIdentity),
      this.echo.spaces.hold(),
    ];
    lookAtIdentity();
  }

  #setStatus(status: ClientStatus | null): void {
    const wasActive = this.#status.get() === 'active';
    this.#status.set(status);
    if (status === 'active' && !wasActive) this.#chances.set(this.#chances.get() + 1);
  }

  #open(first?: string): void {
    const page = this.#options.host === undefined ? takePageToken() : undefined;
    this.#token = first ?? page ?? this.#token;
    const kept = this.#storage()?.read() ?? undefined;
    // A kept token opens what the address was already used for, and leaves its own unused.
    const tokens = first === undefined ? [kept, this.#token] : [first, kept];
    this.#link.open(tokens.filter((token) => token !== undefined));
  }

  #storage(): ReturnType<typeof storageOf> {
    return storageOf(this.#options, this.config.host);
  }

  #keepToken(token: string | null): void {
    // What opens the next connection of this client, also where nothing is kept.
    this.#token = token ?? undefined;
    try {
      this.#storage()?.write(token);
    } catch {
      // A full or forbidden storage: the next page needs a token of its own.
    }
  }

  async destroy(): Promise<void> {
    if (this.#link.state.get() === 'idle') return;
    if (this.#link.state.get() === 'connected') {
      const drained = Promise.all(this.echo.known().map((space) => space.drain()));
      await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, DRAIN_MS))]);
    }
    this.#close();
  }

  #close(): void {
    this.#initialized.set(false);
    for (const release of this.#holds) release();
    this.#holds = [];
    this.#link.close();
    this.#setStatus(null);
  }

  async reset(): Promise<void> {
    await this.#link.call('client.reset', { confirm: 'wipe-profile' });
    this.#wasReset = true;
    this.#keepToken(null);
    this.#close();
  }

  async resumeHostServices(options: { token?: string } = {}): Promise<void> {
    if (this.#wasReset) throw new ClientStateError('this client was reset: make another one');
    if (this.#link.state.get() === 'idle' || !this.#initialized.get()) {
      if (options.token !== undefined) this.#token = options.token;
      if (this.#link.state.get() !== 'idle') this.#open(options.token);
      return this.initialize();
    }
    this.#open(options.token);
    await this.#connected();
  }

  async getStatus(): Promise<ClientStatus | null> {
    if (this.#link.state.get() !== 'connected') return null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), STATUS_MS)));
    const asked = this.#link.call('client.status', {}, 'always').then(
      ({ status }) => status,
      () => null,
    );
    const status = await Promise.race([asked, silence]);
    clearTimeout(timer);
    return status;
  }

  createSerializer(): SpaceSerializer {
    return new Serializer(this.#link, this.echo);
  }

  createSpace(properties?: Record<string, unknown>): Promise<Space> {
    return this.echo.createSpace(properties);
  }

  getSpace(key: string): Space | undefined {
    return this.echo.getSpace(key);
  }

  async lock(): Promise<void> {
    this.#setStatus((await this.#link.call('client.lock', {})).status);
  }

  async unlock(passphrase: string): Promise<void> {
    this.#setStatus((await this.#link.call('client.unlock', { passphrase })).status);
  }

  usage(): Promise<UsageInfo> {
    return this.#link.call('client.usage', {}, 'always');
  }

  gc(): Promise<GarbageInfo> {
    return this.#link.call('client.gc', {}, 'always', null);
  }

  doctor(options: { repair?: boolean } = {}): Promise<DoctorInfo> {
    return this.#link.call('client.doctor', { repair: options.repair ?? false }, 'always', null);
  }

  hostConfig(): Promise<Json> {
    return this.#link.call('client.config', {}, 'always');
  }

  createToken(): Promise<OneTimeToken> {
    return this.#link.call('host.createToken', {});
  }

  async endSessions(): Promise<number> {
    return (await this.#link.call('host.endSessions', {})).ended;
  }

  call<M extends keyof Methods>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    return this.#link.call(method, params);
  }

  toJSON(): object {
    const identity: IdentityInfo | null | undefined = this.halo.identity.get();
    const network: NetworkInfo | undefined = this.mesh.networkStatus.get();
    return {
      version: this.version,
      hostVersion: this.hostVersion ?? null,
      host: this.config.host,
      initialized: this.initialized,
      connection: this.#link.state.get(),
      status: this.#status.get(),
      identity: identity?.identity ?? null,
      device: identity?.device ?? null,
      network: network?.state ?? null,
      spaces: this.echo.spaces.get().map(({ key, state }) => ({ key, state: state.get() })),
    };
  }

  /** What Node shows of it. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Client ${JSON.stringify(this.toJSON(), null, 2)}`;
  }
}
