//! Values as JSON and back.

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE64;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::codec::DecodeError;
use crate::limits::Limits;
use crate::value::canonical;
use crate::{Key, Map, Span, Text, Value};

/// Why a JSON value is no [`Value`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is nested too deeply.
    #[error("the JSON is nested deeper than {max} levels; make its inner part an object")]
    Depth {
        /// The bound.
        max: usize,
    },
    /// A whole number that 64 bits with sign do not hold. Write it as text, or with a fraction.
    #[error("the number {number} is out of range; write it as text, or with an exponent")]
    Number {
        /// The number as it was written.
        number: String,
    },
    /// Two keys mean one property: one begins with `@`, the other with two.
    #[error("\"{key}\" and \"@{key}\" are one property; write it once")]
    Twice {
        /// The name of the property.
        key: String,
    },
    /// A special value such as `{"@bytes": ...}` whose content is not what it says. Correct it,
    /// or write the key with two `@` if it is a key of your own.
    #[error(
        "the content of \"{tag}\" is not {expected}; correct it, or write \"@{tag}\" for a key"
    )]
    Tag {
        /// The key.
        tag: &'static str,
        /// What should have been there.
        expected: &'static str,
    },
}

const BYTES: &str = "@bytes";
const COUNTER: &str = "@counter";
const FLOAT: &str = "@float";
const REFERENCE: &str = "@ref";
const SET: &str = "@set";
const TEXT: &str = "@text";
const TIME: &str = "@time";

impl Value {
    /// The name of the newtype that a value is to `serde`, in human-readable formats. A format
    /// that knows values, such as the one that turns structs into properties, takes them by it
    /// as they are.
    #[doc(hidden)]
    pub const SERDE_NAME: &str = "dxos::Value";

    /// This value as JSON.
    ///
    /// Null, booleans, integers, finite floats, texts, lists and maps are themselves. What JSON
    /// has no word for is an object with one key:
    ///
    /// | value | JSON |
    /// | --- | --- |
    /// | timestamp | `{"@time": milliseconds}` |
    /// | bytes | `{"@bytes": "base64"}` |
    /// | reference | `{"@ref": "object"}` or `{"@ref": "space:object"}` |
    /// | text | `{"@text": "characters"}`, with marks `{"@text": {"content": "characters", "marks": [[from, to, "name", value]]}}` |
    /// | set | `{"@set": [members]}` |
    /// | counter | `{"@counter": number}` |
    /// | NaN, infinities | `{"@float": "NaN"}`, `"Infinity"`, `"-Infinity"` |
    ///
    /// A key of your own that begins with `@` gets another `@` in front of it.
    ///
    /// ```
    /// use dxos_document::Value;
    ///
    /// let value = Value::map([("@ref", Value::from("mine")), ("due", Value::Timestamp(5))]);
    /// assert_eq!(value.to_json().to_string(), r#"{"@@ref":"mine","due":{"@time":5}}"#);
    /// assert_eq!(Value::from_json(&value.to_json()), Ok(value));
    /// ```
    pub fn to_json(&self) -> Json {
        let tagged = |tag: &str, content: Json| {
            Json::Object(std::iter::once((tag.to_owned(), content)).collect())
        };
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Float(value) => serde_json::Number::from_f64(canonical(*value)).map_or_else(
                || {
                    let name = if value.is_nan() {
                        "NaN"
                    } else if *value > 0.0 {
                        "Infinity"
                    } else {
                        "-Infinity"
                    };
                    tagged(FLOAT, Json::from(name))
                },
                Json::Number,
            ),
            Self::Counter(value) => tagged(COUNTER, Json::from(*value)),
            Self::Timestamp(value) => tagged(TIME, Json::from(*value)),
            Self::String(value) => Json::from(value.as_str()),
            Self::Text(text) if text.spans().is_empty() => tagged(TEXT, text.as_str().into()),
            Self::Text(text) => {
                let marks = text.spans().iter().map(|span| {
                    Json::Array(vec![
                        span.from.into(),
                        span.to.into(),
                        span.name.as_str().into(),
                        span.value.to_json(),
                    ])
                });
                let content = ("content".to_owned(), text.as_str().into());
                let marks = ("marks".to_owned(), marks.collect());
                tagged(TEXT, Json::Object([content, marks].into_iter().collect()))
            }
            Self::Bytes(value) => tagged(BYTES, Json::from(BASE64.encode(value))),
            Self::Reference(value) => tagged(REFERENCE, Json::from(value.to_string())),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Set(members) => tagged(SET, members.iter().map(Self::to_json).collect()),
            Self::Map(map) => map_to_json(map),
        }
    }

    /// Reads what [`Value::to_json`] wrote, and any other JSON: a key that begins with `@` and
    /// is no special value is taken as it is. Fails as [`JsonError`] says.
    pub fn from_json(json: &Json) -> Result<Self, JsonError> {
        read(json, Limits::default().depth_max)
    }
}

/// Properties as a JSON object.
pub(crate) fn map_to_json(map: &Map) -> Json {
    let entries = map.iter().map(|(key, value)| {
        let key = if key.starts_with('@') {
            format!("@{key}")
        } else {
            key.to_string()
        };
        (key, value.to_json())
    });
    Json::Object(entries.collect())
}

fn descend(left: usize) -> Result<usize, JsonError> {
    left.checked_sub(1).ok_or(JsonError::Depth {
        max: Limits::default().depth_max,
    })
}

fn read(json: &Json, left: usize) -> Result<Value, JsonError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => read_number(number)?,
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            let left = descend(left)?;
            let items: Result<_, _> = items.iter().map(|item| read(item, left)).collect();
            Value::List(items?)
        }
        Json::Object(object) => {
            if object.len() == 1
                && let Some((tag, content)) = object.iter().next()
                && let Some(value) = read_tagged(tag, content, left)?
            {
                return Ok(value);
            }
            let left = descend(left)?;
            let mut map = Map::new();
            for (key, value) in object {
                let key = match key.strip_prefix('@') {
                    Some(rest) if rest.starts_with('@') => rest,
                    _ => key,
                };
                if map.insert(Key::from(key), read(value, left)?).is_some() {
                    return Err(JsonError::Twice {
                        key: key.to_owned(),
                    });
                }
            }
            Value::Map(map)
        }
    })
}

fn read_number(number: &serde_json::Number) -> Result<Value, JsonError> {
    if let Some(int) = number.as_i64() {
        return Ok(Value::Int(int));
    }
    if number.is_u64() {
        return Err(JsonError::Number {
            number: number.to_string(),
        });
    }
    let float = number.as_f64().ok_or_else(|| JsonError::Number {
        number: number.to_string(),
    })?;
    Ok(Value::Float(canonical(float)))
}

/// The special value, `None` when the key is none of ours.
fn read_tagged(tag: &str, content: &Json, left: usize) -> Result<Option<Value>, JsonError> {
    let wrong = |tag, expected| JsonError::Tag { tag, expected };
    let int = |tag| {
        content
            .as_i64()
            .ok_or_else(|| wrong(tag, "a whole number of 64 bits"))
    };
    Ok(Some(match tag {
        COUNTER => Value::Counter(int(COUNTER)?),
        TIME => Value::Timestamp(int(TIME)?),
        FLOAT => Value::Float(match content.as_str() {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            _ => return Err(wrong(FLOAT, "NaN, Infinity or -Infinity")),
        }),
        BYTES => Value::Bytes(
            content
                .as_str()
                .and_then(|text| BASE64.decode(text.as_bytes()).ok())
                .ok_or_else(|| wrong(BYTES, "base64 with padding"))?,
        ),
        REFERENCE => Value::Reference(
            content
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| wrong(REFERENCE, "an object id, or space key:object id"))?,
        ),
        TEXT => Value::Text(read_text(content, left)?.ok_or_else(|| {
            wrong(
                TEXT,
                "a text, or content and marks as [from, to, name, value]",
            )
        })?),
        SET => {
            let members = content
                .as_array()
                .ok_or_else(|| wrong(SET, "a list of members"))?;
            let left = descend(left)?;
            let members: Result<BTreeSet<_>, _> =
                members.iter().map(|member| read(member, left)).collect();
            Value::Set(members?)
        }
        _ => return Ok(None),
    }))
}

/// The text, `None` when it is not one.
fn read_text(json: &Json, left: usize) -> Result<Option<Text>, JsonError> {
    if let Some(content) = json.as_str() {
        return Ok(Some(Text::new(content)));
    }
    let parts = json
        .get("content")
        .and_then(Json::as_str)
        .zip(json.get("marks").and_then(Json::as_array));
    let Some((content, marks)) = parts else {
        return Ok(None);
    };
    let left = descend(left)?;
    let mut spans = Vec::new();
    for mark in marks {
        let number = |place: usize| usize::try_from(mark.get(place)?.as_u64()?).ok();
        let name = mark.get(2).and_then(Json::as_str);
        let (Some(from), Some(to), Some(name), Some(value)) =
            (number(0), number(1), name, mark.get(3))
        else {
            return Ok(None);
        };
        spans.push(Span {
            from,
            to,
            name: Key::from(name),
            value: read(value, left)?,
        });
    }
    Ok(Some(Text::new(content).with_spans(spans)))
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_newtype_struct(Self::SERDE_NAME, &self.to_json())
        } else {
            serializer.serialize_bytes(&self.encode())
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_newtype_struct(Self::SERDE_NAME, JsonForm)
        } else {
            let decode = |bytes: &[u8]| -> Result<Self, DecodeError> {
                Self::decode(bytes, &Limits::default())
            };
            crate::codec::deserialize_bytes(deserializer, decode)
        }
    }
}

struct JsonForm;

impl<'de> Visitor<'de> for JsonForm {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the JSON form of a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        Value::from_json(&Json::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
