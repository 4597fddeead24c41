//! Checking what is stored of a space.
//!
//! Blocks are the authority: each is hashed, its signature verified, and the chain followed to
//! its head. Then the state is made anew from them beside the store and compared
//! with what is stored; and the rows of the indexes are compared with what the objects have. What
//! is derived and wrong is made anew, and looked at once more. What is wrong with blocks is told
//! and left as it is.

mod chains;
mod derived;
mod indexes;
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
pub use self::derived::{derived, make_anew_given_up};
use self::overlay::Overlay;
use super::layout::{SpaceNumber, SpaceRecord, TALLIES, Tally, derived_key, in_space};
use super::memory::Memory;
use super::restoring::Restoring;
use super::space::{Space, encode_row, store_failed};

/// Findings that are told.
const FINDINGS_MAX: usize = 100;

/// Where the blocks of feeds may begin: what was before, the snapshot of an epoch stands for.
type Floors = BTreeMap<FeedId, Arc<Floor>>;

/// A space that is looked at, and what it takes.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) record: &'a SpaceRecord,
    pub(crate) authority: &'a Authority,
    /// What objects in use may take: those of open spaces and of this one.
    pub(crate) memory: &'a Arc<Memory>,
    pub(crate) store: &'a dyn Store,
}

impl Subject<'_> {
    const fn number(&self) -> SpaceNumber {
        self.record.number
    }

    /// As it stands in this store.
    fn open(&self, store: &dyn Read) -> Result<Space, EchoError> {
        let mut space = Space::open(self.record.clone(), self.authority.clone(), store)?;
        space.share_memory(self.memory);
        Ok(space)
    }
}

fn floors(subject: Subject<'_>) -> Floors {
    // Where what is derived cannot be read, it is left out.
    let beside = || {
        let overlay = Overlay::new(subject.number(), subject.store).ok()?;
        subject.open(&overlay).ok()
    };
    let Some(space) = subject.open(subject.store).ok().or_else(beside) else {
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
pub(crate) fn check(subject: Subject<'_>, repair: bool) -> Checkup {
    let found = look(subject);
    let derived = found.findings.iter().any(|f| f.kind.is_derived());
    // Without reading them all, rows of one space cannot be deleted.
    if !repair || !derived || !derived::is_readable(subject.number(), subject.store) {
        return found;
    }
    if let Err(error) = make_anew(subject) {
        let mut failed = found;
        let text = format!("what is derived could not be made anew: {error}");
        note(&mut failed, FindingKind::Store, text);
        return failed;
    }
    let left = look(subject);
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

fn look(subject: Subject<'_>) -> Checkup {
    let mut checkup = Checkup::new(subject.record.space);
    if check_blocks(subject, &mut checkup) {
        state::check(subject, &mut checkup);
    }
    match Restoring::stored(subject.number(), subject.store) {
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
fn check_blocks(subject: Subject<'_>, checkup: &mut Checkup) -> bool {
    let own = subject.authority.signer.device();
    let feeds_of = (subject.number(), own);
    chains::check(feeds_of, &floors(subject), subject.store, checkup);
    checkup.findings.is_empty()
}

/// Why what is derived cannot be made from the blocks of a space.
fn can_be_made(subject: Subject<'_>) -> Result<(), String> {
    let mut checkup = Checkup::new(subject.record.space);
    if !check_blocks(subject, &mut checkup) {
        let first = checkup.findings.into_iter().next();
        return Err(first.map_or_else(String::new, |finding| finding.text));
    }
    match state::make_beside(subject) {
        Ok((made, _)) if made.lacks_base_key() => {
            Err("the key of its snapshot is missing".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Makes everything that is derived anew. A mark has the next opening do it if this does not end.
fn make_anew(subject: Subject<'_>) -> Result<(), EchoError> {
    let store = subject.store;
    let mut batch = Batch::new();
    mark(subject.number(), store, &mut batch)?;
    let failed = |error| store_failed(&error);
    store.commit(batch, Durability::Synced).map_err(failed)?;
    let mut space = subject.open(store)?;
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
