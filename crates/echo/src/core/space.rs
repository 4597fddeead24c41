//! One space: its feeds, members, keys and objects, as a state machine over a store.
//!
//! Methods take what they need to read from the store and return a [`Outcome`] whose batch the
//! caller commits; only then does it call [`Space::written`]. When a commit fails the space is
//! opened again from the store.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dxos_credentials::{Assertion, ControlBlock, Credential, Membership, Refused, Right, Role};
use dxos_document::{Move, Object};
use dxos_feed::{
    Append, Dag, Designation, FeedDescriptor, FeedLimits, FeedState, ForkProof, Run, Timeframe,
};
use dxos_keys::{ContentKey, ContentKeyId, DeviceKey, FeedId, ObjectId, SpaceKey, Topic};
use dxos_protocol::echo::{EchoError, ForkReport, MemberReport, SpaceReport, SpaceState};
use dxos_protocol::halo::Authority;
use dxos_store::{BATCH_BYTES_MAX, Batch, KeyRange, Read, StoreError};
use rand_core::CryptoRng;

use super::again::{self, Lost};
use super::cache::Cache;
use super::layout::{
    self, DERIVED_VERSION, FEEDS, MOVES, OBJECTS, SPACES, SpaceNumber, SpaceRecord, StoredBlocks,
    TALLIES, Tally, in_space,
};
use super::live::Live;
use super::schema::Schemas;
use super::serve::Blocks;
use super::sync::{Effects, Sync};
use super::tail::Tail;
use super::texts::Texts;
use super::tree::Forest;

/// One open space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(super) record: SpaceRecord,
    pub(super) authority: Authority,
    pub(super) dag: Dag,
    pub(super) membership: Membership,
    pub(super) keys: BTreeMap<ContentKeyId, ContentKey>,
    pub(super) tally: Tally,
    /// What of it is in the store.
    pub(super) stored_tally: Option<Tally>,
    /// Whether what this device wrote last may be missing here.
    pub(super) tail: Tail,
    /// The control feed in which this device is known to have shown its chain.
    presented: Option<FeedId>,
    /// Proofs about feeds of devices that are not known here yet.
    pub(super) parked: BTreeMap<FeedId, ForkProof>,
    /// Members or devices have changed since this was looked at.
    pub(super) members_changed: bool,
    pub(super) cache: Cache,
    /// Schemas that were read lately.
    pub(super) schemas: Schemas,
    pub(super) sync: Sync,
    pub(super) live: Live,
    pub(super) texts: Texts,
    /// Objects changed since [`Space::written`], with how they showed before; the latter only
    /// when somebody watches.
    pub(super) touched: BTreeMap<ObjectId, Touched>,
    /// Who is whose parent.
    pub(super) forest: Forest,
    /// Whether the state has to be made anew from the blocks.
    pub(super) stale: bool,
    /// What cuts took away from this device and is to be written again.
    pub(super) lost: Lost,
    /// Whether the store says in which form the state is.
    derived_stored: bool,
}

#[derive(Debug)]
pub(super) struct Touched {
    pub(super) was_visible: bool,
    /// Its moves as they were: their row is written when they are others.
    pub(super) moves: Vec<Move>,
    pub(super) before: Option<Box<Object>>,
}

/// What a step wants done.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// To be committed before anything else.
    pub(crate) batch: Batch,
    /// Whether the batch has to be on the disk before anybody hears of it.
    pub(crate) synced: bool,
    /// To be told to MESH after that.
    pub(crate) effects: Effects,
}

/// A write that stopped half way: the space has to be opened again.
fn write_failed(error: &dyn std::error::Error) -> EchoError {
    EchoError::Stopped {
        reason: error.to_string(),
    }
}

pub(crate) fn store_failed(error: &StoreError) -> EchoError {
    EchoError::Store {
        reason: error.to_string(),
    }
}

impl Space {
    fn new(record: SpaceRecord, authority: Authority, dag: Dag, membership: Membership) -> Self {
        Self {
            record,
            authority,
            dag,
            membership,
            keys: BTreeMap::new(),
            tally: Tally::default(),
            stored_tally: None,
            tail: Tail::default(),
            presented: None,
            parked: BTreeMap::new(),
            members_changed: false,
            cache: Cache::default(),
            sync: Sync::default(),
            schemas: Schemas::default(),
            live: Live::default(),
            texts: Texts::default(),
            touched: BTreeMap::new(),
            forest: Forest::default(),
            stale: false,
            lost: Lost::None,
            derived_stored: false,
        }
    }

    /// A new space. `genesis` was signed by the space's key, which is gone by now.
    pub(crate) fn create(
        (number, space): (SpaceNumber, SpaceKey),
        authority: Authority,
        genesis: &Credential,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Self, Outcome), EchoError> {
        let record = SpaceRecord {
            number,
            space,
            incarnation: 0,
        };
        let dag = Dag::new(space, FeedLimits::default());
        let mut created = Self::new(record, authority, dag, Membership::new(space));
        let mut outcome = Outcome::default();
        created.put_record(&mut outcome.batch)?;
        created.begin_write(now_ms, &mut outcome)?;
        created.append_control(genesis, now_ms, store, &mut outcome)?;
        created.present(now_ms, store, &mut outcome)?;
        created.show_name(now_ms, store, &mut outcome)?;
        created.rotate_key(now_ms, (store, rng), &mut outcome)?;
        created.flush(&mut outcome.batch)?;
        Ok((created, outcome))
    }

    /// A space as it was stored.
    pub(crate) fn open(
        record: SpaceRecord,
        authority: Authority,
        store: &dyn Read,
    ) -> Result<Self, EchoError> {
        let prefix = KeyRange::prefix(&in_space(record.number, b""));
        let mut states = Vec::new();
        for row in store.scan(FEEDS, prefix, dxos_store::Direction::Forward) {
            let (_, value) = row.map_err(|error| store_failed(&error))?;
            let state: FeedState = decode_row("feed", &value)?;
            states.push(state);
        }
        let dag = Dag::open(record.space, FeedLimits::default(), states);
        let blocks = stored_control(&dag, store, record.number)?;
        let membership = Membership::evaluate(record.space, blocks);
        let tally = store
            .get(TALLIES, &in_space(record.number, b""))
            .map_err(|error| store_failed(&error))?
            .map(|value| decode_row::<Tally>("tally", &value))
            .transpose()?;
        let tail = Tail::open(record.number, store).map_err(|error| store_failed(&error))?;
        let mut opened = Self::new(record, authority, dag, membership);
        opened.tally = tally.unwrap_or_default();
        opened.stored_tally = tally;
        let version = store
            .get(TALLIES, &layout::derived_key(opened.record.number))
            .map_err(|error| store_failed(&error))?;
        opened.derived_stored = version.is_some_and(|version| *version == [DERIVED_VERSION]);
        opened.stale = opened.tally.rebuilding || tally.is_some() && !opened.derived_stored;
        opened.tail = tail;
        if again::is_left(opened.record.number, store).map_err(|error| store_failed(&error))? {
            opened.lost = Lost::Stored;
        }
        opened.open_keys();
        Ok(opened)
    }

    /// The space's key.
    pub(crate) const fn key(&self) -> SpaceKey {
        self.record.space
    }

    pub(crate) fn topic(&self) -> Topic {
        Topic::of_space(&self.record.space)
    }

    pub(super) fn device(&self) -> DeviceKey {
        self.authority.signer.device()
    }

    /// The identity that this device acts for.
    pub(crate) const fn identity(&self) -> dxos_keys::IdentityKey {
        self.authority.chain.device().identity
    }

    pub(super) fn blocks<'a>(&self, store: &'a dyn Read) -> StoredBlocks<'a> {
        StoredBlocks {
            store,
            number: self.record.number,
        }
    }

    pub(super) fn own_feed(&self, designation: Designation) -> FeedDescriptor {
        FeedDescriptor::new(
            self.device(),
            self.key(),
            designation,
            self.record.incarnation,
        )
    }

    /// What this device's identity may do now.
    pub(crate) fn role(&self) -> Option<Role> {
        self.membership
            .role_of(&self.authority.chain.device().identity)
    }

    pub(super) fn permit(&self, right: Right, action: &'static str) -> Result<(), EchoError> {
        match self.role() {
            Some(role) if role.allows(right) => Ok(()),
            role => Err(EchoError::NotPermitted {
                space: self.key(),
                role,
                action,
            }),
        }
    }

    pub(crate) fn put_record(&self, batch: &mut Batch) -> Result<(), EchoError> {
        batch.put(
            SPACES,
            self.key().as_bytes().to_vec(),
            encode_row(&self.record)?,
        );
        Ok(())
    }

    /// Appends to this device's data feed and stores the block. [`Space::begin_write`] comes
    /// before.
    ///
    /// After an error the space has to be opened again: earlier steps of the same write are in
    /// memory and not in the store.
    pub(super) fn append_data(
        &mut self,
        now_ms: u64,
        outcome: &mut Outcome,
        body: impl FnOnce(dxos_feed::SealingContext) -> Bytes,
    ) -> Result<(FeedId, u64, dxos_feed::Block), EchoError> {
        let descriptor = self.own_feed(Designation::Data);
        let feed = descriptor.id();
        self.dag
            .register(descriptor)
            .map_err(|error| write_failed(&error))?;
        let signer = &*self.authority.signer;
        let block = self
            .dag
            .append(
                Append {
                    feed,
                    time_ms: now_ms,
                    signer,
                },
                body,
            )
            .map_err(|error| write_failed(&error))?;
        let seq = self.store_own(&feed, &block, outcome)?;
        Ok((feed, seq, block))
    }

    /// Stores the block that was appended to a feed of this device just now.
    fn store_own(
        &mut self,
        feed: &FeedId,
        block: &dxos_feed::Block,
        outcome: &mut Outcome,
    ) -> Result<u64, EchoError> {
        let Some(state) = self.dag.feed(feed) else {
            return Err(EchoError::Stopped {
                reason: "own feed is lost".to_owned(),
            });
        };
        let seq = state.length - 1;
        let key = layout::block_key(feed, seq).to_vec();
        outcome
            .batch
            .put(layout::BLOCKS, key, layout::block_value(&state.head, block));
        self.tally.blocks += 1;
        self.put_feed(feed, &mut outcome.batch)?;
        let effects = self.sync.appended(*feed, seq, true, &self.dag);
        outcome.effects.merge(effects);
        Ok(seq)
    }

    /// Appends a credential to this device's control feed and lets it take effect here.
    ///
    /// A control block names other control feeds only, unless it takes something away from
    /// somebody: then what it knew of their data decides what still counts. So the control feeds
    /// of a space that removed nobody can be taken in without any data, and a device that was
    /// just admitted can write at once.
    pub(super) fn append_control(
        &mut self,
        credential: &Credential,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let body: Bytes = credential.encode().into();
        let descriptor = self.own_feed(Designation::Control);
        let feed = descriptor.id();
        self.dag
            .register(descriptor)
            .map_err(|error| write_failed(&error))?;
        let names_data = self.takes_away(credential.assertion());
        let named = self
            .dag
            .feeds()
            .map(|(_, state)| state)
            .filter(|state| names_data || state.descriptor.designation == Designation::Control);
        let mut alone = Dag::open(self.key(), *self.dag.limits(), named.cloned());
        let signer = &*self.authority.signer;
        let block = alone
            .append(
                Append {
                    feed,
                    time_ms: now_ms,
                    signer,
                },
                |_| body.clone(),
            )
            .map_err(|error| write_failed(&error))?;
        let first = self.dag.feed(&feed).map_or(0, |state| state.length);
        let run = Run {
            feed,
            first,
            blocks: vec![block.clone()],
        };
        let index = StoredBlocks {
            store,
            number: self.record.number,
        };
        self.dag
            .insert(run, &index, &mut |_| {})
            .map_err(|error| write_failed(&error))?;
        let seq = self.store_own(&feed, &block, outcome)?;
        let Some(state) = self.dag.feed(&feed).cloned() else {
            return Ok(());
        };
        let place = (feed, seq, state.head, block.lamport);
        self.apply_control(state.descriptor, place, &state.clock, &body);
        Ok(())
    }

    /// Whether a credential may reach back to what somebody wrote before.
    fn takes_away(&self, assertion: &Assertion) -> bool {
        match assertion {
            Assertion::MemberRemoved { .. } | Assertion::DeviceRevoked { .. } => true,
            Assertion::SpaceMember { identity, .. } => self.membership.role_of(identity).is_some(),
            _ => false,
        }
    }

    /// Whether this device goes on in feeds in which it has shown its chain.
    pub(super) fn is_presented(&mut self) -> bool {
        let own = self.own_feed(Designation::Control).id();
        if self.presented != Some(own) {
            let shown = self.membership.blocks().any(|block| {
                let assertion = block.credential.assertion();
                block.feed == own && matches!(assertion, Assertion::DevicePresented { .. })
            });
            self.presented = shown.then_some(own);
        }
        self.presented.is_some() && !self.tail.is_suspect()
    }

    /// Shows this device's chain in the space, once.
    pub(super) fn present(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        if self.is_presented() {
            return Ok(());
        }
        let chain = self.authority.chain.clone();
        let assertion = Assertion::DevicePresented {
            space: self.key(),
            chain,
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }

    /// Says what others are shown of the one who created the space; for everyone else the
    /// admission says it.
    fn show_name(
        &mut self,
        now_ms: u64,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let Some(display_name) = self.authority.display_name.clone() else {
            return Ok(());
        };
        let assertion = Assertion::MemberProfile {
            space: self.key(),
            display_name: Some(display_name),
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }

    /// Makes a new content key and seals it for every device that may read.
    pub(super) fn rotate_key(
        &mut self,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let key = ContentKey::generate(rng);
        self.keys.insert(key.id(), key.clone());
        self.seal_key(
            &key,
            self.membership.readers(),
            now_ms,
            (store, rng),
            outcome,
        )
    }

    /// Seals a content key for some devices.
    pub(super) fn seal_key(
        &mut self,
        key: &ContentKey,
        readers: BTreeMap<DeviceKey, dxos_keys::SealingKey>,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
        outcome: &mut Outcome,
    ) -> Result<(), EchoError> {
        let info = *self.key().as_bytes();
        // A device that published no usable key gets none; that must not keep others from it.
        let recipients = readers
            .into_iter()
            .filter_map(|(device, sealing)| Some((device, sealing.seal(&info, key, rng).ok()?)))
            .collect();
        let space = self.key();
        let assertion = Assertion::ContentKey {
            space,
            key: key.id(),
            recipients,
        };
        let credential = Credential::by_device(&*self.authority.signer, assertion);
        self.append_control(&credential, now_ms, store, outcome)
    }

    /// Opens every content key that was sealed for this device.
    pub(super) fn open_keys(&mut self) {
        // Which keys are known must follow from the blocks alone, or replicas that saw another
        // order read other blocks.
        self.keys.clear();
        let blocks: Vec<_> = self.membership.blocks().cloned().collect();
        for block in &blocks {
            self.open_key(block);
        }
    }

    /// Opens the content key in a control block; `true` when it was not known before.
    pub(super) fn open_key(&mut self, block: &ControlBlock) -> bool {
        let Assertion::ContentKey {
            key, recipients, ..
        } = block.credential.assertion()
        else {
            return false;
        };
        if self.keys.contains_key(key) || !self.may_issue_keys(block) {
            return false;
        }
        let device = self.device();
        let info = self.key();
        let opened = recipients
            .iter()
            .filter(|(recipient, _)| *recipient == device)
            .find_map(|(_, sealed)| self.authority.sealing.open(info.as_bytes(), sealed).ok())
            .filter(|opened| opened.id() == *key);
        match opened {
            Some(opened) => self.keys.insert(*key, opened).is_none(),
            None => false,
        }
    }

    /// Whether the writer of a block might issue keys when it did. That it was removed since does
    /// not make unreadable what others sealed with its key in good faith.
    fn may_issue_keys(&self, block: &ControlBlock) -> bool {
        let place = (&block.feed, block.seq);
        let device = &block.descriptor.device;
        matches!(
            self.membership
                .judge(device, place, &block.past, Right::Admit),
            Ok(_) | Err(Refused::Removed | Refused::Revoked)
        )
    }

    pub(super) fn put_feed(&self, feed: &FeedId, batch: &mut Batch) -> Result<(), EchoError> {
        if let Some(state) = self.dag.feed(feed) {
            let key = in_space(self.record.number, feed.as_bytes());
            batch.put(FEEDS, key, encode_row(state)?);
        }
        Ok(())
    }

    /// Writes what is derived: object states and counts.
    pub(super) fn flush(&mut self, batch: &mut Batch) -> Result<(), EchoError> {
        for (object, touched) in &self.touched {
            let visible = self.cache.peek(object).is_some_and(is_visible);
            match (touched.was_visible, visible) {
                (false, true) => self.tally.objects += 1,
                (true, false) => self.tally.objects = self.tally.objects.saturating_sub(1),
                _ => {}
            }
            self.put_moves(*object, &touched.moves, batch)?;
        }
        self.cache.flush(self.record.number, batch);
        if self.stored_tally != Some(self.tally) {
            self.put_tally(self.tally, batch)?;
            self.stored_tally = Some(self.tally);
        }
        if !self.derived_stored {
            let key = layout::derived_key(self.record.number);
            batch.put(TALLIES, key, vec![DERIVED_VERSION]);
            self.derived_stored = true;
        }
        Ok(())
    }

    fn put_tally(&self, tally: Tally, batch: &mut Batch) -> Result<(), EchoError> {
        batch.put(
            TALLIES,
            in_space(self.record.number, b""),
            encode_row(&tally)?,
        );
        Ok(())
    }

    /// Splits a batch that is larger than a store takes: what is derived goes into batches of
    /// its own, under the mark that has it made anew when not all of them are written.
    pub(crate) fn parts(&self, batch: Batch) -> Result<Vec<Batch>, EchoError> {
        if batch.bytes() <= BATCH_BYTES_MAX {
            return Ok(vec![batch]);
        }
        let mark = Tally {
            rebuilding: true,
            ..self.tally
        };
        let mut parts = vec![Batch::new()];
        if let Some(first) = parts.last_mut() {
            self.put_tally(mark, first)?;
        }
        let tally = in_space(self.record.number, b"");
        let (derived, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .filter(|write| write.keyspace != TALLIES || write.key != tally[..])
            .partition(|write| write.keyspace == OBJECTS || write.keyspace == MOVES);
        // A feed must never say that it is longer than its blocks: those come first.
        let (blocks, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|write| write.keyspace == layout::BLOCKS);
        let writes = blocks.into_iter().chain(others).chain(derived);
        for write in writes {
            let bytes = write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
            match parts.last_mut() {
                Some(part) if part.bytes() + bytes <= BATCH_BYTES_MAX => {
                    part.push(write);
                }
                _ => {
                    let mut part = Batch::new();
                    part.push(write);
                    parts.push(part);
                }
            }
        }
        let mut last = Batch::new();
        self.put_tally(self.tally, &mut last)?;
        parts.push(last);
        Ok(parts)
    }

    /// What a caller is told of the space.
    pub(crate) fn report(&self, store: &dyn Read) -> SpaceReport {
        let forks = self.dag.feeds().filter_map(|(feed, state)| {
            let proof = state.fork.clone()?;
            let device = state.descriptor.device;
            Some(ForkReport {
                device,
                feed: *feed,
                seq: proof.seq(),
                proof,
            })
        });
        SpaceReport {
            space: self.key(),
            topic: self.topic(),
            state: SpaceState::Ready,
            error: None,
            properties: self.properties(store),
            role: self.role(),
            objects: self.tally.objects,
            blocks: self.tally.blocks,
            missing_blocks: self.sync.missing(&self.dag),
            peers: self.sync.devices().into_iter().collect(),
            forks: forks.collect(),
        }
    }

    /// The members of the space.
    pub(crate) fn members(&self) -> Vec<MemberReport> {
        let mut online: BTreeSet<DeviceKey> = self.sync.devices();
        online.insert(self.device());
        let members = self.membership.members().into_iter();
        let reports = members.map(|(identity, member)| MemberReport {
            identity,
            role: member.role,
            display_name: member.display_name,
            online: member.devices.keys().any(|device| online.contains(device)),
            devices: member.devices.into_keys().collect(),
        });
        reports.collect()
    }
}

pub(super) fn is_visible(state: &dxos_document::ObjectState) -> bool {
    state.is_created() && !state.is_deleted()
}

/// All control blocks in the store, with what their writers had applied.
fn stored_control(
    dag: &Dag,
    store: &dyn Read,
    number: SpaceNumber,
) -> Result<Vec<ControlBlock>, EchoError> {
    let blocks = StoredBlocks { store, number };
    let mut found = Vec::new();
    for (feed, state) in dag.feeds() {
        if state.descriptor.designation != Designation::Control {
            continue;
        }
        let mut clock = Timeframe::new();
        let mut seq = 0;
        blocks
            .visit(feed, 0, &mut |hash, block| {
                if seq == state.length {
                    return false;
                }
                advance_clock(&mut clock, *feed, seq, &block.deps);
                let place = (*feed, seq, hash, block.lamport);
                let read = ControlBlock::read(state.descriptor, place, clock.clone(), &block.body);
                found.extend(read.ok());
                seq += 1;
                true
            })
            .map_err(|error| EchoError::Store {
                reason: error.to_string(),
            })?;
    }
    Ok(found)
}

/// Adds a block to what its writer had applied.
pub(super) fn advance_clock(
    clock: &mut Timeframe,
    feed: FeedId,
    seq: u64,
    deps: &[dxos_feed::Dep],
) {
    for dep in deps {
        let count = clock.dots.entry(dep.feed).or_insert(0);
        *count = (*count).max(dep.seq + 1);
    }
    clock.dots.insert(feed, seq + 1);
}

pub(super) fn encode_row<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, EchoError> {
    dxos_wire::encode(1, value).map_err(|error| EchoError::Store {
        reason: error.to_string(),
    })
}

pub(crate) fn decode_row<T: serde::de::DeserializeOwned>(
    what: &str,
    value: &[u8],
) -> Result<T, EchoError> {
    let damaged = |error| EchoError::Store {
        reason: format!("stored {what} is damaged: {error}"),
    };
    dxos_wire::decode(1, value).map_err(damaged)
}
