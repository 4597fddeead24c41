import type { ContactInfo, CredentialInfo, DeviceInfo, HostInvitation, IdentityInfo } from '@dxos-rs/client';
import { useClient } from './provider.js';
import { useStore } from './store.js';

/**
 * Who the profile is: null when it has no identity, undefined when that is not known yet.
 *
 * @example
 * ```tsx
 * import { useClient, useIdentity } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const { halo } = useClient();
 *   const identity = useIdentity();
 *   if (identity === null) return <button onClick={() => halo.createIdentity('Ann')}>Begin as Ann</button>;
 *   return <p>{identity?.profile.displayName}</p>;
 * }
 * ```
 */
export function useIdentity(): IdentityInfo | null | undefined {
  return useStore(useClient().halo.identity);
}

/**
 * The devices of the identity.
 *
 * @example
 * ```tsx
 * import { useDevices } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const devices = useDevices();
 *   return <ul>{devices.map(({ device, name, online }) => <li key={device}>{name ?? device} {online && '(online)'}</li>)}</ul>;
 * }
 * ```
 */
export function useDevices(): readonly DeviceInfo[] {
  return useStore(useClient().halo.devices);
}

/**
 * Everybody with whom the identity shares a space.
 *
 * @example
 * ```tsx
 * import { useContacts } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   return <ul>{useContacts().map(({ identity, profile }) => <li key={identity}>{profile.displayName}</li>)}</ul>;
 * }
 * ```
 */
export function useContacts(): readonly ContactInfo[] {
  return useStore(useClient().halo.contacts);
}

/**
 * The credentials of the identity.
 *
 * @example
 * ```tsx
 * import { useCredentials } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   return <p>{useCredentials().filter(({ counts }) => counts).length} credentials count.</p>;
 * }
 * ```
 */
export function useCredentials(): readonly CredentialInfo[] {
  return useStore(useClient().halo.credentials);
}

/**
 * The open invitations for devices.
 *
 * @example
 * ```tsx
 * import { useClient, useHaloInvitations, useInvitationStatus } from '@dxos-rs/react-client';
 * import type { HostInvitation } from '@dxos-rs/client';
 *
 * function Open({ invitation }: { invitation: HostInvitation }) {
 *   const { invitationCode, authCode, status } = useInvitationStatus(invitation);
 *   return <li>{status}: {invitationCode} {authCode}</li>;
 * }
 *
 * export default function Example() {
 *   const { halo } = useClient();
 *   const invitations = useHaloInvitations();
 *   return (
 *     <>
 *       <button onClick={() => halo.createInvitation()}>Add a device</button>
 *       <ul>{invitations.map((one) => <Open key={one.id} invitation={one} />)}</ul>
 *     </>
 *   );
 * }
 * ```
 */
export function useHaloInvitations(): readonly HostInvitation[] {
  return useStore(useClient().halo.invitations);
}
