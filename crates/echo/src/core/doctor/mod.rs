//! Checking what is stored of a space.
//!
//! Blocks are the authority: each is hashed, its signature verified, and the chain followed to
//! its head. Then the state is made anew from them beside the store, in memory, and compared
//! with what is stored; and the rows of the indexes are compared with what the objects have. What
//! is derived and wrong is marked, so that the space makes it anew when it is opened next. What
//! is wrong with blocks is told and left as it is.

mod chains;
mod overlay;
mod queues;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use dxos_feed::Floor;
use dxos_keys::FeedId;
use dxos_protocol::echo::{Checkup, EchoError, Finding, FindingKind};
use dxos_protocol::halo::Authority;
use dxos_store::{Batch, Durability, Read, Store};

use self::overlay::Overlay;
use super::layout::{SpaceRecord, TALLIES, Tally, derived_key, in_space};
use super::restoring::Restoring;
use super::space::{Space, encode_row, store_failed};

/// Findings that are told.
const FINDINGS_MAX: usize = 100;

/// Where the blocks of feeds may begin: what was before, the snapshot of an epoch stands for.
type Floors = BTreeMap<FeedId, Arc<Floor>>;

fn floors(record: &SpaceRecord, authority: &Authority, store: &dyn Store) -> Floors {
    let open = |store: &dyn Read| Space::open(record.clone(), authority.clone(), store).ok();
    // Where what is derived cannot be read, it is left out.
    let beside = || open(&Overlay::new(record.number, store).ok()?);
    let Some(space) = open(store).or_else(beside) else {
        return Floors::new();
    };
    let feeds = space.dag.feeds();
    feeds
        .filter_map(|(feed, state)| Some((*feed, state.floor.clone()?)))
        .collect()
}

fn note(checkup: &mut Checkup, kind: FindingKind, text: String) {
    if checkup.findings.len() < FINDINGS_MAX {
        checkup.findings.push(Finding { kind, text });
    } else {
        checkup.more += 1;
    }
}

/// Checks a space that nobody has open, and marks what is derived to be made anew if that is
/// asked for and needed.
pub(crate) fn check(
    record: &SpaceRecord,
    authority: &Authority,
    store: &dyn Store,
    repair: bool,
) -> Result<Checkup, EchoError> {
    let mut checkup = Checkup {
        space: record.space,
        blocks: 0,
        objects: 0,
        index_rows: 0,
        findings: Vec::new(),
        more: 0,
        repaired: false,
    };
    if Restoring::stored(record.number, store)?.is_some() {
        let text = "not all of it may be here: run the restore again".to_owned();
        note(&mut checkup, FindingKind::Restore, text);
    }
    let before = checkup.findings.len();
    let floors = floors(record, authority, store);
    let own = authority.signer.device();
    chains::check((record.number, own), &floors, store, &mut checkup);
    let is_authority_whole = checkup.findings.len() == before;
    if is_authority_whole {
        state::check(record, authority, store, &mut checkup);
    }
    let derived = checkup.findings.iter().any(|f| f.kind.is_derived());
    if repair && derived {
        mark(record, store)?;
        checkup.repaired = true;
    }
    Ok(checkup)
}

/// Has everything that is derived made anew when the space is opened next.
fn mark(record: &SpaceRecord, store: &dyn Store) -> Result<(), EchoError> {
    let number = record.number;
    let tally = store.get(TALLIES, &in_space(number, b""));
    let tally = tally.map_err(|error| store_failed(&error))?;
    // The number of blocks is counted as they come; the rest is made anew.
    let blocks = tally
        .and_then(|row| dxos_wire::decode::<Tally>(1, &row).ok())
        .map_or(0, |tally| tally.blocks);
    let tally = Tally {
        objects: 0,
        blocks,
        rebuilding: true,
    };
    let mut batch = Batch::new();
    batch.put(TALLIES, in_space(number, b""), encode_row(&tally)?);
    batch.delete(TALLIES, derived_key(number));
    batch.delete(TALLIES, super::index::catalog_key(number));
    let committed = store.commit(batch, Durability::Synced);
    committed.map_err(|error| store_failed(&error))
}
