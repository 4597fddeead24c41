//! Texts and lists by the rules: a tree of elements, read in order.

use std::collections::{BTreeMap, BTreeSet};

use super::Event;
use crate::{Anchor, ElementId, Key, ListEdit, Op, OpId, Place, Span, Text, TextEdit, WriteId};

type Children = BTreeMap<(Option<ElementId>, bool), Vec<ElementId>>;

#[derive(Default)]
struct Tree(Children);

impl Tree {
    fn put(&mut self, feed: dxos_keys::FeedId, start: u32, len: usize, at: Place) {
        let mut place = match at {
            Place::Start => (None, true),
            Place::After(element) => (Some(element), true),
            Place::Before(element) => (Some(element), false),
        };
        for n in (start..).take(len) {
            let element = ElementId { feed, n };
            self.0.entry(place).or_default().push(element);
            place = (Some(element), true);
        }
    }

    fn order(&mut self) -> Vec<ElementId> {
        self.0.values_mut().for_each(|children| children.sort());
        let mut order = Vec::new();
        self.walk(None, &mut order);
        order
    }

    fn walk(&self, at: Option<ElementId>, order: &mut Vec<ElementId>) {
        for child in self.0.get(&(at, false)).into_iter().flatten() {
            self.walk(Some(*child), order);
        }
        order.extend(at);
        for child in self.0.get(&(at, true)).into_iter().flatten() {
            self.walk(Some(*child), order);
        }
    }
}

fn range(first: ElementId, len: u32) -> impl Iterator<Item = ElementId> {
    (first.n..first.n + len).map(move |n| ElementId { n, ..first })
}

pub(super) fn text(id: OpId, began: &Text, path: &[Key], events: &[Event<'_>]) -> Text {
    let mut tree = Tree::default();
    let mut characters = BTreeMap::new();
    let mut gone = BTreeSet::new();
    let mut marks = Vec::new();
    let mut put = |tree: &mut Tree, feed, start, at, text: &str| {
        tree.put(feed, start, text.chars().count(), at);
        for (n, character) in (start..).zip(text.chars()) {
            characters.insert(ElementId { feed, n }, character);
        }
    };
    put(&mut tree, id.stamp.feed, 0, Place::Start, began.as_str());
    for (ordinal, span) in began.spans().iter().enumerate() {
        let element = |at: usize| ElementId {
            feed: id.stamp.feed,
            n: u32::try_from(at).unwrap(),
        };
        let (from, to) = (element(span.from), element(span.to - 1));
        marks.push((
            (id, ordinal),
            Anchor::Before(from),
            Anchor::After(to),
            &span.name,
            &span.value,
        ));
    }
    for event in events {
        let Op::Text {
            path: at,
            of,
            edits,
            ..
        } = event.op
        else {
            continue;
        };
        if at.parts() != path || *of != WriteId::from(id) {
            continue;
        }
        for (ordinal, edit) in edits.iter().enumerate() {
            match edit {
                TextEdit::Insert { start, at, text } => {
                    put(&mut tree, event.sent.stamp.feed, *start, *at, text);
                }
                TextEdit::Delete { first, len } => gone.extend(range(*first, *len)),
                TextEdit::Mark {
                    from,
                    to,
                    name,
                    value,
                } => {
                    marks.push(((event.id(), ordinal), *from, *to, name, value));
                }
            }
        }
    }
    let order = tree.order();
    let shown: Vec<_> = order
        .iter()
        .filter(|element| !gone.contains(element))
        .collect();
    let place = |element: &ElementId| order.iter().position(|other| other == element).unwrap();
    marks.sort_by_key(|mark| mark.0);
    let mut spans = Vec::new();
    let names: BTreeSet<_> = marks.iter().map(|mark| mark.3).collect();
    for name in names {
        let values = shown.iter().map(|element| {
            let at = place(element);
            let covers = |from: &Anchor, to: &Anchor| {
                let after_start = match from {
                    Anchor::Start => true,
                    Anchor::End => false,
                    Anchor::Before(first) => at >= place(first),
                    Anchor::After(first) => at > place(first),
                };
                let before_end = match to {
                    Anchor::Start => false,
                    Anchor::End => true,
                    Anchor::Before(last) => at < place(last),
                    Anchor::After(last) => at <= place(last),
                };
                after_start && before_end
            };
            let mut found = marks.iter().rev();
            let found = found.find(|mark| mark.3 == name && covers(&mark.1, &mark.2));
            found.map(|mark| mark.4).filter(|value| !value.is_null())
        });
        for (at, value) in values.enumerate() {
            let Some(value) = value else { continue };
            match spans.last_mut() {
                Some(Span {
                    to,
                    name: other,
                    value: same,
                    ..
                }) if *to == at && other == name && same == value => {
                    *to += 1;
                }
                _ => spans.push(Span {
                    from: at,
                    to: at + 1,
                    name: name.clone(),
                    value: value.clone(),
                }),
            }
        }
    }
    let content: String = shown.iter().map(|element| characters[element]).collect();
    Text::new(content).with_spans(spans)
}

pub(super) fn items(id: OpId, len: usize, path: &[Key], events: &[Event<'_>]) -> Vec<ElementId> {
    let mut tree = Tree::default();
    tree.put(id.stamp.feed, 0, len, Place::Start);
    // Where each item is, and by which move.
    let mut places: BTreeMap<ElementId, (Option<(OpId, usize)>, ElementId)> = BTreeMap::new();
    let mut note = |item: ElementId, by: Option<(OpId, usize)>, place: ElementId| {
        let entry = places.entry(item).or_insert((by, place));
        if entry.0 <= by {
            *entry = (by, place);
        }
    };
    for n in (0..).take(len) {
        let item = ElementId {
            feed: id.stamp.feed,
            n,
        };
        note(item, None, item);
    }
    let mut gone = BTreeSet::new();
    for event in events {
        let Op::List {
            path: at,
            of,
            edits,
            ..
        } = event.op
        else {
            continue;
        };
        if at.parts() != path || *of != WriteId::from(id) {
            continue;
        }
        let feed = event.sent.stamp.feed;
        for (ordinal, edit) in edits.iter().enumerate() {
            match edit {
                ListEdit::Insert { start, at, values } => {
                    tree.put(feed, *start, values.len(), *at);
                    for n in (*start..).take(values.len()) {
                        let item = ElementId { feed, n };
                        note(item, None, item);
                    }
                }
                ListEdit::Delete { first, len } => gone.extend(range(*first, *len)),
                ListEdit::Move { item, start, at } => {
                    tree.put(feed, *start, 1, *at);
                    note(
                        *item,
                        Some((event.id(), ordinal)),
                        ElementId { feed, n: *start },
                    );
                }
            }
        }
    }
    let at: BTreeMap<_, _> = places
        .iter()
        .map(|(item, (_, place))| (*place, *item))
        .collect();
    let order = tree.order();
    let shown = order.iter().filter_map(|place| at.get(place)).copied();
    shown.filter(|item| !gone.contains(item)).collect()
}
