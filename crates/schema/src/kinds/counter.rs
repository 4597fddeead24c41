//! Numbers that are counted.

use std::borrow::Cow;
use std::ops::{AddAssign, Deref, SubAssign};

use dxos_document::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

/// A number that is counted up and down: when several count at once all of it counts.
///
/// What a change makes of it is written as the difference. It reads whole numbers too; those
/// are counted on as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(i64);

impl Counter {
    /// A counter that stands at `count`.
    pub const fn new(count: i64) -> Self {
        Self(count)
    }

    /// Where it stands.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Deref for Counter {
    type Target = i64;

    fn deref(&self) -> &i64 {
        &self.0
    }
}

/// Stops at the ends of 64 bits.
impl AddAssign<i64> for Counter {
    fn add_assign(&mut self, by: i64) {
        self.0 = self.0.saturating_add(by);
    }
}

/// Stops at the ends of 64 bits.
impl SubAssign<i64> for Counter {
    fn sub_assign(&mut self, by: i64) {
        self.0 = self.0.saturating_sub(by);
    }
}

impl From<i64> for Counter {
    fn from(count: i64) -> Self {
        Self(count)
    }
}

impl From<Counter> for Value {
    fn from(counter: Counter) -> Self {
        Self::Counter(counter.0)
    }
}

impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Counter(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Counter(count) | Value::Int(count) => Ok(Self(count)),
            other => Err(super::wrong("a counter", &other)),
        }
    }
}

impl JsonSchema for Counter {
    fn schema_name() -> Cow<'static, str> {
        "Counter".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "dxos::Counter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let content = json!({ "type": "integer" });
        super::tagged(
            "@counter",
            &content,
            "A number that is counted up and down.",
        )
    }

    fn inline_schema() -> bool {
        true
    }
}
