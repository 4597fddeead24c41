//! Checking what is stored of a space.
//!
//! Blocks are the authority: each is hashed, its signature verified, and the chain followed to
//! its head. Then the state is made anew from them beside the store, in memory, and compared
//! with what is stored; and the rows of the indexes are compared with what the objects have. What
//! is derived and wrong is made anew, and looked at once more. What is wrong with blocks is told
//! and left as it is.

mod chains;
mod derived;
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

pub(crate) use self::derived::{Plan, empty, plan};
use self::overlay::Overlay;
use super::layout::{SpaceNumber, SpaceRecord, TALLIES, Tally, derived_key, in_space};
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

/// Checks a space that nobody has open, and has what is derived made anew if that is asked for
/// and needed. Then it is checked again: what is still wrong is what is told.
pub(crate) fn check(
    record: &SpaceRecord,
    authority: &Authority,
    store: &dyn Store,
    repair: bool,
) -> Checkup {
    let found = look(record, authority, store);
    let derived = found.findings.iter().any(|f| f.kind.is_derived());
    // Without reading them all, rows of one space cannot be deleted.
    if !repair || !derived || !derived::is_readable(record.number, store) {
        return found;
    }
    if let Err(error) = make_anew(record, authority, store) {
        let mut failed = found;
        let text = format!("what is derived could not be made anew: {error}");
        note(&mut failed, FindingKind::Store, text);
        return failed;
    }
    let left = look(record, authority, store);
    let is_new = |finding: &Finding| finding.kind != FindingKind::Restore;
    if left.findings.iter().any(is_new) {
        return left;
    }
    Checkup {
        findings: found.findings,
        more: found.more,
        repaired: true,
        ..left
    }
}

fn look(record: &SpaceRecord, authority: &Authority, store: &dyn Store) -> Checkup {
    let mut checkup = Checkup::new(record.space);
    if check_blocks(record, authority, store, &mut checkup) {
        state::check(record, authority, store, &mut checkup);
    }
    match Restoring::stored(record.number, store) {
        Ok(None) => {}
        Ok(Some(_)) => {
            let text = "not all of it may be here: run the restore again".to_owned();
            note(&mut checkup, FindingKind::Restore, text);
        }
        Err(error) => note(&mut checkup, FindingKind::Store, error.to_string()),
    }
    checkup
}

/// Whether the blocks of a space are whole.
fn check_blocks(
    record: &SpaceRecord,
    authority: &Authority,
    store: &dyn Store,
    checkup: &mut Checkup,
) -> bool {
    let floors = floors(record, authority, store);
    let own = authority.signer.device();
    chains::check((record.number, own), &floors, store, checkup);
    checkup.findings.is_empty()
}

/// Why what is derived cannot be made from the blocks of a space.
fn can_be_made(
    record: &SpaceRecord,
    authority: &Authority,
    store: &dyn Store,
) -> Result<(), String> {
    let mut checkup = Checkup::new(record.space);
    if !check_blocks(record, authority, store, &mut checkup) {
        let first = checkup.findings.into_iter().next();
        return Err(first.map_or_else(String::new, |finding| finding.text));
    }
    match state::make_beside(record, authority, store) {
        Ok((made, _)) if made.lacks_base_key() => {
            Err("the key of its snapshot is missing".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Makes everything that is derived anew. A mark has the next opening do it if this does not end.
fn make_anew(
    record: &SpaceRecord,
    authority: &Authority,
    store: &dyn Store,
) -> Result<(), EchoError> {
    let mut batch = Batch::new();
    mark(record.number, store, &mut batch)?;
    let failed = |error| store_failed(&error);
    store.commit(batch, Durability::Synced).map_err(failed)?;
    let mut space = Space::open(record.clone(), authority.clone(), store)?;
    space.rebuild(store)?;
    store.sync().map_err(failed)
}

/// Whether a space is marked to have what is derived made anew.
fn is_marked(number: SpaceNumber, store: &dyn Read) -> bool {
    let tally = store.get(TALLIES, &in_space(number, b"")).ok().flatten();
    let tally = tally.and_then(|row| dxos_wire::decode::<Tally>(1, &row).ok());
    tally.is_some_and(|tally| tally.rebuilding)
}

/// Has everything that is derived made anew when the space is opened next.
pub(super) fn mark(
    number: SpaceNumber,
    store: &dyn Read,
    batch: &mut Batch,
) -> Result<(), EchoError> {
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
    batch.put(TALLIES, in_space(number, b""), encode_row(&tally)?);
    batch.delete(TALLIES, derived_key(number));
    batch.delete(TALLIES, super::index::catalog_key(number));
    Ok(())
}
