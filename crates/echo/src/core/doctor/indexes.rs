//! Whether every object has its rows in the indexes, and there are no others.
//!
//! There are several rows to an object, each somewhere else in the store, and looking for one
//! takes far longer than reading the next. So the rows that should be there and those that are
//! there are added up, in whichever order they come. Only where the sums differ is each looked for.

use std::ops::ControlFlow;

use dxos_protocol::echo::{Checkup, EchoError, FindingKind};
use dxos_store::{Direction, KeyRange, Read, StoreError};
use xxhash_rust::xxh3::xxh3_128;

use super::super::cache;
use super::super::index::Recount;
use super::super::layout::{INDEX, in_space};
use super::super::space::{Space, store_failed};
use super::note;

/// The sum of rows. It tells whether they are the same as others where they were damaged, not
/// where somebody tries to deceive: who can write to the store can change the objects as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(xxh3_128(row));
    }
}

pub(super) fn check(
    space: &Space,
    store: &dyn Read,
    checkup: &mut Checkup,
) -> Result<(), EchoError> {
    let number = space.record.number;
    let prefix = KeyRange::prefix(&in_space(number, b""));
    let mut found = Sum::default();
    for row in store.scan(INDEX, prefix, Direction::Forward) {
        let (key, _) = row.map_err(|error| store_failed(&error))?;
        found.add(&key);
    }
    checkup.index_rows = found.rows;
    // They are being built.
    if !space.indexes.is_settled() {
        return Ok(());
    }
    let (mut wanted, mut words) = (Sum::default(), Recount::default());
    let visited = cache::visit_after(store, number, None, &mut |id, state| {
        space.indexes.recount(id, &state, &mut words);
        let rows = space.indexes.rows(id, &state).into_iter();
        for row in rows.chain(space.indexes.stored_words(id, &state)) {
            wanted.add(&in_space(number, &row));
        }
        ControlFlow::Continue(())
    });
    visited.map_err(|error| store_failed(&error))?;
    if !space.indexes.are_counted(&words) {
        let text = "the words in the indexes are counted wrongly".to_owned();
        note(checkup, FindingKind::Count, text);
    }
    for row in space.indexes.rows_of_none(number) {
        wanted.add(&row);
    }
    if found == wanted {
        return Ok(());
    }
    let missing = look_for_each(space, store, checkup).map_err(|error| store_failed(&error))?;
    let strange = (found.rows + missing).saturating_sub(wanted.rows);
    if strange > 0 {
        let text = format!("{strange} rows of indexes are of nothing that is here");
        note(checkup, FindingKind::Index, text);
    }
    Ok(())
}

/// Tells of which objects rows are missing, and counts those.
fn look_for_each(
    space: &Space,
    store: &dyn Read,
    checkup: &mut Checkup,
) -> Result<u64, StoreError> {
    let number = space.record.number;
    let mut missing = 0;
    for row in space.indexes.rows_of_none(number) {
        if !store.contains(INDEX, &row)? {
            missing += 1;
            let text = "what is counted of the words in the indexes is not all there".to_owned();
            note(checkup, FindingKind::Index, text);
        }
    }
    let mut failed = None;
    cache::visit_after(store, number, None, &mut |id, state| {
        let rows = space.indexes.rows(id, &state).into_iter();
        for row in rows.chain(space.indexes.stored_words(id, &state)) {
            match store.contains(INDEX, &in_space(number, &row)) {
                Ok(true) => {}
                Ok(false) => {
                    missing += 1;
                    let text = format!("object {id} has not all of its rows in the indexes");
                    note(checkup, FindingKind::Index, text);
                }
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(missing), Err)
}
