//! Which indexes a space has, and how far they are built.

use std::collections::{BTreeMap, BTreeSet};

use dxos_document::Path;
use dxos_keys::ObjectId;
use serde::{Deserialize, Serialize};

/// Indexes that schemas may declare in one space. What is declared beyond is not built: whoever
/// may write a schema could make every write of others slow.
pub(super) const DECLARED_MAX: usize = 64;
/// The first number that a declared index gets.
const DECLARED_FROM: u32 = 64;

/// The number of an index within its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct IndexNumber(pub(crate) u32);

/// The indexes of a space. Every write keeps the rows of all of them; one is used once the rows
/// of what was there before are written too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Catalog {
    /// Whether those that every space has are complete.
    pub(super) base_ready: bool,
    /// Those that schemas declare.
    declared: BTreeMap<IndexNumber, Declared>,
    /// The number of the next one; none is used twice.
    next: IndexNumber,
    /// How far the objects have been walked through for those that are not complete.
    pub(super) build: Option<Build>,
    /// All rows are to be removed first: nobody knows what they say.
    pub(super) clear_all: bool,
    /// Indexes that are declared no more, whose rows are to be removed.
    pub(super) dropped: Vec<IndexNumber>,
}

/// The objects of one type by one property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    /// The type, without version.
    pub(super) type_base: String,
    pub(super) path: Path,
    pub(super) is_ready: bool,
}

/// A walk through all objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Build {
    /// The last object that is done.
    pub(super) after: Option<ObjectId>,
    /// How many are.
    pub(super) done: u64,
}

impl Catalog {
    /// Of a space without objects.
    pub(super) const fn empty() -> Self {
        Self {
            base_ready: true,
            declared: BTreeMap::new(),
            next: IndexNumber(DECLARED_FROM),
            build: None,
            clear_all: false,
            dropped: Vec::new(),
        }
    }

    /// Of a space whose objects were written without indexes.
    pub(super) fn unknown() -> Self {
        Self {
            base_ready: false,
            clear_all: true,
            ..Self::empty()
        }
    }

    /// The state is made anew, and every object is written again.
    pub(super) fn begin_anew(&mut self) {
        self.base_ready = true;
        for declared in self.declared.values_mut() {
            declared.is_ready = true;
        }
        self.build = None;
        self.clear_all = false;
        self.dropped.clear();
    }

    pub(super) fn declared_for(
        &self,
        type_base: &str,
    ) -> impl Iterator<Item = (IndexNumber, &Path)> {
        let declared = self.declared.iter();
        declared
            .filter(move |(_, declared)| declared.type_base == type_base)
            .map(|(number, declared)| (*number, &declared.path))
    }

    /// A complete index of a property of a type.
    pub(super) fn ready(&self, type_base: &str, path: &Path) -> Option<IndexNumber> {
        let mut declared = self.declared.iter();
        declared
            .find(|(_, declared)| {
                declared.is_ready && declared.type_base == type_base && declared.path == *path
            })
            .map(|(number, _)| *number)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Declared> {
        self.declared.values()
    }

    /// Whether some index is not complete.
    pub(super) fn is_incomplete(&self) -> bool {
        !self.base_ready || self.declared.values().any(|declared| !declared.is_ready)
    }

    pub(super) fn complete(&mut self) {
        self.base_ready = true;
        for declared in self.declared.values_mut() {
            declared.is_ready = true;
        }
        self.build = None;
    }

    /// Takes in what schemas declare now. Returns whether anything is different.
    pub(super) fn declare(&mut self, mut wanted: BTreeSet<(String, Path)>) -> bool {
        while wanted.len() > DECLARED_MAX {
            let last = wanted.pop_last();
            tracing::warn!(?last, "too many indexes are declared; this one is not kept");
        }
        let before = (self.declared.len(), self.next);
        let dropped = &mut self.dropped;
        self.declared.retain(|number, declared| {
            let is_wanted = wanted.remove(&(declared.type_base.clone(), declared.path.clone()));
            if !is_wanted {
                dropped.push(*number);
            }
            is_wanted
        });
        let had_all = (self.declared.len(), self.next) == before;
        for (type_base, path) in wanted {
            let declared = Declared {
                type_base,
                path,
                is_ready: false,
            };
            self.declared.insert(self.next, declared);
            self.next.0 += 1;
            // What is walked through already has no rows of it.
            self.build = Some(Build::default());
        }
        !had_all || (self.declared.len(), self.next) != before
    }
}
