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
    DERIVED, INDEX, MOVES, QUEUES, SpaceNumber, SpaceRecord, TALLIES, Tally, in_space,
};
use super::super::memory::Memory;
use super::super::queue::rows;
use super::super::space::store_failed;
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
        if damaged.iter().any(|keyspace| *keyspace != INDEX) {
            mark(number, store, &mut marks)?;
        } else {
            // Without its catalog an index is built anew from the objects.
            marks.delete(TALLIES, catalog_key(number));
        }
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

/// What numbers of arrivals go on from, so that none is given twice. Where that cannot be read:
/// there were never more runs than blocks.
fn run_of(number: SpaceNumber, store: &dyn Read) -> Result<Option<Bytes>, EchoError> {
    if let Ok(run) = store.get(QUEUES, &rows::run_key(number)) {
        return Ok(run);
    }
    let tally = store.get(TALLIES, &in_space(number, b""));
    let tally = tally.map_err(|error| store_failed(&error))?;
    let tally = tally.and_then(|row| dxos_wire::decode::<Tally>(1, &row).ok());
    rows::encode(&tally.unwrap_or_default().blocks).map(Some)
}
