//! Taking in the blocks of an archive.
//!
//! Its writer may not have known of a fork that is known here, or have known of one that is not:
//! what was the feed there may be a branch here. So blocks are taken in as what they are here.

use dxos_feed::{Block, Designation, FeedState, ForkProof, InsertError, Run};
use dxos_keys::{BlockHash, ContentKeyId, FeedId};
use dxos_protocol::echo::{ArchivedRun, EchoError, RestoreBlocks};
use dxos_store::Read;
use rand_core::CryptoRng;

use crate::core::layout::Pending;
use crate::core::restoring::Restoring;
use crate::core::space::{Outcome, Space};

fn bad(reason: &str) -> EchoError {
    EchoError::BadArchive {
        reason: reason.to_owned(),
    }
}

/// What to make of blocks that were refused.
fn judge(error: InsertError) -> Result<EchoError, EchoError> {
    match error {
        InsertError::Index(error) => Err(EchoError::Store {
            reason: error.to_string(),
        }),
        error => Ok(bad(&error.to_string())),
    }
}

/// What became of the blocks of a run that are of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    /// What can be used was.
    Whole,
    /// They showed that the feed was forked.
    Cut,
}

impl Space {
    /// Takes up a space from the control blocks of an archive, if they admit this identity.
    pub(crate) fn take_up_archive(
        &mut self,
        control: Vec<ArchivedRun>,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Outcome, EchoError> {
        let mut outcome = Outcome::default();
        // Before the space itself, should the batch be split.
        self.begin_restore(Restoring::Same, &mut outcome.batch)?;
        self.put_record(&mut outcome.batch)?;
        for archived in control {
            if archived.descriptor.designation == Designation::Control {
                // As in a ticket, all of them belong to what is to be known of the members.
                let registered = self.dag.register(archived.descriptor);
                registered.map_err(|error| bad(&error.to_string()))?;
            } else if archived.run.is_some() {
                return Err(bad("it has data among the credentials"));
            }
            self.restore_run(archived, store, &mut outcome)??;
        }
        // It may have written here after the archive was made.
        self.present_new(true, now_ms, store, outcome)
    }

    /// Takes in what an archive holds. What was accepted before something is refused stays.
    pub(crate) fn restore_blocks(
        &mut self,
        blocks: RestoreBlocks,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Result<(), EchoError>, Outcome), EchoError> {
        let RestoreBlocks { keys, parts, runs } = blocks;
        let mut outcome = Outcome::default();
        let mut result = Ok(());
        for part in parts {
            self.restore_part(&part, store, &mut outcome)?;
        }
        for archived in runs {
            result = self.restore_run(archived, store, &mut outcome)?;
            if result.is_err() {
                break;
            }
        }
        self.settle_members(now_ms, store, &mut outcome)?;
        self.keep_keys(keys, (store, rng), &mut outcome)?;
        self.flush(&mut outcome.batch)?;
        outcome.effects.wake.extend(self.sessions());
        Ok((result, outcome))
    }

    fn restore_run(
        &mut self,
        archived: ArchivedRun,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<Result<(), EchoError>, EchoError> {
        let ArchivedRun {
            descriptor,
            prev,
            run,
            fork,
        } = archived;
        let feed = descriptor.id();
        let is_other = run.as_ref().is_some_and(|run| run.feed != feed);
        if descriptor.space != self.key() || is_other {
            return Ok(Err(bad("it holds blocks of another space or feed")));
        }
        if (fork.as_ref()).is_some_and(|fork| fork.feed() != feed || fork.verify().is_err()) {
            return Ok(Err(bad("it holds a proof of a fork that proves nothing")));
        }
        let run = run.unwrap_or(Run {
            feed,
            first: 0,
            blocks: Vec::new(),
        });
        let needed = self.dag.next_needed(&feed);
        if descriptor.device == self.device()
            && descriptor.incarnation == self.record.incarnation
            && run.end() > needed
        {
            // This device wrote more than is here, and perhaps more than is in the archive.
            self.tail.suspect();
        }
        if self.dag.feed(&feed).is_none()
            && (!self.may_have_feed(&descriptor, &run) || self.dag.register(descriptor).is_err())
        {
            return Ok(Ok(()));
        }
        if let Some(fork) = fork {
            // It vouches for the last blocks before the fork.
            self.cut(&fork, store, outcome)?;
        }
        if run.blocks.is_empty() {
            return Ok(Ok(()));
        }
        let mut result = self.restore_of_feed(&run, store, outcome)?;
        if result == Ok(Fed::Cut) {
            // Up to the fork both are the same.
            result = self.restore_of_feed(&run, store, outcome)?;
        }
        if let Err(error) = result {
            return Ok(Err(error));
        }
        self.restore_of_branch((prev, run), store, outcome)
    }

    /// Takes in those blocks of a run that are of the feed.
    fn restore_of_feed(
        &mut self,
        run: &Run,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<Result<Fed, EchoError>, EchoError> {
        let (feed, end) = (run.feed, run.end());
        let (mut grown, mut inserted) = self.insert(run.clone(), store, outcome);
        if matches!(inserted, Err(InsertError::Index(_))) {
            // Another branch may have come just before.
            let batch = &outcome.batch.clone();
            let pending = Pending { store, batch };
            (grown, inserted) = self.insert(run.clone(), &pending, outcome);
        }
        self.tell_of(&grown, outcome);
        match inserted {
            Ok(_) | Err(InsertError::Forked { .. }) => Ok(Ok(Fed::Whole)),
            // An epoch stands for what comes before.
            Err(InsertError::Gap { first, .. }) if first < self.floor_of(&feed) => {
                Ok(Ok(Fed::Whole))
            }
            // Of the fork more, or less, is known here than the archive's writer knew.
            Err(InsertError::Gap { .. } | InsertError::BadSignature { .. })
                if self.is_cut_before(&feed, end) =>
            {
                Ok(Ok(Fed::Whole))
            }
            Err(InsertError::Fork(proof)) => {
                self.cut(&proof, store, outcome)?;
                Ok(Ok(Fed::Cut))
            }
            Err(error) => judge(error).map(Err),
        }
    }

    /// Takes in those blocks of a run, which follow `prev`, that are of a branch.
    fn restore_of_branch(
        &mut self,
        (mut prev, mut run): (BlockHash, Run),
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<Result<(), EchoError>, EchoError> {
        let feed = run.feed;
        let closed = self.dag.feed(&feed).and_then(FeedState::closed_from);
        let Some(closed) = closed.filter(|closed| *closed < run.end()) else {
            return Ok(Ok(()));
        };
        let before = usize::try_from(closed.saturating_sub(run.first)).unwrap_or(usize::MAX);
        let of_feed = run.blocks.drain(..before.min(run.blocks.len()));
        for (block, seq) in of_feed.zip(run.first..) {
            prev = block.hash(&feed, seq, &prev);
            run.first = seq + 1;
        }
        if run.blocks.iter().any(|block| self.was_erased(block)) {
            return Ok(Ok(()));
        }
        let end = run.end();
        let (_, result) = self.take_branch((prev, run), store, outcome)?;
        match result {
            // What it follows, or what vouches for it, is not here.
            Ok(_) | Err(InsertError::Gap { .. }) => Ok(Ok(())),
            Err(InsertError::BadSignature { .. }) if self.is_cut_before(&feed, end) => Ok(Ok(())),
            Err(error) => judge(error).map(Err),
        }
    }

    /// Whether a block of a branch is from before an erasure, as the archive is: of feeds, what is
    /// that old lies before the epoch and is refused. A later archive may have it for the sake of
    /// what was built on it.
    fn was_erased(&self, block: &Block) -> bool {
        let id = block.body.get(..ContentKeyId::LENGTH);
        let id = id.and_then(ContentKeyId::from_slice);
        id.is_some_and(|id| self.refused_keys.contains(&id))
    }

    /// Whether a feed is known to have been forked before a place: what vouches for blocks there
    /// may be another proof than the one that is known.
    fn is_cut_before(&self, feed: &FeedId, end: u64) -> bool {
        let fork = self.dag.feed(feed).and_then(|state| state.fork.as_ref());
        fork.map(ForkProof::seq).is_some_and(|fork| fork <= end)
    }

    fn floor_of(&self, feed: &FeedId) -> u64 {
        self.dag.feed(feed).map_or(0, FeedState::floor_length)
    }
}
