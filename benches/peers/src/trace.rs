//! Recordings of people typing.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// A recording.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The name of the file.
    #[serde(skip)]
    pub name: String,
    /// The text at the end.
    pub end_content: String,
    /// What was typed, in an order in which causes come first.
    pub txns: Vec<Typed>,
}

/// What one person typed at once.
#[derive(Debug, Deserialize)]
pub struct Typed {
    /// The transactions that were seen; of a sequential recording the one before.
    #[serde(default)]
    pub parents: Vec<usize>,
    /// Who typed.
    #[serde(default)]
    pub agent: usize,
    /// Position, how many characters were deleted there, and what was inserted there.
    pub patches: Vec<(usize, usize, String)>,
}

impl Trace {
    /// Reads a file, gzipped or plain.
    pub fn read(path: &Path) -> Result<Self> {
        let told = || format!("cannot read the trace {}", path.display());
        let bytes = std::fs::read(path).with_context(told)?;
        let mut plain = Vec::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(bytes.as_slice())
                .read_to_end(&mut plain)
                .with_context(told)?;
        } else {
            plain = bytes;
        }
        let mut trace: Self = serde_json::from_slice(&plain).with_context(told)?;
        // One of the libraries counts bytes, the others characters.
        let ascii = trace.edits().all(|(_, _, text)| text.is_ascii());
        ensure!(ascii, "the trace {} is not all ASCII", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        trace.name = name.split('.').next().unwrap_or_default().to_owned();
        Ok(trace)
    }

    /// All edits, in order.
    pub fn edits(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let patches = self.txns.iter().flat_map(|typed| &typed.patches);
        patches.map(|(at, deleted, inserted)| (*at, *deleted, inserted.as_str()))
    }

    /// The first edits, of at most that many characters.
    pub fn first(&self, characters: usize) -> impl Iterator<Item = (usize, usize, &str)> {
        let mut left = characters;
        self.edits().take_while(move |(_, deleted, inserted)| {
            left = left.saturating_sub(deleted + inserted.len());
            left > 0
        })
    }

    /// The text after these edits.
    pub fn text_after(&self, characters: usize) -> String {
        if characters == usize::MAX {
            return self.end_content.clone();
        }
        let mut text = String::new();
        for (at, deleted, inserted) in self.first(characters) {
            text.replace_range(at..at + deleted, inserted);
        }
        text
    }

    /// Whether several people typed at once.
    pub fn concurrent(&self) -> bool {
        self.txns.iter().any(|typed| typed.agent > 0)
    }
}
