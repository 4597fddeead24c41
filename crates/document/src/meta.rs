//! What is known of an object besides its properties: tags, keys in other systems, its parent,
//! the ends of a relation.
//!
//! It is kept where properties are, in the map under [`META`], so that it merges as they do and
//! old replicas carry it along: tags and keys are sets in which an addition wins, everything
//! else is a register. Objects do not show that map among their properties, and local writes
//! there that have not this form are refused, so that no property of a user can be taken for it:
//!
//! | field | content |
//! | --- | --- |
//! | `tags` | set of texts |
//! | `keys` | set of maps with the texts `source` and `id` |
//! | `parent` | reference to an object of the same space, or null |
//! | `source`, `target` | references: the object is a relation between the two |

use std::collections::BTreeSet;

use dxos_keys::{HashDomain, Hasher, ObjectId, SpaceKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value as Json};

use crate::{Filter, Map, Object, ObjectRef, Op, Path, Tx, TxError, Value};

/// The key under which an object's tags, foreign keys, parent and ends are kept.
pub const META: &str = "@meta";

pub(crate) const PARENT: &str = "parent";
const ID: &str = "id";
const KEYS: &str = "keys";
pub(crate) const SOURCE: &str = "source";
const TAGS: &str = "tags";
pub(crate) const TARGET: &str = "target";

/// What another system calls an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The other system, such as `github.com/issues`.
    pub source: String,
    /// Its name for the object.
    pub id: String,
}

impl ForeignKey {
    /// The key `id` in the system `source`.
    pub fn new(source: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            id: id.into(),
        }
    }

    /// The id that an object gets which is imported into `space` under this key: the same on
    /// every device, so that two that import it at once make one object.
    pub fn object_id(&self, space: &SpaceKey) -> ObjectId {
        let hash = Hasher::new(HashDomain::ForeignKey)
            .part(space.as_bytes())
            .part(self.source.as_bytes())
            .part(self.id.as_bytes())
            .finish();
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash;
        ObjectId::from_bytes(id)
    }

    fn to_value(&self) -> Value {
        Value::map([(SOURCE, self.source.as_str()), (ID, self.id.as_str())])
    }

    fn from_value(value: &Value) -> Option<Self> {
        // Nothing beside the two texts, or one key would be two members.
        let map = value.as_map().filter(|map| map.len() == 2)?;
        Some(Self::new(string(map.get(SOURCE)?)?, string(map.get(ID)?)?))
    }
}

/// Why what is said of an object besides its properties was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// An object would be below itself.
    #[error(
        "object {object} cannot become a child of {parent}, which is that object or below it; \
         move {parent} elsewhere first"
    )]
    Cycle {
        /// The object that was to be moved.
        object: ObjectId,
        /// Where to.
        parent: ObjectId,
    },
    /// What has to exist does not.
    #[error(
        "{path} refers to {target}, which is deleted or not here; restore it, or wait until it \
         arrives"
    )]
    Missing {
        /// Where the reference is, or was to be.
        path: Path,
        /// What it names.
        target: ObjectRef,
    },
    /// Something else than what the field holds was written below [`META`].
    #[error(
        "{path} is reserved for {expected}; choose another name for the property, or write \
         tags, keys and parents by their own methods"
    )]
    Reserved {
        /// Where.
        path: Path,
        /// What is kept there.
        expected: &'static str,
    },
}

/// What is known of an object besides its properties. See [`Object::meta`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Meta {
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// What other systems call it.
    pub keys: BTreeSet<ForeignKey>,
    /// Its parent.
    pub parent: Option<ObjectId>,
    /// Where it comes from, if it is a relation.
    pub source: Option<ObjectRef>,
    /// Where it leads, if it is a relation.
    pub target: Option<ObjectRef>,
}

impl Meta {
    /// Takes it out of the properties that show. What has not its form, which only a replica
    /// that is not ours writes, is passed over.
    pub(crate) fn take(properties: &mut Map) -> Option<Box<Self>> {
        let Value::Map(map) = properties.remove(META)? else {
            return None;
        };
        let members = |field: &str| match map.get(field) {
            Some(Value::Set(members)) => Some(members),
            _ => None,
        };
        let reference = |field: &str| match map.get(field) {
            Some(Value::Reference(reference)) => Some(reference.clone()),
            _ => None,
        };
        let tags = members(TAGS).into_iter().flatten();
        let keys = members(KEYS).into_iter().flatten();
        let meta = Self {
            tags: tags
                .filter_map(|tag| Some(string(tag)?.to_owned()))
                .collect(),
            keys: keys.filter_map(ForeignKey::from_value).collect(),
            parent: map.get(PARENT).and_then(parent_of),
            source: reference(SOURCE),
            target: reference(TARGET),
        };
        (meta != Self::default()).then(|| Box::new(meta))
    }

    /// The value at [`META`] that gives a created object all of this.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        if !self.tags.is_empty() {
            map.insert(
                TAGS.into(),
                Value::set(self.tags.iter().map(String::as_str)),
            );
        }
        if !self.keys.is_empty() {
            let keys = self.keys.iter().map(ForeignKey::to_value);
            map.insert(KEYS.into(), Value::set(keys));
        }
        if let Some(parent) = self.parent {
            map.insert(PARENT.into(), parent.into());
        }
        for (field, end) in [(SOURCE, &self.source), (TARGET, &self.target)] {
            if let Some(end) = end {
                map.insert(field.into(), end.clone().into());
            }
        }
        Value::Map(map)
    }

    /// As JSON: `tags`, `keys`, `parent`, `source` and `target`, each when there is one.
    pub fn to_json(&self) -> Json {
        let mut json = JsonMap::new();
        let mut put = |field: &str, value: Json| drop(json.insert(field.to_owned(), value));
        if !self.tags.is_empty() {
            put(TAGS, self.tags.iter().map(String::as_str).collect());
        }
        if !self.keys.is_empty() {
            let keys = self.keys.iter().map(|key| {
                let (source, id) = (key.source.as_str().into(), key.id.as_str().into());
                Json::Object(JsonMap::from_iter([
                    (SOURCE.to_owned(), source),
                    (ID.to_owned(), id),
                ]))
            });
            put(KEYS, keys.collect());
        }
        if let Some(parent) = self.parent {
            put(PARENT, parent.to_string().into());
        }
        for (field, end) in [(SOURCE, &self.source), (TARGET, &self.target)] {
            if let Some(end) = end {
                put(field, end.to_string().into());
            }
        }
        Json::Object(json)
    }
}

/// A string that is assigned as a whole; a text that is edited is none.
fn string(value: &Value) -> Option<&str> {
    match value {
        Value::String(string) => Some(string),
        _ => None,
    }
}

/// The parent that a value names.
pub(crate) fn parent_of(value: &Value) -> Option<ObjectId> {
    match value {
        Value::Reference(reference) if reference.space().is_none() => Some(reference.object()),
        _ => None,
    }
}

pub(crate) fn field(name: &str) -> Path {
    Path::of([META, name])
}

/// Refuses a value that a field does not hold; tells what it does.
fn check_field(name: &str, value: &Value) -> Result<(), &'static str> {
    let is_key = |value: &Value| ForeignKey::from_value(value).is_some();
    let (expected, is_valid) = match name {
        TAGS => (
            "a set of texts",
            matches!(value, Value::Set(tags) if tags.iter().all(|tag| string(tag).is_some())),
        ),
        KEYS => (
            "a set of foreign keys",
            matches!(value, Value::Set(keys) if keys.iter().all(is_key)),
        ),
        PARENT => (
            "a reference within the space",
            value.is_null() || parent_of(value).is_some(),
        ),
        SOURCE | TARGET => ("a reference", matches!(value, Value::Reference(_))),
        _ => ("later versions", false),
    };
    if is_valid { Ok(()) } else { Err(expected) }
}

/// Refuses what has another form than the fields below [`META`].
pub(crate) fn check(op: &Op) -> Result<(), MetaError> {
    let whole = |value: &Value| match value {
        Value::Map(fields) => fields.iter().try_for_each(|(name, value)| {
            check_field(name, value).map_err(|expected| MetaError::Reserved {
                path: field(name),
                expected,
            })
        }),
        _ => Err(MetaError::Reserved {
            path: Path::from(META),
            expected: "what is known of an object besides its properties",
        }),
    };
    let at = |path: &Path, value: Option<&Value>| match path.parts() {
        [first, ..] if first != META => Ok(()),
        [_] => value.map_or(Ok(()), whole),
        [_, name] => value.map_or(Ok(()), |value| {
            check_field(name, value).map_err(|expected| MetaError::Reserved {
                path: path.clone(),
                expected,
            })
        }),
        _ => Err(MetaError::Reserved {
            path: path.clone(),
            expected: "nothing",
        }),
    };
    match op {
        Op::Create { properties, .. } => properties.get(META).map_or(Ok(()), whole),
        Op::Set { path, value, .. } => at(path, Some(value)),
        Op::SetAdd { path, values, .. } | Op::SetRemove { path, values, .. } => {
            // Built only where it is looked at.
            if path.parts().first().is_some_and(|first| first == META) {
                at(path, Some(&Value::Set(values.iter().cloned().collect())))
            } else {
                Ok(())
            }
        }
        Op::Increment { path, .. } | Op::List { path, .. } | Op::Text { path, .. } => {
            at(path, Some(&Value::Counter(0)))
        }
        // Taking out is always possible, and so is what touches no property.
        _ => Ok(()),
    }
}

impl Object {
    /// What is known of it besides its properties, `None` when that is nothing.
    pub fn meta(&self) -> Option<&Meta> {
        self.meta.as_deref()
    }

    /// Its tags, in order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.meta.iter().flat_map(|meta| &meta.tags);
        tags.map(String::as_str)
    }

    /// Whether it has a tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.meta
            .as_ref()
            .is_some_and(|meta| meta.tags.contains(tag))
    }

    /// What other systems call it, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ForeignKey> {
        self.meta.iter().flat_map(|meta| &meta.keys)
    }
}

impl Filter {
    /// Objects with a tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self::Tag(tag.into())
    }

    /// Objects that the system `source` calls `id`.
    pub fn foreign_key(source: impl Into<String>, id: impl Into<String>) -> Self {
        Self::foreign_keys([ForeignKey::new(source, id)])
    }

    /// Objects with one of these keys.
    pub fn foreign_keys(keys: impl IntoIterator<Item = ForeignKey>) -> Self {
        Self::ForeignKeys(keys.into_iter().collect())
    }
}

impl Tx<'_> {
    /// Puts tags onto an object.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here.
    pub fn tag<T: Into<String>>(
        &mut self,
        object: ObjectId,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), TxError> {
        let tags = tags.into_iter().map(|tag| Value::String(tag.into()));
        self.members(object, TAGS, tags.collect(), true)
    }

    /// Takes tags off an object.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here.
    pub fn untag<T: Into<String>>(
        &mut self,
        object: ObjectId,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<(), TxError> {
        let tags = tags.into_iter().map(|tag| Value::String(tag.into()));
        self.members(object, TAGS, tags.collect(), false)
    }

    /// Notes what another system calls an object.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here.
    pub fn add_key(&mut self, object: ObjectId, key: &ForeignKey) -> Result<(), TxError> {
        self.members(object, KEYS, vec![key.to_value()], true)
    }

    /// Forgets what another system calls an object.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here.
    pub fn remove_key(&mut self, object: ObjectId, key: &ForeignKey) -> Result<(), TxError> {
        self.members(object, KEYS, vec![key.to_value()], false)
    }

    fn members(
        &mut self,
        object: ObjectId,
        name: &str,
        values: Vec<Value>,
        add: bool,
    ) -> Result<(), TxError> {
        self.existing(object)?;
        let path = field(name);
        self.push(if add {
            Op::SetAdd {
                object,
                path,
                values,
            }
        } else {
            Op::SetRemove {
                object,
                path,
                values,
            }
        })
    }

    /// Creates the object that is imported under `key` at `object`, or assigns `properties` to
    /// the one that is there: only what differs, and nothing of what else it has. A deleted one
    /// stays deleted.
    ///
    /// # Errors
    ///
    /// [`TxError::Apply`] when a value is out of bounds, [`TxError::Meta`] when `properties` has
    /// the key [`META`].
    pub fn import(
        &mut self,
        object: ObjectId,
        type_name: impl Into<crate::TypeName>,
        key: &ForeignKey,
        properties: Map,
    ) -> Result<(), TxError> {
        if let Some(found) = self.get(object)? {
            let mut new = found.properties().clone();
            new.extend(properties);
            self.replace(object, found.properties(), &new)?;
            if found.keys().any(|known| known == key) {
                return Ok(());
            }
            return self.add_key(object, key);
        }
        self.push(Op::Create {
            object,
            type_name: type_name.into(),
            properties,
        })?;
        self.add_key(object, key)
    }
}
