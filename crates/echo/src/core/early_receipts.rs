//! Receipts of devices that are not known yet.
//!
//! A replica may hear what a device has stored before it hears that the device was admitted: its
//! disk is an older one, or the news came by another way. Peers send a receipt once, so it is kept
//! until more is known of members and devices, or the session ends.

use std::collections::BTreeMap;

use dxos_feed::Receipt;
use dxos_keys::DeviceKey;
use dxos_protocol::replicate::SessionId;

/// Entries of the receipts that one session may leave here.
const SESSION_ENTRIES_MAX: usize = 32_768;
/// Receipts that one session may leave here.
const SESSION_RECEIPTS_MAX: usize = 1_024;

/// What sessions have brought, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct EarlyReceipts(BTreeMap<SessionId, Vec<Receipt>>);

impl EarlyReceipts {
    /// Keeps a receipt, if there is room: what a session brings beyond that is dropped, as devices
    /// sign again, and all receipts come with the next session.
    pub(super) fn keep(&mut self, session: SessionId, receipt: Receipt) {
        let kept = self.0.entry(session).or_default();
        if kept.contains(&receipt) {
            return;
        }
        let is_latest = |of: &Receipt| of.device == receipt.device && of.number < receipt.number;
        if kept.iter().any(is_latest) {
            // It takes the place of what the device said before, as it does of known devices.
            kept.retain(|of| of.device != receipt.device);
        }
        let entries =
            |receipts: &[Receipt]| receipts.iter().map(|of| of.heads.len()).sum::<usize>();
        if kept.len() < SESSION_RECEIPTS_MAX
            && entries(kept) + receipt.heads.len() <= SESSION_ENTRIES_MAX
        {
            kept.push(receipt);
        }
    }
    /// Takes out what devices have said that are known now.
    pub(super) fn take(
        &mut self,
        is_known: impl Fn(&DeviceKey) -> bool,
    ) -> Vec<(SessionId, Receipt)> {
        let mut taken = Vec::new();
        for (session, kept) in &mut self.0 {
            let known = kept.extract_if(.., |of| is_known(&of.device));
            taken.extend(known.map(|receipt| (*session, receipt)));
        }
        taken
    }

    /// A session ended.
    pub(super) fn closed(&mut self, session: SessionId) {
        self.0.remove(&session);
    }
}
