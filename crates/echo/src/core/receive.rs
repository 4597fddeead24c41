//! What peers send: blocks, proofs of forks, questions.

use std::collections::BTreeMap;

use dxos_credentials::{Assertion, Credential, Issuer};
use dxos_feed::{Designation, FeedDescriptor, InsertError, Inserted, Run};
use dxos_keys::{DeviceKey, FeedId, IdentityKey};
use dxos_protocol::echo::{AdmissionTicket, EchoError};
use dxos_protocol::replicate::{FeedHead, Message, Produced, SessionError, SessionId};
use dxos_store::Read;

use super::apply::Fresh;
use super::asked::Wanted;
use super::layout;
use super::space::{Outcome, Space};
use super::sync::{Effects, failed};

/// Feeds of one identity that are taken in though it, or the device, is no member any more.
const FEEDS_OF_DEPARTED_MAX: usize = 256;
/// Feeds, of all of them together, of identities that never were members by what is known here,
/// and that somebody took for members.
const FEEDS_OF_MISTAKEN_MAX: usize = 1024;
/// How long a peer that is no member any more is given to hear of that.
const FAREWELL_MS: u64 = 1_000;

impl Space {
    /// Opens a session with a peer that was found to be a member.
    pub(crate) fn open_session(&mut self, session: SessionId, device: DeviceKey) {
        self.sync.open(session, device);
        self.sync.offer_receipts(session, self.receipts.devices());
        self.grafts.look();
        if self.is_stranger(&device) {
            // It was let in, and lost what it was let in by, before its session began.
            self.sync.dismiss(session, 0);
        }
    }

    /// Forgets a session.
    pub(crate) fn close_session(&mut self, session: SessionId) -> Effects {
        self.receipts.closed(session);
        self.sync.close(session)
    }

    /// The sessions that are open.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sync.sessions().map(|(session, _)| session)
    }

    /// Looks after peers that were asked for blocks and stay silent.
    pub(crate) fn tick(&mut self, now_ms: u64, store: &dyn Read) -> Result<Effects, EchoError> {
        self.cache.make_room();
        self.tick_epochs(now_ms, store)?;
        self.weigh_live(now_ms, store)?;
        let mut effects = self.sync.tick(now_ms);
        if self.sync.asks_branches(now_ms) {
            effects.wake.extend(self.look_for_branches(store)?);
        }
        Ok(effects)
    }

    /// Takes in a message of a peer. When the peer broke the protocol too often, the outcome ends
    /// its session.
    pub(crate) fn receive(
        &mut self,
        session: SessionId,
        message: Message,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Outcome, SessionError> {
        if !self.sync.contains(session) {
            return Err(SessionError::Unknown);
        }
        let mut outcome = Outcome::default();
        match self.take_message(session, message, now_ms, store, &mut outcome) {
            Ok(()) => {}
            // What came with the offence and was accepted is in memory: it has to be stored.
            Err(error @ SessionError::Offence { .. }) => outcome.effects.end.push((session, error)),
            Err(error) => return Err(error),
        }
        outcome.effects.wake.insert(session);
        outcome.effects.wake.extend(self.sync.freed(&self.dag));
        self.settle_members(now_ms, store, &mut outcome)
            .map_err(|error| stopped(&error))?;
        let woken = self.want_branches(store).map_err(|error| failed(&error))?;
        outcome.effects.wake.extend(woken);
        self.flush(&mut outcome.batch)
            .map_err(|error| stopped(&error))?;
        Ok(outcome)
    }

    fn take_message(
        &mut self,
        session: SessionId,
        message: Message,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), SessionError> {
        let index = self.blocks(store);
        match message {
            Message::Heads { feeds, complete } => {
                self.look_for_own_loss(&feeds);
                self.sync.heads(session, feeds, complete, &self.dag, &index)
            }
            Message::Want { ranges } => self.sync.want(session, ranges, &self.dag, &index),
            Message::Run(run) => {
                self.receive_run(session, run, now_ms, store, outcome)?;
                self.look_at_wanted(store).map_err(|error| stopped(&error))
            }
            Message::ForkProof(proof) => {
                // The peer has cut the feed by now and can show the branch that it had.
                self.sync.ask_branches_again(session);
                self.receive_proof(session, &proof, store, outcome)
            }
            Message::Probe { feed, seq } => self.sync.probe(session, feed, seq, &self.dag, &index),
            Message::ProbeReply { feed, seq, hash } => {
                self.sync
                    .probe_reply(session, (feed, seq, hash), &self.dag, &index)
            }
            Message::WantBranch { feed, until, after } => {
                let wanted = Wanted { feed, until, after };
                self.sync.branch_wanted(session, wanted);
                Ok(())
            }
            Message::Branch { prev, run } => {
                self.receive_branch(session, (prev, run), store, outcome)
            }
            Message::Receipt(receipt) => self.receive_receipt(session, *receipt),
            Message::Tips { feed, tips } => self.receive_tips(session, feed, &tips, store),
            Message::HasSnapshot { snapshot } => {
                if self.sync.peer_has(session, snapshot) {
                    self.hear_of_snapshot(snapshot);
                }
                Ok(())
            }
            Message::WantPart { snapshot, part } => self.sync.want_part(session, snapshot, part),
            Message::Part {
                snapshot,
                part,
                bytes,
            } => self.receive_part(session, (snapshot, part), bytes, store, outcome),
            Message::Trimmed { feed, from } => {
                self.sync.peer_trimmed(session, feed, from);
                self.look_at_wanted(store).map_err(|error| stopped(&error))
            }
            _ => self.sync.offence(session, "a message that is not known"),
        }
    }

    /// What to send to a peer next.
    pub(crate) fn produce(
        &mut self,
        session: SessionId,
        bytes_max: usize,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Produced, SessionError> {
        let blocks = layout::StoredBlocks {
            store,
            number: self.record.number,
        };
        let mut produced = self
            .sync
            .produce(session, bytes_max, (&self.dag, &blocks), now_ms)?;
        if let Some(branch) = self.next_branch(session, store)? {
            produced.messages.push(branch);
        }
        produced.more |= self.sync.has_wanted(session);
        if !produced.more {
            // They say what was stored of the blocks that went before.
            produced.more = self.produce_receipts(session, bytes_max, &mut produced.messages);
        }
        Ok(produced)
    }

    /// Takes up a space from a ticket: the control blocks that prove this identity's admission.
    pub(crate) fn take_up(
        &mut self,
        ticket: AdmissionTicket,
        now_ms: u64,
        store: &dyn Read,
    ) -> Result<Outcome, EchoError> {
        let bad = |reason: String| EchoError::BadTicket { reason };
        let mut outcome = Outcome::default();
        self.put_record(&mut outcome.batch)?;
        if ticket.control.is_empty() {
            // Peers are asked for everything; this device shows itself once it knows the space.
            self.flush(&mut outcome.batch)?;
            return Ok(outcome);
        }
        for (descriptor, _) in &ticket.control {
            if descriptor.designation != Designation::Control {
                return Err(bad("it holds a feed that is no control feed".to_owned()));
            }
            self.dag
                .register(*descriptor)
                .map_err(|error| bad(error.to_string()))?;
        }
        for (descriptor, runs) in ticket.control {
            let feed = descriptor.id();
            for run in runs {
                if run.feed != feed {
                    return Err(bad("it holds blocks of another feed".to_owned()));
                }
                self.insert(run, store, &mut outcome)
                    .1
                    .map_err(|error| bad(error.to_string()))?;
            }
        }
        let writes_anew = self.has_own_feeds();
        self.present_new(writes_anew, now_ms, store, outcome)
    }

    /// Shows this device in a space that was taken up, if what came of it admits its identity.
    /// It `writes_anew` when it may have written there before: not all of that is here, and it
    /// must not write on there.
    pub(super) fn present_new(
        &mut self,
        writes_anew: bool,
        now_ms: u64,
        store: &dyn Read,
        mut outcome: Outcome,
    ) -> Result<Outcome, EchoError> {
        let bad = |reason: &str| EchoError::BadTicket {
            reason: reason.to_owned(),
        };
        if !self.membership.has_genesis() {
            return Err(bad("the genesis of the space is missing"));
        }
        if self.role().is_none() {
            return Err(bad("it does not admit this identity"));
        }
        self.begin_write(now_ms, &mut outcome)?;
        if writes_anew {
            self.next_incarnation(self.tail.stride(), &mut outcome.batch)?;
        }
        self.present(now_ms, store, &mut outcome)?;
        self.flush(&mut outcome.batch)?;
        Ok(outcome)
    }

    /// Lets go of peers whose member was removed or whose device was revoked. They still hear of
    /// that, and of nothing else.
    fn dismiss_strangers(&mut self, now_ms: u64) {
        let sessions: Vec<_> = self.sync.sessions().collect();
        for (session, device) in sessions {
            if self.is_stranger(&device) {
                self.sync
                    .dismiss(session, now_ms.saturating_add(FAREWELL_MS));
            }
        }
    }

    /// After members or devices have changed: feeds that were not welcome are asked for again.
    pub(super) fn settle_members(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if !std::mem::take(&mut self.members_changed) {
            return Ok(());
        }
        self.sync.unblock();
        let membership = &self.membership;
        self.sync
            .ask_left_proofs(&|device| membership.authority_of(device).is_some());
        self.receive_early_receipts();
        self.choose_epoch(store)?;
        self.duties.look_again();
        self.dismiss_strangers(now_ms);
        outcome.effects.members_changed = true;
        outcome.effects.wake.extend(self.sessions());
        Ok(())
    }

    /// A peer has more of this device's feed than this device: its disk was restored from a
    /// backup. What was lost comes back from peers; the next write goes to new feeds.
    fn look_for_own_loss(&mut self, feeds: &[FeedHead]) {
        let device = self.device();
        let lost = feeds.iter().any(|head| {
            head.device == device
                && head.incarnation == self.record.incarnation
                && head.length > self.dag.next_needed(&head.descriptor(self.key()).id())
        });
        if lost {
            self.tail.suspect();
        }
    }

    fn receive_run(
        &mut self,
        session: SessionId,
        run: Run,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), SessionError> {
        let feed = run.feed;
        // Also of blocks that cannot be used yet: the peer does not name them again.
        self.sync.shown(session, feed, run.end());
        if self.dag.feed(&feed).is_none() && !self.register_for(session, &run)? {
            return Ok(());
        }
        let end = run.end();
        let (grown, result) = self.insert(run, store, outcome);
        let needed = self.dag.next_needed(&feed);
        self.sync.arrived(feed, needed, now_ms);
        self.tell_of(&grown, outcome);
        match result {
            Ok(_) => Ok(()),
            Err(InsertError::Fork(proof)) => self
                .cut(&proof, store, outcome)
                .map_err(|error| stopped(&error)),
            Err(InsertError::Forked { .. }) => {
                self.sync.send_proof(session, feed);
                Ok(())
            }
            Err(error @ InsertError::BadSignature { .. }) => {
                self.receive_unsigned(session, (feed, end), &error)
            }
            Err(InsertError::Gap { .. } | InsertError::WaitingFull) => {
                self.sync.ask_again(&feed);
                Ok(())
            }
            Err(InsertError::Index(error)) => Err(failed(&error)),
            Err(error) => {
                self.sync.ask_again(&feed);
                self.sync.offence(session, &error.to_string())
            }
        }
    }

    /// Makes a feed known whose first blocks have come, if its device may have one here.
    fn register_for(&mut self, session: SessionId, run: &Run) -> Result<bool, SessionError> {
        let Some(head) = self.sync.announced(session, &run.feed) else {
            self.sync
                .offence(session, "blocks of a feed that it did not name")?;
            return Ok(false);
        };
        let descriptor = head.descriptor(self.key());
        if run.first != 0 || !self.may_have_feed(&descriptor, run) {
            // Perhaps what admits the device is still on its way: asked for again then.
            self.sync.block(run.feed);
            return Ok(false);
        }
        Ok(self.dag.register(descriptor).is_ok())
    }

    pub(super) fn may_have_feed(&self, descriptor: &FeedDescriptor, run: &Run) -> bool {
        if self.membership.authority_of(&descriptor.device).is_some() {
            return true;
        }
        if let Some((identity, _)) = self.membership.author(&descriptor.device) {
            return self.may_follow(&identity);
        }
        let Some(first) = run.blocks.first() else {
            return false;
        };
        if descriptor.designation != Designation::Control {
            return false;
        }
        // The chain of a new device travels at the beginning of its own control feed; the feed of
        // the creator begins with what the space's key signed.
        Credential::decode(&first.body).is_ok_and(|credential| match credential.assertion() {
            Assertion::SpaceGenesis { space, .. } => {
                *space == self.key()
                    && *credential.issuer() == Issuer::Space(*space)
                    && !self.membership.has_genesis()
            }
            Assertion::DevicePresented { chain, .. } => {
                let device = chain.device();
                device.device == descriptor.device
                    && (self.membership.accepts(chain) || self.may_follow(&device.identity))
            }
            _ => false,
        })
    }

    /// Whether another feed of somebody who was a member, or of a device that was revoked, is
    /// taken in: what it wrote before counts, and others may build on it. They may also build on
    /// what somebody wrote whose admission does not count, such as the guest who lost an
    /// invitation to another one: without it their own blocks would never be complete.
    fn may_follow(&self, identity: &IdentityKey) -> bool {
        let was_member = |identity: &IdentityKey| self.membership.was_member(identity);
        let authors = self
            .dag
            .feeds()
            .filter_map(|(_, state)| self.membership.author(&state.descriptor.device))
            .map(|(author, _)| author);
        if was_member(identity) {
            authors.filter(|author| author == identity).count() < FEEDS_OF_DEPARTED_MAX
        } else {
            let taken = self.membership.was_taken_for_member(identity);
            (taken || self.admitted_on_branches.contains(identity))
                && authors.filter(|author| !was_member(author)).count() < FEEDS_OF_MISTAKEN_MAX
        }
    }

    /// Tells peers of feeds that grew with what others wrote.
    pub(super) fn tell_of(&mut self, grown: &BTreeMap<FeedId, u64>, outcome: &mut Outcome) {
        for (feed, first) in grown {
            let effects = self.sync.appended(*feed, *first, false, &self.dag);
            outcome.effects.merge(effects);
        }
    }

    /// Inserts a run and lets what is accepted take effect. Returns, for each feed that grew,
    /// its length before.
    pub(super) fn insert(
        &mut self,
        run: Run,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> (BTreeMap<FeedId, u64>, Result<Inserted, InsertError>) {
        let index = layout::StoredBlocks {
            store,
            number: self.record.number,
        };
        let mut accepted = Vec::new();
        let result = self
            .dag
            .insert(run, &index, &mut |block| accepted.push(Fresh::from(block)));
        match self.take_in(&accepted, store, outcome) {
            Ok(grown) => (grown, result),
            Err(error) => {
                let error = dxos_feed::IndexError(error.to_string());
                (BTreeMap::new(), Err(InsertError::Index(error)))
            }
        }
    }

    pub(super) fn take_in(
        &mut self,
        accepted: &[Fresh],
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<BTreeMap<FeedId, u64>, EchoError> {
        let mut grown: BTreeMap<FeedId, u64> = BTreeMap::new();
        for fresh in accepted {
            let key = layout::block_key(&fresh.feed, fresh.seq).to_vec();
            let value = layout::block_value(&fresh.hash, &fresh.block);
            outcome.batch.put(layout::BLOCKS, key, value);
            self.tally.blocks += 1;
            grown.entry(fresh.feed).or_insert(fresh.seq);
        }
        let mut rest = accepted;
        while let Some((first, after)) = rest.split_first() {
            let control = rest.iter().take_while(|fresh| fresh.is_control()).count();
            if control == 0 {
                self.apply(first, store)?;
                rest = after;
            } else {
                let (together, after) = rest.split_at(control);
                self.apply_controls(together.iter().map(Fresh::control).collect());
                rest = after;
            }
        }
        outcome.synced |= self.queues.is_run_new();
        for feed in grown.keys() {
            self.put_feed(feed, &mut outcome.batch)?;
        }
        self.grafts.grown();
        Ok(grown)
    }
}

pub(super) fn stopped(error: &EchoError) -> SessionError {
    SessionError::SpaceClosed {
        reason: error.to_string(),
    }
}
