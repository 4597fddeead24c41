//! Replication with peers: who has what, what to ask of whom, what to send next.
//!
//! Nothing is buffered for a peer but a few small answers: what to send is computed when its
//! stream has room, from what it is known to have. Blocks go out in order of logical time, which
//! is a causal order, so that a receiver can apply them as they come.

mod parts;
mod produce;
mod proofs;
mod search;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dxos_feed::{BlockIndex, Dag, Designation, FeedState, IndexError};
use dxos_keys::{DeviceKey, FeedId, StateHash};
use dxos_protocol::replicate::{FeedHead, Message, Place, Range, SessionError, SessionId};
use dxos_wire::limits::{FEEDS_MAX, FEEDS_PER_MESSAGE_MAX, OFFENCES_MAX};

pub(super) use self::parts::Fetch;
use self::produce::end_of;
use self::proofs::LeftProof;
use self::search::{Search, hash_at};
use super::asked::{Asked, Wanted};

/// Small answers that may wait for a peer; one that asks for more and reads nothing is ended.
pub(super) const OUTBOX_MAX: usize = 256;
/// A peer that was asked for blocks and sent none for so long is not waited for any more.
pub(super) const REQUEST_PATIENCE_MS: u64 = 10_000;

/// All sessions of one space.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// Which session was asked for which blocks, so that each is asked of one peer only.
    requested: BTreeMap<FeedId, Request>,
    /// Feeds of which nobody is asked any more: another peer may have more than the one that was.
    freed: BTreeSet<FeedId>,
    /// Feeds whose devices are not known to belong here; asked for again when members change.
    blocked: BTreeSet<FeedId>,
    /// When branches that did not come were asked for again.
    pub(super) branches_ms: u64,
    /// The first block of each feed that is here, where it is not block 0.
    starts: BTreeMap<FeedId, u64>,
    /// The snapshots of epochs that are here.
    snapshots: Vec<StateHash>,
    /// The one that is being fetched.
    fetch: Option<Fetch>,
    /// Whether everybody may be asked for something else now.
    asks_all: bool,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    session: SessionId,
    until: u64,
    /// When the last of it arrived, or when it was made.
    at_ms: u64,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) device: DeviceKey,
    /// The next feed of which the initial heads were not sent yet.
    #[expect(clippy::option_option, reason = "none left; all; all from one on")]
    greeting: Option<Option<FeedId>>,
    /// What the peer has, as it said or as we sent it.
    peer: BTreeMap<FeedId, PeerFeed>,
    /// Whether the peer has named all its feeds.
    complete: bool,
    serving: BTreeMap<FeedId, Serving>,
    announce: BTreeSet<FeedId>,
    named: BTreeSet<FeedId>,
    searches: BTreeMap<FeedId, Search>,
    /// Branches that the peer was asked for.
    pub(super) branches: BTreeMap<(FeedId, Place), Asked>,
    /// Branches that the peer asks for.
    pub(super) wanted: VecDeque<Wanted>,
    /// Feeds of the peer's device that were cut: it is to be told of their branches.
    pub(super) cut_feeds: BTreeSet<FeedId>,
    proofs: BTreeSet<FeedId>,
    /// Devices whose receipts are to be sent.
    pub(super) receipts: BTreeSet<DeviceKey>,
    pub(super) outbox: VecDeque<Message>,
    offences: u32,
    /// When the session ends, of a peer that is no member any more.
    pub(super) dismissed_ms: Option<u64>,
    /// The snapshots that the peer has.
    has_snapshots: VecDeque<StateHash>,
    /// Those that it said it had, and did not give.
    lacks_snapshots: VecDeque<StateHash>,
    /// Whether the peer is to hear which one is here.
    tells_snapshots: bool,
    /// Parts of snapshots that it asked for.
    parts: VecDeque<(StateHash, u32)>,
    /// The first block of each feed that it still has, where it said so.
    trimmed: BTreeMap<FeedId, u64>,
}

#[derive(Clone, Copy, Debug)]
struct PeerFeed {
    head: FeedHead,
    /// How many blocks the peer itself has shown to have: by its heads, or by sending them. What
    /// it sends beyond its heads it does not name again, also when we could not use it yet.
    shown: u64,
    /// How many blocks the peer has, counting those that we sent.
    known: u64,
    /// The proof of a fork that the peer showed and that was not taken in.
    left_proof: Option<LeftProof>,
}

/// Blocks `next..until` are to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serving {
    pub(crate) next: u64,
    pub(crate) until: u64,
}

/// What to do after a message was taken in.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Sessions that have something to send.
    pub(crate) wake: BTreeSet<SessionId>,
    /// Sessions to end.
    pub(crate) end: Vec<(SessionId, SessionError)>,
    /// Whether the members of the space have changed.
    pub(crate) members_changed: bool,
}

impl Effects {
    /// Adds what another step wants.
    pub(crate) fn merge(&mut self, other: Self) {
        self.wake.extend(other.wake);
        self.end.extend(other.end);
        self.members_changed |= other.members_changed;
    }
}

impl Sync {
    pub(crate) fn open(&mut self, session: SessionId, device: DeviceKey) {
        self.sessions.insert(
            session,
            Session {
                device,
                greeting: Some(None),
                peer: BTreeMap::new(),
                complete: false,
                serving: BTreeMap::new(),
                announce: BTreeSet::new(),
                named: BTreeSet::new(),
                searches: BTreeMap::new(),
                branches: BTreeMap::new(),
                wanted: VecDeque::new(),
                cut_feeds: BTreeSet::new(),
                proofs: BTreeSet::new(),
                receipts: BTreeSet::new(),
                outbox: VecDeque::new(),
                offences: 0,
                dismissed_ms: None,
                has_snapshots: VecDeque::new(),
                lacks_snapshots: VecDeque::new(),
                tells_snapshots: true,
                parts: VecDeque::new(),
                trimmed: BTreeMap::new(),
            },
        );
    }

    /// Forgets a session; others are woken to ask for what it was asked for.
    pub(crate) fn close(&mut self, session: SessionId) -> Effects {
        self.sessions.remove(&session);
        self.requested
            .retain(|_, request| request.session != session);
        self.close_parts(session);
        Effects {
            wake: self.sessions.keys().copied().collect(),
            ..Effects::default()
        }
    }

    /// Serves a peer nothing but control feeds from now on, and ends its session then.
    pub(crate) fn dismiss(&mut self, session: SessionId, at_ms: u64) {
        if let Some(state) = self.sessions.get_mut(&session)
            && state.dismissed_ms.is_none()
        {
            tracing::info!(device = %state.device.short(), "a peer is no member any more");
            state.dismissed_ms = Some(at_ms);
            state.serving.retain(|feed, _| {
                let known = state.peer.get(feed);
                known.is_none_or(|peer| peer.head.designation == Designation::Control)
            });
        }
    }

    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    pub(crate) fn devices(&self) -> BTreeSet<DeviceKey> {
        self.sessions
            .values()
            .map(|session| session.device)
            .collect()
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = (SessionId, DeviceKey)> {
        self.sessions
            .iter()
            .map(|(id, session)| (*id, session.device))
    }

    /// Blocks that peers have and we do not.
    pub(crate) fn missing(&self, dag: &Dag) -> u64 {
        let mut greatest = BTreeMap::new();
        for session in self.sessions.values() {
            for (feed, peer) in &session.peer {
                let known = greatest.entry(*feed).or_insert(0);
                *known = peer.shown.max(*known);
            }
        }
        greatest
            .iter()
            .map(|(feed, known)| (feed, (*known).min(end_of(feed, dag))))
            .map(|(feed, known)| known.saturating_sub(dag.feed(feed).map_or(0, |s| s.length)))
            .fold(0, u64::saturating_add)
    }

    /// Counts an offence; too many end the session.
    pub(crate) fn offence(&mut self, session: SessionId, reason: &str) -> Result<(), SessionError> {
        let Some(state) = self.sessions.get_mut(&session) else {
            return Err(SessionError::Unknown);
        };
        state.offences += 1;
        tracing::warn!(device = %state.device.short(), reason, "peer broke the protocol");
        if state.offences >= OFFENCES_MAX {
            return Err(SessionError::Offence {
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    /// Takes in the heads that a peer names.
    pub(crate) fn heads(
        &mut self,
        session: SessionId,
        feeds: Vec<FeedHead>,
        complete: bool,
        dag: &Dag,
        index: &dyn BlockIndex,
    ) -> Result<(), SessionError> {
        let state = self
            .sessions
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        if feeds.len() > FEEDS_PER_MESSAGE_MAX || state.peer.len() + feeds.len() > FEEDS_MAX {
            let reason = "named more feeds than a space may have".to_owned();
            return Err(SessionError::Offence { reason });
        }
        state.complete |= complete;
        state.ask_branches_again();
        for head in feeds {
            let feed = head.descriptor(*dag.space()).id();
            let before = state.peer.get(&feed);
            let known = before.map_or(0, |peer| peer.known).max(head.length);
            let shown = before.map_or(0, |peer| peer.shown).max(head.length);
            let left_proof = before.and_then(|peer| peer.left_proof);
            let named = PeerFeed {
                head,
                shown,
                known,
                left_proof,
            };
            state.peer.insert(feed, named);
            // Below a floor there is nothing to find: it is settled.
            let settled = dag.feed(&feed).map_or(0, FeedState::floor_length);
            if end_of(&feed, dag).max(settled) < head.length {
                // It does not know that the feed was forked.
                state.proofs.insert(feed);
            }
            if head.length > settled
                && hash_at(dag, index, &feed, head.length - 1)?
                    .is_some_and(|hash| hash != head.head)
            {
                state.search(feed, head.length - 1);
            }
        }
        Ok(())
    }

    /// What a peer said a feed is, for registering it when its first blocks come.
    pub(crate) fn announced(&self, session: SessionId, feed: &FeedId) -> Option<FeedHead> {
        Some(self.sessions.get(&session)?.peer.get(feed)?.head)
    }

    /// Takes in what a peer asks for.
    pub(crate) fn want(
        &mut self,
        session: SessionId,
        ranges: Vec<Range>,
        dag: &Dag,
        index: &dyn BlockIndex,
    ) -> Result<(), SessionError> {
        let state = self
            .sessions
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        if ranges.len() > FEEDS_PER_MESSAGE_MAX {
            let reason = "asked for too many ranges at once".to_owned();
            return Err(SessionError::Offence { reason });
        }
        for Range {
            feed,
            from,
            until,
            prev,
        } in ranges
        {
            let Some(own) = dag.feed(&feed) else { continue };
            if state.is_denied(own) {
                continue;
            }
            if own.fork.is_some() {
                // It may vouch for the last blocks, and what came of it before may not be known.
                state.proofs.insert(feed);
            }
            let until = until.min(own.length);
            if from >= until {
                continue;
            }
            let start = self.starts.get(&feed).copied().unwrap_or_default();
            if from < start {
                if state.outbox.len() < OUTBOX_MAX {
                    let from = start;
                    state.outbox.push_back(Message::Trimmed { feed, from });
                }
                continue;
            }
            if let Some(seq) = from.checked_sub(1)
                && hash_at(dag, index, &feed, seq)?.is_some_and(|hash| hash != prev)
            {
                state.search(feed, seq);
                continue;
            }
            let serving = state
                .serving
                .entry(feed)
                .or_insert(Serving { next: from, until });
            serving.next = from;
            serving.until = serving.until.max(until);
        }
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        session: SessionId,
        message: Message,
    ) -> Result<(), SessionError> {
        let state = self
            .sessions
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        if state.outbox.len() >= OUTBOX_MAX {
            let reason = "asked more than it read".to_owned();
            return Err(SessionError::Offence { reason });
        }
        state.outbox.push_back(message);
        Ok(())
    }

    /// Notes that a peer has the blocks of `feed` before `end`, as it sent the last of them.
    pub(crate) fn shown(&mut self, session: SessionId, feed: FeedId, end: u64) {
        if let Some(peer) = self
            .sessions
            .get_mut(&session)
            .and_then(|state| state.peer.get_mut(&feed))
        {
            peer.known = peer.known.max(end);
            peer.shown = peer.shown.max(end);
        }
    }

    /// Notes that blocks of `feed` arrived, so that who was asked is not thought silent.
    pub(crate) fn arrived(&mut self, feed: FeedId, needed: u64, now_ms: u64) {
        if let Some(request) = self.requested.get_mut(&feed) {
            request.at_ms = now_ms;
            if request.until <= needed {
                self.ask_again(&feed);
            }
        }
    }

    /// Forgets that blocks of `feed` were asked for: they came, whether or not they could be used.
    pub(crate) fn ask_again(&mut self, feed: &FeedId) {
        if self.requested.remove(feed).is_some() {
            self.freed.insert(*feed);
        }
    }

    /// The sessions that may be asked for more of the feeds that nobody is asked for any more.
    pub(crate) fn freed(&mut self, dag: &Dag) -> BTreeSet<SessionId> {
        let mut woken = BTreeSet::new();
        woken.extend(self.woken_to_ask());
        for feed in std::mem::take(&mut self.freed) {
            let needed = dag.next_needed(&feed);
            let more = |state: &Session| state.peer.get(&feed).is_some_and(|p| p.shown > needed);
            let sessions = self.sessions.iter().filter(|(_, state)| more(state));
            woken.extend(sessions.map(|(id, _)| *id));
        }
        woken
    }

    /// Asks nobody for a feed until [`Sync::unblock`].
    pub(crate) fn block(&mut self, feed: FeedId) {
        self.requested.remove(&feed);
        if self.blocked.len() < FEEDS_MAX {
            self.blocked.insert(feed);
        }
    }

    /// Members have changed: feeds that were not welcome may be now.
    pub(crate) fn unblock(&mut self) {
        self.blocked.clear();
    }

    /// Gives up on peers that were asked and stay silent. Returns whom to wake.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Effects {
        let gone = self.sessions.iter().filter(|(_, state)| {
            let end = state.dismissed_ms;
            end.is_some_and(|end| end <= now_ms)
        });
        let end: Vec<_> = gone.map(|(id, _)| (*id, SessionError::NotMember)).collect();
        for (id, _) in &end {
            if let Some(state) = self.sessions.get_mut(id) {
                // Once is enough.
                state.dismissed_ms = Some(u64::MAX);
            }
        }
        let before = self.requested.len();
        self.requested
            .retain(|_, request| request.at_ms + REQUEST_PATIENCE_MS > now_ms);
        let mut wake = BTreeSet::new();
        if self.tick_parts(now_ms) || self.requested.len() != before {
            wake.extend(self.sessions.keys().copied());
        }
        wake.extend(self.woken_to_ask());
        Effects {
            wake,
            end,
            ..Effects::default()
        }
    }

    /// Tells peers of the blocks of `feed` from `first` on. Those that this device wrote (`own`)
    /// are sent unasked to peers that have all before them.
    pub(crate) fn appended(&mut self, feed: FeedId, first: u64, own: bool, dag: &Dag) -> Effects {
        let mut effects = Effects::default();
        let Some(feed_state) = dag.feed(&feed) else {
            return effects;
        };
        let FeedState { length, head, .. } = feed_state;
        for (id, state) in &mut self.sessions {
            if state.is_denied(feed_state) {
                continue;
            }
            let peer = state.peer.get(&feed).copied();
            let known = peer.map_or(0, |peer| peer.known);
            if known >= *length {
                // Nothing is left to exchange: a fork at the last block would show to nobody.
                if peer.is_some_and(|peer| peer.head.length == *length && peer.head.head != *head) {
                    state.search(feed, length.saturating_sub(1));
                    effects.wake.insert(*id);
                }
                continue;
            }
            let sends = own && state.complete;
            match state.serving.get_mut(&feed) {
                Some(serving) if sends => serving.until = *length,
                None if sends && known == first => {
                    let serving = Serving {
                        next: first,
                        until: *length,
                    };
                    state.serving.insert(feed, serving);
                    if !state.named.contains(&feed) {
                        state.announce.insert(feed);
                    }
                }
                _ => {
                    state.announce.insert(feed);
                }
            }
            effects.wake.insert(*id);
        }
        effects
    }

    /// Passes a proof on to everyone.
    pub(crate) fn forked(&mut self, feed: FeedId, device: DeviceKey) -> Effects {
        self.requested.remove(&feed);
        for state in self.sessions.values_mut() {
            state.serving.remove(&feed);
            state.searches.remove(&feed);
            state.proofs.insert(feed);
            if state.device == device {
                state.cut_feeds.insert(feed);
            }
        }
        Effects {
            wake: self.sessions.keys().copied().collect(),
            ..Effects::default()
        }
    }
}

pub(crate) fn failed(error: &IndexError) -> SessionError {
    SessionError::SpaceClosed {
        reason: error.to_string(),
    }
}
