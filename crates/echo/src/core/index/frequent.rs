//! How many rows frequent words have.
//!
//! How rare a word is takes part in every order by relevance. To count the rows of a word that
//! most objects have costs more than everything else that a search does, so that what was counted
//! once is kept: in memory, brought up to date with every row, and in the store, in the batch of
//! the rows themselves. Of words that nobody searched for nothing is kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Direction, KeyRange, Read};

use super::super::layout::{INDEX, SpaceNumber, in_space};
use super::super::space::{decode_row, encode_row, store_failed};
use super::catalog::{Catalog, IndexNumber};
use super::rows::{FREQUENT, Rows, section};

/// A word with fewer rows is counted again.
const ROWS_MIN: u64 = if cfg!(test) { 2 } else { 1024 };
/// A word that has fewer rows by now is kept no more: what was erased must leave nothing behind.
const ROWS_LEFT_MIN: u64 = ROWS_MIN / 2;
/// Words that are kept: of more, those with the most rows.
const WORDS_MAX: usize = if cfg!(test) { 3 } else { 256 };
/// Bytes behind the word in a row: how often it is there, how long the texts are, the object.
pub(super) const BEHIND_WORD: usize = 2 + 1 + ObjectId::LENGTH;

/// What the rows of a word begin with, without the number of the space: its index, that they are
/// of objects that are not deleted, and the word.
type Word = Vec<u8>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    rows: u64,
    /// Whether the store says so.
    is_stored: bool,
}

/// The counts of one space.
#[derive(Debug, Default)]
pub(super) struct Frequent {
    // Whoever searches counts.
    counts: RefCell<BTreeMap<Word, Count>>,
    /// Words that the store has a count of and that are kept no more.
    dropped: RefCell<BTreeSet<Word>>,
}

impl Frequent {
    /// Of no words.
    pub(super) const fn empty() -> Self {
        Self {
            counts: RefCell::new(BTreeMap::new()),
            dropped: RefCell::new(BTreeSet::new()),
        }
    }

    /// As they were stored.
    pub(super) fn open(number: SpaceNumber, store: &dyn Read) -> Result<Self, EchoError> {
        let mut counts = BTreeMap::new();
        let prefix = in_space(number, &section(FREQUENT, false));
        for row in store.scan(INDEX, KeyRange::prefix(&prefix), Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            let word = key.get(prefix.len()..).unwrap_or_default();
            let count = Count {
                rows: decode_row("count of a word", &value)?,
                is_stored: true,
            };
            counts.insert(word.to_vec(), count);
        }
        Ok(Self {
            counts: RefCell::new(counts),
            ..Self::default()
        })
    }

    /// How many rows a word has, if that is known.
    pub(super) fn rows(&self, word: &[u8]) -> Option<u64> {
        let counts = self.counts.borrow();
        counts.get(word).map(|count| count.rows)
    }

    /// Notes how many rows of a word are in the store.
    pub(super) fn keep(&self, word: &[u8], rows: u64) {
        if rows < ROWS_MIN {
            return;
        }
        let mut counts = self.counts.borrow_mut();
        if counts.len() >= WORDS_MAX {
            let fewest = counts.iter().min_by_key(|(_, count)| count.rows);
            let Some((fewest, _)) = fewest.filter(|(_, count)| count.rows < rows) else {
                return;
            };
            let fewest = fewest.clone();
            self.drop_word(fewest, &mut counts);
        }
        let count = Count {
            rows,
            is_stored: false,
        };
        counts.insert(word.to_vec(), count);
        self.dropped.borrow_mut().remove(word);
    }

    fn drop_word(&self, word: Word, counts: &mut BTreeMap<Word, Count>) {
        counts.remove(&word);
        self.dropped.borrow_mut().insert(word);
    }

    /// Notes that an object has other rows in the store than before.
    pub(super) fn change(&mut self, before: &Rows, now: &Rows) {
        let counts = self.counts.get_mut();
        if counts.is_empty() {
            return;
        }
        let mut changed = |rows: &Rows, others: &Rows, change: fn(u64) -> u64| {
            for row in rows {
                let word = row.split_at_checked(row.len().saturating_sub(BEHIND_WORD));
                if let Some((word, _)) = word
                    && let Some(count) = counts.get_mut(word)
                    && others.binary_search(row).is_err()
                {
                    count.rows = change(count.rows);
                    count.is_stored = false;
                }
            }
        };
        changed(before, now, |rows| rows.saturating_sub(1));
        changed(now, before, |rows| rows.saturating_add(1));
    }

    /// Forgets the words of indexes that are declared no more.
    pub(super) fn retain(&mut self, catalog: &Catalog) {
        let mut counts = self.counts.take();
        let index = |word: &Word| word.first_chunk().map(|index| u32::from_be_bytes(*index));
        let is_declared =
            |word: &Word| index(word).is_some_and(|index| catalog.is_declared(IndexNumber(index)));
        let words: Vec<Word> = counts.keys().cloned().collect();
        for word in words.into_iter().filter(|word| !is_declared(word)) {
            self.drop_word(word, &mut counts);
        }
        self.counts.replace(counts);
    }

    /// Whether the store does not have all that is known.
    pub(super) fn is_changed(&self) -> bool {
        let counts = self.counts.borrow();
        !self.dropped.borrow().is_empty() || counts.values().any(|count| !count.is_stored)
    }

    /// Writes what is not stored as it is.
    pub(super) fn flush(
        &mut self,
        number: SpaceNumber,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let counts = self.counts.get_mut();
        let dropped = self.dropped.get_mut();
        counts.retain(|word, count| {
            let is_kept = count.rows >= ROWS_LEFT_MIN;
            if !is_kept {
                dropped.insert(word.clone());
            }
            is_kept
        });
        for word in std::mem::take(dropped) {
            batch.delete(INDEX, key(number, &word));
        }
        for (word, count) in counts {
            if !std::mem::replace(&mut count.is_stored, true) {
                batch.put(INDEX, key(number, word), encode_row(&count.rows)?);
            }
        }
        Ok(())
    }

    /// The keys of all rows that are stored once everything is written.
    pub(super) fn keys(&self, number: SpaceNumber) -> Vec<Vec<u8>> {
        let counts = self.counts.borrow();
        counts.keys().map(|word| key(number, word)).collect()
    }

    /// Counts the rows that an object has in the store.
    pub(super) fn recount(&self, rows: &Rows, into: &mut BTreeMap<Vec<u8>, u64>) {
        let counts = self.counts.borrow();
        for row in rows {
            let word = row.split_at_checked(row.len().saturating_sub(BEHIND_WORD));
            if let Some((word, _)) = word
                && counts.contains_key(word)
            {
                *into.entry(word.to_vec()).or_default() += 1;
            }
        }
    }

    /// Whether every word was counted as often as is known.
    pub(super) fn are_counted(&self, counted: &BTreeMap<Vec<u8>, u64>) -> bool {
        let counts = self.counts.borrow();
        counts
            .iter()
            .all(|(word, count)| counted.get(word).copied().unwrap_or_default() == count.rows)
    }
}

fn key(number: SpaceNumber, word: &[u8]) -> Vec<u8> {
    let mut row = section(FREQUENT, false);
    row.extend_from_slice(word);
    in_space(number, &row)
}
