//! Counting by value.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Object, Path, Value};

/// How many objects have one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The value; null also for objects that have none.
    pub value: Value,
    /// How many.
    pub count: u64,
}

/// Counts objects by the value at a path. Values that are equal to a reader (see
/// [`Value::is_same`]) are one group.
#[derive(Clone, Debug)]
pub struct Groups {
    path: Path,
    counts: BTreeMap<Value, u64>,
}

impl Groups {
    /// No objects yet.
    pub const fn by(path: Path) -> Self {
        Self {
            path,
            counts: BTreeMap::new(),
        }
    }

    /// Counts one object.
    pub fn add(&mut self, object: &Object) {
        let value = object.field(&self.path);
        let value = value.map_or(Value::Null, |value| value.into_owned().plain());
        *self.counts.entry(value).or_insert(0) += 1;
    }

    /// The groups, in the order of their values.
    pub fn into_groups(self) -> Vec<Group> {
        let counts = self.counts.into_iter();
        counts
            .map(|(value, count)| Group { value, count })
            .collect()
    }
}

impl Value {
    /// One and the same value for all that are equal to a reader: counters and whole floats as
    /// integers, texts as strings.
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Self::Counter(value) => Self::Int(value),
            Self::Float(value) => whole(value).map_or(Self::Float(value), Self::Int),
            Self::Text(text) => Self::String(text.as_str().to_owned()),
            Self::List(items) => Self::List(items.into_iter().map(Self::plain).collect()),
            Self::Set(members) => {
                let plain: BTreeSet<_> = members.iter().cloned().map(Self::plain).collect();
                // A set may hold 1 and 1.0, and is none of one member then.
                let is_same = plain.len() == members.len();
                Self::Set(if is_same { plain } else { members })
            }
            Self::Map(map) => Self::Map(
                map.into_iter()
                    .map(|(key, value)| (key, value.plain()))
                    .collect(),
            ),
            other => other,
        }
    }
}

/// The integer that a float is exactly, if it is one.
fn whole(value: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() != 0.0 || !(-BEYOND..BEYOND).contains(&value) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and within the range of i64"
    )]
    let whole = value as i64;
    Some(whole)
}
