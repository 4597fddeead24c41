import type {
  AuthenticationInfo,
  InvitationInfo,
  InvitationKindInfo,
  InvitationSpec,
  InvitationStateInfo,
} from '../generated/protocol.js';
import type { Store } from './store.js';

/** Where an invitation stands. */
export type InvitationState = InvitationStateInfo;

/** The states after which nothing comes. */
export const INVITATION_ENDED: readonly InvitationState[] = ['success', 'cancelled', 'timeout', 'error', 'expired'];

/** How an invitation is made; what is left out: a code, the role `editor`, seven days, one guest. */
export type InvitationOptions = InvitationSpec;

/** What an invitation led to. */
export interface InvitationResult {
  /** The space that was joined, of an invitation to a space. */
  readonly spaceKey: string | undefined;
  /** On the guest's side the identity that it acts for; on the host's side that of the last guest. */
  readonly identityKey: string | undefined;
  /** On the host's side: the device that joined, of an invitation for a device. */
  readonly deviceKey: string | undefined;
}

/** What there is to show of an invitation, on either side. */
export interface InvitationStatus {
  /** Its name; undefined on the guest's side until the host has read the code. */
  readonly id: string | undefined;
  /** What it is to. */
  readonly kind: InvitationKindInfo;
  /** Where it stands. */
  readonly state: InvitationState;
  /** Whether it has ended. */
  readonly ended: boolean;
  /** What to hand to the guest, as text or QR code. */
  readonly invitationCode: string | undefined;
  /** The six digits to tell the guest over another channel: on the host's side only. */
  readonly authCode: string | undefined;
  /** How the guest proves that it was meant; undefined until that is known. */
  readonly authentication: AuthenticationInfo | undefined;
  /** How many tries of the code are left, once one was wrong. */
  readonly attemptsLeft: number | undefined;
  /** What it is to, for people, as the inviting side says. */
  readonly target: string | undefined;
  /** Why it did not end well. */
  readonly error: Error | undefined;
  /** What it led to, once its state is `success`. */
  readonly result: InvitationResult | undefined;
}

/** An invitation that can be watched, on either side. */
export interface Invitation {
  /** Which side this is. */
  readonly side: 'host' | 'guest';
  /** What there is to show. */
  readonly status: Store<InvitationStatus>;
  /** Gives it up; when it has ended already, nothing happens. */
  cancel(): Promise<void>;
  /**
   * Waits for its end.
   *
   * @throws {InvitationError} when it did not end well.
   */
  done(): Promise<InvitationResult>;
}

/** An invitation that this identity made. */
export interface HostInvitation extends Invitation {
  readonly side: 'host';
  /** Its name. */
  readonly id: string;
  /** What to hand to the guest; undefined where this device cannot tell. */
  readonly invitationCode: string | undefined;
  /** The six digits, when they are asked for. */
  readonly authCode: string | undefined;
  /** All that the host knows of it. */
  readonly info: Store<InvitationInfo>;
}

/** An invitation that this client accepts. */
export interface GuestInvitation extends Invitation {
  readonly side: 'guest';
  /**
   * Tries the code, while the state is `ready-for-authentication`. When it was wrong, the state
   * is that again, with `attemptsLeft`; the promise says whether it was right.
   */
  authenticate(code: string): Promise<boolean>;
}
