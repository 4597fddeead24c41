//! A value in a field of CSV.

use dxos_document::Value;

/// A truth value, or a number as JSON writes them, else text. So `1.50` and `1e3` are numbers, and
/// `007` and whole numbers that need more than 64 bits are texts.
pub(crate) fn guess(field: &str) -> Value {
    let json = match field.bytes().next() {
        Some(b'-' | b'0'..=b'9' | b't' | b'f') => serde_json::from_str(field).ok(),
        _ => None,
    };
    match json {
        Some(serde_json::Value::Number(_)) if !is_out_of_range(field) => {
            read(field).unwrap_or_else(|_| field.into())
        }
        Some(serde_json::Value::Bool(is)) => is.into(),
        _ => field.into(),
    }
}

/// Whether a number is a whole one that a property cannot have: it would lose digits.
pub(crate) fn is_out_of_range(number: &str) -> bool {
    let is_whole = !number.contains(['.', 'e', 'E']);
    is_whole && number.parse::<i64>().is_err()
}

/// The field that [`read`] reads as this value: text stands as it is, unless it would be read as
/// something else, and all else is JSON.
pub(crate) fn write(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && read(text).as_ref() == Ok(value) => text.clone(),
        _ => value.to_json().to_string(),
    }
}

/// The value that [`write`] made the field from.
pub(crate) fn read(field: &str) -> Result<Value, String> {
    let json = serde_json::from_str(field);
    if field.starts_with(['"', '[', '{']) {
        let json: serde_json::Value = json.map_err(|error| format!("not JSON: {error}"))?;
        return Value::from_json(&json).map_err(|error| error.to_string());
    }
    let scalar = json.ok().and_then(|json| Value::from_json(&json).ok());
    Ok(scalar.unwrap_or_else(|| field.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_what_would_change_as_a_number() {
        assert_eq!(guess("12"), 12.into());
        assert_eq!(guess("-1.5"), (-1.5).into());
        assert_eq!(guess("true"), true.into());
        assert_eq!(guess("-0"), 0.0.into());
        assert_eq!(guess("1.50"), 1.5.into());
        assert_eq!(guess("1e3"), 1000.0.into());
        for text in [
            "007",
            "+1",
            "1.",
            ".5",
            "NaN",
            " 1",
            "1 ",
            "1e999",
            "9223372036854775808",
            "trueish",
            "null",
            "-",
        ] {
            assert_eq!(guess(text), text.into(), "{text}");
        }
    }
}
