//! Parent and child: a forest, whatever was moved at once.
//!
//! The parent of an object is a register, and of concurrent moves the latest shows, as anywhere.
//! But moves that do no harm alone can make a ring together: one device puts a folder into
//! another, and a second device the other into the one. Every ring is cut, by a rule that looks
//! at nothing but the registers, so that all replicas that have the same operations agree:
//!
//! 1. In each ring the latest move is dropped. Rings of latest moves have no object in common,
//!    so the order in which they are cut does not matter, and what is left is a forest.
//! 2. Each object whose move was dropped, in the order of the moves that were, goes to the
//!    latest of the places that lost against that move and that makes no ring; without one it
//!    has no parent.
//!
//! A later move by anyone who has seen this replaces what lost, and the ring is gone.

use std::collections::{BTreeMap, BTreeSet};

use dxos_keys::ObjectId;
use serde::{Deserialize, Serialize};

use crate::context::OpId;
use crate::meta::{META, Meta, MetaError, PARENT, field, parent_of};
use crate::node::Content;
use crate::{Filter, Object, ObjectState, Tx, TxError, Value};

/// One of the concurrent moves of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The operation.
    pub id: OpId,
    /// Where to, `None` for no parent.
    pub parent: Option<ObjectId>,
}

impl ObjectState {
    /// The moves of this object that no later one has replaced, the latest first.
    pub fn moves(&self) -> Vec<Move> {
        let meta = self.root.get(META).and_then(|meta| meta.children());
        let Some(parent) = meta.and_then(|meta| meta.get(PARENT)) else {
            return Vec::new();
        };
        let moves = parent.register.iter().filter_map(|write| {
            let parent = match &write.content {
                Content::Whole(Value::Null) => None,
                Content::Whole(value) => Some(parent_of(value)?),
                _ => return None,
            };
            Some(Move {
                id: write.id,
                parent,
            })
        });
        moves.collect()
    }
}

/// Where an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Its parent.
    pub parent: Option<ObjectId>,
    /// When its latest move is part of a ring: the object of that ring whose move was dropped.
    pub cut: Option<ObjectId>,
}

/// All objects of a space that were ever moved: who is whose parent, and who is hidden because
/// something above is deleted. It is kept up to date from the objects that change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    moves: BTreeMap<ObjectId, Vec<Move>>,
    /// The objects of each ring of latest moves, by the one whose move is dropped.
    rings: BTreeMap<ObjectId, Vec<ObjectId>>,
    /// For each object in a ring the one whose move is dropped.
    in_ring: BTreeMap<ObjectId, ObjectId>,
    parents: BTreeMap<ObjectId, ObjectId>,
    children: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    /// Parents that are deleted.
    deleted: BTreeSet<ObjectId>,
    hidden: BTreeSet<ObjectId>,
}

impl Tree {
    /// The parent of an object.
    pub fn parent(&self, object: ObjectId) -> Option<ObjectId> {
        self.parents.get(&object).copied()
    }

    /// The children of an object, deleted ones too, in the order of their ids.
    pub fn children(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> {
        self.children.get(&object).into_iter().flatten().copied()
    }

    /// The objects of which a move is dropped because it closes a ring, in the order of their
    /// ids.
    pub fn cuts(&self) -> impl Iterator<Item = ObjectId> {
        self.rings.keys().copied()
    }

    /// Where an object is.
    pub fn location(&self, object: ObjectId) -> Location {
        Location {
            parent: self.parent(object),
            cut: self.in_ring.get(&object).copied(),
        }
    }

    /// Whether an object above is deleted.
    pub fn is_hidden(&self, object: ObjectId) -> bool {
        self.hidden.contains(&object)
    }

    /// Whether any object has a deleted one above it.
    pub fn has_hidden(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Whether an object was ever moved, or another one into it: only of such does a change
    /// matter here.
    pub fn knows(&self, object: ObjectId) -> bool {
        self.moves.contains_key(&object)
            || self.children.contains_key(&object)
            || self.deleted.contains(&object)
    }

    /// Tells an object where it is.
    pub fn tell(&self, object: &mut Object) {
        let id = object.id();
        object.set_place(self.parent(id), self.is_hidden(id));
    }

    /// Takes in objects that changed, each with its moves as they are now. `is_deleted` says
    /// whether an object is deleted now. Returns the objects whose parent changed or that are
    /// hidden now and were not, or the other way round; now and then one more.
    ///
    /// It costs about as much as there are objects above those that were moved, and below those
    /// that are hidden or come back. While there are rings, each of them is looked at again.
    ///
    /// # Errors
    ///
    /// Those of `is_deleted`; the tree has to be made anew then.
    pub fn update<E>(
        &mut self,
        changed: impl IntoIterator<Item = (ObjectId, Vec<Move>)>,
        is_deleted: &mut dyn FnMut(ObjectId) -> Result<bool, E>,
    ) -> Result<BTreeSet<ObjectId>, E> {
        let mut touched = BTreeSet::new();
        let mut moved = BTreeSet::new();
        for (object, moves) in changed {
            touched.insert(object);
            let before = self.moves.get(&object).map_or(&[][..], Vec::as_slice);
            if before == moves {
                continue;
            }
            if moves.is_empty() {
                self.moves.remove(&object);
            } else {
                self.moves.insert(object, moves);
            }
            moved.insert(object);
        }
        let mut result = BTreeSet::new();
        if !moved.is_empty() {
            for (object, before) in self.replace(&moved) {
                touched.extend(self.parent(object));
                touched.extend(before);
                result.insert(object);
            }
        }
        let mut unsettled: Vec<_> = result.iter().copied().collect();
        for object in touched {
            let flips = if !self.children.contains_key(&object) {
                self.deleted.remove(&object)
            } else if is_deleted(object)? {
                self.deleted.insert(object)
            } else {
                self.deleted.remove(&object)
            };
            if flips {
                unsettled.extend(self.children(object));
            }
        }
        self.hide(unsettled, &mut result);
        Ok(result)
    }

    /// Finds the parents again after these objects have other moves. Returns those whose parent
    /// changed, with the one they had.
    fn replace(&mut self, moved: &BTreeSet<ObjectId>) -> Vec<(ObjectId, Option<ObjectId>)> {
        let mut unsure = moved.clone();
        for object in moved {
            // A ring that one of its objects leaves is none.
            if let Some(cut) = self.in_ring.get(object).copied() {
                for member in self.rings.remove(&cut).unwrap_or_default() {
                    self.in_ring.remove(&member);
                }
                unsure.insert(cut);
            }
        }
        self.find_rings(moved);
        unsure.extend(self.rings.keys());
        let before: Vec<_> = unsure
            .iter()
            .map(|object| (*object, self.parent(*object)))
            .collect();
        let mut cuts = Vec::new();
        for object in unsure {
            let latest = self.latest(object);
            if self.rings.contains_key(&object) {
                self.put(object, None);
                cuts.push((latest.map(|latest| latest.id), object));
            } else {
                self.put(object, latest.and_then(|latest| latest.parent));
            }
        }
        cuts.sort();
        for (_, object) in cuts {
            self.put(object, self.fallback(object));
        }
        before
            .into_iter()
            .filter(|(object, before)| self.parent(*object) != *before)
            .collect()
    }

    fn latest(&self, object: ObjectId) -> Option<Move> {
        self.moves.get(&object)?.first().copied()
    }

    /// Finds the rings of latest moves that pass through one of `moved`: there can be no others
    /// that were not there before.
    fn find_rings(&mut self, moved: &BTreeSet<ObjectId>) {
        let mut seen = BTreeSet::new();
        for start in moved {
            let mut way = Vec::new();
            let mut next = Some(*start);
            while let Some(object) = next {
                if self.in_ring.contains_key(&object) {
                    break;
                }
                if !seen.insert(object) {
                    // Seen on this way it closes a ring, on an earlier one it leads to none.
                    if let Some(place) = way.iter().position(|passed| *passed == object) {
                        self.add_ring(way.split_off(place));
                    }
                    break;
                }
                way.push(object);
                next = self.latest(object).and_then(|latest| latest.parent);
            }
        }
    }

    fn add_ring(&mut self, members: Vec<ObjectId>) {
        let latest = |object: &ObjectId| self.latest(*object).map(|latest| latest.id);
        let Some(cut) = members.iter().copied().max_by_key(latest) else {
            return;
        };
        for member in &members {
            self.in_ring.insert(*member, cut);
        }
        self.rings.insert(cut, members);
    }

    /// The latest of the places that lost against the latest move and that makes no ring.
    fn fallback(&self, object: ObjectId) -> Option<ObjectId> {
        let lost = self.moves.get(&object)?.get(1..)?;
        lost.iter()
            .map(|lost| lost.parent)
            .find(|parent| parent.is_none_or(|parent| !self.is_within(parent, object)))
            .flatten()
    }

    /// Whether `object` is `above` or below it.
    fn is_within(&self, object: ObjectId, above: ObjectId) -> bool {
        let mut next = Some(object);
        while let Some(object) = next {
            if object == above {
                return true;
            }
            next = self.parent(object);
        }
        false
    }

    fn put(&mut self, object: ObjectId, parent: Option<ObjectId>) {
        let before = match parent {
            Some(parent) => self.parents.insert(object, parent),
            None => self.parents.remove(&object),
        };
        if let Some(before) = before
            && let Some(children) = self.children.get_mut(&before)
        {
            children.remove(&object);
            if children.is_empty() {
                self.children.remove(&before);
            }
        }
        if let Some(parent) = parent {
            self.children.entry(parent).or_default().insert(object);
        }
    }

    /// Hides what is below something deleted and shows the rest, from `unsettled` downwards.
    fn hide(&mut self, mut unsettled: Vec<ObjectId>, changed: &mut BTreeSet<ObjectId>) {
        while let Some(object) = unsettled.pop() {
            let is_hidden = self.parent(object).is_some_and(|parent| {
                self.deleted.contains(&parent) || self.hidden.contains(&parent)
            });
            let flips = if is_hidden {
                self.hidden.insert(object)
            } else {
                self.hidden.remove(&object)
            };
            if flips {
                unsettled.extend(self.children(object));
                changed.insert(object);
            }
        }
    }
}

impl Object {
    /// Its parent. In a space this is where it is after concurrent moves were settled, and the
    /// parent may be deleted or not here; in a transaction that has read it, its latest move.
    pub fn parent(&self) -> Option<ObjectId> {
        self.meta().and_then(|meta| meta.parent)
    }

    /// Whether an object above it is deleted, whether it is deleted itself or not. It comes back when
    /// that is restored, or when it is moved out.
    pub const fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    fn set_place(&mut self, parent: Option<ObjectId>, is_hidden: bool) {
        self.is_hidden = is_hidden;
        if parent == self.parent() {
            return;
        }
        let meta = self.meta.get_or_insert_default();
        meta.parent = parent;
        if **meta == Meta::default() {
            self.meta = None;
        }
    }
}

impl Filter {
    /// The children of an object.
    pub const fn children_of(parent: ObjectId) -> Self {
        Self::ChildOf(parent)
    }

    /// Objects that have a parent.
    pub const fn has_parent() -> Self {
        Self::HasParent
    }
}

impl Tx<'_> {
    /// Puts an object under a parent, or under none. Nothing is written when it is there.
    ///
    /// Where concurrent moves had made a ring, and this move would let another object take a
    /// place that it had lost, that object is written down where it shows, so that nothing else
    /// moves. Beyond 64 rings that holds for those that the new place is in.
    ///
    /// # Errors
    ///
    /// [`TxError::NotFound`] when the object was never created here, [`TxError::Meta`] when the
    /// parent is not here or deleted, or is the object itself or below it.
    pub fn set_parent(
        &mut self,
        object: ObjectId,
        parent: Option<ObjectId>,
    ) -> Result<(), TxError> {
        self.existing(object)?;
        let location = self.location(object)?;
        let mut settle: BTreeSet<_> = location.cut.into_iter().collect();
        if let Some(parent) = parent {
            self.require(&field(PARENT), &parent.into())?;
            settle.extend(self.rings_above(object, parent)?);
        }
        if location.parent == parent && location.cut != Some(object) {
            return Ok(());
        }
        let mut others = BTreeMap::new();
        for cut in self.cuts(RINGS_MAX)?.into_iter().chain(settle.clone()) {
            if cut != object {
                others.insert(cut, self.location(cut)?.parent);
            }
        }
        for other in settle {
            if let Some(parent) = others.remove(&other) {
                self.set(other, field(PARENT), parent)?;
            }
        }
        self.set(object, field(PARENT), parent)?;
        // To write one down can let another go.
        loop {
            let mut gone = None;
            for (other, parent) in &others {
                if self.location(*other)?.parent != *parent {
                    gone = Some((*other, *parent));
                    break;
                }
            }
            let Some((other, parent)) = gone else {
                return Ok(());
            };
            others.remove(&other);
            self.set(other, field(PARENT), parent)?;
        }
    }

    /// Refuses a parent that is `object` or below it. Gives the objects whose moves are dropped
    /// on the way up from the parent.
    fn rings_above(
        &mut self,
        object: ObjectId,
        parent: ObjectId,
    ) -> Result<Vec<ObjectId>, TxError> {
        let mut cuts = Vec::new();
        let mut passed = BTreeSet::new();
        let mut next = Some(parent);
        while let Some(above) = next.filter(|above| passed.insert(*above)) {
            if above == object {
                return Err(MetaError::Cycle { object, parent }.into());
            }
            let location = self.location(above)?;
            cuts.extend(location.cut);
            next = location.parent;
        }
        Ok(cuts)
    }
}

/// Rings that a local move looks after at most.
const RINGS_MAX: usize = 64;
