//! Receipts on their way to peers.

use std::collections::BTreeSet;

use dxos_keys::DeviceKey;
use dxos_protocol::replicate::SessionId;

use super::sync::Sync;

impl Sync {
    pub(crate) fn device_of(&self, session: SessionId) -> Option<DeviceKey> {
        self.sessions.get(&session).map(|state| state.device)
    }

    /// The sessions with peers that are members.
    pub(crate) fn served(&self) -> impl Iterator<Item = SessionId> {
        let served = self.sessions.iter();
        let served = served.filter(|(_, state)| state.dismissed_ms.is_none());
        served.map(|(id, _)| *id)
    }

    /// Passes a receipt on to everybody but whom it came from. Returns whom to wake.
    pub(crate) fn spread_receipt(
        &mut self,
        device: DeviceKey,
        from: Option<SessionId>,
    ) -> BTreeSet<SessionId> {
        let mut woken = BTreeSet::new();
        for (id, state) in &mut self.sessions {
            if Some(*id) != from && state.dismissed_ms.is_none() {
                state.receipts.insert(device);
                woken.insert(*id);
            }
        }
        woken
    }

    /// Sends a peer the receipt of a device.
    pub(crate) fn answer_receipt(&mut self, session: SessionId, device: DeviceKey) {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.receipts.insert(device);
        }
    }

    /// Sends a new peer all receipts.
    pub(crate) fn offer_receipts(
        &mut self,
        session: SessionId,
        devices: impl Iterator<Item = DeviceKey>,
    ) {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.receipts.extend(devices);
        }
    }

    /// The device whose receipt is to be sent to a peer next.
    pub(crate) fn next_receipt(&mut self, session: SessionId) -> Option<DeviceKey> {
        let state = self.sessions.get_mut(&session)?;
        if state.dismissed_ms.is_some() {
            state.receipts.clear();
        }
        state.receipts.pop_first()
    }

    pub(crate) fn has_receipts(&self, session: SessionId) -> bool {
        let state = self.sessions.get(&session);
        state.is_some_and(|state| !state.receipts.is_empty())
    }
}
