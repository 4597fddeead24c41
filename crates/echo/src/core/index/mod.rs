//! Indexes: rows beside the objects, written in the same batch.
//!
//! A row is the number of an index, whether its objects are deleted, an entry, and the id of an
//! object; it has no value. The entry is ordered as what it stands for. Whoever reads a row loads
//! the object and looks whether it is what was asked for, so that a row may say less than all.
//!
//! Rows of words say a little more: see [`words`].
//!
//! A row is there exactly when the state of the object says so: what changes a state takes away
//! the rows that it had and puts those that it has. Indexes of objects that were written before
//! there were indexes, or before a schema declared one, are built a few objects at a time.

mod access;
mod best;
mod build;
mod catalog;
mod counted;
mod encode;
mod frequent;
mod plan;
mod rows;
mod search;
mod typed;
mod walk;
mod words;

use std::collections::BTreeMap;

use dxos_document::ObjectState;
use dxos_keys::{ObjectId, SpaceKey};
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Read};

pub(super) use self::access::{Access, Source};
pub(super) use self::best::{Lookup, Next};
use self::catalog::Catalog;
pub(super) use self::plan::{Plan, direction};
pub(crate) use self::rows::Rows;
pub(super) use self::search::{Candidates, Found};
pub(super) use self::walk::{Stats, Together, all_of, in_order};
pub(crate) use self::words::Recount;
use self::words::Words;
use super::layout::{INDEX, SpaceNumber, TALLIES, in_space};
use super::space::{encode_row, store_failed};

/// The indexes of an open space.
#[derive(Debug)]
pub(crate) struct Indexes {
    catalog: Catalog,
    /// Whether the store has the catalog as it is here.
    is_stored: bool,
    /// Whether schemas may declare something else than the catalog says.
    schemas_changed: bool,
    space: SpaceKey,
    /// The rows in the store of objects that were only typed into lately.
    typed: BTreeMap<ObjectId, Rows>,
    words: Words,
}

impl Indexes {
    /// Of a space without objects.
    pub(crate) const fn empty(space: SpaceKey) -> Self {
        Self {
            catalog: Catalog::empty(),
            is_stored: false,
            schemas_changed: false,
            space,
            typed: BTreeMap::new(),
            words: Words::empty(),
        }
    }

    /// As they were stored; `are_known` unless a program without indexes wrote last.
    pub(crate) fn open(
        space: SpaceKey,
        number: SpaceNumber,
        are_known: bool,
        store: &dyn Read,
    ) -> Result<Self, EchoError> {
        let key = in_space(number, CATALOG);
        let stored = store.get(TALLIES, &key);
        let stored = stored.map_err(|error| store_failed(&error))?;
        let stored = stored.filter(|_| are_known);
        let is_known = stored.is_some();
        let catalog = match stored {
            Some(row) => Catalog::decode(&row)?,
            None => Catalog::unknown(),
        };
        let words = if catalog.clear_all {
            Words::default()
        } else {
            Words::open(number, store)?
        };
        Ok(Self {
            catalog,
            is_stored: is_known,
            // Who wrote the schema may have been stopped before it wrote the catalog.
            schemas_changed: true,
            space,
            typed: BTreeMap::new(),
            words,
        })
    }

    /// Whether the store has exactly the rows that the objects have.
    pub(crate) fn is_settled(&self) -> bool {
        let catalog = &self.catalog;
        !catalog.clear_all && !catalog.is_incomplete() && catalog.dropped.is_empty()
    }

    /// The rows of an object as it is.
    pub(crate) fn rows(&self, object: ObjectId, state: &ObjectState) -> Rows {
        rows::rows_of(object, state, &self.catalog, &self.space)
    }

    /// Writes what differs between the rows of an object before and now.
    pub(crate) fn put(number: SpaceNumber, before: &Rows, now: &Rows, batch: &mut Batch) {
        let number = number.to_bytes();
        for row in before {
            if now.binary_search(row).is_err() {
                batch.delete_copy(INDEX, &[&number, row]);
            }
        }
        for row in now {
            if before.binary_search(row).is_err() {
                batch.put_copy(INDEX, &[&number, row], &[]);
            }
        }
    }

    /// Notes that an object that holds a schema, or did, is written.
    pub(crate) fn note_schema(&mut self, state: Option<&ObjectState>) {
        self.schemas_changed |= state
            .and_then(ObjectState::type_name)
            .is_some_and(rows::is_schema);
    }

    /// Writes the catalog, if it is not stored as it is.
    pub(crate) fn flush(
        &mut self,
        number: SpaceNumber,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        if !self.is_stored {
            let row = encode_row(&self.catalog)?;
            batch.put(TALLIES, in_space(number, CATALOG), row);
            self.is_stored = true;
        }
        self.words.flush(number, batch)
    }

    /// The state is made anew: all rows go, and come again with their objects.
    pub(crate) fn begin_anew(&mut self) {
        self.catalog.begin_anew();
        self.typed.clear();
        self.words = Words::default();
        self.is_stored = false;
        self.schemas_changed = true;
    }
}

/// The row, among the tallies, of the catalog of a space.
pub(crate) fn catalog_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, CATALOG)
}

/// The key, among the tallies, of the catalog.
const CATALOG: &[u8] = b"indexes";
