//! What a replica keeps of one object.

use dxos_keys::{HashDomain, Hasher, ObjectId, StateHash};

use crate::branch::Branch;
use crate::context::{Context, Moment, SEQ_END, Seen};
use crate::limits::{LimitError, Limits};
use crate::list::ListState;
use crate::meta::Meta;
use crate::node::Content;
use crate::register::Register;
use crate::text::TextState;
use crate::{Map, Object, Op, Path, TypeName, Value, WriteId, node, view};

/// Why an operation was not applied; the state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The operation is beyond the default [`Limits`]. Decoding with them refuses it earlier.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The position is beyond 2^43 transactions of 2^20 operations. No real feed gets there:
    /// refuse it.
    #[error("operation {index} of transaction {seq} is out of range; refuse its feed")]
    Position {
        /// The transaction's number.
        seq: u64,
        /// The operation's index.
        index: usize,
    },
}

/// Everything that decides how an object shows and how later operations merge into it.
///
/// Two replicas that applied the same operations, in whatever causal orders, have equal states
/// with equal bytes. An object whose creation was never applied has a state too, which keeps
/// its properties but does not show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectState {
    pub(crate) created: Option<Moment>,
    pub(crate) updated: Option<Moment>,
    pub(crate) types: Register<TypeName>,
    // Boxed, as few objects are ever deleted.
    pub(crate) deleted: Option<Box<Register<bool>>>,
    pub(crate) root: Branch,
}

impl ObjectState {
    /// Applies the operation at `index` of the transaction that `context` describes. All that
    /// the writer had seen must have been applied before.
    ///
    /// The object that `op` names is not looked at: the caller keeps one state an object.
    /// Fails, and changes nothing, as [`ApplyError`] says.
    pub fn apply(
        &mut self,
        op: &Op,
        context: &Context<'_>,
        index: usize,
    ) -> Result<(), ApplyError> {
        op.check(&Limits::default())?;
        let seen = seen(context, index)?;
        let now = touch(&mut self.updated, context);
        match op {
            Op::Create {
                type_name,
                properties,
                ..
            } => {
                if self.created.is_none_or(|created| now.stamp < created.stamp) {
                    self.created = Some(now);
                }
                self.types.assign(type_name.clone(), &seen);
                let root = &mut self.root;
                if root.is_empty() {
                    root.reserve(properties.len());
                }
                for (key, value) in properties {
                    node::assign(root, std::slice::from_ref(key), value, &seen);
                }
            }
            Op::Delete { .. } => self.deletion().assign(true, &seen),
            Op::Increment { path, by, .. } => {
                node::increment(&mut self.root, path.parts(), *by, &seen);
            }
            Op::List {
                path, of, edits, ..
            } => node::edit_list(&mut self.root, path.parts(), *of, edits, &seen),
            Op::Restore { .. } => self.deletion().assign(false, &seen),
            Op::Set { path, value, .. } => node::assign(&mut self.root, path.parts(), value, &seen),
            Op::SetAdd { path, values, .. } => {
                node::set_add(&mut self.root, path.parts(), values, &seen);
            }
            Op::SetRemove { path, values, .. } => {
                node::set_remove(&mut self.root, path.parts(), values, &seen);
            }
            Op::Text {
                path, of, edits, ..
            } => node::edit_text(&mut self.root, path.parts(), *of, edits, &seen),
            Op::Unset { path, .. } => node::unset(&mut self.root, path.parts(), &seen),
        }
        Ok(())
    }

    /// The text that shows at `path`, to be edited, which it is, and when the object was changed
    /// last, to be changed with it.
    pub(crate) fn edit_text(
        &mut self,
        path: &Path,
    ) -> Option<(&mut TextState, WriteId, &mut Option<Moment>)> {
        let updated = &mut self.updated;
        let node = node::find_mut(&mut self.root, path.parts())?;
        node.register
            .iter_mut()
            .find_map(|write| {
                let id = WriteId::from(write.id);
                match &mut write.content {
                    Content::Text(text) => Some((&mut **text, id)),
                    _ => None,
                }
            })
            .map(|(text, of)| (text, of, updated))
    }

    /// A text at `path`, to be read.
    pub(crate) fn text(&self, path: &Path) -> Option<&TextState> {
        self.text_at(path).map(|(text, _)| text)
    }

    /// A text at `path`, and which it is.
    pub(crate) fn text_at(&self, path: &Path) -> Option<(&TextState, WriteId)> {
        let node = node::find(&self.root, path.parts())?;
        node.register.iter().find_map(|write| match &write.content {
            Content::Text(text) => Some((&**text, write.id.into())),
            _ => None,
        })
    }

    /// Which list shows at `path`.
    pub(crate) fn list(&self, path: &Path) -> Option<WriteId> {
        let node = node::find(&self.root, path.parts())?;
        node.register.iter().find_map(|write| match &write.content {
            Content::List(_) => Some(write.id.into()),
            _ => None,
        })
    }

    /// One list at `path`.
    pub(crate) fn list_mut(&mut self, path: &Path, of: WriteId) -> Option<&mut ListState> {
        let node = node::find_mut(&mut self.root, path.parts())?;
        node.register
            .iter_mut()
            .find_map(|write| match &mut write.content {
                Content::List(list) if WriteId::from(write.id) == of => Some(&mut **list),
                _ => None,
            })
    }

    fn deletion(&mut self) -> &mut Register<bool> {
        self.deleted.get_or_insert_default()
    }

    /// Whether a creation was applied; without one the object does not show.
    pub fn is_created(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether the object is deleted.
    pub fn is_deleted(&self) -> bool {
        let winner = self.deleted.as_ref().and_then(|deleted| deleted.winner());
        winner.is_some_and(|write| write.content)
    }

    /// Its type, `None` when it was never created.
    pub fn type_name(&self) -> Option<&TypeName> {
        self.types.winner().map(|write| &write.content)
    }

    /// Its latest change, `None` when nothing was applied.
    pub const fn updated(&self) -> Option<Moment> {
        self.updated
    }

    /// The object as it shows, `None` when it was never created.
    pub fn object(&self, id: ObjectId) -> Option<Object> {
        let type_name = self.type_name()?.clone();
        let created = self.created?;
        let (mut properties, conflicts) = view::show(&self.root);
        Some(Object {
            id,
            type_name,
            is_deleted: self.is_deleted(),
            is_hidden: false,
            meta: Meta::take(&mut properties),
            properties,
            conflicts,
            created,
            updated: self.updated.unwrap_or(created),
            score: None,
        })
    }

    /// The same as [`ObjectState::object`]; values are moved instead of copied where that is easy,
    /// as it is for nearly all objects.
    pub fn into_object(self, id: ObjectId) -> Option<Object> {
        let Some(plain) = self.plain() else {
            return self.object(id);
        };
        let (is_deleted, created, updated) = (plain.is_deleted(), plain.created(), plain.updated());
        let mut properties = Map::new();
        properties.extend(self.root.into_entries().filter_map(|(key, node)| {
            let value = match node.register.winner().map(|write| &write.content) {
                Some(Content::Whole(_)) => match node.register.into_winner()?.content {
                    Content::Whole(value) => value,
                    _ => return None,
                },
                _ => view::show_one(&key, &node)?,
            };
            Some((key, value))
        }));
        Some(Object {
            id,
            type_name: self.types.into_winner()?.content,
            is_deleted,
            is_hidden: false,
            meta: None,
            properties,
            conflicts: view::Conflicts::new(),
            created,
            updated,
            score: None,
        })
    }

    /// Its properties as they show, whether it was created or not.
    pub fn properties(&self) -> Map {
        view::show(&self.root).0
    }

    /// The operation that counts `by` at `path`: an increment where a whole number or counter
    /// shows, otherwise the start of a counter. Counters started concurrently add up.
    pub fn increment(&self, object: ObjectId, path: impl Into<Path>, by: i64) -> Op {
        let path = path.into();
        if view::shows_count(&self.root, path.parts()) {
            Op::Increment { object, path, by }
        } else {
            Op::Set {
                object,
                path,
                value: Value::Counter(by),
            }
        }
    }

    /// Adds this object to a hash of many.
    pub fn hash_into(&self, id: &ObjectId, hasher: &mut Hasher) {
        hasher.update(id.as_bytes()).part(&self.encode());
    }
}

/// Notes when an object was changed last.
pub(crate) fn touch(updated: &mut Option<Moment>, context: &Context<'_>) -> Moment {
    let now = Moment {
        stamp: context.stamp,
        time_ms: context.time_ms,
    };
    if updated.is_none_or(|updated| updated.stamp < now.stamp) {
        *updated = Some(now);
    }
    now
}

/// The position of an operation, with what its writer had seen.
pub(crate) fn seen<'a>(context: &'a Context<'a>, index: usize) -> Result<Seen<'a>, ApplyError> {
    let seq = context.stamp.seq;
    let small = u32::try_from(index)
        .ok()
        .filter(|small| *small < 1 << crate::context::INDEX_BITS);
    match small {
        Some(index) if seq < SEQ_END => Ok(Seen { context, index }),
        _ => Err(ApplyError::Position { seq, index }),
    }
}

/// The hash of objects given in the order of their ids: equal for replicas that applied the
/// same operations.
pub fn state_hash<'a>(
    objects: impl IntoIterator<Item = (&'a ObjectId, &'a ObjectState)>,
) -> StateHash {
    let mut hasher = Hasher::new(HashDomain::State);
    for (id, state) in objects {
        state.hash_into(id, &mut hasher);
    }
    StateHash::from_bytes(hasher.finish())
}
