//! Which indexes a space has, and how far they are built.

use std::collections::{BTreeMap, BTreeSet};

use dxos_document::Path;
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_schema::IndexDeclaration;
use serde::{Deserialize, Serialize};

use super::super::space::decode_row;

/// Indexes that schemas may declare in one space. What is declared beyond is not built: whoever
/// may write a schema could make every write of others slow.
pub(super) const DECLARED_MAX: usize = IndexDeclaration::SPACE_MAX;
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
    /// Those of the declared ones that are of words. The last field: an earlier program wrote
    /// none, see [`Catalog::decode`].
    texts: BTreeSet<IndexNumber>,
}

/// What a declared index keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The objects in the order of a property.
    Order,
    /// The words of the texts at a property, or of all texts: see [`all_texts`].
    Words,
}

/// What schemas declare: a type, a property of it, and what is kept of that.
pub(super) type Wanted = BTreeSet<(String, Path, Kind)>;

/// The path that stands for all texts of an object.
pub(super) fn all_texts() -> Path {
    Path::about("texts")
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
            texts: BTreeSet::new(),
        }
    }

    /// As it was stored.
    pub(super) fn decode(row: &[u8]) -> Result<Self, EchoError> {
        let what = "catalog of indexes";
        decode_row(what, row).or_else(|error| {
            // Without indexes of words, which are the last of it: an empty set is one zero.
            let longer = decode_row::<Self>(what, &[row, &[0]].concat()).ok();
            let longer = longer.filter(|catalog| catalog.texts.is_empty());
            longer.ok_or(error)
        })
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

    fn kind(&self, number: IndexNumber) -> Kind {
        if self.texts.contains(&number) {
            Kind::Words
        } else {
            Kind::Order
        }
    }

    /// The indexes of one kind of a type.
    pub(super) fn declared_for(
        &self,
        type_base: &str,
        kind: Kind,
    ) -> impl Iterator<Item = (IndexNumber, &Path)> {
        let declared = self.declared.iter();
        declared
            .filter(move |(number, declared)| {
                declared.type_base == type_base && self.kind(**number) == kind
            })
            .map(|(number, declared)| (*number, &declared.path))
    }

    /// A complete index of a property of a type.
    pub(super) fn ready(&self, type_base: &str, path: &Path, kind: Kind) -> Option<IndexNumber> {
        let mut found = self.declared_for(type_base, kind);
        let (number, _) = found.find(|(_, declared)| *declared == path)?;
        self.declared.get(&number)?.is_ready.then_some(number)
    }

    /// Whether there is any index of words, complete or not.
    pub(super) fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Whether what an object has in an index is among the totals of it: not before the walk
    /// that builds it has come there.
    pub(super) fn is_counted(&self, number: IndexNumber, object: ObjectId) -> bool {
        let walked = self.build.and_then(|build| build.after);
        (self.declared.get(&number)).is_some_and(|declared| {
            declared.is_ready || walked.is_some_and(|walked| object <= walked)
        })
    }

    pub(super) fn is_declared(&self, number: IndexNumber) -> bool {
        self.declared.contains_key(&number)
    }

    /// Whether an index is built by the walk that is going on.
    pub(super) fn is_building(&self, number: IndexNumber) -> bool {
        (self.declared.get(&number)).is_some_and(|declared| !declared.is_ready)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Declared, Kind)> {
        let declared = self.declared.iter();
        declared.map(|(number, declared)| (declared, self.kind(*number)))
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
    pub(super) fn declare(&mut self, mut wanted: Wanted) -> bool {
        while wanted.len() > DECLARED_MAX {
            let last = wanted.pop_last();
            tracing::warn!(?last, "too many indexes are declared; this one is not kept");
        }
        let before = (self.declared.len(), self.next);
        let (dropped, texts) = (&mut self.dropped, &mut self.texts);
        self.declared.retain(|number, declared| {
            let kind = if texts.contains(number) {
                Kind::Words
            } else {
                Kind::Order
            };
            let is_wanted =
                wanted.remove(&(declared.type_base.clone(), declared.path.clone(), kind));
            if !is_wanted {
                texts.remove(number);
                dropped.push(*number);
            }
            is_wanted
        });
        let had_all = (self.declared.len(), self.next) == before;
        for (type_base, path, kind) in wanted {
            let declared = Declared {
                type_base,
                path,
                is_ready: false,
            };
            self.declared.insert(self.next, declared);
            if kind == Kind::Words {
                self.texts.insert(self.next);
            }
            self.next.0 += 1;
            // What is walked through already has no rows of it.
            self.build = Some(Build::default());
        }
        !had_all || (self.declared.len(), self.next) != before
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::space::encode_row;
    use super::*;

    #[test]
    fn a_catalog_of_an_earlier_program_is_read() {
        let mut catalog = Catalog::empty();
        let order = ("task".to_owned(), Path::from("due"), Kind::Order);
        catalog.declare([order].into());
        let row = encode_row(&catalog).unwrap();
        let (last, earlier) = row.split_last().unwrap();
        assert_eq!(*last, 0);
        assert_eq!(Catalog::decode(earlier).unwrap(), catalog);
        let words = ("task".to_owned(), all_texts(), Kind::Words);
        catalog.declare([words].into());
        let row = encode_row(&catalog).unwrap();
        assert_eq!(Catalog::decode(&row).unwrap(), catalog);
        assert!(Catalog::decode(&row[..row.len() - 1]).is_err());
    }
}
