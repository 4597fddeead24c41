//! The forms of a file.

use std::fmt;
use std::io::BufRead;
use std::path::Path;
use std::str::FromStr;

/// How records stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values; the first line names the columns.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// The text names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format {text:?}; name csv, json or jsonl")]
pub struct ParseFormatError {
    /// The text.
    pub text: String,
}

impl Format {
    /// Its name, which is also how such files end.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
        }
    }

    /// The format that the name of a file says.
    pub fn of_name(name: &Path) -> Option<Self> {
        let extension = name.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// The format of a file by its name and, where that leaves it open, by how it begins. What is
    /// looked at stays to be read.
    ///
    /// # Errors
    ///
    /// When the input cannot be read.
    pub fn guess(name: &Path, input: &mut dyn BufRead) -> std::io::Result<Self> {
        let named = Self::of_name(name);
        if let Some(format @ (Self::Csv | Self::Jsonl)) = named {
            return Ok(format);
        }
        let start = input.fill_buf()?;
        let start = start.strip_prefix(MARK).unwrap_or(start);
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(match (first, named) {
            // Many files of lines are named .json.
            (Some(b'{') | None, _) => Self::Jsonl,
            (Some(b'['), _) | (_, Some(_)) => Self::Json,
            _ => Self::Csv,
        })
    }
}

/// The mark with which some programs begin UTF-8.
pub(crate) const MARK: &[u8] = "\u{feff}".as_bytes();

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Csv, Self::Json, Self::Jsonl];
        let found = all.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| ParseFormatError {
            text: text.to_owned(),
        })
    }
}
