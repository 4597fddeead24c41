import { type GuestInvitation, type HostInvitation, type InvitationResult, type InvitationState, type InvitationStatus } from '@dxos-rs/client';
import { useCallback, useMemo, useState } from 'react';
import { NOTHING, useStore } from './store.js';

/** An invitation on screen, and what can be done with it. */
export interface InvitationView {
  readonly id: string | undefined;
  /** Where it stands; `init` while there is none. */
  readonly status: InvitationState;
  readonly ended: boolean;
  readonly invitationCode: string | undefined;
  readonly authCode: string | undefined;
  readonly authentication: InvitationStatus['authentication'];
  readonly attemptsLeft: number | undefined;
  readonly target: string | undefined;
  readonly result: InvitationResult | undefined;
  readonly error: Error | undefined;
  /** Follows another invitation from now on. */
  readonly connect: (invitation: HostInvitation | GuestInvitation | undefined) => void;
  /** Gives it up. */
  readonly cancel: () => Promise<void>;
  /** Tries the code, on the guest's side; says whether it was right. */
  readonly authenticate: (code: string) => Promise<boolean>;
}

/**
 * Follows an invitation, on either side.
 *
 * @example
 * ```tsx
 * import { useClient, useInvitationStatus } from '@dxos-rs/react-client';
 *
 * export default function Example() {
 *   const { echo } = useClient();
 *   const { status, target, attemptsLeft, error, connect, authenticate, cancel } = useInvitationStatus();
 *   const join = (form: FormData) => connect(echo.join(String(form.get('invitation'))));
 *   if (status === 'ready-for-authentication') {
 *     return (
 *       <form action={(form) => authenticate(String(form.get('code'))).then(() => {})}>
 *         <label>Code for {target ?? 'the space'} <input name="code" inputMode="numeric" /></label>
 *         {attemptsLeft !== undefined && <p role="alert">That was wrong: {attemptsLeft} left.</p>}
 *         <button type="button" onClick={cancel}>Cancel</button>
 *       </form>
 *     );
 *   }
 *   return (
 *     <form action={join}>
 *       <label>Invitation <input name="invitation" /></label>
 *       <p>{error ? error.message : status}</p>
 *     </form>
 *   );
 * }
 * ```
 */
export function useInvitationStatus(given?: HostInvitation | GuestInvitation): InvitationView {
  const [connected, connect] = useState<{ to: HostInvitation | GuestInvitation | undefined; from: typeof given }>();
  // Another one that is given takes the place of one that was connected before.
  const invitation = connected && connected.from === given ? connected.to : given;
  const status = useStore<InvitationStatus | undefined>(invitation?.status ?? NOTHING);
  const follow = useCallback((to: HostInvitation | GuestInvitation | undefined) => connect({ to, from: given }), [given]);
  const cancel = useCallback(async () => invitation?.cancel(), [invitation]);
  const authenticate = useCallback(
    async (code: string) => {
      if (invitation?.side !== 'guest') throw new Error('a code is tried by the guest: `authenticate` needs an invitation that is being accepted');
      return invitation.authenticate(code);
    },
    [invitation],
  );
  return useMemo(
    () => ({
      id: status?.id,
      status: status?.state ?? 'init',
      ended: status?.ended ?? false,
      invitationCode: status?.invitationCode,
      authCode: status?.authCode,
      authentication: status?.authentication,
      attemptsLeft: status?.attemptsLeft,
      target: status?.target,
      result: status?.result,
      error: status?.error,
      connect: follow,
      cancel,
      authenticate,
    }),
    [status, follow, cancel, authenticate],
  );
}

