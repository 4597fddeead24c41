//! Parents after concurrent moves.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::ObjectId;
use proptest::prelude::*;

use super::{Replica, Sent, id};
use crate::{
    Context, Filter, Location, MetaError, Move, ObjectState, Objects, Op, Query, Stamp,
    Transaction, Tree, Tx, TxError,
};

const OBJECTS: u8 = 6;

/// A replica with its tree, kept up to date as a space keeps it.
#[derive(Clone)]
struct Forest {
    replica: Replica,
    tree: Tree,
}

/// What a transaction works on: the tree follows every change.
struct Work {
    states: BTreeMap<ObjectId, ObjectState>,
    tree: Tree,
    changed: BTreeSet<ObjectId>,
}

fn update(tree: &mut Tree, states: &BTreeMap<ObjectId, ObjectState>, changed: &[ObjectId]) {
    let moves = |object: &ObjectId| states.get(object).map(ObjectState::moves);
    let changes = changed
        .iter()
        .map(|object| (*object, moves(object).unwrap_or_default()));
    tree.update(changes, &mut |object| {
        Ok::<_, ()>(states.get(&object).is_some_and(ObjectState::is_deleted))
    })
    .unwrap();
}

impl Work {
    fn catch_up(&mut self) {
        let changed: Vec<_> = std::mem::take(&mut self.changed).into_iter().collect();
        update(&mut self.tree, &self.states, &changed);
    }
}

impl Objects for Work {
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
        Ok(self.states.entry(object).or_default())
    }

    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        self.changed.insert(object);
        Ok(self.states.entry(object).or_default())
    }

    fn new_id(&mut self) -> ObjectId {
        id(200)
    }

    fn location(&mut self, object: ObjectId) -> Result<Location, TxError> {
        self.catch_up();
        Ok(self.tree.location(object))
    }

    fn cuts(&mut self, limit: usize) -> Result<Vec<ObjectId>, TxError> {
        self.catch_up();
        Ok(self.tree.cuts().take(limit).collect())
    }
}

impl Forest {
    fn new(number: u8) -> Self {
        Self {
            replica: Replica::new(number),
            tree: Tree::default(),
        }
    }

    fn apply(&mut self, sent: &Sent) {
        self.replica.apply(sent);
        let changed: Vec<_> = sent.ops.iter().map(Op::object).collect();
        update(&mut self.tree, &self.replica.states, &changed);
    }

    fn transact(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError>,
    ) -> Result<Sent, TxError> {
        let past = self.replica.timeframe.clone();
        let stamp = Stamp {
            lamport: self.replica.lamport + 1,
            feed: self.replica.feed,
            seq: past.get(&self.replica.feed),
        };
        let context = Context {
            stamp,
            past: &past,
            time_ms: 0,
        };
        let mut work = Work {
            states: self.replica.states.clone(),
            tree: self.tree.clone(),
            changed: BTreeSet::new(),
        };
        let mut tx = Tx::new(&mut work, context);
        run(&mut tx)?;
        let ops = tx.into_ops();
        let sent = Sent {
            stamp,
            past: past.clone(),
            ops,
        };
        self.apply(&sent);
        Ok(sent)
    }

    fn set_parent(&mut self, object: u8, parent: Option<u8>) -> Result<Sent, TxError> {
        self.transact(|tx| tx.set_parent(id(object), parent.map(id)))
    }

    fn parents(&self) -> BTreeMap<ObjectId, ObjectId> {
        let objects = (0..OBJECTS).map(id);
        objects
            .filter_map(|object| Some((object, self.tree.parent(object)?)))
            .collect()
    }

    fn parent(&self, object: u8) -> Option<u8> {
        self.tree
            .parent(id(object))
            .map(|parent| parent.as_bytes()[0])
    }

    fn hidden(&self) -> Vec<u8> {
        (0..OBJECTS)
            .filter(|object| self.tree.is_hidden(id(*object)))
            .collect()
    }

    /// The tree is a forest, is what one made from nothing would be, and its lists agree.
    fn check(&self) {
        let mut fresh = Tree::default();
        let all: Vec<_> = self.replica.states.keys().copied().collect();
        update(&mut fresh, &self.replica.states, &all);
        for object in (0..OBJECTS).map(id) {
            let parent = self.tree.parent(object);
            assert_eq!(parent, fresh.parent(object), "{object}");
            assert_eq!(self.tree.location(object), fresh.location(object));
            let is_hidden = self.tree.is_hidden(object);
            assert_eq!(is_hidden, fresh.is_hidden(object), "{object}");
            if let Some(parent) = parent {
                let children: Vec<_> = self.tree.children(parent).collect();
                assert_eq!(children.iter().filter(|child| **child == object).count(), 1);
            }
            let mut above = parent;
            let mut deleted_above = false;
            for _ in 0..OBJECTS {
                let Some(ancestor) = above else { break };
                deleted_above |= self.replica.states[&ancestor].is_deleted();
                above = self.tree.parent(ancestor);
            }
            assert_eq!(above, None, "{object} is below itself");
            assert_eq!(is_hidden, deleted_above, "{object}");
        }
    }
}

/// Replicas that know the same objects, without parents.
fn forests(count: usize) -> Vec<Forest> {
    let mut first = Forest::new(1);
    let made = first
        .transact(|tx| {
            (0..OBJECTS).try_for_each(|object| {
                tx.push(Op::Create {
                    object: id(object),
                    type_name: "folder".into(),
                    properties: crate::Map::new(),
                })
            })
        })
        .unwrap();
    let mut all = vec![first];
    for number in 1..count {
        let mut next = Forest::new(u8::try_from(number).unwrap() + 1);
        next.apply(&made);
        all.push(next);
    }
    all
}

#[test]
fn a_ring_of_two_moves_is_cut_at_the_later_one() {
    let mut all = forests(2);
    let (mut ben, mut ann) = (all.pop().unwrap(), all.pop().unwrap());
    // Ann is one step behind in time, Ben's move counts as the later one.
    let one = ann.set_parent(1, Some(2)).unwrap();
    let two = ben.set_parent(2, Some(1)).unwrap();
    ann.apply(&two);
    ben.apply(&one);
    for forest in [&ann, &ben] {
        forest.check();
        assert_eq!((forest.parent(1), forest.parent(2)), (Some(2), None));
    }
    // What is moved next moves nothing else.
    let third = ann.set_parent(1, Some(3)).unwrap();
    ben.apply(&third);
    for forest in [&ann, &ben] {
        forest.check();
        assert_eq!((forest.parent(1), forest.parent(2)), (Some(3), None));
    }
}

#[test]
fn a_dropped_move_gives_way_to_the_one_that_it_had_beaten() {
    let mut all = forests(3);
    let (mut eve, mut ben, mut ann) = (all.pop().unwrap(), all.pop().unwrap(), all.pop().unwrap());
    let under_three = ann.set_parent(2, Some(3)).unwrap();
    let under_two = ben.set_parent(1, Some(2)).unwrap();
    let under_one = eve.set_parent(2, Some(1)).unwrap();
    for sent in [&under_three, &under_two] {
        eve.apply(sent);
    }
    eve.check();
    // Of the moves of 2 the last would close a ring; the one before it holds.
    assert_eq!((eve.parent(1), eve.parent(2)), (Some(2), Some(3)));
    ann.apply(&under_one);
    assert_eq!(ann.parent(2), Some(1));
    ann.apply(&under_two);
    assert_eq!(ann.parents(), eve.parents());
}

#[test]
fn a_move_lets_no_other_object_take_the_place_that_it_had_lost() {
    let mut all = forests(2);
    let (mut ben, mut ann) = (all.pop().unwrap(), all.pop().unwrap());
    let from_ann: Vec<_> = [(5, 4), (4, 2), (1, 5)]
        .into_iter()
        .map(|(object, parent)| ann.set_parent(object, Some(parent)).unwrap())
        .collect();
    for (object, parent) in [(0, 1), (2, 0), (5, 0)] {
        ben.set_parent(object, Some(parent)).unwrap();
    }
    for sent in &from_ann {
        ben.apply(sent);
    }
    // 5 closes a ring under 0, and would close one under 4, which is below 2, which is below 0.
    assert_eq!(ben.parent(5), None);
    let mut expected = ben.parents();
    ben.set_parent(2, None).unwrap();
    expected.remove(&id(2));
    assert_eq!(ben.parents(), expected);
    ben.check();
}

#[test]
fn an_object_cannot_be_put_below_itself() {
    let mut forest = forests(1).remove(0);
    forest.set_parent(2, Some(1)).unwrap();
    forest.set_parent(3, Some(2)).unwrap();
    for (object, parent) in [(1, 3), (1, 2), (1, 1)] {
        let refused = forest.set_parent(object, Some(parent)).unwrap_err();
        let cycle = MetaError::Cycle {
            object: id(object),
            parent: id(parent),
        };
        assert_eq!(refused, TxError::Meta(cycle));
    }
    // In one transaction the earlier move counts already.
    forest
        .transact(|tx| {
            tx.set_parent(id(3), None)?;
            tx.set_parent(id(1), Some(id(3)))
        })
        .unwrap();
    assert_eq!(forest.parent(1), Some(3));
    let nothing = forest.set_parent(1, Some(3)).unwrap();
    assert!(nothing.ops.is_empty());
    let missing = forest.set_parent(1, Some(99)).unwrap_err().to_string();
    assert!(missing.contains("@meta.parent") && missing.contains(&id(99).to_string()));
    forest.check();
}

#[test]
fn what_is_below_something_deleted_is_hidden_and_comes_back() {
    let mut forest = forests(1).remove(0);
    forest.set_parent(2, Some(1)).unwrap();
    forest.set_parent(3, Some(2)).unwrap();
    forest.transact(|tx| tx.remove(id(1))).unwrap();
    forest.check();
    assert_eq!(forest.hidden(), [2, 3]);
    let mut object = forest.replica.object(id(3));
    forest.tree.tell(&mut object);
    let children = Query::new(Filter::children_of(id(2)));
    assert!(object.is_hidden() && !children.matches(&object));
    assert!(
        children
            .clone()
            .deleted(crate::Deleted::Only)
            .matches(&object)
    );
    // Moved out it shows.
    forest.set_parent(3, None).unwrap();
    assert_eq!(forest.hidden(), [2]);
    forest.transact(|tx| tx.restore(id(1))).unwrap();
    assert_eq!(forest.hidden(), [0_u8; 0]);
    forest.check();
}

#[test]
fn a_move_is_a_row() {
    let mut forest = forests(1).remove(0);
    forest.set_parent(2, Some(1)).unwrap();
    let moves = forest.replica.states[&id(2)].moves();
    assert_eq!(moves[0].parent, Some(id(1)));
    let bytes = postcard::to_allocvec(&moves).unwrap();
    assert_eq!(postcard::from_bytes::<Vec<Move>>(&bytes), Ok(moves));
}

#[derive(Clone, Debug)]
enum Step {
    /// A replica moves an object.
    Move(usize, u8, Option<u8>),
    /// A replica deletes or restores an object.
    Delete(usize, u8, bool),
    /// One replica takes from another what it is missing, at most so many.
    Pull(usize, usize, usize),
}

fn steps(replicas: usize) -> impl Strategy<Value = Vec<Step>> {
    let object = 0..OBJECTS;
    let step = prop_oneof![
        6 => (0..replicas, object.clone(), prop::option::weighted(0.9, object.clone()))
            .prop_map(|(replica, object, parent)| Step::Move(replica, object, parent)),
        1 => (0..replicas, object, any::<bool>())
            .prop_map(|(replica, object, deleted)| Step::Delete(replica, object, deleted)),
        3 => (0..replicas, 0..replicas, 1..6_usize)
            .prop_map(|(to, from, most)| Step::Pull(to, from, most)),
    ];
    prop::collection::vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_moved_at_once_there_is_one_forest(
        (count, steps) in (2..=5_usize).prop_flat_map(|count| (Just(count), steps(count))),
        (object, parent) in (0..OBJECTS, 0..OBJECTS),
    ) {
        let mut all = forests(count);
        let mut log: Vec<Sent> = Vec::new();
        // What each replica has seen, in the order in which it came.
        let mut has: Vec<Vec<usize>> = vec![Vec::new(); count];
        let pull = |all: &mut Vec<Forest>, has: &mut Vec<Vec<usize>>, log: &[Sent], to: usize, from: usize, most: usize| {
            let missing: Vec<_> = has[from].iter().copied()
                .filter(|sent| !has[to].contains(sent)).take(most).collect();
            for sent in missing {
                all[to].apply(&log[sent]);
                all[to].check();
                has[to].push(sent);
            }
        };
        for step in steps {
            let (replica, result) = match step {
                Step::Pull(to, from, most) => {
                    if to != from {
                        pull(&mut all, &mut has, &log, to, from, most);
                    }
                    continue;
                }
                Step::Move(replica, object, parent) => {
                    let before = all[replica].parents();
                    let moved = all[replica].set_parent(object, parent);
                    if moved.is_ok() {
                        // It does what it says and nothing else.
                        let mut expected = before;
                        match parent {
                            Some(parent) => expected.insert(id(object), id(parent)),
                            None => expected.remove(&id(object)),
                        };
                        prop_assert_eq!(all[replica].parents(), expected);
                    }
                    (replica, moved)
                }
                Step::Delete(replica, object, true) =>
                    (replica, all[replica].transact(|tx| tx.remove(id(object)))),
                Step::Delete(replica, object, false) =>
                    (replica, all[replica].transact(|tx| tx.restore(id(object)))),
            };
            // An object that has nothing to write takes no place in the feed of a space either,
            // but here it does no harm.
            if let Ok(sent) = result {
                all[replica].check();
                has[replica].push(log.len());
                log.push(sent);
            }
        }
        for to in 0..count {
            for from in 0..count {
                pull(&mut all, &mut has, &log, to, from, usize::MAX);
            }
        }
        // The last of them saw everything; once more for the others.
        for to in 0..count {
            for from in 0..count {
                pull(&mut all, &mut has, &log, to, from, usize::MAX);
            }
        }
        for forest in &all {
            forest.check();
            prop_assert_eq!(forest.parents(), all[0].parents());
            prop_assert_eq!(forest.hidden(), all[0].hidden());
        }
        // And a later move by anyone works again.
        let last = count - 1;
        if object != parent {
            for wanted in [None, Some(parent)] {
                let restored = all[last].transact(|tx| tx.restore(id(parent))).unwrap();
                let out = all[last].set_parent(parent, None).unwrap();
                let moved = all[last].set_parent(object, wanted).unwrap();
                for forest in &mut all[..last] {
                    for sent in [&restored, &out, &moved] {
                        forest.apply(sent);
                    }
                    forest.check();
                    prop_assert_eq!(forest.parent(object), wanted);
                }
                prop_assert_eq!(all[last].parent(object), wanted);
            }
        }
    }
}

#[test]
fn a_move_that_no_tree_knows_of_is_where_it_says() {
    let mut replica = Replica::new(1);
    replica.commit(Transaction::new().create(id(1), "t", [("n", 1)]));
    let sent = super::meta::transact(&mut replica, |tx| {
        tx.push(Op::Create {
            object: id(2),
            type_name: "t".into(),
            properties: crate::Map::new(),
        })?;
        tx.set_parent(id(2), Some(id(1)))?;
        assert!(tx.set_parent(id(1), Some(id(2))).is_err());
        Ok(())
    });
    assert_eq!(sent.unwrap().ops.len(), 2);
    assert_eq!(replica.object(id(2)).parent(), Some(id(1)));
}
