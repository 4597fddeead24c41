//! Branches of forked feeds, asked for and answered.

use std::collections::BTreeSet;

use dxos_keys::{DeviceKey, FeedId};
use dxos_protocol::replicate::{Message, Place, SessionId};

use super::sync::{OUTBOX_MAX, REQUEST_PATIENCE_MS, Session, Sync};

/// Branches that a peer may be asked for at once, and may ask for.
const ASKED_MAX: usize = 64;
/// How often a peer is asked that never answers.
const TRIES_MAX: u32 = 3;

/// How much of a branch came from a peer that was asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The last block that came.
    after: Option<Place>,
    /// How often it was asked since.
    tries: u32,
}

/// A branch that a peer asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) feed: FeedId,
    pub(super) until: Place,
    pub(super) after: Option<Place>,
}

impl Sync {
    /// Notes that a peer asks for a branch, which is answered when its stream has room. Of one
    /// that asks for too many at once the last ones are forgotten: it asks again.
    pub(crate) fn branch_wanted(&mut self, session: SessionId, wanted: Wanted) {
        let Some(state) = self.sessions.get_mut(&session) else {
            return;
        };
        let of = |other: &Wanted| (other.feed, other.until);
        state.wanted.retain(|other| of(other) != of(&wanted));
        if state.wanted.len() < ASKED_MAX {
            state.wanted.push_back(wanted);
        }
    }

    /// The branch that a peer is to be answered next, and whether it is told of control feeds
    /// only.
    pub(crate) fn next_wanted(&mut self, session: SessionId) -> Option<(Wanted, bool)> {
        let state = self.sessions.get_mut(&session)?;
        let is_dismissed = state.dismissed_ms.is_some();
        Some((state.wanted.pop_front()?, is_dismissed))
    }

    pub(crate) fn has_wanted(&self, session: SessionId) -> bool {
        let state = self.sessions.get(&session);
        state.is_some_and(|state| !state.wanted.is_empty())
    }

    /// Asks every peer for a branch that waiting blocks depend on. Returns whom to wake.
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
        came: &[Place],
    ) {
        let Some(last) = came.last().copied() else {
            return;
        };
        for state in self.sessions.values_mut() {
            for place in came {
                state.branches.remove(&(feed, *place));
            }
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
                *asked = Asked {
                    after: Some(last),
                    tries: 0,
                };
                more.push(*until);
            }
        }
        for until in more {
            state.ask_branch(feed, until, Some(last));
        }
    }

    /// Whether it is time to ask again for branches that did not come.
    pub(crate) fn asks_branches(&mut self, now_ms: u64) -> bool {
        // A clock that was set back is not waited for.
        let is_due = now_ms.abs_diff(self.branches_ms) >= REQUEST_PATIENCE_MS;
        if is_due {
            self.branches_ms = now_ms;
        }
        is_due
    }

    /// Asks again for what did not come, but for what `is_here` by now, and gives up on peers that
    /// never answer. Returns whom to wake.
    pub(crate) fn ask_branches(
        &mut self,
        is_here: &mut dyn FnMut(&FeedId, Place) -> bool,
    ) -> BTreeSet<SessionId> {
        let mut woken = BTreeSet::new();
        for (id, state) in &mut self.sessions {
            state.branches.retain(|(feed, until), asked| {
                asked.tries += 1;
                if asked.tries > 1 {
                    // What came last may be of another branch of the same feed.
                    asked.after = None;
                }
                asked.tries <= TRIES_MAX && !is_here(feed, *until)
            });
            if !state.branches.is_empty() {
                state.ask_branches_again();
                woken.insert(*id);
            }
        }
        woken
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
