//! Sets.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use dxos_document::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::de::Source;
use crate::ser::to_tree;

/// A set that members are added to and removed from: when one adds a member that another
/// removes at once, it stays. Only what a change adds and removes is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set<T>(BTreeSet<T>);

impl<T> Set<T> {
    /// A set without members.
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Set<T> {
    type Target = BTreeSet<T>;

    fn deref(&self) -> &BTreeSet<T> {
        &self.0
    }
}

impl<T> DerefMut for Set<T> {
    fn deref_mut(&mut self) -> &mut BTreeSet<T> {
        &mut self.0
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Set<T> {
    fn from(members: [T; N]) -> Self {
        Self(members.into())
    }
}

impl<T> From<BTreeSet<T>> for Set<T> {
    fn from(members: BTreeSet<T>) -> Self {
        Self(members)
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = std::collections::btree_set::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = std::collections::btree_set::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Serialize> Serialize for Set<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.0.iter().map(|member| Ok(to_tree(member)?.value()));
        let members: Result<BTreeSet<Value>, crate::ConvertError> = members.collect();
        let members = members.map_err(S::Error::custom)?;
        Value::Set(members).serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned + Ord> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |value: &Value| T::deserialize(Source::Value(value)).map_err(D::Error::custom);
        match Value::deserialize(deserializer)? {
            Value::Set(members) => members.iter().map(read).collect(),
            Value::List(items) => items.iter().map(read).collect(),
            other => Err(super::wrong("a set", &other)),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Set<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Set_of_{}", T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("dxos::Set<{}>", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let members = generator.subschema_for::<T>().to_value();
        let content = json!({ "type": "array", "items": members, "uniqueItems": true });
        super::tagged("@set", &content, "A set.")
    }

    fn inline_schema() -> bool {
        true
    }
}
