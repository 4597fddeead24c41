import type {
  ContactInfo,
  CredentialInfo,
  DeviceInfo,
  IdentityInfo,
  PresentCredentials,
  ProfileParams,
  RecoverIdentity,
  RecoveryPhraseInfo,
} from '../generated/protocol.js';
import type { GuestInvitation, HostInvitation, InvitationOptions } from './invitation.js';
import type { Live, Store } from './store.js';

/** What others are shown of somebody. */
export type Profile = ProfileParams;

/** Identity and devices. */
export interface Halo {
  /** Who the profile is: null when it has no identity, undefined when that is not known yet. */
  readonly identity: Live<IdentityInfo | null | undefined>;
  /** This device, once it is known. */
  readonly device: Store<DeviceInfo | undefined>;
  /** The devices of the identity, recovery phrases among them. */
  readonly devices: Live<readonly DeviceInfo[]>;
  /** Everybody with whom the identity shares a space. */
  readonly contacts: Live<readonly ContactInfo[]>;
  readonly credentials: Live<readonly CredentialInfo[]>;
  /** The open invitations for devices. */
  readonly invitations: Live<readonly HostInvitation[]>;

  /** @throws {HostError} when there is an identity already. */
  createIdentity(profile: Profile | string): Promise<IdentityInfo>;
  /** Changes what others are shown; what is left out stays. */
  updateProfile(profile: Profile): Promise<IdentityInfo>;
  createInvitation(options?: InvitationOptions): Promise<HostInvitation>;
  /** The same as {@link createInvitation}. */
  share(options?: InvitationOptions): Promise<HostInvitation>;
  /** Makes this a device of the identity that invites. */
  acceptInvitation(code: string, device?: Profile): GuestInvitation;
  /** The same as {@link acceptInvitation}. */
  join(code: string, device?: Profile): GuestInvitation;
  renameDevice(deviceKey: string, name: string): Promise<void>;
  revokeDevice(deviceKey: string): Promise<void>;
  /** Keeps something of an application for a device; null forgets it. */
  setDevicePreference(deviceKey: string, key: string, value: string | null): Promise<void>;
  /** Makes a recovery phrase. It is shown once. */
  createRecoveryPhrase(): Promise<RecoveryPhraseInfo>;
  recoverIdentity(phrase: string, options?: Omit<RecoverIdentity, 'phrase'>): Promise<IdentityInfo>;
  /** Proves to a third party that this client acts for its identity. */
  presentCredentials(request: PresentCredentials): Promise<string>;
}
