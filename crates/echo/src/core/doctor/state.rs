//! Whether what is derived is what follows from the blocks.

use std::ops::ControlFlow;

use dxos_document::Move;
use dxos_protocol::echo::{Checkup, EchoError, FindingKind};
use dxos_store::{Direction, KeyRange, Read, StoreError};

use super::super::cache;
use super::super::layout::{MOVES, SpaceRecord, in_space, object_key};
use super::super::space::{Space, decode_row, store_failed};
use super::overlay::Overlay;
use super::{Subject, indexes, is_marked, note, queues};

pub(super) fn check(subject: Subject<'_>, checkup: &mut Checkup) {
    let (record, store) = (subject.record, subject.store);
    let made = make_beside(subject);
    let (made, beside) = match &made {
        Ok((made, beside)) => (made, beside),
        Err(error) => {
            let text = format!("the blocks cannot be read as a whole: {error}");
            return note(checkup, FindingKind::Store, text);
        }
    };
    if is_marked(record.number, store) {
        let text = "what follows from its blocks was to be made anew, and that has not ended";
        return note(checkup, FindingKind::Object, text.to_owned());
    }
    if let Err(error) = check_objects(record, store, beside, checkup) {
        // It is derived: what cannot be read is made anew.
        note(checkup, FindingKind::Object, error.to_string());
    }
    if let Err(error) = queues::check(record.number, store, beside, checkup) {
        note(checkup, FindingKind::Queue, error.to_string());
    }
    match subject.open(store) {
        // It will be made anew by itself.
        Ok(stored) if stored.is_stale() => {}
        Ok(stored) => {
            if stored.tally.objects != made.tally.objects {
                let text = format!(
                    "{} objects are counted, and there are {}",
                    stored.tally.objects, made.tally.objects
                );
                note(checkup, FindingKind::Count, text);
            }
            if let Err(error) = check_moves(&stored, store, checkup) {
                note(checkup, FindingKind::Index, error.to_string());
            }
            if let Err(error) = indexes::check(&stored, store, checkup) {
                note(checkup, FindingKind::Index, error.to_string());
            }
        }
        Err(error) => note(checkup, FindingKind::Count, error.to_string()),
    }
}

/// The space as it follows from its blocks.
pub(super) fn make_beside(subject: Subject<'_>) -> Result<(Space, Overlay<'_>), EchoError> {
    let (number, store) = (subject.number(), subject.store);
    let made = make_in(Overlay::scratch(number, store), subject);
    // A full disk keeps nobody from looking at it.
    made.or_else(|_| make_in(Overlay::new(number, store), subject))
}

fn make_in<'a>(
    beside: Result<Overlay<'a>, StoreError>,
    subject: Subject<'_>,
) -> Result<(Space, Overlay<'a>), EchoError> {
    let beside = beside.map_err(|error| store_failed(&error))?;
    let mut space = subject.open(&beside)?;
    space.stale = true;
    space.rebuild(&beside)?;
    Ok((space, beside))
}

fn check_objects(
    record: &SpaceRecord,
    store: &dyn Read,
    beside: &dyn Read,
    checkup: &mut Checkup,
) -> Result<(), StoreError> {
    let number = record.number;
    let mut failed = None;
    cache::visit_after(store, number, None, &mut |id, state| {
        checkup.objects += 1;
        match cache::read(beside, number, &id) {
            Ok(Some(made)) if made.object(id) == state.object(id) => {}
            Ok(Some(_)) => {
                let text = format!("object {id} is not what its blocks say");
                note(checkup, FindingKind::Object, text);
            }
            Ok(None) => {
                let text = format!("there are no blocks of object {id}");
                note(checkup, FindingKind::Object, text);
            }
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    cache::visit_after(beside, number, None, &mut |id, _| {
        match cache::read(store, number, &id) {
            Ok(Some(_)) => {}
            _ => {
                let text = format!("object {id} is missing, or cannot be read");
                note(checkup, FindingKind::Object, text);
            }
        }
        ControlFlow::Continue(())
    })
}

/// Every object that was moved has its row, which says where to, and there are no others.
fn check_moves(space: &Space, store: &dyn Read, checkup: &mut Checkup) -> Result<(), EchoError> {
    let number = space.record.number;
    let (mut wanted, mut failed) = (0_u64, None);
    let visited = cache::visit_after(store, number, None, &mut |id, state| {
        let moves = state.moves();
        wanted += u64::from(!moves.is_empty());
        let row = match store.get(MOVES, &object_key(number, &id)) {
            Ok(row) => row,
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        };
        let stored = row.map(|row| decode_row::<Vec<Move>>("moves", &row));
        let is_right = match stored {
            None => moves.is_empty(),
            // One too many is told below.
            Some(Ok(_)) if moves.is_empty() => true,
            Some(stored) => stored.is_ok_and(|stored| stored == moves),
        };
        if !is_right {
            let text = format!("where object {id} was moved to is not what its blocks say");
            note(checkup, FindingKind::Index, text);
        }
        ControlFlow::Continue(())
    });
    if let Some(error) = failed.or(visited.err()) {
        return Err(store_failed(&error));
    }
    let prefix = KeyRange::prefix(&in_space(number, b""));
    let mut found = 0_u64;
    for row in store.scan(MOVES, prefix, Direction::Forward) {
        row.map_err(|error| store_failed(&error))?;
        found += 1;
    }
    if found > wanted {
        let text = format!(
            "{} rows of moves are of nothing that is here",
            found - wanted
        );
        note(checkup, FindingKind::Index, text);
    }
    Ok(())
}
