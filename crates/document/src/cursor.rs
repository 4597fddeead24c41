//! Where a page of results ends.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use dxos_keys::ObjectId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::query::compare_values;
use crate::{Object, OrderBy, Query, Value};

/// Bytes of a cursor's text at most. Ordering by long texts makes long cursors.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A place in the order of a query: right behind one object as it was when the cursor was taken.
///
/// It holds the values that the object was ordered by, so it stays where it is when that object
/// is changed, moved or deleted, and when others come and go: a page that begins there holds
/// what is behind it now.
///
/// Its text form is opaque and safe in a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: Vec<OrderBy>,
    values: Vec<Value>,
    object: ObjectId,
}

/// Why a text is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of a query ({reason}); use one as it was given, or begin anew without")]
pub struct CursorError {
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    order: Vec<OrderBy>,
    values: Vec<Value>,
    object: ObjectId,
}

impl Cursor {
    pub(crate) const fn new(order: Vec<OrderBy>, values: Vec<Value>, object: ObjectId) -> Self {
        Self {
            order,
            values,
            object,
        }
    }

    /// Whether `query` is in the order in which this cursor was taken.
    pub fn fits(&self, query: &Query) -> bool {
        self.order == query.order
    }

    /// The values of the keys of the order that it stands behind.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The object that it stands behind.
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// How an object stands to this place.
    fn compare(&self, object: &Object) -> Ordering {
        for (key, here) in self.order.iter().zip(&self.values) {
            let there = object.field(&key.path);
            let there = there.as_deref().unwrap_or(&Value::Null);
            let ordering = compare_values(key.direction, there, here);
            if ordering.is_ne() {
                return ordering;
            }
        }
        object.id().cmp(&self.object)
    }

    /// Whether an object comes behind this place.
    pub(crate) fn is_before(&self, object: &Object) -> bool {
        self.compare(object).is_gt()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = Encoded {
            order: self.order.clone(),
            values: self.values.clone(),
            object: self.object,
        };
        let json = serde_json::to_vec(&encoded).map_err(|_| fmt::Error)?;
        formatter.write_str(&BASE64URL_NOPAD.encode(&json))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let refuse = |reason: String| CursorError { reason };
        if text.len() > TEXT_BYTES_MAX {
            return Err(refuse(format!("it is longer than {TEXT_BYTES_MAX} bytes")));
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        let bytes = bytes.map_err(|error| refuse(error.to_string()))?;
        let encoded: Encoded =
            serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
        if encoded.order.len() != encoded.values.len() {
            return Err(refuse(
                "it has another number of values than keys".to_owned(),
            ));
        }
        Ok(Self {
            order: encoded.order,
            values: encoded.values,
            object: encoded.object,
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
