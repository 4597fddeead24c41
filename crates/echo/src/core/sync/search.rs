//! Where a feed was forked: a binary search among the hashes of a peer's blocks.

use dxos_feed::{BlockIndex, Dag};
use dxos_keys::{BlockHash, FeedId};
use dxos_protocol::replicate::{Message, Range, SessionError, SessionId};

use super::{Session, Sync, failed};

/// Searches for forks that may run at once with one peer.
const SEARCHES_MAX: usize = 64;

/// A binary search for the first place at which two replicas have different blocks: those
/// before `equal` are the same, the one at `different` is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    equal: u64,
    different: u64,
}

impl Sync {
    /// Takes in a question about one block's hash.
    pub(crate) fn probe(
        &mut self,
        session: SessionId,
        feed: FeedId,
        seq: u64,
        dag: &Dag,
        index: &dyn BlockIndex,
    ) -> Result<(), SessionError> {
        let hash = hash_at(dag, index, &feed, seq)?;
        self.answer(session, Message::ProbeReply { feed, seq, hash })
    }

    /// Takes in the answer to one and goes on with the search.
    pub(crate) fn probe_reply(
        &mut self,
        session: SessionId,
        (feed, seq, hash): (FeedId, u64, Option<BlockHash>),
        dag: &Dag,
        index: &dyn BlockIndex,
    ) -> Result<(), SessionError> {
        let ours = hash_at(dag, index, &feed, seq)?;
        let state = self
            .sessions
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        let Some(mut search) = state.searches.remove(&feed) else {
            return Ok(());
        };
        if seq != search.middle() || hash.is_none() || ours.is_none() {
            // The peer has cut the feed meanwhile, or we have: nothing is left to find.
            return Ok(());
        }
        if hash == ours {
            search.equal = seq + 1;
        } else {
            search.different = seq;
        }
        state.continue_search(feed, search, dag, index)
    }
}

impl Session {
    pub(super) fn search(&mut self, feed: FeedId, different: u64) {
        if self.searches.len() < SEARCHES_MAX && !self.searches.contains_key(&feed) {
            let search = Search {
                equal: 0,
                different,
            };
            self.searches.insert(feed, search);
            self.outbox.push_back(Message::Probe {
                feed,
                seq: search.middle(),
            });
        }
    }

    fn continue_search(
        &mut self,
        feed: FeedId,
        search: Search,
        dag: &Dag,
        index: &dyn BlockIndex,
    ) -> Result<(), SessionError> {
        if search.equal < search.different {
            self.searches.insert(feed, search);
            self.outbox.push_back(Message::Probe {
                feed,
                seq: search.middle(),
            });
            return Ok(());
        }
        // Found: the peer's block at this place and ours are the proof.
        let from = search.different;
        let prev = match from.checked_sub(1) {
            None => BlockHash::from_bytes([0; 32]),
            Some(seq) => match hash_at(dag, index, &feed, seq)? {
                Some(hash) => hash,
                None => return Ok(()),
            },
        };
        let ranges = vec![Range {
            feed,
            from,
            until: from + 1,
            prev,
        }];
        self.outbox.push_back(Message::Want { ranges });
        Ok(())
    }
}

impl Search {
    const fn middle(&self) -> u64 {
        self.equal + (self.different - self.equal) / 2
    }
}

pub(super) fn hash_at(
    dag: &Dag,
    index: &dyn BlockIndex,
    feed: &FeedId,
    seq: u64,
) -> Result<Option<BlockHash>, SessionError> {
    dag.hash_at(feed, seq, index)
        .map_err(|error| failed(&error))
}
