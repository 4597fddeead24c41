//! Branches of forked feeds, asked for and answered.

use std::collections::BTreeSet;

use dxos_feed::Run;
use dxos_keys::{BlockHash, DeviceKey, FeedId};
use dxos_protocol::replicate::{Message, Place, SessionError, SessionId};

use super::sync::{OUTBOX_MAX, Session, Sync};

/// Branches that may be queued for a peer: they are large.
const QUEUED_MAX: usize = 2;
/// Branches that a peer may be asked for at once.
const ASKED_MAX: usize = 64;

/// How much of a branch came from a peer that was asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The last block that came.
    after: Option<Place>,
}

impl Sync {
    /// Whether a branch may be queued for a peer.
    pub(crate) fn takes_branch(&self, session: SessionId) -> bool {
        let branches = self.sessions.get(&session).map(|state| {
            let queued = state.outbox.iter();
            queued
                .filter(|message| matches!(message, Message::Branch { .. }))
                .count()
        });
        branches.is_some_and(|queued| queued < QUEUED_MAX)
    }

    /// Queues blocks of a branch that a peer asked for.
    pub(crate) fn answer_branch(
        &mut self,
        session: SessionId,
        (prev, run): (BlockHash, Run),
    ) -> Result<(), SessionError> {
        self.answer(session, Message::Branch { prev, run })
    }

    /// Asks every peer for a branch that waiting blocks depend on, once until it names heads
    /// again: then it may have what it lacked. Returns whom to wake.
    pub(crate) fn want_branch(&mut self, feed: FeedId, until: Place) -> BTreeSet<SessionId> {
        let mut woken = BTreeSet::new();
        for (id, state) in &mut self.sessions {
            if state.want_branch(feed, until) {
                woken.insert(*id);
            }
        }
        woken
    }

    /// Asks one peer for a branch.
    pub(crate) fn want_branch_of(&mut self, session: SessionId, feed: FeedId, until: Place) {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.want_branch(feed, until);
        }
    }

    /// Blocks of a branch came from a peer, from `first` to `last`: it is asked for what follows.
    pub(crate) fn branch_came(
        &mut self,
        session: SessionId,
        (feed, first): (FeedId, u64),
        last: Place,
    ) {
        for state in self.sessions.values_mut() {
            state
                .branches
                .retain(|(of, until), _| (*of, *until) != (feed, last));
        }
        let Some(state) = self.sessions.get_mut(&session) else {
            return;
        };
        let mut more = Vec::new();
        for ((of, until), asked) in &mut state.branches {
            // What came already, or was not asked for, is not answered by another question.
            let is_next = asked
                .after
                .is_none_or(|after| after.seq.checked_add(1) == Some(first));
            if *of == feed && is_next && last.seq < until.seq {
                asked.after = Some(last);
                more.push(*until);
            }
        }
        for until in more {
            state.ask_branch(feed, until, Some(last));
        }
    }

    /// A peer has changed: what it could not answer before it may now.
    pub(crate) fn ask_branches_again(&mut self, session: SessionId) {
        if let Some(state) = self.sessions.get_mut(&session) {
            state.ask_branches_again();
        }
    }

    /// Tells a device of the branches of a feed of its own. Returns whom to wake.
    pub(crate) fn tell_of_branches(
        &mut self,
        feed: FeedId,
        device: DeviceKey,
    ) -> BTreeSet<SessionId> {
        let mut woken = BTreeSet::new();
        for (id, state) in &mut self.sessions {
            if state.device == device {
                state.cut_feeds.insert(feed);
                woken.insert(*id);
            }
        }
        woken
    }
}

impl Session {
    fn want_branch(&mut self, feed: FeedId, until: Place) -> bool {
        let key = (feed, until);
        if self.branches.contains_key(&key) || self.branches.len() >= ASKED_MAX {
            return false;
        }
        self.ask_branch(feed, until, None) && self.branches.insert(key, Asked::default()).is_none()
    }

    fn ask_branch(&mut self, feed: FeedId, until: Place, after: Option<Place>) -> bool {
        let has_room = self.outbox.len() < OUTBOX_MAX;
        if has_room {
            let message = Message::WantBranch { feed, until, after };
            self.outbox.push_back(message);
        }
        has_room
    }

    /// Asks again for what was not answered in full.
    pub(super) fn ask_branches_again(&mut self) {
        let rest = self.branches.iter();
        let rest: Vec<_> = rest.map(|(of, asked)| (*of, asked.after)).collect();
        for ((feed, until), after) in rest {
            self.ask_branch(feed, until, after);
        }
    }
}
