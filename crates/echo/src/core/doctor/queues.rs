//! Whether the rows of queues are what follows from the blocks, and fit together.

use dxos_protocol::echo::{Checkup, EchoError, FindingKind};
use dxos_store::{Direction, KeyRange, Read};

use super::super::layout::{QUEUES, SpaceNumber};
use super::super::queue::rows::{self, ItemRow, Meta};
use super::super::space::{decode_row, store_failed};
use super::note;

pub(super) fn check(
    number: SpaceNumber,
    store: &dyn Read,
    beside: &dyn Read,
    checkup: &mut Checkup,
) -> Result<(), EchoError> {
    let mut made = 0_u64;
    rows::visit_shared(number, beside, &mut |_, _| {
        made += 1;
        Ok(())
    })?;
    let mut found = 0_u64;
    let mut different = None;
    rows::visit_metas(number, store, &mut |queue, meta| {
        found += 1;
        let other = rows::read_meta(number, &queue, beside)?;
        let Some(other) = other.filter(|other| is_same(&meta, other)) else {
            let text = format!("queue {:?} is not what its blocks say", meta.name());
            note(checkup, FindingKind::Queue, text);
            return Ok(std::ops::ControlFlow::Continue(()));
        };
        let (mut items, mut bytes) = (0, 0);
        let range = KeyRange::prefix(&rows::items_of(number, &queue));
        for row in store.scan(QUEUES, range, Direction::Forward) {
            let (key, value) = row.map_err(|error| store_failed(&error))?;
            let row: ItemRow = decode_row("item of a queue", &value)?;
            if !row.is_superseded() {
                items += 1;
                bytes += row.bytes();
                if !row.is_found(number, &queue, &key, store)? {
                    different = Some(key.clone());
                }
            }
            // What is dropped may be deleted here, and there not yet.
            if rows::place_of(&key).is_some_and(|place| !meta.is_dropped(&place)) {
                found += 1;
                let other = beside.get(QUEUES, &key);
                let other = other.map_err(|error| store_failed(&error))?;
                let other = other.and_then(|other| decode_row("item", &other).ok());
                if !other.is_some_and(|other| row.is_same(&other)) {
                    different = Some(key);
                }
            }
        }
        if different.take().is_some() {
            let text = format!(
                "items of queue {:?} are not what their blocks say",
                other.name()
            );
            note(checkup, FindingKind::Queue, text);
        }
        if !meta.counts(items, bytes) {
            let text = format!("the items of queue {:?} are counted wrongly", other.name());
            note(checkup, FindingKind::Queue, text);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    if made > found {
        let text = format!("{} rows of queues are missing", made - found);
        note(checkup, FindingKind::Queue, text);
    }
    Ok(())
}

fn is_same(one: &Meta, two: &Meta) -> bool {
    one.shared() == two.shared()
}
