//! The characters of a query's text.

use serde_json::Value as Json;

use super::{QueryTextError, time};
use crate::Value;

/// A text, and how much of it was read.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// What may stand in a word.
#[derive(Clone, Copy)]
pub(super) enum Word {
    /// Before a sign: up to it.
    Key,
    /// A path in a list of them.
    Path,
    /// After a sign.
    Value,
}

impl Word {
    fn ends(self, character: char) -> bool {
        let signs = match self {
            Self::Key => "()\",:=!<>~^",
            Self::Path | Self::Value => "()\",",
        };
        character.is_whitespace() || signs.contains(character)
    }
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// An error at what comes next.
    pub(super) fn error(&self, reason: impl Into<String>) -> QueryTextError {
        self.error_at(self.at, reason)
    }

    pub(super) fn error_at(&self, at: usize, reason: impl Into<String>) -> QueryTextError {
        let before = self.text.get(..at).unwrap_or(self.text);
        QueryTextError {
            column: before.chars().count() + 1,
            reason: reason.into(),
        }
    }

    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) const fn go_back(&mut self, position: usize) {
        self.at = position;
    }

    pub(super) fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn is_at(&self, sign: char) -> bool {
        self.rest().starts_with(sign)
    }

    /// Reads a sign, if it comes next.
    pub(super) fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// Reads the characters of a word; perhaps none.
    pub(super) fn word(&mut self, word: Word) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| word.ends(character));
        let found = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += found.len();
        found
    }

    /// Refuses what looks like another sign, or like other quotes, where a word is to begin.
    pub(super) fn begins_word(&self) -> Result<(), QueryTextError> {
        let before = self.text.get(..self.at).unwrap_or_default();
        let mistaken = mistaken(before.chars().next_back(), self.rest());
        mistaken.map_or(Ok(()), |reason| Err(self.error(reason)))
    }

    /// Reads a text in quotes or a word; which of the two it was.
    pub(super) fn text(&mut self, word: Word) -> Result<(String, bool), QueryTextError> {
        if !self.is_at('"') {
            // Without a name before it a sign is no condition, as the reader of those says.
            if !matches!(word, Word::Key) || self.is_at('\'') {
                self.begins_word()?;
            }
            return Ok((self.word(word).to_owned(), false));
        }
        match self.json()? {
            Json::String(text) => Ok((text, true)),
            _ => Err(self.error("expected a text in quotes")),
        }
    }

    /// Reads one JSON value.
    fn json(&mut self) -> Result<Json, QueryTextError> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Json>();
        match values.next() {
            Some(Ok(json)) => {
                self.at += values.byte_offset();
                Ok(json)
            }
            Some(Err(error)) => Err(self.error(format!("this is no JSON ({error})"))),
            None => Err(self.error("expected a value")),
        }
    }

    /// Reads a value, and the text of a day as it stands where that is a day, which may be meant
    /// as either.
    pub(super) fn value(&mut self) -> Result<(Value, Option<Value>), QueryTextError> {
        let start = self.at;
        if self.rest().starts_with(['"', '{', '[']) {
            let json = self.json()?;
            let value = Value::from_json(&json);
            let value = value.map_err(|error| self.error_at(start, error.to_string()))?;
            return Ok((value, None));
        }
        self.begins_word()?;
        let word = self.word(Word::Value);
        if word.is_empty() {
            return Err(self.error("expected a value; write \"\" for the empty text"));
        }
        let value = bare_value(word).map_err(|reason| self.error_at(start, reason))?;
        Ok((value, time::is_day(word).then(|| word.into())))
    }
}

/// What a word without quotes means as a value; why not, when it looks like a day or a time and
/// is none.
pub(super) fn bare_value(word: &str) -> Result<Value, String> {
    if let Some(ms) = time::parse(word) {
        return Ok(Value::Timestamp(ms));
    }
    if time::looks_like_one(word) {
        return Err(format!(
            "{word} is no day or time; write 2026-12-01 or 2026-12-01T10:30:00Z, or a text in \
             quotes"
        ));
    }
    let is_literal = matches!(word, "true" | "false" | "null")
        || word.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    // A whole number of more than 64 bits would lose digits: where there are such, they are texts.
    let is_whole = word
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit());
    let is_literal = is_literal && (!is_whole || word.parse::<i64>().is_ok());
    let json = is_literal
        .then(|| serde_json::from_str(word).ok())
        .flatten();
    let value = json.and_then(|json| Value::from_json(&json).ok());
    Ok(value.unwrap_or_else(|| word.into()))
}

/// Characters with which a word does not begin: whoever writes them meant a sign, or quotes.
const NO_BEGINNING: [char; 7] = ['\'', '=', '<', '>', '~', ':', '!'];

/// Why what stands behind a sign is no word, with what was meant; `None` when it is one.
fn mistaken(before: Option<char>, word: &str) -> Option<String> {
    let first = word
        .chars()
        .next()
        .filter(|first| NO_BEGINNING.contains(first))?;
    let meant = match (before, first) {
        (_, '\'') => "a text stands in double quotes, as in \"two words\"".to_owned(),
        (Some('='), '>') => "at or after is written n>=1".to_owned(),
        (Some('='), '<') => "at or before is written n<=1".to_owned(),
        (Some('<'), '>') | (_, '!') => "other than is written n!=1".to_owned(),
        (_, '=') => "equal is written n:1 or n=1, and other than n!=1".to_owned(),
        (_, '~') => "with this part is written n~one, and with these words n~~one".to_owned(),
        (_, sign) => format!("one sign is enough, as in n{sign}1"),
    };
    Some(format!(
        "a value does not begin with {first} here: {meant}; write a text that begins so in double \
         quotes"
    ))
}

/// Whether a text is read as itself without quotes.
pub(super) fn is_bare(text: &str, word: Word) -> bool {
    !text.is_empty()
        && !text.contains(|character| word.ends(character))
        && !text.starts_with(['{', '['])
        && !text.starts_with(NO_BEGINNING)
}
