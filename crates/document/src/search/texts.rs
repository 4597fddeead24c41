//! The texts of an object.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::token::{term, tokens};
use crate::{Object, Path, Value};

type Visit<'v> = dyn FnMut(&str) -> ControlFlow<()> + 'v;

/// Visits the texts of an object at `path` and below, or in all of its properties.
pub(super) fn visit_texts(
    object: &Object,
    path: Option<&Path>,
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    match path {
        Some(path) => match object.field(path) {
            Some(value) => visit_value(&value, visit),
            None => ControlFlow::Continue(()),
        },
        None => visit_all(object.properties().values(), visit),
    }
}

fn visit_value(value: &Value, visit: &mut Visit<'_>) -> ControlFlow<()> {
    match value {
        Value::String(text) => visit(text),
        Value::Text(text) => visit(text.as_str()),
        Value::List(items) => visit_all(items, visit),
        Value::Set(members) => visit_all(members, visit),
        Value::Map(map) => visit_all(map.values(), visit),
        _ => ControlFlow::Continue(()),
    }
}

fn visit_all<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    (values.into_iter()).try_for_each(|value| visit_value(value, visit))
}

/// How many words texts have, to within an eighth: exactly below 16.
///
/// Indexes keep it with each word, so that it should not change with each word that is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextLength(u8);

impl TextLength {
    /// Of so many words.
    pub fn of(words: u32) -> Self {
        let Some(shift) = words.checked_ilog2().and_then(|log| log.checked_sub(4)) else {
            return Self(u8::try_from(words).unwrap_or(0));
        };
        // Four bits of the number, the first of which is set, and how far they are shifted.
        let bits = words >> (shift + 1);
        Self(u8::try_from(8 * (shift + 1) + bits).unwrap_or(u8::MAX))
    }

    /// As an index keeps it.
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// For an index to keep.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// How many words it stands for: what it was made of or a little less.
    pub fn words(self) -> u32 {
        let code = u32::from(self.0);
        if code < 16 {
            return code;
        }
        let shift = code / 8 - 1;
        (8 + code % 8).checked_shl(shift).unwrap_or(u32::MAX)
    }
}

/// The words of the texts of an object, in the form in which they are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextTerms {
    /// How often each is there; not more than 65,535 times.
    pub counts: BTreeMap<String, u16>,
    /// How many there are in all.
    pub length: TextLength,
}

impl TextTerms {
    /// The words of an object at `path` and below, or in all of its properties.
    pub fn of(object: &Object, path: Option<&Path>) -> Self {
        let mut counts: BTreeMap<String, u16> = BTreeMap::new();
        let length = visit_terms(object, path, &mut |word| match counts.get_mut(word) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(counts.insert(word.to_owned(), 1)),
        });
        Self { counts, length }
    }
}

/// Visits all words of an object, and tells how many there are.
pub(super) fn visit_terms(
    object: &Object,
    path: Option<&Path>,
    visit: &mut dyn FnMut(&str),
) -> TextLength {
    let mut length = 0_u32;
    let flow = visit_texts(object, path, &mut |text| {
        for (_, word) in tokens(text) {
            let word = term(word);
            if !word.is_empty() {
                length = length.saturating_add(1);
                visit(&word);
            }
        }
        ControlFlow::Continue(())
    });
    let _ = flow;
    TextLength::of(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_kept_to_within_an_eighth_and_in_order() {
        let mut last = TextLength::default();
        for words in (0..4096).chain((1..1000).map(|n| n * 4_294_967)) {
            let length = TextLength::of(words);
            assert!(length >= last || words == 4_294_967, "{words}");
            last = length;
            assert!(length.words() <= words && words - length.words() <= words / 8);
            assert_eq!(TextLength::of(length.words()), length);
            assert_eq!(TextLength::from_code(length.code()), length);
        }
        assert_eq!(TextLength::of(15).words(), 15);
        let most = TextLength::of(u32::MAX).words();
        assert!(most > u32::MAX - u32::MAX / 8);
    }
}
