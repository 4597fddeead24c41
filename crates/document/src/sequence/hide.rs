//! Marking elements as deleted, in as few runs as that takes.

use super::{DELETED, HAS_RIGHT, LEFT, Run};

/// Marks a part of a run as deleted, joined with what is deleted beside it.
pub(super) fn hide_in(runs: &mut Vec<Run>, place: usize, offset: u32, len: u32) {
    let Some(run) = runs.get(place).copied() else {
        return;
    };
    let at_start = offset == 0;
    let at_end = offset + len == run.len;
    // Deleting backwards: what follows is deleted already and grows to the front.
    if at_end && !at_start {
        let mut hidden = run;
        let mut rest = hidden.split(offset);
        rest.flags |= DELETED;
        let joins = runs
            .get(place + 1)
            .is_some_and(|next| rest.continues_in(next));
        if let Some(first) = runs.get_mut(place) {
            first.len = offset;
            first.flags = (first.flags & (DELETED | LEFT)) | HAS_RIGHT;
        }
        if joins {
            if let Some(next) = runs.get_mut(place + 1) {
                let flags = next.flags & !LEFT;
                next.id = rest.id;
                next.parent = rest.parent;
                next.len += len;
                next.flags = flags;
            }
        } else {
            runs.insert(place + 1, rest);
        }
        return;
    }
    // Deleting forwards: what comes before grows to the end.
    if at_start && !at_end {
        let mut hidden = run;
        let rest = hidden.split(len);
        hidden.flags |= DELETED;
        let joins = place > 0
            && runs
                .get(place - 1)
                .is_some_and(|previous| previous.continues_in(&hidden));
        if let Some(own) = runs.get_mut(place) {
            *own = rest;
        }
        if joins {
            if let Some(previous) = runs.get_mut(place - 1) {
                previous.len += len;
                previous.flags |= HAS_RIGHT;
            }
        } else {
            runs.insert(place, hidden);
        }
        return;
    }
    if at_start {
        let mut hidden = run;
        hidden.flags |= DELETED;
        if let Some(own) = runs.get_mut(place) {
            *own = hidden;
        }
        join(runs, place);
        if place > 0 {
            join(runs, place - 1);
        }
        return;
    }
    let mut first = run;
    let mut hidden = first.split(offset);
    let rest = hidden.split(len);
    hidden.flags |= DELETED;
    if let Some(own) = runs.get_mut(place) {
        *own = first;
    }
    runs.insert(place + 1, hidden);
    runs.insert(place + 2, rest);
}

/// Makes one run of two where that says the same.
fn join(runs: &mut Vec<Run>, place: usize) {
    let (Some(one), Some(two)) = (runs.get(place).copied(), runs.get(place + 1).copied()) else {
        return;
    };
    if one.continues_in(&two) {
        if let Some(own) = runs.get_mut(place) {
            own.len += two.len;
            own.flags = (one.flags & LEFT) | (two.flags & !LEFT);
        }
        runs.remove(place + 1);
    }
}
