//! Which words are in the texts of objects.
//!
//! A row of words has, where others have an entry, a word, how often it is there and how many
//! words the texts have: what an order by relevance needs to know without loading the object.
//!
//! To read a long text again at every key that is pressed would cost more than the typing. The
//! rows of an object that is only typed into stay as they are: they are noted, in the batch of
//! the first key, in a row of their own, and put right a little later. Until then queries look at
//! the object itself. That its rows are [behind](BEHIND) is in the store, and so it is put right
//! after a crash too.

use std::collections::BTreeMap;

use dxos_document::{Object, ObjectState, TextLength, TextTerms};
use dxos_keys::ObjectId;
use dxos_protocol::echo::{EchoError, properties_object};
use dxos_store::{Batch, Direction, KeyRange, Read};
use serde::{Deserialize, Serialize};

use super::super::layout::{INDEX, SpaceNumber, in_space};
use super::super::space::{Space, Touched, decode_row, encode_row, store_failed};
use super::Indexes;
use super::catalog::{Catalog, IndexNumber, Kind, all_texts};
use super::encode::put_text;
use super::frequent::Frequent;
use super::rows::{BEHIND, MANY, Rows, TOTALS, section};

/// Words of one object in one index. One that has more has one row in the place of all, which
/// every search meets.
const WORDS_MAX: usize = if cfg!(test) { 6 } else { 16_384 };
/// Objects whose rows may be behind, and rows of all of them together.
const BEHIND_MAX: (usize, usize) = if cfg!(test) { (2, 20) } else { (64, 65_536) };
/// Bytes of a batch from which on no further object is put right in it.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an index of words has in all, of objects that are not deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// Objects with words.
    pub(super) objects: u64,
    /// Words.
    pub(super) words: u64,
}

/// What indexes of words have in all, counted from the objects.
#[derive(Debug, Default)]
pub(crate) struct Recount {
    totals: BTreeMap<IndexNumber, Totals>,
    frequent: BTreeMap<Vec<u8>, u64>,
}

/// What is known of the indexes of words besides their rows.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Objects whose rows are of an earlier state, with these rows.
    pub(super) behind: BTreeMap<ObjectId, Rows>,
    pub(super) totals: BTreeMap<IndexNumber, Totals>,
    pub(super) frequent: Frequent,
    /// Whether the totals have changed since they were stored.
    is_changed: bool,
}

fn behind_key(number: SpaceNumber, object: &ObjectId) -> Vec<u8> {
    let mut row = section(BEHIND, false);
    row.extend_from_slice(object.as_bytes());
    in_space(number, &row)
}

fn totals_key(number: SpaceNumber) -> Vec<u8> {
    in_space(number, &section(TOTALS, false))
}

impl Words {
    /// Of no objects.
    pub(super) const fn empty() -> Self {
        Self {
            behind: BTreeMap::new(),
            totals: BTreeMap::new(),
            frequent: Frequent::empty(),
            is_changed: false,
        }
    }

    /// As they were stored.
    pub(super) fn open(number: SpaceNumber, store: &dyn Read) -> Result<Self, EchoError> {
        let mut words = Self {
            frequent: Frequent::open(number, store)?,
            ..Self::default()
        };
        let totals = store.get(INDEX, &totals_key(number));
        if let Some(row) = totals.map_err(|error| store_failed(&error))? {
            words.totals = decode_row("totals of words", &row)?;
        }
        let prefix = in_space(number, &section(BEHIND, false));
        for row in store.scan(INDEX, KeyRange::prefix(&prefix), Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            if let Some(object) = key.get(prefix.len()..).and_then(ObjectId::from_slice) {
                let rows = decode_row("words of an object", &value)?;
                words.behind.insert(object, rows);
            }
        }
        Ok(words)
    }

    /// Whether there is room for one more object whose rows are behind.
    fn has_room(&self, rows: usize) -> bool {
        let (objects_max, rows_max) = BEHIND_MAX;
        let behind: usize = self.behind.values().map(Vec::len).sum();
        self.behind.len() < objects_max && behind + rows <= rows_max
    }

    /// Takes over into what is counted that an object has other rows than before.
    fn count(&mut self, catalog: &Catalog, object: ObjectId, (before, now): (&Rows, &Rows)) {
        self.frequent.change(before, now);
        for (number, length) in lengths(before) {
            if catalog.is_counted(number, object) {
                self.change(number, |totals| {
                    totals.objects = totals.objects.saturating_sub(1);
                    totals.words = totals.words.saturating_sub(length);
                });
            }
        }
        for (number, length) in lengths(now) {
            if catalog.is_counted(number, object) {
                self.add(number, length);
            }
        }
    }

    fn add(&mut self, number: IndexNumber, length: u64) {
        self.change(number, |totals| {
            totals.objects += 1;
            totals.words += length;
        });
    }

    fn change(&mut self, number: IndexNumber, change: impl FnOnce(&mut Totals)) {
        change(self.totals.entry(number).or_default());
        self.is_changed = true;
    }

    /// Forgets the totals of indexes that are declared no more.
    pub(super) fn retain(&mut self, catalog: &Catalog) {
        let before = self.totals.len();
        self.totals.retain(|number, _| catalog.is_declared(*number));
        self.is_changed |= self.totals.len() != before;
        self.frequent.retain(catalog);
    }

    /// Writes what is counted, if it is not stored as it is.
    pub(super) fn flush(
        &mut self,
        number: SpaceNumber,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        if self.is_changed {
            if self.totals.is_empty() {
                batch.delete(INDEX, totals_key(number));
            } else {
                batch.put(INDEX, totals_key(number), encode_row(&self.totals)?);
            }
            self.is_changed = false;
        }
        self.frequent.flush(number, batch)
    }
}

/// How many words the rows say that an object has in each index, if it is not deleted.
pub(super) fn lengths(rows: &Rows) -> BTreeMap<IndexNumber, u64> {
    let parts = rows.iter().filter_map(|row| {
        let (number, rest) = row.split_first_chunk()?;
        let is_shown = rest.first() == Some(&0);
        let code = rest.get(rest.len().checked_sub(ObjectId::LENGTH + 1)?)?;
        let number = IndexNumber(u32::from_be_bytes(*number));
        let length = TextLength::from_code(*code).words();
        is_shown.then(|| (number, u64::from(length)))
    });
    parts.collect()
}

/// The rows of words of an object.
fn rows_of(object: &Object, catalog: &Catalog) -> Rows {
    let mut rows = Rows::new();
    let base = object.type_name().base();
    let all = all_texts();
    for (number, path) in catalog.declared_for(base, Kind::Words) {
        let terms = TextTerms::of(object, (*path != all).then_some(path));
        let start = section(number, object.is_deleted());
        let mut put = |word: &[u8], count: u16| {
            let mut row = start.clone();
            row.extend_from_slice(word);
            row.extend_from_slice(&count.to_be_bytes());
            row.push(terms.length.code());
            row.extend_from_slice(object.id().as_bytes());
            rows.push(row);
        };
        if terms.counts.len() > WORDS_MAX {
            put(&MANY, 0);
            continue;
        }
        for (word, count) in &terms.counts {
            let mut entry = Vec::with_capacity(word.len() + 2);
            put_text(word.as_bytes(), &mut entry);
            put(&entry, *count);
        }
    }
    rows.sort();
    rows
}

impl Indexes {
    /// The rows of words of an object as it is.
    pub(crate) fn word_rows(&self, object: ObjectId, state: &ObjectState) -> Rows {
        let base = state.type_name().map(dxos_document::TypeName::base);
        let has_any = self.catalog.has_texts()
            && base.is_some_and(|base| {
                let mut declared = self.catalog.declared_for(base, Kind::Words);
                declared.next().is_some()
            })
            // What no query finds.
            && object != properties_object(&self.space);
        let object = has_any.then(|| state.object(object)).flatten();
        object.map_or_else(Rows::new, |object| rows_of(&object, &self.catalog))
    }

    /// The rows of words that the store has of an object that is as it is in the store; none
    /// when they are behind, as those are kept already.
    pub(crate) fn words_before(&self, object: ObjectId, state: &ObjectState) -> Rows {
        if self.words.behind.contains_key(&object) {
            Rows::new()
        } else {
            self.word_rows(object, state)
        }
    }

    /// The rows of words that the store has of an object, and the one that says that they are
    /// behind.
    pub(crate) fn stored_words(&self, object: ObjectId, state: &ObjectState) -> Rows {
        let Some(behind) = self.words.behind.get(&object) else {
            return self.word_rows(object, state);
        };
        let mut rows = behind.clone();
        let mut row = section(BEHIND, false);
        row.extend_from_slice(object.as_bytes());
        rows.push(row);
        rows
    }

    /// Counts an object, as the totals of words do.
    pub(crate) fn recount(&self, object: ObjectId, state: &ObjectState, into: &mut Recount) {
        let behind = self.words.behind.get(&object).cloned();
        let rows = behind.unwrap_or_else(|| self.word_rows(object, state));
        for (number, length) in lengths(&rows) {
            let totals = into.totals.entry(number).or_default();
            totals.objects += 1;
            totals.words += length;
        }
        self.words.frequent.recount(&rows, &mut into.frequent);
    }

    /// Whether totals and frequent words are what was counted.
    pub(crate) fn are_counted(&self, recount: &Recount) -> bool {
        let numbers = recount.totals.keys().chain(self.words.totals.keys());
        let of = |totals: &BTreeMap<IndexNumber, Totals>, number| {
            totals.get(number).copied().unwrap_or_default()
        };
        let mut numbers = numbers.into_iter();
        numbers.all(|number| of(&recount.totals, number) == of(&self.words.totals, number))
            && self.words.frequent.are_counted(&recount.frequent)
    }

    /// Rows that are of no object.
    pub(crate) fn rows_of_none(&self, number: SpaceNumber) -> Vec<Vec<u8>> {
        let totals = (!self.words.totals.is_empty()).then(|| totals_key(number));
        let frequent = self.words.frequent.keys(number);
        totals.into_iter().chain(frequent).collect()
    }

    /// Writes what is different in the rows of words of an object that was changed, or notes
    /// that they are behind.
    pub(crate) fn put_words(
        &mut self,
        number: SpaceNumber,
        object: ObjectId,
        state: Option<&ObjectState>,
        touched: &mut Touched,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let is_behind = self.words.behind.contains_key(&object);
        if !is_behind && touched.words.is_empty() && !self.catalog.has_texts() {
            return Ok(());
        }
        if touched.is_typed && state.is_some() {
            if is_behind {
                return Ok(());
            }
            let is_still = !self.catalog.clear_all && !self.catalog.is_incomplete();
            // Of an object without words there may be no index: there is nothing to be saved.
            if is_still && !touched.words.is_empty() && self.words.has_room(touched.words.len()) {
                let before = std::mem::take(&mut touched.words);
                batch.put(INDEX, behind_key(number, &object), encode_row(&before)?);
                self.words.behind.insert(object, before);
                return Ok(());
            }
        }
        let now = state.map_or_else(Rows::new, |state| self.word_rows(object, state));
        let before = match self.words.behind.remove(&object) {
            Some(before) => {
                batch.delete(INDEX, behind_key(number, &object));
                before
            }
            None => std::mem::take(&mut touched.words),
        };
        Self::put(number, &before, &now, batch);
        self.words.count(&self.catalog, object, (&before, &now));
        touched.words = now;
        Ok(())
    }

    /// Writes the rows of words of an object that a walk for new indexes has come to.
    pub(super) fn build_words(
        &mut self,
        number: SpaceNumber,
        object: ObjectId,
        state: &ObjectState,
        batch: &mut Batch,
    ) {
        let rows = self.word_rows(object, state);
        Self::put(number, &Rows::new(), &rows, batch);
        for (index, length) in lengths(&rows) {
            if self.catalog.is_building(index) {
                self.words.add(index, length);
            }
        }
    }
}

impl Space {
    /// Puts right rows of words that are behind.
    pub(super) fn settle_words(
        &mut self,
        store: &dyn Read,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        let number = self.record.number;
        while batch.bytes() < BYTES_MAX
            && let Some((object, before)) = self.indexes.words.behind.pop_first()
        {
            let state = self.cache.load(store, number, object);
            let state = state.map_err(|error| store_failed(&error))?;
            let now = self.indexes.word_rows(object, state);
            Indexes::put(number, &before, &now, batch);
            batch.delete(INDEX, behind_key(number, &object));
            let indexes = &mut self.indexes;
            (indexes.words).count(&indexes.catalog, object, (&before, &now));
            if let Some(touched) = self.touched.get_mut(&object) {
                touched.words = now;
            }
        }
        Ok(())
    }
}
