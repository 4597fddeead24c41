//! Values in messages.

use dxos_document::Value;

/// Characters of a value that a message shows.
const SHOWN_MAX: usize = 40;

/// JSON for people, cut short.
pub(crate) fn short_json(json: &serde_json::Value) -> String {
    let text = json.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A value for people, cut short.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Map(_) => return String::from("a map"),
        Value::List(_) => return String::from("a list"),
        Value::Set(_) => return String::from("a set"),
        Value::Bytes(bytes) => return format!("{} bytes", bytes.len()),
        Value::Timestamp(ms) => return format!("the timestamp {ms}"),
        Value::Counter(count) => return format!("the counter {count}"),
        Value::Reference(reference) => {
            return format!("the reference to {}", reference.object());
        }
        _ => {}
    }
    if let Some(text) = value.as_str()
        && text.chars().count() > SHOWN_MAX
    {
        let start: String = text.chars().take(SHOWN_MAX).collect();
        return format!("{start:?}...");
    }
    match value.as_str() {
        Some(text) => format!("{text:?}"),
        None => value.to_json().to_string(),
    }
}
