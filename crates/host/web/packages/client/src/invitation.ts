/** Invitations, on both sides. */
import {
  INVITATION_ENDED,
  type GuestInvitation,
  type HostInvitation,
  type Invitation,
  type InvitationResult,
  type InvitationStatus,
} from './api/invitation.js';
import type { Store } from './api/store.js';
import { Demand, follow } from './core/live.js';
import { Cell, derive, reuse, until } from './core/store.js';
import type { Context } from './context.js';
import { HostError, InvitationError } from './errors.js';
import { ErrorCode, type ErrorInfo, type FlowInfo, type InvitationInfo, type InvitationKindInfo } from './generated/protocol.js';

// One error an `ErrorInfo`: a status that did not change keeps its identity.
const errors = new WeakMap<ErrorInfo, HostError>();

function errorOf(info: ErrorInfo | null | undefined): Error | undefined {
  if (!info) return undefined;
  const error = errors.get(info) ?? new HostError(info);
  errors.set(info, error);
  return error;
}

async function ended(invitation: Invitation): Promise<InvitationResult> {
  const status = await until(invitation.status, ({ ended }) => ended);
  if (!status.result) throw new InvitationError(status.state, status.error);
  return status.result;
}

/** An invitation that this identity made. */
export class Hosted implements HostInvitation {
  readonly side = 'host';
  readonly status: Store<InvitationStatus>;
  readonly info: Store<InvitationInfo>;
  readonly #info: Cell<InvitationInfo>;

  constructor(
    private readonly context: Context,
    info: InvitationInfo,
  ) {
    this.#info = new Cell(info);
    let stop = (): void => {};
    const demand = new Demand(
      () => (stop = this.#follow()),
      () => stop(),
    );
    this.info = {
      get: this.#info.get,
      subscribe: (listener) => {
        const deaf = this.#info.subscribe(listener);
        const release = demand.hold();
        return () => {
          deaf();
          release();
        };
      },
    };
    this.status = derive(this.info, hostStatus);
  }

  /** Takes in what the host says of it. */
  update(info: InvitationInfo): void {
    this.#info.set(reuse(this.#info.get(), info));
  }

  /** Follows it to its end: how it ended, nobody tells afterwards. */
  followToEnd(): void {
    const stop = this.info.subscribe(() => {
      if (INVITATION_ENDED.includes(this.#info.get().state)) stop();
    });
  }

  #follow(): () => void {
    const { id, kind, space, state } = this.#info.get();
    if (INVITATION_ENDED.includes(state)) return () => {};
    const topic = { topic: 'invitation' as const, ...(kind === 'space' ? { space } : {}), invitation: id };
    return follow(
      this.context.link,
      topic,
      this.context.retryOn,
      (_kind, value) => this.update(value as InvitationInfo),
      (error) => {
        const info = this.#info.get();
        const isGone = error instanceof HostError && error.code === ErrorCode.NOT_FOUND;
        if (!isGone || INVITATION_ENDED.includes(info.state)) return;
        const { code, message, kind, action } = error;
        this.update({ ...info, state: 'error', error: { code, message, data: { kind, action } } });
      },
    );
  }

  get id(): string {
    return this.#info.get().id;
  }

  get invitationCode(): string | undefined {
    return this.#info.get().invitationCode ?? undefined;
  }

  get authCode(): string | undefined {
    return this.#info.get().authCode ?? undefined;
  }

  async cancel(): Promise<void> {
    const { id, kind, space, state } = this.#info.get();
    if (INVITATION_ENDED.includes(state)) return;
    if (kind === 'space') await this.context.link.call('echo.cancelInvitation', { space, invitation: id });
    else await this.context.link.call('halo.cancelInvitation', { invitation: id });
  }

  done(): Promise<InvitationResult> {
    return ended(this);
  }
}

function hostStatus(info: InvitationInfo): InvitationStatus {
  return {
    id: info.id,
    kind: info.kind,
    state: info.state,
    ended: INVITATION_ENDED.includes(info.state),
    invitationCode: info.invitationCode ?? undefined,
    authCode: info.authCode ?? undefined,
    authentication: info.authentication,
    attemptsLeft: info.attemptsLeft ?? undefined,
    target: undefined,
    error: errorOf(info.error),
    result:
      info.state === 'success'
        ? {
            spaceKey: info.kind === 'space' ? info.space : undefined,
            identityKey: info.guest ?? undefined,
            deviceKey: info.device ?? undefined,
          }
        : undefined,
  };
}

/** Keeps one object an invitation. */
export class HostedInvitations {
  readonly #kept = new Map<string, Hosted>();

  constructor(private readonly context: Context) {}

  readonly one = (info: InvitationInfo): Hosted => {
    const kept = this.#kept.get(info.id);
    if (kept) {
      kept.update(info);
      return kept;
    }
    const made = new Hosted(this.context, info);
    this.#kept.set(info.id, made);
    return made;
  };

  /** One that was just made here. */
  readonly made = (info: InvitationInfo): Hosted => {
    const hosted = this.one(info);
    hosted.followToEnd();
    return hosted;
  };

  /** The open ones; those that are open no longer are forgotten here, whoever holds one keeps it. */
  readonly all = (infos: readonly InvitationInfo[]): readonly HostInvitation[] => {
    const open = infos.map(this.one);
    for (const [id, kept] of this.#kept) if (!open.includes(kept)) this.#kept.delete(id);
    return open;
  };
}

/** An invitation that this client accepts. */
export class Guest implements GuestInvitation {
  readonly side = 'guest';
  readonly #status: Cell<InvitationStatus>;
  readonly #context: Context;
  readonly #arrived: (result: InvitationResult) => Promise<void>;
  #flow: number | undefined;
  #stop = (): void => {};
  readonly #begun: Promise<void>;

  constructor(context: Context, kind: InvitationKindInfo, code: string, accept: Promise<FlowInfo>, arrived: (result: InvitationResult) => Promise<void>) {
    this.#context = context;
    this.#arrived = arrived;
    this.#status = new Cell<InvitationStatus>({
      id: undefined,
      kind,
      state: 'init',
      ended: false,
      invitationCode: code,
      authCode: undefined,
      authentication: undefined,
      attemptsLeft: undefined,
      target: undefined,
      error: undefined,
      result: undefined,
    });
    this.#begun = accept.then(
      (flow) => this.#follow(flow),
      (error: Error) => this.#fail(error),
    );
  }

  get status(): Store<InvitationStatus> {
    return this.#status;
  }

  async authenticate(code: string): Promise<boolean> {
    await this.#begun;
    await until(this.#status, ({ state, ended }) => ended || state === 'ready-for-authentication');
    if (this.#flow === undefined || this.#status.get().ended) return false;
    const flow = await this.#context.link.call('invitation.authenticate', { flow: this.#flow, code: code.trim() });
    this.#show(flow);
    return flow.state === 'success' || flow.state === 'authenticating';
  }

  async cancel(): Promise<void> {
    await this.#begun;
    if (this.#flow === undefined || this.#status.get().ended) return;
    await this.#context.link.call('invitation.cancel', { flow: this.#flow });
  }

  async done(): Promise<InvitationResult> {
    const result = await ended(this);
    await this.#arrived(result);
    return result;
  }

  #follow(info: FlowInfo): void {
    this.#flow = info.flow;
    this.#show(info);
    if (this.#status.get().ended) return;
    const subscription = this.#context.link.subscribe(
      { topic: 'flow', flow: info.flow },
      {
        event: (_kind, value) => this.#show(value as FlowInfo),
        end: (error) => this.#fail(error ?? new Error('the host has ended the invitation')),
      },
    );
    this.#stop = () => subscription.close();
  }

  #show(flow: FlowInfo): void {
    const last = this.#status.get();
    if (last.ended) return;
    const isEnded = INVITATION_ENDED.includes(flow.state);
    this.#status.set(
      reuse(last, {
        ...last,
        id: flow.invitation,
        kind: flow.kind,
        state: flow.state,
        ended: isEnded,
        authentication: flow.authentication,
        attemptsLeft: flow.attemptsLeft ?? undefined,
        target: flow.target ?? undefined,
        error: errorOf(flow.error),
        result:
          flow.state === 'success'
            ? { spaceKey: flow.space ?? undefined, identityKey: flow.identity ?? undefined, deviceKey: undefined }
            : undefined,
      }),
    );
    if (isEnded) this.#stop();
  }

  #fail(error: Error): void {
    const last = this.#status.get();
    if (!last.ended) this.#status.set({ ...last, state: 'error', ended: true, error });
  }
}
