import type { ErrorAction, ErrorInfo } from './generated/protocol.js';
import type { InvitationState } from './api/invitation.js';

/** Something that the host refused, or in which it failed. */
export class HostError extends Error {
  override readonly name: string = 'HostError';
  /** One of `ErrorCode`. */
  readonly code: number;
  /** A stable name of what happened, such as `notPermitted`. */
  readonly kind: string;
  /** What may help. */
  readonly action: ErrorAction;

  constructor(info: ErrorInfo) {
    super(info.message);
    this.code = info.code;
    this.kind = info.data?.kind ?? 'unknown';
    this.action = info.data?.action ?? 'report';
  }
}

/** The host was not reached, or the connection was lost and with it the answer. */
export class ConnectionError extends Error {
  override readonly name: string = 'ConnectionError';
}

/** The client is used before `initialize`, after `destroy` or after `reset`. */
export class ClientStateError extends Error {
  override readonly name: string = 'ClientStateError';
}

/** An invitation that did not end well. */
export class InvitationError extends Error {
  override readonly name: string = 'InvitationError';
  /** How it ended. */
  readonly state: InvitationState;

  constructor(state: InvitationState, cause: Error | undefined) {
    super(cause?.message ?? `the invitation ended: ${state}`, { cause });
    this.state = state;
  }
}
