//! What to send to a peer next.

use std::collections::{BTreeMap, BTreeSet};

use dxos_feed::{Dag, Designation, FeedState, ForkProof};
use dxos_keys::FeedId;
use dxos_protocol::replicate::{FeedHead, Message, Produced, Range, SessionError, SessionId};
use dxos_wire::limits::FEEDS_PER_MESSAGE_MAX;

use super::proofs::LeftProof;
use super::{Fetch, Request, Session, Sync};
use crate::core::serve::{Blocks, serve};

impl Sync {
    /// What to send to a peer next, about `bytes_max` bytes of it.
    pub(crate) fn produce(
        &mut self,
        session: SessionId,
        bytes_max: usize,
        (dag, blocks): (&Dag, &dyn Blocks),
        now_ms: u64,
    ) -> Result<Produced, SessionError> {
        let is_fetching = self.is_fetching();
        let Self {
            sessions,
            requested,
            blocked,
            fetch,
            snapshots,
            ..
        } = self;
        let state = sessions.get_mut(&session).ok_or(SessionError::Unknown)?;
        let mut messages = Vec::new();
        state.greet(dag, &mut messages);
        for feed in std::mem::take(&mut state.proofs) {
            if let Some(proof) = dag.feed(&feed).and_then(|feed| feed.fork.as_ref()) {
                messages.push(Message::ForkProof(Box::new(ForkProof::clone(proof))));
            }
        }
        messages.extend(state.outbox.drain(..));
        for feed in std::mem::take(&mut state.cut_feeds) {
            let tips = blocks.tips(&feed)?;
            if !tips.is_empty() {
                messages.push(Message::Tips { feed, tips });
            }
        }
        state.announce(dag, &mut messages);
        state.tell_snapshots(snapshots, &mut messages);
        state.ask_parts(session, fetch.as_mut(), now_ms, &mut messages);
        let held_back = fetch.as_ref().filter(|_| is_fetching);
        let asked = (requested, &*blocked, held_back);
        state.ask(session, dag, asked, now_ms, &mut messages);
        let sent = state.serve_parts(bytes_max, (dag, blocks), &mut messages)?;
        let room = bytes_max.saturating_sub(sent);
        let more = serve(&mut state.serving, room, (dag, blocks), &mut messages)?;
        let more = more || !state.parts.is_empty();
        for message in &messages {
            if let Message::Run(run) = message
                && let Some(peer) = state.peer.get_mut(&run.feed)
            {
                peer.known = peer.known.max(run.end());
            }
        }
        Ok(Produced {
            messages,
            more: more || state.greeting.is_some(),
        })
    }
}

impl Session {
    /// Whether the peer is not to hear of a feed any more.
    pub(super) fn is_denied(&self, feed: &FeedState) -> bool {
        self.dismissed_ms.is_some() && feed.descriptor.designation == Designation::Data
    }

    fn greet(&mut self, dag: &Dag, messages: &mut Vec<Message>) {
        let Some(from) = self.greeting else { return };
        let mut rest = dag
            .feeds()
            .skip_while(|(feed, _)| from.is_some_and(|from| **feed < from));
        let part: Vec<_> = rest.by_ref().take(FEEDS_PER_MESSAGE_MAX).collect();
        self.greeting = rest.next().map(|(feed, _)| Some(*feed));
        self.named.extend(part.iter().map(|(feed, _)| **feed));
        for (feed, state) in part.iter().filter(|(_, state)| state.fork.is_some()) {
            self.proofs.insert(**feed);
            if state.descriptor.device == self.device {
                self.cut_feeds.insert(**feed);
            }
        }
        let feeds = part.iter().map(|(_, state)| head_of(state)).collect();
        messages.push(Message::Heads {
            feeds,
            complete: self.greeting.is_none(),
        });
    }

    fn announce(&mut self, dag: &Dag, messages: &mut Vec<Message>) {
        let mut feeds = Vec::new();
        while let Some(feed) = self.announce.pop_first() {
            if let Some(state) = dag.feed(&feed) {
                self.named.insert(feed);
                feeds.push(head_of(state));
            }
            if feeds.len() == FEEDS_PER_MESSAGE_MAX {
                break;
            }
        }
        if !feeds.is_empty() {
            messages.push(Message::Heads {
                feeds,
                complete: false,
            });
        }
    }

    /// Asks for what this peer has, we lack, and nobody else was asked for.
    fn ask(
        &mut self,
        session: SessionId,
        dag: &Dag,
        (requested, blocked, held_back): (
            &mut BTreeMap<FeedId, Request>,
            &BTreeSet<FeedId>,
            Option<&Fetch>,
        ),
        now_ms: u64,
        messages: &mut Vec<Message>,
    ) {
        let mut ranges = Vec::new();
        for (feed, peer) in &mut self.peer {
            let from = dag.next_needed(feed);
            let until = peer.shown.min(end_of(feed, dag));
            // The question brings the proof, also when nothing is missing.
            let lacks_proof = match peer.left_proof {
                Some(LeftProof::Due) => true,
                Some(LeftProof::Left) => dag.feed(feed).is_some(),
                Some(LeftProof::Asked) | None => false,
            };
            if lacks_proof && ranges.len() < FEEDS_PER_MESSAGE_MAX {
                peer.left_proof = Some(LeftProof::Asked);
                ranges.push(Range {
                    feed: *feed,
                    from,
                    until: from,
                    prev: dag.head_needed(feed),
                });
            }
            if until <= from
                || requested.contains_key(feed)
                || blocked.contains(feed)
                || held_back.is_some_and(|fetch| fetch.holds_back(feed, peer.head.designation))
                || self.trimmed.get(feed).is_some_and(|start| from < *start)
                || self.searches.contains_key(feed)
                || ranges.len() == FEEDS_PER_MESSAGE_MAX
            {
                continue;
            }
            let prev = dag.head_needed(feed);
            ranges.push(Range {
                feed: *feed,
                from,
                until,
                prev,
            });
            requested.insert(
                *feed,
                Request {
                    session,
                    until,
                    at_ms: now_ms,
                },
            );
        }
        if !ranges.is_empty() {
            messages.push(Message::Want { ranges });
        }
    }
}

/// The block with which a feed ends here: it takes none from where it was forked.
pub(super) fn end_of(feed: &FeedId, dag: &Dag) -> u64 {
    let fork = dag.feed(feed).and_then(|state| state.fork.as_ref());
    fork.map_or(u64::MAX, ForkProof::seq)
}

fn head_of(state: &FeedState) -> FeedHead {
    FeedHead {
        device: state.descriptor.device,
        designation: state.descriptor.designation,
        incarnation: state.descriptor.incarnation,
        length: state.length,
        head: state.head,
    }
}
