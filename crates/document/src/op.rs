//! Operations, and transactions of them.

use dxos_keys::ObjectId;

use crate::limits::{LimitError, Limits};
use crate::queue::QueueOp;
use crate::value::properties_of;
use crate::{Key, ListEdit, Map, Path, TextEdit, TypeName, Value, WriteId};

/// One change to one object. How concurrent ones merge is in the documentation of the crate.
///
/// An operation names no other operation: what its writer had seen comes with the
/// [`Context`](crate::Context). So it can be written again, in another transaction of another
/// feed, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Makes an object, or gives one that is there a type and assigns each of `properties`.
    Create {
        /// The object.
        object: ObjectId,
        /// Its type.
        type_name: TypeName,
        /// Its first properties.
        properties: Map,
    },
    /// Hides an object until it is restored.
    Delete {
        /// The object.
        object: ObjectId,
    },
    /// Counts on the number at `path` that the writer sees. Where it sees none nothing is
    /// counted; [`ObjectState::increment`](crate::ObjectState::increment) starts a counter there.
    Increment {
        /// The object.
        object: ObjectId,
        /// The number.
        path: Path,
        /// How much to add, negative to take away.
        by: i64,
    },
    /// Changes the order or the number of the items of the list at `path`.
    List {
        /// The object.
        object: ObjectId,
        /// The list.
        path: Path,
        /// Which one, if several were made there concurrently.
        of: WriteId,
        /// The changes, in order.
        edits: Vec<ListEdit>,
    },
    /// Shows a deleted object again.
    Restore {
        /// The object.
        object: ObjectId,
    },
    /// Assigns a value, a whole subtree if it is a map.
    Set {
        /// The object.
        object: ObjectId,
        /// The property.
        path: Path,
        /// Its new value.
        value: Value,
    },
    /// Adds members to the set at `path`, which is made if there is none.
    SetAdd {
        /// The object.
        object: ObjectId,
        /// The set.
        path: Path,
        /// The members; none at all makes an empty set.
        values: Vec<Value>,
    },
    /// Takes members out of the set at `path`, as far as the writer had seen them added.
    SetRemove {
        /// The object.
        object: ObjectId,
        /// The set.
        path: Path,
        /// The members.
        values: Vec<Value>,
    },
    /// Changes the text at `path`.
    Text {
        /// The object.
        object: ObjectId,
        /// The text.
        path: Path,
        /// Which one, if several were made there concurrently.
        of: WriteId,
        /// The changes, in order.
        edits: Vec<TextEdit>,
    },
    /// Takes a property out, with everything below it that the writer had seen.
    Unset {
        /// The object.
        object: ObjectId,
        /// The property.
        path: Path,
    },
}

impl Op {
    /// The object that it changes.
    pub const fn object(&self) -> ObjectId {
        match self {
            Self::Create { object, .. }
            | Self::Delete { object }
            | Self::Increment { object, .. }
            | Self::List { object, .. }
            | Self::Restore { object }
            | Self::Set { object, .. }
            | Self::SetAdd { object, .. }
            | Self::SetRemove { object, .. }
            | Self::Text { object, .. }
            | Self::Unset { object, .. } => *object,
        }
    }

    /// Refuses an operation beyond the limits.
    pub fn check(&self, limits: &Limits) -> Result<(), LimitError> {
        match self {
            Self::Create {
                type_name,
                properties,
                ..
            } => {
                limits.name(type_name)?;
                let left = limits.descend(limits.depth_max, 1)?;
                properties.iter().try_for_each(|(key, value)| {
                    limits.name(key)?;
                    value.check(limits, left)
                })
            }
            Self::Delete { .. } | Self::Restore { .. } => Ok(()),
            Self::Increment { path, .. } | Self::Unset { path, .. } => {
                path.check(limits).map(|_| ())
            }
            Self::List { path, edits, .. } => {
                let left = path.check(limits)?;
                edits.iter().try_for_each(|edit| edit.check(limits, left))
            }
            Self::Text { path, edits, .. } => {
                let left = path.check(limits)?;
                edits.iter().try_for_each(|edit| edit.check(limits, left))
            }
            Self::Set { path, value, .. } => value.check(limits, path.check(limits)?),
            Self::SetAdd { path, values, .. } | Self::SetRemove { path, values, .. } => {
                let left = limits.descend(path.check(limits)?, 1)?;
                values
                    .iter()
                    .try_for_each(|value| value.check(limits, left))
            }
        }
    }
}

/// Operations on any number of objects that take effect together or not at all.
///
/// ```
/// use dxos_document::{Limits, Transaction, Value};
/// use dxos_keys::ObjectId;
///
/// let task = ObjectId::from_bytes([1; 16]);
/// let transaction = Transaction::new()
///     .create(task, "task", [("title", "Write")])
///     .set(task, "due.day", Value::Timestamp(0))
///     .set_add(task, "tags", ["home"]);
/// let bytes = transaction.encode(&Limits::default()).unwrap();
/// assert_eq!(Transaction::decode(&bytes, &Limits::default()), Ok(transaction));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The operations, in order: a later one has seen the earlier ones.
    pub ops: Vec<Op>,
    /// What it does to queues, which are beside the objects.
    pub queues: Vec<QueueOp>,
}

impl Transaction {
    /// A transaction of no operations.
    pub const fn new() -> Self {
        Self {
            ops: Vec::new(),
            queues: Vec::new(),
        }
    }

    /// Adds any operation.
    #[must_use]
    pub fn with(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// Whether it does nothing.
    pub const fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.queues.is_empty()
    }

    /// Makes an object.
    #[must_use]
    pub fn create<K: Into<Key>, V: Into<Value>>(
        self,
        object: ObjectId,
        type_name: impl Into<TypeName>,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with(Op::Create {
            object,
            type_name: type_name.into(),
            properties: properties_of(properties),
        })
    }

    /// Deletes an object.
    #[must_use]
    pub fn delete(self, object: ObjectId) -> Self {
        self.with(Op::Delete { object })
    }

    /// Counts on a number; see [`Op::Increment`].
    #[must_use]
    pub fn increment(self, object: ObjectId, path: impl Into<Path>, by: i64) -> Self {
        self.with(Op::Increment {
            object,
            path: path.into(),
            by,
        })
    }

    /// Restores a deleted object.
    #[must_use]
    pub fn restore(self, object: ObjectId) -> Self {
        self.with(Op::Restore { object })
    }

    /// Assigns a property.
    #[must_use]
    pub fn set(self, object: ObjectId, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.with(Op::Set {
            object,
            path: path.into(),
            value: value.into(),
        })
    }

    /// Adds members to a set.
    #[must_use]
    pub fn set_add<V: Into<Value>>(
        self,
        object: ObjectId,
        path: impl Into<Path>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(Op::SetAdd {
            object,
            path: path.into(),
            values: values.into_iter().map(Into::into).collect(),
        })
    }

    /// Takes members out of a set.
    #[must_use]
    pub fn set_remove<V: Into<Value>>(
        self,
        object: ObjectId,
        path: impl Into<Path>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(Op::SetRemove {
            object,
            path: path.into(),
            values: values.into_iter().map(Into::into).collect(),
        })
    }

    /// Takes a property out.
    #[must_use]
    pub fn unset(self, object: ObjectId, path: impl Into<Path>) -> Self {
        self.with(Op::Unset {
            object,
            path: path.into(),
        })
    }
}

impl From<Vec<Op>> for Transaction {
    fn from(ops: Vec<Op>) -> Self {
        Self {
            ops,
            queues: Vec::new(),
        }
    }
}
