//! What a replica keeps of one list.
//!
//! The order is a sequence of places; an item begins in the place that was made with it. Moving
//! it makes a new place, and the latest move decides where it is (Kleppmann, "Moving Elements in
//! List CRDTs", 2020). Places that lost show nothing.

use std::collections::BTreeMap;

use super::ListEdit;
use crate::context::{OpId, Seen};
use crate::node::Node;
use crate::sequence::written;
use crate::sequence::{Id, Sequence};
use crate::small_map::SmallMap;
use crate::{ElementId, Place, Value};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Item {
    /// The latest move, and the place that it made.
    // Boxed, as few items are ever moved.
    pub(crate) moved: Option<Box<(OpId, ElementId)>>,
    pub(crate) node: Node,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ListState {
    pub(crate) sequence: Sequence,
    /// The items that are not deleted.
    pub(crate) items: SmallMap<ElementId, Item>,
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl ListState {
    /// A list that was just assigned.
    pub(crate) fn assigned(values: &[Value], seen: &Seen<'_>) -> Self {
        let mut list = Self::default();
        list.put(0, Place::Start, values, seen);
        list
    }

    /// Applies what an operation does. What it says of items that its writer cannot have seen is
    /// left out.
    pub(crate) fn apply(&mut self, edits: &[ListEdit], seen: &Seen<'_>) {
        for edit in edits {
            match edit {
                ListEdit::Insert { start, at, values } => self.put(*start, *at, values, seen),
                ListEdit::Delete { first, len } => self.take(*first, *len, seen),
                ListEdit::Move { item, start, at } => self.relocate(*item, *start, *at, seen),
            }
        }
    }

    fn put(&mut self, start: u32, at: Place, values: &[Value], seen: &Seen<'_>) {
        let places = (start, number(values.len()));
        let made = written::insert(&mut self.sequence, places, at, "", seen);
        if made.is_none() {
            return;
        }
        let feed = seen.context.stamp.feed;
        if self.items.is_empty() {
            self.items.reserve(values.len());
        }
        for (n, value) in (start..).zip(values) {
            let item = Item {
                moved: None,
                node: Node::holding(value, seen),
            };
            self.items.insert(ElementId { feed, n }, item);
        }
    }

    fn hide(&mut self, place: ElementId) {
        if let Some(author) = self.sequence.find_author(&place.feed) {
            let id = Id { author, n: place.n };
            self.sequence.hide(id, 1, &mut |_, _| {});
        }
    }

    fn take(&mut self, first: ElementId, len: u32, seen: &Seen<'_>) {
        let Some((_, end)) = written::range(&self.sequence, first, len, seen) else {
            return;
        };
        let last = ElementId {
            feed: first.feed,
            n: end,
        };
        let gone: Vec<ElementId> = self.items.keys_between(&first, &last).copied().collect();
        for id in gone {
            if let Some(item) = self.items.remove(&id) {
                self.hide(item.moved.map_or(id, |moved| moved.1));
            }
        }
    }

    fn relocate(&mut self, id: ElementId, start: u32, at: Place, seen: &Seen<'_>) {
        let is_seen = written::find(&self.sequence, id, seen).is_some();
        if !is_seen || written::insert(&mut self.sequence, (start, 1), at, "", seen).is_none() {
            return;
        }
        let place = ElementId {
            feed: seen.context.stamp.feed,
            n: start,
        };
        let by = seen.id();
        let loser = match self.items.get_mut(&id) {
            // Two moves in one operation: the later is the later.
            Some(item) if item.moved.as_ref().is_none_or(|moved| moved.0 <= by) => {
                let before = item.moved.replace(Box::new((by, place)));
                before.map_or(id, |moved| moved.1)
            }
            _ => place,
        };
        self.hide(loser);
    }

    /// The item, if the writer had seen it and it is not deleted.
    pub(crate) fn item_mut(&mut self, id: ElementId, seen: &Seen<'_>) -> Option<&mut Node> {
        written::find(&self.sequence, id, seen)?;
        self.items.get_mut(&id).map(|item| &mut item.node)
    }

    /// The items in their order.
    pub(crate) fn in_order(&self) -> Vec<(ElementId, &Node)> {
        let moved: BTreeMap<ElementId, (ElementId, &Node)> = self
            .items
            .iter()
            .filter_map(|(id, item)| Some((item.moved.as_ref()?.1, (*id, &item.node))))
            .collect();
        let mut shown = Vec::with_capacity(self.items.len());
        for (first, len) in self.sequence.visible_runs() {
            let Some(first) = self.sequence.element(first) else {
                continue;
            };
            for n in first.n..first.n + len {
                let place = ElementId { n, ..first };
                let found = moved.get(&place).copied().or_else(|| {
                    let item = self.items.get(&place)?;
                    Some((place, &item.node))
                });
                shown.extend(found);
            }
        }
        shown
    }

    /// The item that shows at a position.
    pub(crate) fn item_at(&mut self, position: usize) -> Option<ElementId> {
        let id = self.sequence.id_at(position)?;
        let place = self.sequence.element(id)?;
        if self
            .items
            .get(&place)
            .is_some_and(|item| item.moved.is_none())
        {
            return Some(place);
        }
        let mut moved = self.items.iter();
        let is_here = |item: &Item| item.moved.as_ref().is_some_and(|moved| moved.1 == place);
        let found = moved.find(|(_, item)| is_here(item));
        found.map(|(id, _)| *id)
    }
}
