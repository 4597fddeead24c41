//! Editing a list by position, within a transaction.

use dxos_keys::ObjectId;

use super::ListEdit;
use crate::tx::{Tx, TxError};
use crate::{ElementId, Key, Op, Path, Place, Value, WriteId};

/// A list that is being edited; see [`Tx::list`]. Positions count items from 0.
#[derive(Debug)]
pub struct ListEditor<'t, 'a> {
    pub(crate) tx: &'t mut Tx<'a>,
    pub(crate) object: ObjectId,
    pub(crate) path: Path,
    pub(crate) of: WriteId,
}

impl ListEditor<'_, '_> {
    fn list(&mut self) -> Result<&mut super::ListState, TxError> {
        let missing = TxError::NoList {
            object: self.object,
            path: self.path.clone(),
        };
        let state = self.tx.state(self.object)?;
        state.list_mut(&self.path, self.of).ok_or(missing)
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// [`TxError::NoList`] when the list was replaced since.
    pub fn len(&mut self) -> Result<usize, TxError> {
        self.list().map(|list| list.sequence.len())
    }

    /// Whether there are none.
    ///
    /// # Errors
    ///
    /// As for [`ListEditor::len`].
    pub fn is_empty(&mut self) -> Result<bool, TxError> {
        self.len().map(|len| len == 0)
    }

    fn range(&mut self, at: usize, len: usize) -> Result<(), TxError> {
        let found = self.len()?;
        let end = at.checked_add(len).filter(|end| *end <= found);
        end.map(drop).ok_or(TxError::Range { at, len, found })
    }

    /// Where something goes so that it will be number `at`, and the number that it gets.
    fn place(&mut self, at: usize) -> Result<(u32, Place), TxError> {
        let feed = self.tx.feed();
        let list = self.list()?;
        let (parent, side) = list.sequence.place_for(at);
        let author = list.sequence.find_author(&feed);
        let start = author.map_or(0, |author| list.sequence.next(author));
        Ok((start, list.sequence.place_of(parent, side)))
    }

    fn push(&mut self, edit: ListEdit) -> Result<(), TxError> {
        self.tx.push(Op::List {
            object: self.object,
            path: self.path.clone(),
            of: self.of,
            edits: vec![edit],
        })
    }

    /// Puts items in so that the first will be number `at`.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when `at` is beyond the end, [`TxError::Apply`] when a value is out of
    /// bounds.
    pub fn insert<V: Into<Value>>(
        &mut self,
        at: usize,
        values: impl IntoIterator<Item = V>,
    ) -> Result<(), TxError> {
        self.range(at, 0)?;
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        if values.is_empty() {
            return Ok(());
        }
        let (start, at) = self.place(at)?;
        self.push(ListEdit::Insert { start, at, values })
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    ///
    /// As for [`ListEditor::insert`].
    pub fn push_back(&mut self, value: impl Into<Value>) -> Result<(), TxError> {
        let len = self.len()?;
        self.insert(len, [value.into()])
    }

    /// Takes `len` items out from number `at` on.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when there are not that many.
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), TxError> {
        self.range(at, len)?;
        for _ in 0..len {
            let first = self.item_id(at)?;
            self.push(ListEdit::Delete { first, len: 1 })?;
        }
        Ok(())
    }

    /// Moves the item number `from` so that it will be number `to`. When somebody else moves it
    /// too it ends once, where one of both put it.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when one of the positions is not there.
    pub fn move_item(&mut self, from: usize, to: usize) -> Result<(), TxError> {
        self.range(from, 1)?;
        self.range(to, 1)?;
        if from == to {
            return Ok(());
        }
        let item = self.item_id(from)?;
        let (start, at) = self.place(if to > from { to + 1 } else { to })?;
        self.push(ListEdit::Move { item, start, at })
    }

    /// Assigns what the item number `at` holds.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`], [`TxError::Apply`].
    pub fn set(&mut self, at: usize, value: impl Into<Value>) -> Result<(), TxError> {
        let path = self.item(at)?;
        self.tx.set(self.object, path, value)
    }

    /// The path that leads to the item number `at`, wherever it is moved: for operations on what
    /// it holds.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when there is no such item.
    pub fn item(&mut self, at: usize) -> Result<Path, TxError> {
        let item = self.item_id(at)?;
        Ok(self.path.child(Key::item(item)))
    }

    /// The name of the item number `at`.
    ///
    /// # Errors
    ///
    /// [`TxError::Range`] when there is no such item.
    pub fn item_id(&mut self, at: usize) -> Result<ElementId, TxError> {
        self.range(at, 1)?;
        let found = self.len()?;
        let list = self.list()?;
        list.item_at(at).ok_or(TxError::Range { at, len: 1, found })
    }
}
