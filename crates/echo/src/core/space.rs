//! One space: its feeds, members, keys and objects, as a state machine over a store.
//!
//! Methods take what they need to read from the store and return a [`Outcome`] whose batch the
//! caller commits; only then does it call [`Space::written`]. When a commit fails the space is
//! opened again from the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dxos_credentials::{Credential, DeviceChain, Membership, Right, Role};
use dxos_document::{Move, Object};
use dxos_feed::{Dag, Designation, FeedDescriptor, FeedLimits, FeedState, Timeframe};
use dxos_keys::{
    ContentKey, ContentKeyId, DeviceKey, FeedId, IdentityKey, ObjectId, SpaceKey, Topic,
};
use dxos_protocol::echo::{EchoError, OwnDevices, properties_object};
use dxos_protocol::halo::Authority;
use dxos_store::{Batch, KeyRange, Read, StoreError};
use rand_core::CryptoRng;

use super::again::{self, Lost};
use super::cache::Cache;
use super::compact::Quiet;
use super::control::Verified;
use super::duties::Duties;
use super::epoch::Epochs;
use super::grafts::Grafts;
use super::index::{Indexes, Rows};
use super::layout::{
    self, DERIVED_VERSION, FEEDS, SPACES, SpaceNumber, SpaceRecord, StoredBlocks, TALLIES, Tally,
    WITHOUT_COUNTS, WITHOUT_INDEXES, in_space,
};
use super::live::Live;
use super::memory::Memory;
use super::owed::{self, Owed};
use super::queue::Queues;
use super::receipts::Receipts;
use super::restoring::Unfinished;
use super::schema::Schemas;
use super::sync::{Effects, Sync};
use super::tail::Tail;
use super::texts::Texts;
use super::tree::Forest;
use super::vouching::Vouching;

/// One open space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(super) record: SpaceRecord,
    /// The object that holds the properties of the space.
    pub(super) properties: ObjectId,
    pub(super) authority: Authority,
    pub(super) dag: Dag,
    pub(super) membership: Membership,
    pub(super) keys: BTreeMap<ContentKeyId, ContentKey>,
    /// Those that came from archives.
    pub(super) kept_keys: BTreeMap<ContentKeyId, ContentKey>,
    /// Those that are kept for the encryption key that this device has now.
    pub(super) kept_now: BTreeSet<ContentKeyId>,
    /// Retired ones that archives brought along: those are from before something was erased.
    pub(super) refused_keys: BTreeSet<ContentKeyId>,
    /// Where admins made content keys, whether or not they were sealed for this device.
    pub(super) made_keys: BTreeMap<ContentKeyId, BTreeSet<(FeedId, u64)>>,
    /// The devices of this device's identity.
    pub(super) own: OwnDevices,
    pub(super) duties: Duties,
    /// Keys that this device still has to hand on.
    pub(super) owed: BTreeMap<DeviceKey, Owed>,
    pub(super) tally: Tally,
    /// What of it is in the store.
    pub(super) stored_tally: Option<Tally>,
    /// Whether what this device wrote last may be missing here.
    pub(super) tail: Tail,
    /// Which of the blocks that this device wrote last are not signed.
    pub(super) vouching: Vouching,
    /// The control feed in which this device is known to have shown its chain.
    pub(super) presented: Option<FeedId>,
    /// Devices that were let in by their chain and are not known to have shown it here.
    pub(super) let_in: BTreeMap<DeviceKey, DeviceChain>,
    /// Whom cut branches admitted.
    pub(super) admitted_on_branches: BTreeSet<IdentityKey>,
    /// Members or devices have changed since this was looked at.
    pub(super) members_changed: bool,
    pub(super) cache: Cache,
    pub(super) quiet: Quiet,
    /// Schemas that were read lately.
    pub(super) schemas: Schemas,
    pub(super) sync: Sync,
    pub(super) live: Live,
    /// When the words of live queries were weighed last.
    pub(super) weighed_ms: u64,
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
    /// Branches of this device's feeds that are to be put into feeds of their own.
    pub(super) grafts: Grafts,
    pub(super) receipts: Receipts,
    /// Set until all that an archive holds of it is here.
    pub(super) unfinished: Option<Unfinished>,
    /// Whether the store says in which form the state is.
    pub(super) derived_stored: bool,
    /// What was verified when the space was opened, until the store says so.
    pub(super) verified: Option<Verified>,
    pub(super) indexes: Indexes,
    pub(super) epochs: Epochs,
    pub(super) queues: Queues,
}

#[derive(Debug)]
pub(super) struct Touched {
    pub(super) was_visible: bool,
    /// Its moves as they were: their row is written when they are others.
    pub(super) moves: Vec<Move>,
    pub(super) before: Option<Box<Object>>,
    /// The rows of the indexes that the store has of it.
    pub(super) rows: Rows,
    /// The rows of words that the store has of it, unless they are known to be behind.
    pub(super) words: Rows,
    /// Whether nothing was done to it but typing into texts.
    pub(super) is_typed: bool,
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

pub(crate) fn store_failed(error: &StoreError) -> EchoError {
    EchoError::Store {
        reason: error.to_string(),
    }
}

impl Space {
    /// Holds objects in memory that is divided with other spaces.
    pub(crate) fn share_memory(&mut self, memory: &Arc<Memory>) {
        self.cache.share_memory(memory);
    }

    fn new(record: SpaceRecord, authority: Authority, dag: Dag, membership: Membership) -> Self {
        let indexes = Indexes::empty(record.space);
        Self {
            indexes,
            properties: properties_object(&record.space),
            record,
            authority,
            dag,
            membership,
            keys: BTreeMap::new(),
            kept_keys: BTreeMap::new(),
            kept_now: BTreeSet::new(),
            refused_keys: BTreeSet::new(),
            made_keys: BTreeMap::new(),
            own: OwnDevices::default(),
            duties: Duties::default(),
            owed: BTreeMap::new(),
            tally: Tally::default(),
            stored_tally: None,
            tail: Tail::default(),
            vouching: Vouching::default(),
            presented: None,
            let_in: BTreeMap::new(),
            admitted_on_branches: BTreeSet::new(),
            members_changed: false,
            cache: Cache::default(),
            quiet: Quiet::default(),
            sync: Sync::default(),
            schemas: Schemas::default(),
            live: Live::default(),
            weighed_ms: 0,
            texts: Texts::default(),
            touched: BTreeMap::new(),
            forest: Forest::default(),
            stale: false,
            lost: Lost::None,
            grafts: Grafts::default(),
            receipts: Receipts::default(),
            unfinished: None,
            derived_stored: false,
            verified: None,
            epochs: Epochs::default(),
            queues: Queues::default(),
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
        created.publish_key(now_ms, store, &mut outcome)?;
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
        let verified = Verified::stored(record.number, store)?;
        let (blocks, verified) = verified.read_control(&dag, store, record.number)?;
        let membership = Membership::evaluate(record.space, blocks);
        let tally = store
            .get(TALLIES, &in_space(record.number, b""))
            .map_err(|error| store_failed(&error))?
            .map(|value| decode_row::<Tally>("tally", &value))
            .transpose()?;
        let tail = Tail::open(record.number, store).map_err(|error| store_failed(&error))?;
        let mut opened = Self::new(record, authority, dag, membership);
        opened.vouching = Vouching::open(&opened.dag, opened.device(), store)
            .map_err(|error| store_failed(&error))?;
        opened.tally = tally.unwrap_or_default();
        opened.stored_tally = tally;
        let version = store
            .get(TALLIES, &layout::derived_key(opened.record.number))
            .map_err(|error| store_failed(&error))?;
        let is_version = |form: u8| version.as_ref().is_some_and(|version| **version == [form]);
        opened.derived_stored = is_version(DERIVED_VERSION);
        let are_indexes_known = opened.derived_stored || is_version(WITHOUT_COUNTS);
        let is_known = are_indexes_known || is_version(WITHOUT_INDEXES);
        opened.stale = opened.tally.rebuilding || tally.is_some() && !is_known;
        if tally.is_some() {
            let (number, space) = (opened.record.number, opened.record.space);
            opened.indexes = Indexes::open(space, number, are_indexes_known, store)?;
        }
        opened.tail = tail;
        opened.owed = owed::stored(opened.record.number, store)?;
        if again::is_left(opened.record.number, store).map_err(|error| store_failed(&error))? {
            opened.lost = Lost::Stored;
        }
        opened.note_admissions(store)?;
        opened.grafts.look();
        opened.receipts = Receipts::open(opened.record.number, store)?;
        opened.verified = verified;
        opened.open_restore(store)?;
        opened.load_kept_keys(store)?;
        opened.open_keys();
        opened.open_epochs(store)?;
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
    pub(crate) const fn identity(&self) -> IdentityKey {
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
        if self.membership.is_revoked(&self.device()) {
            return Err(EchoError::DeviceRevoked {
                space: self.key(),
                action,
            });
        }
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

    pub(super) fn put_feed(&self, feed: &FeedId, batch: &mut Batch) -> Result<(), EchoError> {
        if let Some(state) = self.dag.feed(feed) {
            let key = in_space(self.record.number, feed.as_bytes());
            batch.put(FEEDS, key, encode_row(state)?);
        }
        Ok(())
    }
}

pub(super) fn is_visible(state: &dxos_document::ObjectState) -> bool {
    state.is_created() && !state.is_deleted()
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
