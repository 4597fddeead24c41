//! Proofs of forks that peers show, and runs that only such a proof vouches for.
//!
//! A proof about a device that is not known here is not kept: anybody can make any number of
//! them. Who has cut the feed shows its proof again with the feed's blocks, and when it is asked.

use dxos_feed::{ForkProof, InsertError};
use dxos_keys::FeedId;
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::{SessionError, SessionId};
use dxos_store::Read;

use super::receive::stopped;
use super::space::{Outcome, Space};

impl Space {
    /// Takes in a proof that a peer shows.
    pub(super) fn receive_proof(
        &mut self,
        session: SessionId,
        proof: &ForkProof,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), SessionError> {
        if proof.verify().is_err() || proof.descriptor().space != self.key() {
            return self.sync.offence(session, "a proof that proves nothing");
        }
        let taken = self.take_proof(proof, store, outcome);
        self.sync.proof_shown(
            session,
            proof.feed(),
            taken.map_err(|error| stopped(&error))?,
        );
        Ok(())
    }

    /// Cuts the feed of a proof; `false` when its device is not known here.
    fn take_proof(
        &mut self,
        proof: &ForkProof,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<bool, EchoError> {
        let authority = self.membership.authority_of(&proof.descriptor().device);
        if authority.is_none() && self.dag.feed(&proof.feed()).is_none() {
            // What admits the device may still be on its way.
            return Ok(false);
        }
        if self.dag.register(*proof.descriptor()).is_ok() {
            self.cut(proof, store, outcome)?;
        }
        Ok(true)
    }

    /// What to make of a run up to `end` for which no signature vouches: another proof than is
    /// known here may, which the peer has shown or which another one took the place of.
    pub(super) fn receive_unsigned(
        &mut self,
        session: SessionId,
        (feed, end): (FeedId, u64),
        error: &InsertError,
    ) -> Result<(), SessionError> {
        let fork = self.dag.feed(&feed).and_then(|state| state.fork.as_ref());
        if fork.is_some_and(|fork| fork.seq() <= end) {
            self.sync.send_proof(session, feed);
            return Ok(());
        }
        self.sync.ask_again(&feed);
        if self.sync.forget_left_proof(session, &feed) {
            return Ok(());
        }
        self.sync.offence(session, &error.to_string())
    }
}
