//! Reading the states of objects ahead of a transaction that goes through them in the order of
//! their ids, as one does that changes what a query found: a row that stands beside another one
//! costs a small part of one that has to be looked for.
//!
//! It lasts as long as one transaction, during which nothing else changes the store.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;
use dxos_keys::ObjectId;
use dxos_store::{Direction, KeyRange, Read, StoreError};

use super::layout::{OBJECTS, SpaceNumber, in_space, object_key};

/// So many objects in the order of their ids, one after the other, make it look ahead.
const RISING_MIN: u32 = 8;
/// How many states are read at once: the first time, and at most.
const STATES: (usize, usize) = (16, 256);
/// States from so many bytes on are not read ahead.
const BYTES_MAX: usize = 4_096;
/// So many objects that are not there make it look for the last one that is.
const ABSENT_MIN: u32 = 2;

/// What one transaction was seen to do.
#[derive(Debug)]
pub(super) struct Ahead {
    /// States that were read ahead, in the order of their ids.
    states: VecDeque<(ObjectId, Bytes)>,
    /// How many were read the last time, and how many of those were asked for.
    read: usize,
    used: usize,
    /// The object that was asked for last.
    last: Option<ObjectId>,
    /// How many objects were asked for in the order of their ids.
    rising: u32,
    /// How many it takes: more when looking ahead was of little use.
    needed: u32,
    /// Objects that were asked for and are not there.
    absent: u32,
    /// Behind this there is no object of the space in the store; known once it matters.
    end: Option<ObjectId>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            states: VecDeque::new(),
            read: 0,
            used: 0,
            last: None,
            rising: 0,
            needed: RISING_MIN,
            absent: 0,
            end: None,
        }
    }
}

impl Ahead {
    /// The state of an object in the store.
    pub(super) fn get(
        &mut self,
        store: &dyn Read,
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<Option<Bytes>, StoreError> {
        let rises = self.last.is_some_and(|last| last < object);
        self.rising = if rises {
            self.rising.saturating_add(1)
        } else {
            0
        };
        self.last = Some(object);
        if self.end.is_some_and(|end| end < object) {
            return Ok(None);
        }
        if let Some(state) = self.take(object) {
            return Ok(Some(state));
        }
        if self.rising >= self.needed && self.is_useful() {
            self.look(store, number, object)?;
            if let Some(state) = self.take(object) {
                return Ok(Some(state));
            }
        }
        let state = store.get(OBJECTS, &object_key(number, &object))?;
        if state.is_none() {
            self.absent += 1;
            if self.absent == ABSENT_MIN {
                self.end = Some(last_object(store, number)?);
            }
        }
        Ok(state)
    }

    /// The state of an object that was read ahead. Those before it are of no use any more.
    fn take(&mut self, object: ObjectId) -> Option<Bytes> {
        while let Some((first, _)) = self.states.front()
            && *first <= object
        {
            let (first, state) = self.states.pop_front()?;
            if first == object {
                self.used += 1;
                return Some(state);
            }
        }
        None
    }

    /// Whether most of what was read ahead was asked for; if not, it takes more to look again.
    fn is_useful(&mut self) -> bool {
        let is_useful = self.used * 2 >= self.read;
        if !is_useful {
            self.needed = self.needed.saturating_mul(2);
            (self.rising, self.read) = (0, 0);
        }
        is_useful
    }

    fn look(
        &mut self,
        store: &dyn Read,
        number: SpaceNumber,
        object: ObjectId,
    ) -> Result<(), StoreError> {
        let (min, max) = STATES;
        let count = (self.read * 2).clamp(min, max);
        self.states.clear();
        let space = in_space(number, b"");
        let all = KeyRange::prefix(&space);
        let start = Bound::Included(object_key(number, &object).into());
        let range = KeyRange::new(start, all.end().map(Bytes::copy_from_slice));
        for row in store.scan(OBJECTS, range, Direction::Forward).take(count) {
            let (key, state) = row?;
            // What has more rows than one is read by itself.
            let id = key.get(space.len()..).and_then(ObjectId::from_slice);
            let Some(id) = id.filter(|_| state.len() < BYTES_MAX) else {
                break;
            };
            self.states.push_back((id, state));
        }
        (self.read, self.used) = (count, 0);
        Ok(())
    }
}

/// The object of a space with the greatest id, the least of all ids when there is none.
fn last_object(store: &dyn Read, number: SpaceNumber) -> Result<ObjectId, StoreError> {
    let space = in_space(number, b"");
    let range = KeyRange::prefix(&space);
    let Some(row) = store.scan(OBJECTS, range, Direction::Reverse).next() else {
        return Ok(ObjectId::from_bytes([0; ObjectId::LENGTH]));
    };
    let (key, _) = row?;
    let id = key.get(space.len()..space.len() + ObjectId::LENGTH);
    let id = id.and_then(ObjectId::from_slice);
    // A key of another form would be none of ours: nothing is known then.
    Ok(id.unwrap_or(ObjectId::from_bytes([0xff; ObjectId::LENGTH])))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use dxos_store::{Batch, Durability, Keyspace, MemStore, Scan, Store as _};
    use proptest::prelude::*;

    use super::*;

    const SPACE: SpaceNumber = SpaceNumber(7);

    fn id(number: u16) -> ObjectId {
        let mut bytes = [0; ObjectId::LENGTH];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ObjectId::from_bytes(bytes)
    }

    /// Counts how it is read.
    struct Counted {
        store: MemStore,
        gets: Cell<usize>,
        scans: Cell<usize>,
    }

    impl Read for Counted {
        fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
            self.gets.set(self.gets.get() + 1);
            self.store.get(keyspace, key)
        }

        fn scan(&self, keyspace: Keyspace, range: KeyRange, direction: Direction) -> Scan<'_> {
            self.scans.set(self.scans.get() + 1);
            self.store.scan(keyspace, range, direction)
        }
    }

    /// A store with these objects in the space, and one in the space before and behind.
    fn stored(objects: impl IntoIterator<Item = (u16, usize)>) -> Counted {
        let store = MemStore::new();
        let mut batch = Batch::new();
        for space in [6, 8] {
            batch.put(OBJECTS, object_key(SpaceNumber(space), &id(500)), vec![1]);
        }
        for (number, bytes) in objects {
            let key = object_key(SPACE, &id(number));
            batch.put(OBJECTS, key.clone(), vec![1; bytes]);
            if bytes >= BYTES_MAX {
                batch.put(OBJECTS, [&key[..], &[0; 4]].concat(), vec![2]);
            }
        }
        store.commit(batch, Durability::Buffered).unwrap();
        Counted {
            store,
            gets: Cell::new(0),
            scans: Cell::new(0),
        }
    }

    #[test]
    fn objects_in_their_order_are_not_looked_for_one_by_one() {
        let store = stored((0..1000).map(|number| (number, 100)));
        let mut ahead = Ahead::default();
        for number in 0..1000 {
            assert!(ahead.get(&store, SPACE, id(number)).unwrap().is_some());
        }
        assert!(store.gets.get() <= 8, "{:?}", store.gets);
        assert!(store.scans.get() <= 10, "{:?}", store.scans);
    }

    #[test]
    fn objects_that_stand_apart_are_seldom_looked_ahead_for() {
        let store = stored((0..20_000).map(|number| (number, 10)));
        let mut ahead = Ahead::default();
        for number in (0..20_000).step_by(20) {
            assert!(ahead.get(&store, SPACE, id(number)).unwrap().is_some());
        }
        assert!(store.scans.get() <= 8, "{:?}", store.scans);
    }

    #[test]
    fn new_objects_behind_all_others_are_not_looked_for() {
        let store = stored((0..100).map(|number| (number, 10)));
        let mut ahead = Ahead::default();
        for number in (200..1200).rev() {
            assert_eq!(ahead.get(&store, SPACE, id(number)), Ok(None));
        }
        assert_eq!((store.gets.get(), store.scans.get()), (2, 1));
    }

    proptest! {
        #[test]
        fn what_is_read_ahead_is_what_the_store_has(
            objects in proptest::collection::btree_map(0..600_u16, 0..5_000_usize, 0..200),
            starts in proptest::collection::vec((0..600_u16, 1..4_u16, 1..100_u16), 1..12),
        ) {
            let store = stored(objects);
            let mut ahead = Ahead::default();
            for (start, step, count) in starts {
                for number in (start..).step_by(step.into()).take(count.into()) {
                    let key = object_key(SPACE, &id(number));
                    let expected = store.store.get(OBJECTS, &key);
                    prop_assert_eq!(ahead.get(&store, SPACE, id(number)), expected);
                    prop_assert!(ahead.states.len() <= STATES.1);
                }
            }
        }
    }
}
