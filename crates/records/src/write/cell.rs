//! A value in a field of CSV.

use dxos_document::Value;

/// A number or a truth value when the field is exactly one, else text.
pub(crate) fn guess(field: &str) -> Value {
    if let Ok(whole) = field.parse::<i64>()
        && whole.to_string() == field
    {
        return whole.into();
    }
    match field {
        "true" => true.into(),
        "false" => false.into(),
        _ => match field.parse::<f64>() {
            Ok(number) if number.is_finite() && number.to_string() == field => number.into(),
            _ => field.into(),
        },
    }
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
        for text in ["007", "1e5", "+1", "1.50", "NaN", " 1"] {
            assert_eq!(guess(text), text.into(), "{text}");
        }
    }
}
