//! References between objects: their text form, which ones an object holds, and conditions on
//! them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use dxos_keys::{ObjectId, ParseKeyError, SpaceKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::meta::{PARENT, SOURCE, TARGET, field};
use crate::{Filter, Object, ObjectRef, Path, Value};

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseRefError {
    /// The part that names the object is wrong.
    #[error("{0}; a reference is an object id, or a space key, a colon and an object id")]
    Object(ParseKeyError),
    /// The part before the colon is wrong.
    #[error("{0}; before the colon of a reference stands a space key")]
    Space(ParseKeyError),
}

/// A reference whose target is deleted or not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dangling {
    /// The object that refers.
    pub object: ObjectId,
    /// From where: a property, or a field below [`META`](crate::META).
    pub path: Path,
    /// What it refers to.
    pub target: ObjectId,
}

impl From<ObjectId> for ObjectRef {
    fn from(object: ObjectId) -> Self {
        Self::local(object)
    }
}

impl From<ObjectId> for Value {
    fn from(object: ObjectId) -> Self {
        Self::Reference(ObjectRef::local(object))
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(space) = self.space() {
            write!(formatter, "{space}:")?;
        }
        write!(formatter, "{}", self.object())
    }
}

impl FromStr for ObjectRef {
    type Err = ParseRefError;

    fn from_str(text: &str) -> Result<Self, ParseRefError> {
        let object = |text: &str| text.parse().map_err(ParseRefError::Object);
        Ok(match text.split_once(':') {
            None => Self::local(object(text)?),
            Some((space, rest)) => {
                let space = space.parse().map_err(ParseRefError::Space)?;
                Self::across(space, object(rest)?)
            }
        })
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.space(), self.object()).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(D::Error::custom);
        }
        let (space, object) = <(Option<SpaceKey>, ObjectId)>::deserialize(deserializer)?;
        Ok(match space {
            None => Self::local(object),
            Some(space) => Self::across(space, object),
        })
    }
}

impl ObjectRef {
    /// The same reference as it is written inside `space`: without the space if it is that one.
    #[must_use]
    pub fn within(&self, space: &SpaceKey) -> Self {
        if self.space() == Some(space) {
            Self::local(self.object())
        } else {
            self.clone()
        }
    }

    /// The object, if it is one of `space` where this reference stands in.
    pub fn object_in(&self, space: &SpaceKey) -> Option<ObjectId> {
        self.space()
            .is_none_or(|named| named == space)
            .then(|| self.object())
    }
}

impl Value {
    /// Gives every reference in this value, those in lists, sets, maps and the marks of texts
    /// included, with the
    /// path of the property that holds it: what is in a list or a set has the path of the list
    /// or set.
    fn visit_references<'a>(&'a self, path: &Path, visit: &mut dyn FnMut(&Path, &'a ObjectRef)) {
        match self {
            Self::Reference(reference) => visit(path, reference),
            Self::List(items) => {
                for item in items {
                    item.visit_references(path, visit);
                }
            }
            Self::Set(members) => {
                for member in members {
                    member.visit_references(path, visit);
                }
            }
            Self::Map(map) => {
                for (key, value) in map {
                    value.visit_references(&path.child(key.clone()), visit);
                }
            }
            Self::Text(text) => {
                for span in text.spans() {
                    span.value.visit_references(path, visit);
                }
            }
            _ => {}
        }
    }

    /// Every reference in this value, were it the property at `path`, with the path of the
    /// property that holds it: what is in a list or a set has the path of the list or set.
    pub fn references(&self, path: &Path) -> Vec<(Path, &ObjectRef)> {
        let mut found = Vec::new();
        self.visit_references(path, &mut |path, reference| {
            found.push((path.clone(), reference));
        });
        found
    }

    /// Whether it is a reference to `target` or holds one, at any depth.
    pub fn refers_to(&self, target: &ObjectRef) -> bool {
        match self {
            Self::Reference(reference) => reference == target,
            Self::List(items) => items.iter().any(|item| item.refers_to(target)),
            Self::Set(members) => members.iter().any(|member| member.refers_to(target)),
            Self::Map(map) => map.values().any(|value| value.refers_to(target)),
            Self::Text(text) => text.spans().iter().any(|span| span.value.refers_to(target)),
            _ => false,
        }
    }
}

impl Object {
    /// Every reference in its properties, in the order of the paths. What is in a list or a set
    /// has the path of the list or set. Values that lost a conflict do not count.
    pub fn references(&self) -> Vec<(Path, &ObjectRef)> {
        let properties = self.properties().iter();
        properties
            .flat_map(|(key, value)| value.references(&Path::from(key.clone())))
            .collect()
    }

    /// Every reference at `path`, inside a list, set or map there too.
    pub fn references_at(&self, path: &Path) -> Vec<(Path, &ObjectRef)> {
        let value = self.at(path);
        value.map_or_else(Vec::new, |value| value.references(path))
    }

    /// The references of this object, which is in `space`, whose targets in that space are not
    /// there, those to its parent and its ends included: the targets were deleted, or have not
    /// arrived yet. `exists` says what is there.
    ///
    /// # Errors
    ///
    /// Those of `exists`.
    pub fn dangling<E>(
        &self,
        space: &SpaceKey,
        exists: &mut dyn FnMut(ObjectId) -> Result<bool, E>,
    ) -> Result<Vec<Dangling>, E> {
        let meta = self.meta();
        let parent = meta.and_then(|meta| meta.parent).map(ObjectRef::local);
        let known = [
            (PARENT, parent.as_ref()),
            (SOURCE, meta.and_then(|meta| meta.source.as_ref())),
            (TARGET, meta.and_then(|meta| meta.target.as_ref())),
        ];
        let known = known
            .into_iter()
            .filter_map(|(name, reference)| Some((field(name), reference?)));
        let mut dangling = Vec::new();
        for (path, target) in known.chain(self.references()) {
            if let Some(object) = target.object_in(space)
                && !exists(object)?
            {
                dangling.push(Dangling {
                    object: self.id(),
                    path,
                    target: object,
                });
            }
        }
        Ok(dangling)
    }

    /// Whether it refers to `target`, at `path` or anywhere in its properties.
    pub fn refers_to(&self, path: Option<&Path>, target: &ObjectRef) -> bool {
        match path {
            Some(path) => self.at(path).is_some_and(|value| value.refers_to(target)),
            None => self
                .properties()
                .values()
                .any(|value| value.refers_to(target)),
        }
    }

    /// The objects of its own space `space` that it refers to, from `path` or anywhere.
    pub fn referenced_in(&self, space: &SpaceKey, path: Option<&Path>) -> BTreeSet<ObjectId> {
        let references = match path {
            Some(path) => self.references_at(path),
            None => self.references(),
        };
        references
            .into_iter()
            .filter_map(|(_, reference)| reference.object_in(space))
            .collect()
    }
}

impl Filter {
    /// Objects that refer to `target` from anywhere in their properties, inside lists, sets and
    /// maps too.
    pub fn references(target: impl Into<ObjectRef>) -> Self {
        Self::References {
            path: None,
            target: target.into(),
        }
    }

    /// Objects that refer to `target` from the property at `path`, or from inside the list, set
    /// or map there.
    pub fn references_at(path: impl Into<Path>, target: impl Into<ObjectRef>) -> Self {
        Self::References {
            path: Some(path.into()),
            target: target.into(),
        }
    }

    /// Objects that `source` refers to from anywhere in its properties, whether `source` is
    /// deleted or not.
    pub const fn referenced_by(source: ObjectId) -> Self {
        Self::ReferencedBy { source, path: None }
    }

    /// Objects that `source` refers to from the property at `path`, or from inside the list, set
    /// or map there.
    pub fn referenced_by_at(source: ObjectId, path: impl Into<Path>) -> Self {
        Self::ReferencedBy {
            source,
            path: Some(path.into()),
        }
    }

    /// The objects whose content decides for others whether this holds for them.
    pub fn sources(&self) -> BTreeSet<ObjectId> {
        let mut found = BTreeSet::new();
        self.collect_sources(&mut found);
        found
    }

    fn collect_sources(&self, found: &mut BTreeSet<ObjectId>) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.collect_sources(found);
                }
            }
            Self::Not(filter) => filter.collect_sources(found),
            Self::ReferencedBy { source, .. } => drop(found.insert(*source)),
            _ => {}
        }
    }

    /// The ids that it names in lists of them.
    pub fn named(&self) -> BTreeSet<ObjectId> {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().flat_map(Self::named).collect()
            }
            Self::Not(filter) => filter.named(),
            Self::Ids(ids) => ids.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// The same condition inside `space` with everything filled in that depends on other
    /// objects, so that [`Filter::matches`] answers by the object alone. `load` gives an object
    /// of the space, `None` when it is not here. What it resolves to holds until one of
    /// [`Filter::sources`] changes.
    ///
    /// # Errors
    ///
    /// Those of `load`.
    pub fn resolve<E>(
        &self,
        space: &SpaceKey,
        load: &mut dyn FnMut(ObjectId) -> Result<Option<Object>, E>,
    ) -> Result<Self, E> {
        let all = |filters: &[Self],
                   load: &mut dyn FnMut(ObjectId) -> Result<Option<Object>, E>| {
            let resolved = filters.iter().map(|filter| filter.resolve(space, load));
            resolved.collect::<Result<Vec<_>, E>>()
        };
        Ok(match self {
            Self::And(filters) => Self::And(all(filters, load)?),
            Self::Or(filters) => Self::Or(all(filters, load)?),
            Self::Not(filter) => filter.resolve(space, load)?.not(),
            Self::ReferencedBy { source, path } => {
                let source = load(*source)?;
                let ids = source.map(|source| source.referenced_in(space, path.as_ref()));
                Self::Ids(ids.unwrap_or_default())
            }
            Self::References { path, target } => either_way(space, target, |target| {
                let path = path.clone();
                Self::References { path, target }
            }),
            Self::RelationFrom(source) => either_way(space, source, Self::RelationFrom),
            Self::RelationTo(target) => either_way(space, target, Self::RelationTo),
            other => other.clone(),
        })
    }
}

/// A space may name itself in its references: both ways to write one count.
fn either_way(
    space: &SpaceKey,
    target: &ObjectRef,
    filter: impl Fn(ObjectRef) -> Filter,
) -> Filter {
    match target.object_in(space) {
        None => filter(target.clone()),
        Some(object) => {
            filter(ObjectRef::local(object)).or(filter(ObjectRef::across(*space, object)))
        }
    }
}
