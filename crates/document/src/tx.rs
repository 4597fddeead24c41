//! Transactions as they are written: reads see what was written before, in the same one too.

use dxos_keys::{FeedId, ObjectId};

use crate::context::{Context, Stamp};
use crate::limits::{LimitError, Limits};
use crate::meta::{self, MetaError};
use crate::state::{ApplyError, seen};
use crate::text::Log;
use crate::tree::Location;
use crate::{
    ListEditor, Map, Object, ObjectState, Op, Path, QueueOp, Retention, TextEditor, Transaction,
    TypeName, Value,
};

/// Where a transaction finds the objects that it reads and changes.
pub trait Objects {
    /// The state of an object to read; an empty one when there is none.
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError>;

    /// The state of an object to change; an empty one when there is none.
    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError>;

    /// A fresh object id.
    fn new_id(&mut self) -> ObjectId;

    /// Where an object is: by itself where its latest move has put it. What knows all objects
    /// answers from a [`Tree`](crate::Tree).
    fn location(&mut self, object: ObjectId) -> Result<Location, TxError> {
        let latest = self.read(object)?.moves().first().copied();
        Ok(Location {
            parent: latest.and_then(|latest| latest.parent),
            cut: None,
        })
    }

    /// At most `limit` of the objects of which a move is dropped; see
    /// [`Tree::cuts`](crate::Tree::cuts).
    fn cuts(&mut self, limit: usize) -> Result<Vec<ObjectId>, TxError> {
        let _ = limit;
        Ok(Vec::new())
    }
}

/// Why an operation of a transaction was refused. Whoever runs the transaction takes all of it
/// back then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxError {
    /// The operation is out of bounds.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// There is no list at the path, or it was replaced by another since.
    #[error("there is no list at {path} of object {object}; assign one first")]
    NoList {
        /// The object.
        object: ObjectId,
        /// The path.
        path: Path,
    },
    /// There is no text at the path.
    #[error("there is no text at {path} of object {object}; assign one first")]
    NoText {
        /// The object.
        object: ObjectId,
        /// The path.
        path: Path,
    },
    /// A bound is passed.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// What is kept of an object besides its properties would be spoiled.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// There is no such object.
    #[error("object {object} does not exist here; create it first, or wait until it arrives")]
    NotFound {
        /// The object.
        object: ObjectId,
    },
    /// Another system has one name for objects of two types.
    #[error(
        "{source_name} calls an object of type {found} {id:?} here already; objects of type \
         {expected} that have the same names want a source of their own"
    )]
    OtherType {
        /// The other system.
        source_name: String,
        /// Its name for the object.
        id: String,
        /// The type that the object has.
        found: TypeName,
        /// The type that was to be imported.
        expected: TypeName,
    },
    /// A position or range is not there.
    #[error("{len} elements from number {at} on are not there: there are {found}")]
    Range {
        /// The position.
        at: usize,
        /// How many were meant from there on.
        len: usize,
        /// How many there are in all.
        found: usize,
    },
    /// This device has inserted as many characters into a text as can be told apart.
    #[error("too much was typed into this text by this device; go on in a new one")]
    TooLong,
    /// The objects could not be read.
    #[error("the objects could not be read: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
}

/// A transaction while it is written: every operation takes effect at once for those that follow
/// it, and for nobody else until all of it is committed.
///
/// ```
/// use std::collections::BTreeMap;
/// use dxos_document::{Context, Objects, ObjectState, Stamp, Timeframe, Tx, TxError, Value};
/// use dxos_keys::{FeedId, ObjectId};
///
/// #[derive(Default)]
/// struct Memory(BTreeMap<ObjectId, ObjectState>);
///
/// impl Objects for Memory {
///     fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
///         Ok(self.0.entry(object).or_default())
///     }
///     fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
///         Ok(self.0.entry(object).or_default())
///     }
///     fn new_id(&mut self) -> ObjectId {
///         ObjectId::from_bytes([self.0.len() as u8; 16])
///     }
/// }
///
/// let mut memory = Memory::default();
/// let stamp = Stamp { lamport: 1, feed: FeedId::from_bytes([1; 32]), seq: 0 };
/// let past = Timeframe::new();
/// let mut tx = Tx::new(&mut memory, Context { stamp, past: &past, time_ms: 0 });
/// let task = tx.add("task", Value::map([("title", "Write")]).as_map().unwrap().clone())?;
/// tx.update(task, |task| drop(task.insert("done".into(), true.into())))?;
/// assert_eq!(tx.get(task)?.unwrap().get("done"), Some(&true.into()));
/// assert_eq!(tx.into_ops().len(), 2);
/// # Ok::<(), TxError>(())
/// ```
pub struct Tx<'a> {
    objects: &'a mut dyn Objects,
    context: Context<'a>,
    ops: Vec<Op>,
    queues: Vec<QueueOp>,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tx")
            .field("stamp", &self.context.stamp)
            .field("ops", &self.ops.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Tx<'a> {
    /// A transaction of no operations yet, at the place that `context` says.
    pub fn new(objects: &'a mut dyn Objects, context: Context<'a>) -> Self {
        Self {
            objects,
            context,
            ops: Vec::new(),
            queues: Vec::new(),
        }
    }

    /// The operations on objects, in order.
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// All that it does.
    pub fn into_transaction(self) -> Transaction {
        Transaction {
            ops: self.ops,
            queues: self.queues,
        }
    }

    /// Whether nothing was changed.
    pub const fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.queues.is_empty()
    }

    /// Appends items to a queue, together with all else that the transaction does, and returns
    /// what was drawn for their names: see [`queue_item_id`](crate::queue_item_id).
    ///
    /// # Errors
    ///
    /// [`TxError::Limit`] when the name or an item is out of bounds.
    pub fn append(&mut self, queue: &str, items: Vec<Value>) -> Result<[u8; 16], TxError> {
        let nonce = *self.objects.new_id().as_bytes();
        self.push_queue(QueueOp::Append {
            queue: queue.to_owned(),
            nonce,
            items,
        })?;
        Ok(nonce)
    }

    /// Says how much a queue is to hold.
    ///
    /// # Errors
    ///
    /// [`TxError::Limit`] when the name is out of bounds.
    pub fn retain(&mut self, queue: &str, retention: Retention) -> Result<(), TxError> {
        self.push_queue(QueueOp::Retain {
            queue: queue.to_owned(),
            retention,
        })
    }

    /// Adds any operation on a queue.
    ///
    /// # Errors
    ///
    /// [`TxError::Limit`] when it is out of bounds.
    pub fn push_queue(&mut self, op: QueueOp) -> Result<(), TxError> {
        op.check(&Limits::default())?;
        self.queues.push(op);
        Ok(())
    }

    /// Applies any operation.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when it is out of bounds, [`TxError::Meta`] when it writes below
    /// [`META`](crate::META) what has no place there.
    pub fn push(&mut self, op: Op) -> Result<(), TxError> {
        meta::check(&op)?;
        let state = self.objects.write(op.object())?;
        state.apply(&op, &self.context, self.ops.len())?;
        self.ops.push(op);
        Ok(())
    }

    /// An object as it shows in this transaction, deleted or not.
    ///
    /// # Errors
    ///
    /// [`TxError::Store`].
    pub fn get(&mut self, object: ObjectId) -> Result<Option<Object>, TxError> {
        Ok(self.objects.read(object)?.object(object))
    }

    pub(crate) fn cuts(&mut self, limit: usize) -> Result<Vec<ObjectId>, TxError> {
        self.objects.cuts(limit)
    }

    /// Where an object is in this transaction.
    ///
    /// # Errors
    ///
    /// [`TxError::Store`].
    pub fn location(&mut self, object: ObjectId) -> Result<Location, TxError> {
        self.objects.location(object)
    }

    /// An object as [`Tx::get`] gives it, where it has to be there.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here.
    pub fn existing(&mut self, object: ObjectId) -> Result<Object, TxError> {
        self.get(object)?.ok_or(TxError::NotFound { object })
    }

    /// A fresh object id, to refer to an object before it is created.
    pub fn new_id(&mut self) -> ObjectId {
        self.objects.new_id()
    }

    /// Creates an object and returns its id.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when a value is out of bounds.
    pub fn add(
        &mut self,
        type_name: impl Into<TypeName>,
        properties: Map,
    ) -> Result<ObjectId, TxError> {
        let object = self.new_id();
        self.push(Op::Create {
            object,
            type_name: type_name.into(),
            properties,
        })?;
        Ok(object)
    }

    /// Assigns a property.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when the value is out of bounds.
    pub fn set(
        &mut self,
        object: ObjectId,
        path: impl Into<Path>,
        value: impl Into<Value>,
    ) -> Result<(), TxError> {
        self.push(Op::Set {
            object,
            path: path.into(),
            value: value.into(),
        })
    }

    /// Takes a property out.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when the path is out of bounds.
    pub fn unset(&mut self, object: ObjectId, path: impl Into<Path>) -> Result<(), TxError> {
        self.push(Op::Unset {
            object,
            path: path.into(),
        })
    }

    /// Counts on the number at `path`; starts a counter where there is none.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when the path is out of bounds.
    pub fn increment(
        &mut self,
        object: ObjectId,
        path: impl Into<Path>,
        by: i64,
    ) -> Result<(), TxError> {
        let op = self.objects.read(object)?.increment(object, path, by);
        self.push(op)
    }

    /// The text at `path`, to be edited. What is done becomes one operation.
    ///
    /// # Errors
    ///
    /// [`TxError::NoText`] when something else shows there, or nothing.
    ///
    /// ```
    /// # use dxos_document::{Expand, Op, Text, Tx, TxError};
    /// # use dxos_keys::ObjectId;
    /// # fn edit(tx: &mut Tx<'_>, page: ObjectId) -> Result<(), TxError> {
    /// tx.set(page, "body", Text::new("Hello world"))?;
    /// let mut body = tx.text(page, "body")?;
    /// body.splice(0, 5, "Good morning")?;
    /// body.mark((0, 4), "bold", true, Expand::After)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn text(
        &mut self,
        object: ObjectId,
        path: impl Into<Path>,
    ) -> Result<TextEditor<'_>, TxError> {
        let path = path.into();
        let seen = seen(&self.context, self.ops.len())?;
        if self.objects.read(object)?.text(&path).is_none() {
            return Err(TxError::NoText { object, path });
        }
        let state = self.objects.write(object)?;
        let Some((text, of, updated)) = state.edit_text(&path) else {
            return Err(TxError::NoText { object, path });
        };
        Ok(TextEditor {
            text,
            updated,
            ops: &mut self.ops,
            seen,
            object,
            path,
            of,
            log: Log::default(),
        })
    }

    /// The list at `path`, to be edited.
    ///
    /// # Errors
    ///
    /// [`TxError::NoList`] when something else shows there, or nothing.
    pub fn list(
        &mut self,
        object: ObjectId,
        path: impl Into<Path>,
    ) -> Result<ListEditor<'_, 'a>, TxError> {
        let path = path.into();
        match self.objects.read(object)?.list(&path) {
            None => Err(TxError::NoList { object, path }),
            Some(of) => Ok(ListEditor {
                tx: self,
                object,
                path,
                of,
            }),
        }
    }

    /// Which text shows at a path, and the number of the next character of this device there.
    pub(crate) fn text_end(
        &mut self,
        object: ObjectId,
        path: &Path,
    ) -> Result<(crate::WriteId, u32), TxError> {
        let feed = self.feed();
        let state = self.objects.read(object)?;
        let Some((text, of)) = state.text_at(path) else {
            return Err(TxError::NoText {
                object,
                path: path.clone(),
            });
        };
        let author = text.sequence.find_author(&feed);
        Ok((of, author.map_or(0, |author| text.sequence.next(author))))
    }

    /// How many operations there are.
    pub const fn len(&self) -> usize {
        self.ops.len()
    }

    /// Where it will stand.
    pub const fn stamp(&self) -> Stamp {
        self.context.stamp
    }

    pub(crate) fn state(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        self.objects.write(object)
    }

    /// The feed that it is written to.
    pub(crate) const fn feed(&self) -> FeedId {
        self.context.stamp.feed
    }

    /// Changes the properties of an object: what differs after `change`, and nothing else,
    /// becomes operations.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here, [`TxError::Apply`] when a
    /// value is out of bounds.
    pub fn update(
        &mut self,
        object: ObjectId,
        change: impl FnOnce(&mut Map),
    ) -> Result<(), TxError> {
        let found = self.existing(object)?;
        let mut properties = found.properties().clone();
        change(&mut properties);
        self.replace(object, found.properties(), &properties)
    }

    /// Turns the properties `old` of an object into `new`, leaf by leaf, by as little as that
    /// takes: texts are edited where they differ, items of lists are inserted, deleted, moved and
    /// changed, counters are counted on, members are added to and removed from sets.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when a value is out of bounds.
    pub fn replace(&mut self, object: ObjectId, old: &Map, new: &Map) -> Result<(), TxError> {
        crate::diff::replace(self, object, None, old, new)
    }

    /// Deletes an object. It keeps its properties and can be restored.
    ///
    /// # Errors
    ///
    /// [`TxError::Store`].
    pub fn remove(&mut self, object: ObjectId) -> Result<(), TxError> {
        self.push(Op::Delete { object })
    }

    /// Restores a deleted object.
    ///
    /// # Errors
    ///
    /// [`TxError::Store`].
    pub fn restore(&mut self, object: ObjectId) -> Result<(), TxError> {
        self.push(Op::Restore { object })
    }
}
