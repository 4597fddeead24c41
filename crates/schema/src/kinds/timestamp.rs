//! Moments.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use dxos_document::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. `SystemTime::now().into()` is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that many milliseconds after 1970, or before when negative.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn as_ms(self) -> i64 {
        self.0
    }
}

/// Cut to milliseconds, and to what 64 bits of them hold.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => ms(since),
            Err(before) => -ms(before.duration()),
        })
    }
}

/// Fails when the operating system does not know so distant a time.
impl TryFrom<Timestamp> for SystemTime {
    type Error = crate::ConvertError;

    fn try_from(timestamp: Timestamp) -> Result<Self, Self::Error> {
        let distance = Duration::from_millis(timestamp.0.unsigned_abs());
        let time = if timestamp.0 < 0 {
            Self::UNIX_EPOCH.checked_sub(distance)
        } else {
            Self::UNIX_EPOCH.checked_add(distance)
        };
        time.ok_or_else(|| crate::ConvertError::new("the timestamp is out of range here"))
    }
}

impl From<Timestamp> for Value {
    fn from(timestamp: Timestamp) -> Self {
        Self::Timestamp(timestamp.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Timestamp(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Timestamp(ms) => Ok(Self(ms)),
            other => Err(super::wrong("a timestamp", &other)),
        }
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "dxos::Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let content = json!({ "type": "integer" });
        super::tagged(
            "@time",
            &content,
            "Milliseconds since 1970-01-01T00:00:00Z.",
        )
    }

    fn inline_schema() -> bool {
        true
    }
}
