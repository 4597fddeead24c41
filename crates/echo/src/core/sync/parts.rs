//! Snapshots of epochs on their way: who has which, what is asked of whom, what is sent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dxos_feed::{Dag, Designation};
use dxos_keys::{FeedId, StateHash};
use dxos_protocol::replicate::{Message, SessionError, SessionId};

use super::{REQUEST_PATIENCE_MS, Session, Sync};
use crate::core::serve::Blocks;

/// Parts that are asked of a peer and did not come yet.
const ASKED_MAX: usize = 4;
/// Parts that a peer may have asked for before it reads the first.
const QUEUED_MAX: usize = 16;

/// Snapshots that a peer has, the last that it named.
const SNAPSHOTS_MAX: usize = 4;

/// The snapshot that is being fetched.
#[derive(Debug)]
pub(in crate::core) struct Fetch {
    snapshot: StateHash,
    parts: BTreeSet<u32>,
    asked: BTreeMap<u32, (SessionId, u64)>,
    /// Feeds of which blocks that it stands for are missing: nobody is asked for them meanwhile.
    unreached: BTreeSet<FeedId>,
    has_list: bool,
}

impl Fetch {
    /// Of which nothing is known but its name.
    pub(in crate::core) fn list(snapshot: StateHash) -> Self {
        Self {
            snapshot,
            parts: BTreeSet::from([0]),
            asked: BTreeMap::new(),
            unreached: BTreeSet::new(),
            has_list: false,
        }
    }

    /// These parts of a snapshot; blocks of the `unreached` feeds come with it.
    pub(in crate::core) fn parts(
        snapshot: StateHash,
        parts: BTreeSet<u32>,
        unreached: BTreeSet<FeedId>,
    ) -> Self {
        Self {
            parts,
            unreached,
            has_list: true,
            ..Self::list(snapshot)
        }
    }

    /// Whether blocks of a feed are not asked for while the snapshot comes.
    pub(super) fn holds_back(&self, feed: &FeedId, designation: Designation) -> bool {
        if self.has_list {
            self.unreached.contains(feed)
        } else {
            designation == Designation::Data
        }
    }
}

impl Sync {
    /// The first block of each feed that is here, where it is not block 0.
    pub(in crate::core) const fn starts(&self) -> &BTreeMap<FeedId, u64> {
        &self.starts
    }

    /// Says which blocks are gone.
    pub(in crate::core) fn set_starts(&mut self, starts: BTreeMap<FeedId, u64>) {
        for state in self.sessions.values_mut() {
            state.serving.retain(|feed, serving| {
                let start = starts.get(feed).copied().unwrap_or_default();
                let stays = serving.next >= start;
                if !stays {
                    let from = start;
                    state
                        .outbox
                        .push_back(Message::Trimmed { feed: *feed, from });
                }
                stays
            });
        }
        self.starts = starts;
    }

    /// Forgets that anybody was asked for blocks: what is needed has changed.
    pub(in crate::core) fn ask_anew(&mut self) {
        self.requested.clear();
    }

    /// All of these snapshots is here: peers are told.
    pub(in crate::core) fn has_snapshots(&mut self, snapshots: Vec<StateHash>) {
        if self.snapshots == snapshots {
            return;
        }
        self.snapshots = snapshots;
        for state in self.sessions.values_mut() {
            state.tells_snapshots = true;
        }
        self.asks_all = true;
    }

    /// Fetches a snapshot, or none any more. Peers are asked when they are sent to next.
    pub(in crate::core) fn fetch(&mut self, fetch: Option<Fetch>) {
        let before = self.fetch.take();
        let Some(mut fetch) = fetch else {
            if before.is_some() {
                self.asks_all = true;
            }
            return;
        };
        let is_new = before.as_ref().is_none_or(|before| {
            before.snapshot != fetch.snapshot || before.has_list != fetch.has_list
        });
        if let Some(before) = before
            && before.snapshot == fetch.snapshot
        {
            fetch.asked = before.asked;
            fetch.asked.retain(|part, _| fetch.parts.contains(part));
        }
        self.asks_all |= is_new;
        self.fetch = Some(fetch);
    }

    /// Whether a peer has what is being fetched.
    pub(in crate::core) fn is_fetching(&self) -> bool {
        let Some(fetch) = &self.fetch else {
            return false;
        };
        let mut sessions = self.sessions.values();
        sessions.any(|state| state.has_snapshots.contains(&fetch.snapshot))
    }

    /// A peer says that it has a snapshot. `false` where it said so before and gave nothing: it is
    /// not asked for it again in this session.
    pub(in crate::core) fn peer_has(&mut self, session: SessionId, snapshot: StateHash) -> bool {
        let Some(state) = self.sessions.get_mut(&session) else {
            return false;
        };
        if state.lacks_snapshots.contains(&snapshot) {
            return false;
        }
        state.has_snapshots.retain(|known| *known != snapshot);
        state.has_snapshots.push_back(snapshot);
        if state.has_snapshots.len() > SNAPSHOTS_MAX {
            state.has_snapshots.pop_front();
        }
        true
    }

    /// A peer does not have the snapshot that is being fetched, though it said so.
    pub(in crate::core) fn has_none(&mut self, session: SessionId) {
        let snapshot = self.fetch.as_ref().map(|fetch| fetch.snapshot);
        if let Some(state) = self.sessions.get_mut(&session) {
            state.has_snapshots.retain(|known| Some(*known) != snapshot);
            state.lacks_snapshots.extend(snapshot);
            if state.lacks_snapshots.len() > SNAPSHOTS_MAX {
                state.lacks_snapshots.pop_front();
            }
        }
        self.asks_all = true;
    }

    /// A part came, or the answer that it is not there. `false` if it was not asked for.
    pub(in crate::core) fn part_came(
        &mut self,
        session: SessionId,
        snapshot: StateHash,
        part: u32,
        is_there: bool,
    ) -> bool {
        let Some(fetch) = &mut self.fetch else {
            return false;
        };
        let asked = fetch.asked.get(&part).map(|(asked, _)| *asked);
        if fetch.snapshot != snapshot || asked != Some(session) {
            return false;
        }
        fetch.asked.remove(&part);
        if is_there {
            fetch.parts.remove(&part);
        } else {
            self.has_none(session);
        }
        true
    }

    /// What came as a part was something else.
    pub(in crate::core) fn part_missing(&mut self, part: u32) {
        if let Some(fetch) = &mut self.fetch {
            fetch.parts.insert(part);
        }
    }

    /// A peer does not have blocks any more that it named.
    pub(in crate::core) fn peer_trimmed(&mut self, session: SessionId, feed: FeedId, from: u64) {
        if let Some(state) = self.sessions.get_mut(&session)
            && state.peer.contains_key(&feed)
        {
            state.trimmed.insert(feed, from);
        }
        let asked = self.requested.get(&feed).map(|request| request.session);
        if asked == Some(session) {
            self.ask_again(&feed);
        }
        self.asks_all = true;
    }

    /// Whether peers have dropped a block of a feed, and all who are there and had it have.
    pub(in crate::core) fn is_gone_everywhere(&self, feed: &FeedId, needed: u64) -> bool {
        let sessions = self.sessions.values();
        let mut had =
            sessions.filter(|state| state.peer.get(feed).is_some_and(|p| p.shown > needed));
        let is_gone = |state: &Session| state.trimmed.get(feed).is_some_and(|from| *from > needed);
        had.next().is_some_and(is_gone) && had.all(is_gone)
    }

    /// Takes in a question for a part.
    pub(in crate::core) fn want_part(
        &mut self,
        session: SessionId,
        snapshot: StateHash,
        part: u32,
    ) -> Result<(), SessionError> {
        let state = self
            .sessions
            .get_mut(&session)
            .ok_or(SessionError::Unknown)?;
        if state.parts.len() >= QUEUED_MAX {
            let reason = "asked for more of a snapshot than it read".to_owned();
            return Err(SessionError::Offence { reason });
        }
        if state.dismissed_ms.is_none() {
            state.parts.push_back((snapshot, part));
        }
        Ok(())
    }

    /// Gives up on peers that were asked for parts and stay silent.
    pub(super) fn tick_parts(&mut self, now_ms: u64) -> bool {
        let Some(fetch) = &mut self.fetch else {
            return false;
        };
        let late = fetch.asked.iter().filter(|(_, (_, at_ms))| {
            let until_ms = at_ms.saturating_add(REQUEST_PATIENCE_MS);
            until_ms <= now_ms
        });
        let late: BTreeSet<_> = late.map(|(_, (session, _))| *session).collect();
        fetch
            .asked
            .retain(|_, (session, _)| !late.contains(session));
        for session in &late {
            self.has_none(*session);
        }
        !late.is_empty()
    }

    /// Forgets what was asked of a session that ends.
    pub(super) fn close_parts(&mut self, session: SessionId) {
        if let Some(fetch) = &mut self.fetch {
            fetch.asked.retain(|_, (asked, _)| *asked != session);
        }
    }

    /// The sessions to wake because everybody may be asked for something else now.
    pub(super) fn woken_to_ask(&mut self) -> Vec<SessionId> {
        if std::mem::take(&mut self.asks_all) {
            self.sessions.keys().copied().collect()
        } else {
            Vec::new()
        }
    }
}

impl Session {
    /// Says which snapshots are here.
    pub(super) fn tell_snapshots(&mut self, own: &[StateHash], messages: &mut Vec<Message>) {
        let tells = self.dismissed_ms.is_none() && self.greeting.is_none();
        if tells && std::mem::take(&mut self.tells_snapshots) {
            let own = own.iter().copied();
            messages.extend(own.map(|snapshot| Message::HasSnapshot { snapshot }));
        }
    }

    /// Asks for parts of the snapshot that is being fetched.
    pub(super) fn ask_parts(
        &self,
        session: SessionId,
        fetch: Option<&mut Fetch>,
        now_ms: u64,
        messages: &mut Vec<Message>,
    ) {
        let Some(fetch) = fetch.filter(|fetch| self.has_snapshots.contains(&fetch.snapshot)) else {
            return;
        };
        let mut asked = fetch
            .asked
            .values()
            .filter(|(of, _)| *of == session)
            .count();
        for part in &fetch.parts {
            if asked >= ASKED_MAX {
                break;
            }
            if fetch.asked.contains_key(part) {
                continue;
            }
            fetch.asked.insert(*part, (session, now_ms));
            asked += 1;
            messages.push(Message::WantPart {
                snapshot: fetch.snapshot,
                part: *part,
            });
        }
    }

    /// Sends parts that the peer asked for, about `bytes_max` bytes of them. Returns how many
    /// bytes that are.
    pub(super) fn serve_parts(
        &mut self,
        bytes_max: usize,
        (_, blocks): (&Dag, &dyn Blocks),
        messages: &mut Vec<Message>,
    ) -> Result<usize, SessionError> {
        let mut sent = 0;
        while sent < bytes_max
            && let Some((snapshot, part)) = self.parts.pop_front()
        {
            let bytes = blocks.part(&snapshot, part);
            let bytes = bytes.map_err(|error| super::failed(&error))?;
            sent += bytes.as_ref().map_or(0, Bytes::len);
            messages.push(Message::Part {
                snapshot,
                part,
                bytes,
            });
        }
        Ok(sent)
    }
}
