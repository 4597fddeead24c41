//! Local transactions: their code runs on the state itself and is taken back when it fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dxos_credentials::Right;
use dxos_document::{
    Context, Limits, Location, Object, ObjectState, Objects, Op, Stamp, Transaction, Tree, Tx,
    TxError,
};
use dxos_feed::{Designation, Next, SealingContext};
use dxos_keys::{FeedId, ObjectId};
use dxos_protocol::echo::{Committed, EchoError, Work};
use dxos_store::Read;
use rand_core::CryptoRng;

use super::ahead::Ahead;
use super::body;
use super::index::Indexes;
use super::space::{Outcome, Space, Touched, is_visible};

/// What a local transaction led to: `None` when it changed nothing.
pub(crate) type Transacted = Result<Option<Committed>, EchoError>;

/// The objects of a space as a local transaction reads and changes them.
struct Workspace<'a> {
    space: &'a mut Space,
    store: &'a dyn Read,
    ahead: Ahead,
    now_ms: u64,
    rng: &'a mut dyn CryptoRng,
}

impl Workspace<'_> {
    fn load(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        let number = self.space.record.number;
        let store = (self.store, &mut self.ahead);
        let loaded = self.space.cache.load_ahead(store, number, object);
        loaded.map_err(|error| TxError::Store {
            reason: error.to_string(),
        })
    }
}

impl Workspace<'_> {
    fn tree(&mut self) -> Result<&Tree, TxError> {
        let tree = self.space.tree_ahead(self.store);
        tree.map_err(|error| TxError::Store {
            reason: error.to_string(),
        })
    }
}

impl Objects for Workspace<'_> {
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
        self.load(object).map(|state| &*state)
    }

    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        let space = &mut *self.space;
        let number = space.record.number;
        let store = (self.store, Some(&mut self.ahead));
        let loaded = space.cache.load_to_change(store, number, object);
        let state = loaded.map_err(|error| TxError::Store {
            reason: error.to_string(),
        })?;
        let watched = !space.live.is_empty();
        let indexes = &mut space.indexes;
        let touched = space.touched.entry(object);
        touched.or_insert_with(|| Touched::before(object, state, watched, indexes));
        space.forest.touch(object);
        Ok(state)
    }

    fn new_id(&mut self) -> ObjectId {
        let object = ObjectId::generate_at(self.now_ms, self.rng);
        self.space.cache.expect_new(object);
        object
    }

    fn location(&mut self, object: ObjectId) -> Result<Location, TxError> {
        self.tree().map(|tree| tree.location(object))
    }

    fn cuts(&mut self, limit: usize) -> Result<Vec<ObjectId>, TxError> {
        self.tree().map(|tree| tree.cuts().take(limit).collect())
    }
}

impl Touched {
    /// How an object shows before it is changed.
    pub(super) fn before(
        object: ObjectId,
        state: &ObjectState,
        watched: bool,
        indexes: &mut Indexes,
    ) -> Self {
        indexes.note_schema(Some(state));
        Self {
            rows: indexes.stored_rows(object, state),
            words: indexes.words_before(object, state),
            is_typed: true,
            was_visible: is_visible(state),
            moves: state.moves(),
            before: watched
                .then(|| state.object(object))
                .flatten()
                .map(Box::new),
        }
    }
}

impl Space {
    /// Notes what is done to an object that was touched.
    pub(super) fn note_typing(&mut self, op: &Op) {
        if let Some(touched) = self.touched.get_mut(&op.object()) {
            touched.is_typed &= self.indexes.is_typing(op);
        }
    }

    /// Writes operations into this device's data feed.
    pub(crate) fn commit(
        &mut self,
        ops: Vec<Op>,
        now_ms: u64,
        parts: (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Result<Committed, EchoError>, Outcome), EchoError> {
        let work = |tx: &mut Tx<'_>| {
            let pushed = ops.into_iter().try_for_each(|op| tx.push(op));
            pushed.map_err(|error| EchoError::InvalidTransaction {
                reason: error.to_string(),
            })
        };
        let (transacted, outcome) = self.run(work, now_ms, parts)?;
        let committed = transacted.and_then(|committed| {
            committed.ok_or_else(|| EchoError::InvalidTransaction {
                reason: "it has no operations".to_owned(),
            })
        });
        Ok((committed, outcome))
    }

    /// Runs a transaction's code on the objects and writes what it did into this device's data
    /// feed: all of it as one block, or nothing when it fails or panics.
    pub(crate) fn transact(
        &mut self,
        work: Work,
        now_ms: u64,
        parts: (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Transacted, Outcome), EchoError> {
        let work = |tx: &mut Tx<'_>| {
            catch_unwind(AssertUnwindSafe(|| work.run(tx)))
                .map_err(|_| EchoError::TransactionPanicked)?
                .map_err(|_| EchoError::TransactionAborted)
        };
        self.run(work, now_ms, parts)
    }

    pub(super) fn run(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(), EchoError>,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Transacted, Outcome), EchoError> {
        self.permit(Right::Write, "write")?;
        let mut outcome = Outcome::default();
        self.rotate_before_writing(now_ms, (store, &mut *rng), &mut outcome)?;
        let id = self.membership.content_key();
        let Some(key) = id.and_then(|id| self.keys.get(&id)).cloned() else {
            return Err(EchoError::NoContentKey { space: self.key() });
        };
        if !self.is_presented() {
            // A device that has not shown its chain in these feeds yet does so first: then its
            // blocks count wherever they arrive.
            self.begin_write(now_ms, &mut outcome)?;
            self.present(now_ms, store, &mut outcome)?;
        }
        let (feed, next) = self.next_data()?;
        let context = Context {
            stamp: Stamp {
                lamport: next.lamport,
                feed,
                seq: next.seq,
            },
            past: &next.clock,
            time_ms: now_ms,
        };
        let mut workspace = Workspace {
            space: self,
            store,
            ahead: Ahead::default(),
            now_ms,
            rng,
        };
        let mut tx = Tx::new(&mut workspace, context);
        let worked = work(&mut tx);
        let mut transaction = tx.into_transaction();
        let checked = worked.and_then(|()| self.check_schemas(&transaction.ops, store));
        if checked.is_ok() {
            self.trim_queues(&mut transaction, context.stamp, now_ms, store)?;
        }
        let transacted = match checked.and_then(|()| encode(&transaction)) {
            Ok(None) => Ok(None),
            Ok(Some(plain)) => {
                for (index, op) in transaction.ops.iter().enumerate() {
                    self.cache.note(op, &context, index);
                    self.texts.note(op, &context, index);
                    self.note_typing(op);
                }
                let device = self.device();
                self.apply_queues(&transaction.queues, &context, &device, store)?;
                outcome.synced |= self.queues.is_run_new();
                self.begin_write(now_ms, &mut outcome)?;
                let seal = |context: SealingContext| body::seal(&key, context, &plain);
                let (feed, seq, block) = self.append_data(now_ms, &mut outcome, seal)?;
                let hash = self.dag.feed(&feed).map_or(next.prev, |state| state.head);
                Ok(Some(Committed {
                    feed,
                    seq,
                    hash,
                    lamport: block.lamport,
                }))
            }
            Err(error) => Err(error),
        };
        if !matches!(transacted, Ok(Some(_))) {
            // What it read and changed is as it is in the store.
            self.cache.forget_changes();
            self.texts.forget();
            self.touched.clear();
            self.take_back_moves(store)?;
        }
        self.flush(&mut outcome.batch)?;
        Ok((transacted, outcome))
    }

    /// Where this device's next transaction will stand.
    pub(super) fn next_data(&mut self) -> Result<(FeedId, Next), EchoError> {
        let stopped = |error: &dyn std::error::Error| EchoError::Stopped {
            reason: error.to_string(),
        };
        let descriptor = self.own_feed(Designation::Data);
        let feed = descriptor.id();
        let device = self.device();
        self.dag
            .register(descriptor)
            .map_err(|error| stopped(&error))?;
        let next = self.dag.next(&feed, device);
        Ok((feed, next.map_err(|error| stopped(&error))?))
    }

    /// One object, deleted or not.
    pub(crate) fn object(
        &self,
        object: &ObjectId,
        store: &dyn Read,
    ) -> Result<Option<Object>, EchoError> {
        let shown = match self.cache.peek(object) {
            Some(state) => state.object(*object),
            None => super::cache::show(store, self.record.number, object)
                .map_err(|error| super::space::store_failed(&error))?,
        };
        let Some(mut object) = shown else {
            return Ok(None);
        };
        self.tree(store)?.tell(&mut object);
        Ok(Some(object))
    }

    /// Looks at the state of an object, in memory or in the store.
    pub(super) fn with_state<T>(
        &self,
        object: &ObjectId,
        store: &dyn Read,
        look: impl FnOnce(&ObjectState) -> T,
    ) -> Result<Option<T>, EchoError> {
        if let Some(state) = self.cache.peek(object) {
            return Ok(Some(look(state)));
        }
        let state = super::cache::read(store, self.record.number, object)
            .map_err(|error| super::space::store_failed(&error))?;
        Ok(state.map(|state| look(&state)))
    }
}

/// The bytes of a transaction that fits into one block, `None` when it does nothing.
fn encode(transaction: &Transaction) -> Result<Option<Vec<u8>>, EchoError> {
    let invalid = |reason: String| EchoError::InvalidTransaction { reason };
    if transaction.is_empty() {
        return Ok(None);
    }
    let plain = transaction
        .encode(&Limits::default())
        .map_err(|error| invalid(error.to_string()))?;
    let max = body::plain_bytes_max();
    if plain.len() > max {
        return Err(invalid(format!(
            "it has {} bytes, more than the {max} of one block; write less at once",
            plain.len()
        )));
    }
    Ok(Some(plain))
}
