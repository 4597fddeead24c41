//! What is searched for.

use std::fmt;
use std::ops::{ControlFlow, Range};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::texts::visit_texts;
use super::token::{term, tokens};
use crate::{Filter, Object, Path};

/// Bytes of what is searched for at most.
const TEXT_BYTES_MAX: usize = 1024;
/// Words of it at most.
const TERMS_MAX: usize = 32;

/// Words that are searched for, all of which have to be found.
///
/// Words stand between spaces, in any order; what is written together, such as `e-mail` or
/// `東京`, has to be found in a row, and so has what stands `"in double quotes"`. A `*` behind a
/// word finds every word that begins so: `quick bro*`. Where nothing is typed yet everything is
/// found. Symbols, such as `--` or emoji, are no words: beside words they do not count, and alone
/// they find nothing.
///
/// ```
/// use dxos_document::Words;
///
/// assert!(Words::new("bro* QUICK").are_in("The quick, brown fox"));
/// assert!(!Words::new("\"fox quick\"").are_in("The quick, brown fox"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    text: String,
    phrases: Vec<Phrase>,
}

/// A word as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// The word without case and accents.
    pub text: String,
    /// Whether every word is meant that begins so.
    pub is_prefix: bool,
}

impl Term {
    /// Whether a word of a text, in the form in which it is compared, is this one.
    pub(super) fn is(&self, word: &str) -> bool {
        if self.is_prefix {
            word.starts_with(&self.text)
        } else {
            word == self.text
        }
    }
}

/// Why words cannot be searched for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// The text is too long. Search for less.
    #[error(
        "what is searched for has {bytes} bytes, at most {TEXT_BYTES_MAX} are allowed; use fewer words"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// There are too many words. Search for fewer; each character of scripts without spaces is
    /// one.
    #[error("more than {TERMS_MAX} words are searched for; use fewer")]
    TooMany,
}

/// Words in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Phrase(Vec<Term>);

impl Words {
    /// Words as somebody types them. What is too long is told by [`Words::check`].
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let mut phrases = Vec::new();
        if text.len() <= TEXT_BYTES_MAX {
            for (place, part) in text.split('"').enumerate() {
                if place % 2 == 1 {
                    phrases.extend(Phrase::read(part));
                } else {
                    phrases.extend(part.split_whitespace().filter_map(Phrase::read));
                }
            }
        }
        Self { text, phrases }
    }

    /// The words as they were typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether nothing is searched for, and so everything is found: a quotation mark may be the
    /// beginning of something.
    pub fn is_empty(&self) -> bool {
        let mut characters = self.text.chars();
        characters.all(|character| character.is_whitespace() || character == '"')
    }

    /// Whether there is something that is searched for, but no word: nothing is found.
    pub fn find_nothing(&self) -> bool {
        self.phrases.is_empty() && !self.is_empty()
    }

    /// Refuses what is beyond the limits.
    ///
    /// # Errors
    ///
    /// [`WordsError`].
    pub fn check(&self) -> Result<(), WordsError> {
        let bytes = self.text.len();
        if bytes > TEXT_BYTES_MAX {
            return Err(WordsError::TooLong { bytes });
        }
        let terms: usize = self.phrases.iter().map(|phrase| phrase.0.len()).sum();
        if terms > TERMS_MAX {
            return Err(WordsError::TooMany);
        }
        Ok(())
    }

    /// The words, each once, in order. A text in which all are found need not hold those in a
    /// row that have to be.
    pub fn terms(&self) -> Vec<Term> {
        let terms = self.phrases.iter().flat_map(|phrase| &phrase.0);
        let mut terms: Vec<_> = terms.cloned().collect();
        terms.sort();
        terms.dedup();
        terms
    }

    /// Whether all are in one text.
    pub fn are_in(&self, text: &str) -> bool {
        let mut left: Vec<_> = self.phrases.iter().collect();
        cross_out(&mut left, text);
        left.is_empty() && !self.find_nothing()
    }

    /// Whether all are in the texts of an object at `path` and below, or in any of its
    /// properties; each may be in another text.
    pub(crate) fn are_in_object(&self, object: &Object, path: Option<&Path>) -> bool {
        let mut left: Vec<_> = self.phrases.iter().collect();
        if left.is_empty() {
            return self.is_empty();
        }
        let flow = visit_texts(object, path, &mut |text| {
            cross_out(&mut left, text);
            if left.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        flow.is_break()
    }

    /// Where they are in a text, as ranges of bytes.
    pub(super) fn ranges(&self, text: &str, max: usize) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let phrases: Vec<_> = self.phrases.iter().collect();
        // A phrase may begin in the middle of another: some more are read than are told.
        let flow = each(&phrases, text, &mut |_, range| {
            found.push(range);
            if found.len() < 2 * max {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let _ = flow;
        joined(found, max)
    }
}

/// Ranges in order, those as one that overlap.
pub(super) fn joined(mut ranges: Vec<Range<usize>>, max: usize) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined.truncate(max);
    joined
}

/// Takes away the phrases that are in a text.
fn cross_out(left: &mut Vec<&Phrase>, text: &str) {
    let mut found = vec![false; left.len()];
    let mut missing = left.len();
    let flow = each(left, text, &mut |place, _| {
        if let Some(found) = found.get_mut(place)
            && !std::mem::replace(found, true)
        {
            missing -= 1;
        }
        if missing == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let _ = flow;
    let mut found = found.into_iter();
    left.retain(|_| !found.next().unwrap_or(false));
}

/// Visits every place in a text where one of the phrases is, as a range of bytes.
fn each(
    phrases: &[&Phrase],
    text: &str,
    visit: &mut dyn FnMut(usize, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // Of each phrase how many words were found in a row, and where the first of them began.
    let mut begun: Vec<Vec<(usize, usize)>> = vec![Vec::new(); phrases.len()];
    for (start, token) in tokens(text) {
        let word = term(token);
        if word.is_empty() {
            continue;
        }
        for (place, (phrase, begun)) in phrases.iter().zip(&mut begun).enumerate() {
            begun.push((0, start));
            let mut complete = None;
            begun.retain_mut(|(count, first)| {
                if !phrase.0.get(*count).is_some_and(|term| term.is(&word)) {
                    return false;
                }
                *count += 1;
                let is_complete = *count >= phrase.0.len();
                if is_complete {
                    complete = Some(*first);
                }
                !is_complete
            });
            if let Some(first) = complete {
                visit(place, first..start + token.len())?;
            }
        }
    }
    ControlFlow::Continue(())
}

impl Phrase {
    /// The words of a text in a row; `None` when there are none.
    fn read(text: &str) -> Option<Self> {
        let is_prefix = text.trim_end().ends_with('*');
        let words = tokens(text).map(|(_, word)| term(word).into_owned());
        let words = words.filter(|word| !word.is_empty());
        let mut terms: Vec<_> = words
            .take(TERMS_MAX + 1)
            .map(|text| Term {
                text,
                is_prefix: false,
            })
            .collect();
        terms.last_mut()?.is_prefix = is_prefix;
        Some(Self(terms))
    }
}

impl Filter {
    /// Visits everything that is searched for, until an error.
    pub(crate) fn visit_words<E>(
        &self,
        visit: &mut dyn FnMut(&Words) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                (filters.iter()).try_for_each(|filter| filter.visit_words(visit))
            }
            Self::Not(filter) => filter.visit_words(visit),
            Self::Text { words, .. } => visit(words),
            _ => Ok(()),
        }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Words {
    fn from(text: &String) -> Self {
        Self::new(text.as_str())
    }
}

impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Self::new(String::deserialize(deserializer)?);
        words.check().map_err(D::Error::custom)?;
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(words: &str, text: &str) {
        assert!(Words::new(words).are_in(text), "{words} in {text}");
    }

    #[track_caller]
    fn not_found(words: &str, text: &str) {
        assert!(!Words::new(words).are_in(text), "{words} in {text}");
    }

    #[test]
    fn all_words_are_found_in_any_order_and_case() {
        found("Fox quick", "the quick brown fox");
        found("cafe", "Le CAFÉ");
        not_found("quick cat", "the quick brown fox");
        not_found("bro", "the quick brown fox");
        found("bro*", "the quick brown fox");
        not_found("row*", "the quick brown fox");
        found("", "anything");
        found("  ", "");
        found(" \"", "");
    }

    #[test]
    fn symbols_are_no_words() {
        for symbols in ["😀", "--", " … ", "\"!?\"", "*", "\"\" -"] {
            not_found(symbols, "");
            not_found(symbols, symbols);
        }
        found("fox -- 😀", "the quick brown fox");
        not_found("fox -- 😀", "-- 😀");
    }

    #[test]
    fn what_is_quoted_or_written_together_is_found_in_a_row() {
        found("\"quick brown\"", "the quick, BROWN fox");
        not_found("\"brown quick\"", "the quick brown fox");
        found("\"quick bro*\" the", "the quick brown fox");
        found("e-mail", "send an e mail");
        not_found("e-mail", "mail e");
        found("東京", "私は東京にいます");
        not_found("京東", "私は東京にいます");
        found("ไทย", "ภาษาไทย");
        found("\"a b\"", "a a b");
        // Not closed yet: it is being typed.
        not_found("\"fox quick", "quick fox");
    }

    #[test]
    fn ranges_are_bytes_of_the_text_as_it_is_written() {
        let words = Words::new("caf* \"sehr schön\"");
        let text = "Ein CAFÉ, sehr schön: Cafés";
        let ranges = words.ranges(text, 8);
        let found: Vec<_> = ranges.into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["CAFÉ", "sehr schön", "Cafés"]);
        assert_eq!(words.ranges(text, 1).len(), 1);
    }

    #[test]
    fn too_much_is_refused() {
        assert!(Words::new("a ".repeat(32)).check().is_ok());
        assert_eq!(
            Words::new("a ".repeat(33)).check(),
            Err(WordsError::TooMany)
        );
        assert_eq!(
            Words::new("東".repeat(33)).check(),
            Err(WordsError::TooMany)
        );
        let long = Words::new("a".repeat(1025)).check();
        assert_eq!(long, Err(WordsError::TooLong { bytes: 1025 }));
        let json = serde_json::to_string(&"a ".repeat(33)).unwrap();
        assert!(serde_json::from_str::<Words>(&json).is_err());
    }
}
