//! Values in the words of JSON Schema: what they are, how they compare and how they are shown.

use dxos_document::Value;
use serde_json::Value as Json;

use crate::de::Source;
use crate::show::short;

pub(super) fn show(value: Source<'_>) -> String {
    match value {
        Source::Properties(_) => String::from("an object"),
        Source::Value(value) => short(value),
    }
}

pub(super) fn is_of_type(value: Source<'_>, expected: &Json) -> bool {
    match expected {
        Json::String(name) => is_of(value, name),
        Json::Array(names) => names
            .iter()
            .filter_map(Json::as_str)
            .any(|name| is_of(value, name)),
        _ => true,
    }
}

/// As reading is: a counter is a whole number, a set is a list, and a float is no whole number.
fn is_of(value: Source<'_>, name: &str) -> bool {
    let value = match value {
        Source::Properties(_) => return name == "object",
        Source::Value(value) => value,
    };
    match name {
        "array" => matches!(value, Value::List(_) | Value::Set(_)),
        "boolean" => matches!(value, Value::Bool(_)),
        "integer" => matches!(value, Value::Int(_) | Value::Counter(_)),
        "null" => value.is_null(),
        "number" => matches!(value, Value::Int(_) | Value::Counter(_) | Value::Float(_)),
        "object" => matches!(value, Value::Map(_)),
        "string" => value.as_str().is_some(),
        _ => true,
    }
}

pub(super) fn name_types(expected: &Json) -> String {
    let name = |name: &str| -> String {
        match name {
            "array" => "a list",
            "boolean" => "true or false",
            "integer" => "a whole number",
            "number" => "a number",
            "object" => "a map",
            "string" => "a string",
            other => other,
        }
        .to_owned()
    };
    match expected {
        Json::Array(names) => {
            let names = names.iter().filter_map(Json::as_str).map(name);
            names.collect::<Vec<_>>().join(" or ")
        }
        other => other.as_str().map_or_else(String::new, name),
    }
}

pub(super) fn number(json: &Json) -> Option<Value> {
    json.as_i64()
        .map(Value::Int)
        .or_else(|| json.as_f64().map(Value::from))
}

pub(super) fn is_equal(value: &Value, json: &Json) -> bool {
    Value::from_json(json).is_ok_and(|other| value.is_same(&other))
}

/// The whole numbers that a format of `schemars` stands for, as far as values have them.
pub(super) fn range(format: &str) -> Option<(i64, i64)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint" | "uint64" | "uint128" => (0, i64::MAX),
        _ => return None,
    })
}
