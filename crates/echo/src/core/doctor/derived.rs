//! Rows that are derived and cannot be read. All spaces have them in the same tables, so they are
//! deleted of all spaces at once, without reading them, and made anew.
//!
//! Before that every space is marked to have it done, durably: whoever is killed in between finds
//! the marks. Rows of indexes come from objects, all others from blocks. Where those are damaged,
//! what can be read is worth more than what would be lost: then nothing is deleted.

use std::sync::Arc;

use bytes::Bytes;
use dxos_protocol::echo::{DerivedCheckup, EchoError, Finding, FindingKind};
use dxos_protocol::halo::Authority;
use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store, StoreError};

use super::super::index::catalog_key;
use super::super::layout::{
    BLOCKS, BRANCHES, DERIVED, FEEDS, INDEX, MOVES, QUEUES, SNAPSHOTS, SPACES, SpaceNumber,
    SpaceRecord, TALLIES, Tally, in_space,
};
use super::super::memory::Memory;
use super::super::queue::rows;
use super::super::space::{decode_row, store_failed};
use super::{Subject, can_be_made, mark};

/// What was found, and the keyspaces that are to be emptied.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) checkup: DerivedCheckup,
    pub(crate) damaged: Vec<Keyspace>,
}

fn kind_of(keyspace: Keyspace) -> FindingKind {
    match keyspace {
        INDEX | MOVES => FindingKind::Index,
        QUEUES => FindingKind::Queue,
        _ => FindingKind::Object,
    }
}

fn name_of(keyspace: Keyspace) -> &'static str {
    match keyspace {
        INDEX => "indexes",
        MOVES => "moves",
        QUEUES => "queues",
        _ => "objects",
    }
}

/// Why the rows of a range cannot all be read.
fn look(keyspace: Keyspace, range: KeyRange, store: &dyn Read) -> Result<(), StoreError> {
    let mut rows = store.scan(keyspace, range, Direction::Forward);
    rows.try_for_each(|row| row.map(drop))
}

/// Whether everything derived of a space can be read.
pub(super) fn is_readable(number: SpaceNumber, store: &dyn Read) -> bool {
    let range = KeyRange::prefix(&in_space(number, b""));
    let mut all = DERIVED.into_iter();
    all.all(|keyspace| look(keyspace, range.clone(), store).is_ok())
}

/// Looks what cannot be read. With `repair` it is found out whether it can be made anew for all
/// spaces: if not, nothing is to be emptied.
pub(crate) fn plan(
    records: &[SpaceRecord],
    (authority, memory): (&Authority, &Arc<Memory>),
    store: &dyn Store,
    repair: bool,
) -> Result<Plan, EchoError> {
    let mut plan = Plan::default();
    for keyspace in DERIVED {
        match look(keyspace, KeyRange::all(), store) {
            Ok(()) => {}
            Err(error) if error.is_damage() => {
                plan.damaged.push(keyspace);
                plan.checkup.findings.push(Finding {
                    kind: kind_of(keyspace),
                    text: format!(
                        "some rows of {} cannot be read: {}",
                        name_of(keyspace),
                        reason_of(&error)
                    ),
                });
            }
            Err(error) => return Err(store_failed(&error)),
        }
    }
    if repair && plan.damaged.iter().any(|keyspace| *keyspace != INDEX) {
        for record in records {
            let subject = Subject {
                record,
                authority,
                memory,
                store,
            };
            if let Err(reason) = can_be_made(subject) {
                plan.damaged.clear();
                plan.checkup.findings.push(Finding {
                    kind: FindingKind::Store,
                    text: format!(
                        "nothing is deleted to be made anew, as space {} cannot be: {reason}",
                        record.space
                    ),
                });
            }
        }
    }
    if !repair {
        plan.damaged.clear();
    }
    Ok(plan)
}

fn reason_of(error: &StoreError) -> String {
    match error {
        StoreError::Damaged { path, reason } => format!("{reason} ({})", path.display()),
        other => other.to_string(),
    }
}

/// Deletes all rows of the keyspaces, with all spaces marked to have them made anew. Nobody may
/// have a space open.
pub(crate) fn empty(
    records: &[SpaceRecord],
    damaged: &[Keyspace],
    store: &dyn Store,
) -> Result<(), EchoError> {
    let failed = |error: StoreError| store_failed(&error);
    let (mut marks, mut kept) = (Batch::new(), Batch::new());
    for record in records {
        let number = record.number;
        mark_of(number, damaged, store, &mut marks)?;
        if damaged.contains(&QUEUES)
            && let Some(run) = run_of(number, store)?
        {
            kept.put(QUEUES, rows::run_key(number), run);
        }
    }
    store.commit(marks, Durability::Synced).map_err(failed)?;
    for keyspace in damaged {
        store.clear(*keyspace).map_err(failed)?;
    }
    store.commit(kept, Durability::Synced).map_err(failed)
}

/// What is derived, each with what it is made anew from: a store whose files of one cannot be
/// opened may give it up if it can read all of that. Rows of indexes come from objects, and
/// nothing else is touched to make them anew; to make anew the others, everything derived is made
/// anew that could be read still.
pub fn derived() -> [(Keyspace, Vec<Keyspace>); 4] {
    let blocks = [SPACES, FEEDS, BLOCKS, BRANCHES, SNAPSHOTS, TALLIES];
    DERIVED.map(|keyspace| match keyspace {
        INDEX => (keyspace, Vec::new()),
        _ => (keyspace, blocks.to_vec()),
    })
}

/// Marks all spaces, durably, to have made anew what a store has given up of what is
/// [`derived`]: those keyspaces are empty. ECHO must not run on the store yet. Tells what was
/// given up.
///
/// # Errors
///
/// [`EchoError::Store`] when the store cannot be read or written.
pub fn make_anew_given_up(
    given_up: &[Keyspace],
    store: &dyn Store,
) -> Result<Vec<Finding>, EchoError> {
    let mut marks = Batch::new();
    for row in store.scan(SPACES, KeyRange::all(), Direction::Forward) {
        let (_, row) = row.map_err(|error| store_failed(&error))?;
        let number = decode_row::<SpaceRecord>("space", &row)?.number;
        mark_of(number, given_up, store, &mut marks)?;
        if given_up.contains(&QUEUES) {
            marks.put(QUEUES, rows::run_key(number), run_beyond(number, store)?);
        }
    }
    let marked = store.commit(marks, Durability::Synced);
    marked.map_err(|error| store_failed(&error))?;
    let finding = |keyspace: &Keyspace| Finding {
        kind: kind_of(*keyspace),
        text: format!("the files of {} could not be opened", name_of(*keyspace)),
    };
    Ok(given_up.iter().map(finding).collect())
}

/// Has a space make anew what is to be deleted.
fn mark_of(
    number: SpaceNumber,
    deleted: &[Keyspace],
    store: &dyn Read,
    marks: &mut Batch,
) -> Result<(), EchoError> {
    if deleted.iter().any(|keyspace| *keyspace != INDEX) {
        return mark(number, store, marks);
    }
    // Without its catalog an index is built anew from the objects.
    marks.delete(TALLIES, catalog_key(number));
    Ok(())
}

/// What numbers of arrivals go on from, so that none is given twice.
fn run_of(number: SpaceNumber, store: &dyn Read) -> Result<Option<Bytes>, EchoError> {
    if let Ok(run) = store.get(QUEUES, &rows::run_key(number)) {
        return Ok(run);
    }
    run_beyond(number, store).map(Some)
}

/// The same where it cannot be read: there were never more runs than blocks.
fn run_beyond(number: SpaceNumber, store: &dyn Read) -> Result<Bytes, EchoError> {
    let tally = store.get(TALLIES, &in_space(number, b""));
    let tally = tally.map_err(|error| store_failed(&error))?;
    let tally = tally.and_then(|row| dxos_wire::decode::<Tally>(1, &row).ok());
    rows::encode(&tally.unwrap_or_default().blocks)
}
