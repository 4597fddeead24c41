//! Texts as values.

use serde::{Deserialize, Serialize};

use super::marks::resolve;
use crate::footprint::of_value;
use crate::{Key, Value};

/// A collaborative text as it shows: a copy, that later edits do not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text {
    content: String,
    spans: Vec<Span>,
}

/// A mark over a range of characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first character, in Unicode scalar values from the beginning.
    pub from: usize,
    /// The first character after it.
    pub to: usize,
    /// What is said of the range, such as `bold`.
    pub name: Key,
    /// Its value, never null.
    pub value: Value,
}

impl Text {
    /// A text without marks.
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            spans: Vec::new(),
        }
    }

    /// The same with marks. Of several of one name on a character the last counts; null takes
    /// marks off; what reaches beyond the text is cut.
    #[must_use]
    pub fn with_spans(mut self, spans: impl IntoIterator<Item = Span>) -> Self {
        let len = self.content.chars().count();
        let spans: Vec<Span> = spans.into_iter().collect();
        self.spans = resolve(
            spans
                .iter()
                .map(|span| (span.from, span.to.min(len), &span.name, &span.value)),
        );
        self
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// About how many bytes of memory it points to.
    pub(crate) fn bytes(&self) -> usize {
        let spans = self.spans.iter();
        let spans = spans.map(|span| size_of::<Span>() + span.name.len() + of_value(&span.value));
        spans.fold(self.content.len(), usize::saturating_add)
    }

    /// The marks, by where they begin.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The characters without the marks.
    pub fn into_string(self) -> String {
        self.content
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

impl std::fmt::Display for Text {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.content)
    }
}
