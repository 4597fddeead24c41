//! Which proofs of forks peers are shown, and which of theirs could not be used yet.

use dxos_keys::{DeviceKey, FeedId};
use dxos_protocol::replicate::SessionId;

use super::Sync;

/// A proof that a peer showed about a device that was not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftProof {
    /// The peer was asked to show it again.
    Asked,
    /// It is to be asked now.
    Due,
    /// It is to be asked when the device or the feed is known.
    Left,
}

impl Sync {
    /// Sends a peer the proof that a feed was forked.
    pub(crate) fn send_proof(&mut self, session: SessionId, feed: FeedId) {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.proofs.insert(feed);
        }
    }

    /// Notes that a peer showed the proof that a feed was forked, and whether it was taken in. Of
    /// a feed that the peer did not name it shows it again when it is asked for its blocks.
    pub(crate) fn proof_shown(&mut self, session: SessionId, feed: FeedId, taken: bool) {
        let state = self.sessions.get_mut(&session);
        if let Some(peer) = state.and_then(|state| state.peer.get_mut(&feed)) {
            peer.left_proof = (!taken).then_some(LeftProof::Left);
        }
    }

    /// Whether a peer showed a proof about a feed that was not taken in; it counts once.
    pub(crate) fn forget_left_proof(&mut self, session: SessionId, feed: &FeedId) -> bool {
        let state = self.sessions.get_mut(&session);
        let peer = state.and_then(|state| state.peer.get_mut(feed));
        peer.is_some_and(|peer| peer.left_proof.take().is_some())
    }

    /// Asks peers again for proofs about devices that are known now.
    pub(crate) fn ask_left_proofs(&mut self, is_known: &dyn Fn(&DeviceKey) -> bool) {
        let peers = self.sessions.values_mut();
        let peers = peers.flat_map(|state| state.peer.values_mut());
        for peer in peers.filter(|peer| peer.left_proof == Some(LeftProof::Left)) {
            if is_known(&peer.head.device) {
                peer.left_proof = Some(LeftProof::Due);
            }
        }
    }
}
