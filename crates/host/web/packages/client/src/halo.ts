/** Identity and devices. */
import type { Halo as HaloApi, Profile } from './api/halo.js';
import type { GuestInvitation, HostInvitation, InvitationOptions } from './api/invitation.js';
import type { Live, Store } from './api/store.js';
import { live, type Context } from './context.js';
import type { LiveTopic } from './core/live.js';
import { derive, until } from './core/store.js';
import type { ContactInfo, CredentialInfo, DeviceInfo, IdentityInfo, PresentCredentials, RecoverIdentity, RecoveryPhraseInfo } from './generated/protocol.js';
import { Guest, HostedInvitations } from './invitation.js';

/** How long it may take until the identity that was joined shows. */
const ARRIVAL_MS = 10_000;

export class Halo implements HaloApi {
  readonly identity: LiveTopic<IdentityInfo | null | undefined>;
  readonly devices: Live<readonly DeviceInfo[]>;
  readonly device: Store<DeviceInfo | undefined>;
  readonly contacts: Live<readonly ContactInfo[]>;
  readonly credentials: Live<readonly CredentialInfo[]>;
  readonly invitations: Live<readonly HostInvitation[]>;
  readonly #hosted: HostedInvitations;

  constructor(private readonly context: Context) {
    this.#hosted = new HostedInvitations(context);
    this.identity = live<IdentityInfo | null | undefined>(context, { topic: 'identity' }, undefined);
    this.devices = live<readonly DeviceInfo[]>(context, { topic: 'devices' }, []);
    this.device = derive(this.devices, (devices) => devices.find((device) => device.current));
    this.contacts = live<readonly ContactInfo[]>(context, { topic: 'contacts' }, []);
    this.credentials = live<readonly CredentialInfo[]>(context, { topic: 'credentials' }, []);
    this.invitations = live<readonly HostInvitation[]>(context, { topic: 'haloInvitations' }, [], this.#hosted.all);
  }

  createIdentity(profile: Profile | string): Promise<IdentityInfo> {
    return this.#become(this.context.link.call('halo.createIdentity', typeof profile === 'string' ? { displayName: profile } : profile));
  }

  async updateProfile(profile: Profile): Promise<IdentityInfo> {
    const identity = await this.context.link.call('halo.identity', {}, 'always');
    return this.#become(this.context.link.call('halo.updateProfile', { ...identity?.profile, ...profile }));
  }

  async createInvitation(options: InvitationOptions = {}): Promise<HostInvitation> {
    return this.#hosted.made(await this.context.link.call('halo.createInvitation', { options }));
  }

  share(options?: InvitationOptions): Promise<HostInvitation> {
    return this.createInvitation(options);
  }

  acceptInvitation(code: string, device?: Profile): GuestInvitation {
    const accept = this.context.link.call('halo.acceptInvitation', { invitation: code, ...(device ? { device } : {}) });
    return new Guest(this.context, 'device', code, accept, async ({ identityKey }) => {
      await until(this.identity, (identity) => identity?.identity === identityKey, AbortSignal.timeout(ARRIVAL_MS));
    });
  }

  join(code: string, device?: Profile): GuestInvitation {
    return this.acceptInvitation(code, device);
  }

  async renameDevice(device: string, name: string): Promise<void> {
    await this.context.link.call('halo.renameDevice', { device, name });
  }

  async revokeDevice(device: string): Promise<void> {
    await this.context.link.call('halo.revokeDevice', { device });
  }

  async setDevicePreference(device: string, key: string, value: string | null): Promise<void> {
    await this.context.link.call('halo.setDevicePreference', { device, key, value });
  }

  createRecoveryPhrase(): Promise<RecoveryPhraseInfo> {
    return this.context.link.call('halo.createRecoveryPhrase', {});
  }

  recoverIdentity(phrase: string, options: Omit<RecoverIdentity, 'phrase'> = {}): Promise<IdentityInfo> {
    return this.#become(this.context.link.call('halo.recoverIdentity', { phrase, ...options }));
  }

  async presentCredentials(request: PresentCredentials): Promise<string> {
    return (await this.context.link.call('halo.presentCredentials', request)).presentation;
  }

  /** Shows at once who the profile is now. */
  async #become(answer: Promise<IdentityInfo>): Promise<IdentityInfo> {
    const identity = await answer;
    this.identity.offer(identity);
    return identity;
  }
}
