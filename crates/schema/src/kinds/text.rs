//! Texts that many type into.

use std::borrow::Cow;
use std::ops::Deref;

use dxos_document::{Span, Text as Content, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

/// A text that many type into: what a change inserts and deletes is written, not the whole.
///
/// For cursors, and to mark parts of it, use the editor that a transaction gives (`tx.text`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Content);

impl Text {
    /// A text without marks.
    pub fn new(content: impl Into<String>) -> Self {
        Self(Content::new(content))
    }

    /// Makes it read `content`. Marks stay with the characters that stay: those that old and new
    /// have in common at both ends.
    pub fn set(&mut self, content: &str) {
        let old: Vec<char> = self.0.as_str().chars().collect();
        let new: Vec<char> = content.chars().collect();
        let same = |(one, two): &(&char, &char)| one == two;
        let start = old.iter().zip(&new).take_while(same).count();
        let most = old.len().min(new.len()) - start;
        let ends = old.iter().rev().zip(new.iter().rev());
        let end = ends.take(most).take_while(same).count();
        let moved = |at: usize| {
            if at <= start {
                at
            } else if at >= old.len() - end {
                at - (old.len() - end) + (new.len() - end)
            } else {
                start
            }
        };
        let spans: Vec<Span> = self.0.spans().to_vec();
        let spans = spans.into_iter().filter_map(|span| {
            let (from, to) = (moved(span.from), moved(span.to));
            (from < to).then_some(Span { from, to, ..span })
        });
        self.0 = Content::new(content).with_spans(spans);
    }

    /// Appends to it.
    pub fn push_str(&mut self, more: &str) {
        let content = format!("{}{more}", self.0.as_str());
        self.set(&content);
    }
}

impl Deref for Text {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(content: &str) -> Self {
        Self::new(content)
    }
}

impl From<String> for Text {
    fn from(content: String) -> Self {
        Self::new(content)
    }
}

impl From<Content> for Text {
    fn from(content: Content) -> Self {
        Self(content)
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text.0)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Text(self.0.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Text(text) => Ok(Self(text)),
            Value::String(content) => Ok(Self::new(content)),
            other => Err(super::wrong("a text", &other)),
        }
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "dxos::Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A string, or with marks a list of runs.
        let content = json!({ "type": ["string", "array", "object"] });
        super::tagged("@text", &content, "A text that many type into.")
    }

    fn inline_schema() -> bool {
        true
    }
}
