//! Invitations that any admin's device may host.

use dxos_credentials::{Assertion, Delegated, GuestProof, Right};
use dxos_keys::{ContentKey, InvitationId};
use dxos_protocol::echo::{DelegateInvitation, DelegatedProof, EchoError};
use dxos_store::Read;
use rand_core::CryptoRng;

use super::space::{Outcome, Space};

impl Space {
    /// Makes one.
    pub(crate) fn delegate(
        &mut self,
        message: DelegateInvitation,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<((), Outcome), EchoError> {
        self.permit(Right::Admit, "invite members")?;
        let mut outcome = self.begin_control(now_ms, store)?;
        let proof = match message.proof {
            DelegatedProof::Plain(proof) => proof,
            DelegatedProof::Code(secret) => {
                let info = self.invitation_info(&message.invitation);
                let hosts = self.membership.admin_devices().into_iter();
                let sealed = hosts.filter_map(|(device, sealing)| {
                    Some((device, sealing.seal(&info, &secret, rng).ok()?))
                });
                GuestProof::Code(sealed.collect())
            }
            _ => {
                let reason = "a kind of proof that is not known".to_owned();
                return Err(EchoError::InvalidTransaction { reason });
            }
        };
        let delegated = Assertion::DelegatedInvitation {
            space: self.key(),
            invitation: message.invitation,
            role: message.role,
            single_use: message.single_use,
            history: message.history,
            expires_ms: message.expires_ms,
            proof,
        };
        self.issue(delegated, now_ms, store, &mut outcome)?;
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    /// Ends one everywhere.
    pub(crate) fn cancel_delegated(
        &mut self,
        invitation: InvitationId,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<((), Outcome), EchoError> {
        self.permit(Right::Admit, "cancel invitations")?;
        let mut open = self.membership.delegated().into_iter();
        if !open.any(|delegated| delegated.invitation == invitation) {
            // It is over already, for everybody: whoever hosted it says so at each start.
            return Ok(((), Outcome::default()));
        }
        let mut outcome = self.begin_control(now_ms, store)?;
        let space = self.key();
        let cancelled = Assertion::InvitationCancelled { space, invitation };
        self.issue(cancelled, now_ms, store, &mut outcome)?;
        Ok(((), self.end_control(now_ms, store, outcome)?))
    }

    /// Those that are open, each with the secret of its code where this device may know it.
    pub(crate) fn list_delegated(&self) -> Vec<(Delegated, Option<ContentKey>)> {
        let own = self.device();
        let all = self.membership.delegated().into_iter();
        let with_secret = all.map(|delegated| {
            let secret = match &delegated.proof {
                GuestProof::Code(sealed) => sealed
                    .iter()
                    .filter(|(device, _)| *device == own)
                    .find_map(|(_, sealed)| {
                        let info = self.invitation_info(&delegated.invitation);
                        self.authority.sealing.open(&info, sealed).ok()
                    }),
                _ => None,
            };
            (delegated, secret)
        });
        with_secret.collect()
    }

    /// What binds the secret of a code to its place.
    fn invitation_info(&self, invitation: &InvitationId) -> Vec<u8> {
        let space = self.key();
        let parts: [&[u8]; 3] = [b"invitation", space.as_bytes(), invitation.as_bytes()];
        parts.concat()
    }
}
