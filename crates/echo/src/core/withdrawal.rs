//! A device that deletes a space takes back what it had signed to have stored of it.
//!
//! It says so with a receipt of nothing. A peer answers with that receipt once it has stored it, so
//! that the device knows who has heard, and goes on deleting. One that has heard passes it on to
//! those it meets, so that one is enough. Nothing is said after the space is deleted: it would
//! take a device that goes on being found in the swarm of a space that its user deleted.

use dxos_keys::DeviceKey;
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::SessionId;

use super::space::{Outcome, Space};

impl Space {
    /// Takes back what this device had signed, if it had, and tells every peer there is, and those
    /// that come. Nothing is to be signed after that.
    pub(crate) fn withdraw_receipts(&mut self, now_ms: u64) -> Result<Outcome, EchoError> {
        let mut outcome = Outcome::default();
        self.receipts.cut();
        if self.has_signed() {
            self.say(super::receipts::Heads::new(), now_ms);
            self.spread_receipts(&mut outcome)?;
        }
        Ok(outcome)
    }

    /// Whether a peer knows that nothing is stored here any more, and every one that is there; or
    /// whether nobody is to know.
    pub(crate) fn is_withdrawal_heard(&self) -> bool {
        let known = self.receipts.of(&self.device());
        let is_said = known.is_some_and(|known| known.receipt.is_withdrawal());
        if !is_said || self.role().is_none() || !self.has_other_devices() {
            return true;
        }
        let mut sessions = self.sync.served();
        self.receipts.is_heard() && sessions.all(|session| self.receipts.is_heard_by(session))
    }

    fn has_other_devices(&self) -> bool {
        let own = self.device();
        let mut members = self.membership.members().into_values();
        members.any(|member| member.devices.keys().any(|device| *device != own))
    }

    fn has_signed(&self) -> bool {
        let known = self.receipts.of(&self.device());
        known.is_some_and(|known| !known.receipt.is_withdrawal()) || self.receipts.has_forgotten()
    }

    /// A withdrawal that is known here came once more. `is_fresh` is what is not stored yet: it is
    /// answered when it is.
    pub(super) fn hear_withdrawal_again(
        &mut self,
        session: SessionId,
        device: DeviceKey,
        is_fresh: bool,
    ) {
        if device == self.device() {
            self.receipts.note_heard(session);
        } else if !is_fresh && self.sync.device_of(session) == Some(device) {
            self.sync.answer_receipt(session, device);
        }
    }
}
