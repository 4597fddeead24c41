//! Transactions as they are written: reads see what was written before, in the same one too.

use dxos_keys::ObjectId;

use crate::context::Context;
use crate::limits::LimitError;
use crate::state::ApplyError;
use crate::{Map, Object, ObjectState, Op, Path, TypeName, Value, diff};

/// Where a transaction finds the objects that it reads and changes.
pub trait Objects {
    /// The state of an object to read; an empty one when there is none.
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError>;

    /// The state of an object to change; an empty one when there is none.
    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError>;

    /// A fresh object id.
    fn new_id(&mut self) -> ObjectId;
}

/// Why an operation of a transaction was refused. Whoever runs the transaction takes all of it
/// back then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxError {
    /// The operation is out of bounds.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A bound is passed.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// There is no such object.
    #[error("object {object} does not exist here; create it first, or wait until it arrives")]
    NotFound {
        /// The object.
        object: ObjectId,
    },
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
        }
    }

    /// The operations, in order.
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Whether nothing was changed.
    pub const fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Applies any operation.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when it is out of bounds.
    pub fn push(&mut self, op: Op) -> Result<(), TxError> {
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

    /// The same, where it has to be there.
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

    /// Turns the properties `old` of an object into `new`, by as little as that takes.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when a value is out of bounds.
    pub fn replace(&mut self, object: ObjectId, old: &Map, new: &Map) -> Result<(), TxError> {
        for op in diff(object, old, new) {
            self.push(op)?;
        }
        Ok(())
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
