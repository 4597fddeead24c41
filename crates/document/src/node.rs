//! One place in an object's tree of properties, and how operations change it.
//!
//! What a place holds is a pure function of the operations applied: a write is live unless an
//! operation whose writer had seen it covers it. That relation is fixed when the operations are
//! written, so the order of delivery cannot matter.

use crate::branch::Branch;
use crate::context::Seen;
use crate::counter::Tally;
use crate::list::{ListEdit, ListState};
use crate::register::Register;
use crate::set::AddWinsSet;
use crate::text::{TextEdit, TextState};
use crate::{Key, Value, WriteId};

/// What was assigned at a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A map, whose entries are the children.
    Map,
    /// A whole number or counter, with what was counted on top.
    Count {
        base: i64,
        is_counter: bool,
        tally: Option<Box<Tally>>,
    },
    /// A list.
    List(Box<ListState>),
    /// A text.
    Text(Box<TextState>),
    /// Any other value, as a whole.
    Whole(Value),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) register: Register<Content>,
    // Most places have neither: one pointer instead of both.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Rare {
    set: AddWinsSet,
    children: Branch,
}

impl Node {
    pub(crate) fn is_empty(&self) -> bool {
        self.register.is_empty() && self.rare.is_none()
    }

    pub(crate) fn set(&self) -> Option<&AddWinsSet> {
        self.rare
            .as_ref()
            .map(|rare| &rare.set)
            .filter(|set| !set.is_empty())
    }

    pub(crate) fn children(&self) -> Option<&Branch> {
        self.rare
            .as_ref()
            .map(|rare| &rare.children)
            .filter(|children| !children.is_empty())
    }

    pub(crate) fn set_mut(&mut self) -> &mut AddWinsSet {
        &mut self.rare.get_or_insert_default().set
    }

    pub(crate) fn children_mut(&mut self) -> &mut Branch {
        &mut self.rare.get_or_insert_default().children
    }

    /// Keeps no room for a set and children that are not there.
    pub(crate) fn tidy(&mut self) {
        if self
            .rare
            .as_ref()
            .is_some_and(|rare| rare.set.is_empty() && rare.children.is_empty())
        {
            self.rare = None;
        }
    }

    /// Drops all that the writer had seen here and below.
    fn clear(&mut self, seen: &Seen<'_>) {
        self.register.retain(|write| !seen.covers(&write.id));
        if let Some(rare) = &mut self.rare {
            if !rare.set.is_empty() {
                rare.set.reset(seen);
            }
            clear_children(&mut rare.children, seen);
        }
        self.tidy();
    }

    /// Drops what the writer had seen here other than a map: something is assigned below.
    fn become_map(&mut self, seen: &Seen<'_>) {
        self.register
            .retain(|write| matches!(write.content, Content::Map) || !seen.covers(&write.id));
        if let Some(rare) = &mut self.rare
            && !rare.set.is_empty()
        {
            rare.set.reset(seen);
        }
        // Not tidied: the caller puts a child here next.
    }

    fn write(&mut self, value: &Value, seen: &Seen<'_>) {
        let content = match value {
            Value::Map(map) => {
                if !map.is_empty() {
                    let children = self.children_mut();
                    children.reserve(map.len());
                    for (key, value) in map {
                        children.change(key, |child| child.write(value, seen));
                    }
                }
                Content::Map
            }
            Value::Set(members) => {
                self.set_mut().add(members.iter().cloned().collect(), seen);
                return;
            }
            Value::Int(base) | Value::Counter(base) => Content::Count {
                base: *base,
                is_counter: matches!(value, Value::Counter(_)),
                tally: None,
            },
            Value::List(values) => Content::List(Box::new(ListState::assigned(values, seen))),
            Value::Text(text) => Content::Text(Box::new(TextState::assigned(text, seen))),
            whole => Content::Whole(whole.clone()),
        };
        self.register.insert(seen.id(), content);
    }

    /// A place at which `value` was assigned.
    pub(crate) fn holding(value: &Value, seen: &Seen<'_>) -> Self {
        let mut node = Self::default();
        node.write(value, seen);
        node
    }

    /// Changes the place that `path` leads to from here. Maps come to be on the way; items of
    /// lists that are not there lead nowhere.
    fn descend(&mut self, path: &[Key], seen: &Seen<'_>, change: &mut dyn FnMut(&mut Self)) {
        let Some((first, rest)) = path.split_first() else {
            change(self);
            return self.tidy();
        };
        if let Some(item) = first.as_item() {
            for write in self.register.iter_mut() {
                if let Content::List(list) = &mut write.content
                    && seen.covers(&write.id)
                    && let Some(node) = list.item_mut(item, seen)
                {
                    node.descend(rest, seen, change);
                }
            }
            return;
        }
        self.become_map(seen);
        self.children_mut()
            .change(first, |child| child.descend(rest, seen, change));
        self.tidy();
    }
}

/// The place at `path`, through the list that shows where it leads through an item.
pub(crate) fn find_mut<'a>(branch: &'a mut Branch, path: &[Key]) -> Option<&'a mut Node> {
    let (first, rest) = path.split_first()?;
    let mut node = branch.get_mut(first)?;
    for part in rest {
        node = match part.as_item() {
            None => node.rare.as_mut()?.children.get_mut(part)?,
            Some(item) => node
                .register
                .iter_mut()
                .find_map(|write| match &mut write.content {
                    Content::List(list) => list.items.get_mut(&item).map(|item| &mut item.node),
                    _ => None,
                })?,
        };
    }
    Some(node)
}

/// The same to read.
pub(crate) fn find<'a>(branch: &'a Branch, path: &[Key]) -> Option<&'a Node> {
    let (first, rest) = path.split_first()?;
    let mut node = branch.get(first)?;
    for part in rest {
        node = match part.as_item() {
            None => node.children()?.get(part)?,
            Some(item) => node
                .register
                .iter()
                .find_map(|write| match &write.content {
                    Content::List(list) => list.items.get(&item).map(|item| &item.node),
                    _ => None,
                })?,
        };
    }
    Some(node)
}

/// Changes the text that one assignment made at `path`, if its writer had seen it.
pub(crate) fn edit_text(
    branch: &mut Branch,
    path: &[Key],
    of: WriteId,
    edits: &[TextEdit],
    seen: &Seen<'_>,
) {
    visit(branch, path, seen, &mut |node| {
        for write in node.register.iter_mut() {
            if let Content::Text(text) = &mut write.content
                && WriteId::from(write.id) == of
                && seen.covers(&write.id)
            {
                text.apply(edits, seen);
            }
        }
    });
}

/// Changes the list that one assignment made at `path`, if its writer had seen it.
pub(crate) fn edit_list(
    branch: &mut Branch,
    path: &[Key],
    of: WriteId,
    edits: &[ListEdit],
    seen: &Seen<'_>,
) {
    visit(branch, path, seen, &mut |node| {
        for write in node.register.iter_mut() {
            if let Content::List(list) = &mut write.content
                && WriteId::from(write.id) == of
                && seen.covers(&write.id)
            {
                list.apply(edits, seen);
            }
        }
    });
}

fn clear_children(children: &mut Branch, seen: &Seen<'_>) {
    children.retain(|child| {
        child.clear(seen);
        !child.is_empty()
    });
}

/// Assigns `value` at `path`, in place of what the writer had seen there and below, and of
/// anything but maps that it had seen on the way.
pub(crate) fn assign(branch: &mut Branch, path: &[Key], value: &Value, seen: &Seen<'_>) {
    reach(branch, path, seen, &mut |node| {
        node.clear(seen);
        node.write(value, seen);
    });
}

/// Adds to the set at `path`, in place of anything but a set that the writer had seen there.
pub(crate) fn set_add(branch: &mut Branch, path: &[Key], values: &[Value], seen: &Seen<'_>) {
    reach(branch, path, seen, &mut |node| {
        node.register.retain(|write| !seen.covers(&write.id));
        if let Some(rare) = &mut node.rare {
            clear_children(&mut rare.children, seen);
        }
        node.set_mut().add(values.to_vec(), seen);
    });
}

fn reach(branch: &mut Branch, path: &[Key], seen: &Seen<'_>, change: &mut dyn FnMut(&mut Node)) {
    if let Some((first, rest)) = path.split_first() {
        branch.change(first, |node| node.descend(rest, seen, change));
    }
}

/// Takes out what the writer had seen at `path` and below.
pub(crate) fn unset(branch: &mut Branch, path: &[Key], seen: &Seen<'_>) {
    visit(branch, path, seen, &mut |node| node.clear(seen));
}

/// Takes members out of the set at `path`.
pub(crate) fn set_remove(branch: &mut Branch, path: &[Key], values: &[Value], seen: &Seen<'_>) {
    visit(branch, path, seen, &mut |node| {
        if let Some(rare) = &mut node.rare
            && !rare.set.is_empty()
        {
            rare.set.remove(values.to_vec(), seen);
        }
    });
}

/// Counts on every number at `path` that the writer had seen.
pub(crate) fn increment(branch: &mut Branch, path: &[Key], by: i64, seen: &Seen<'_>) {
    visit(branch, path, seen, &mut |node| {
        for write in node.register.iter_mut() {
            if let Content::Count { tally, .. } = &mut write.content
                && seen.covers(&write.id)
            {
                tally.get_or_insert_default().add(by, seen);
            }
        }
    });
}

/// Changes the place at `path` if there is one, and drops what became empty.
fn visit(branch: &mut Branch, path: &[Key], seen: &Seen<'_>, change: &mut dyn FnMut(&mut Node)) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let Some(node) = branch.get_mut(first) else {
        return;
    };
    node.visit(rest, seen, change);
    if node.is_empty() {
        branch.remove(first);
    }
}

impl Node {
    fn visit(&mut self, path: &[Key], seen: &Seen<'_>, change: &mut dyn FnMut(&mut Self)) {
        match path.first().map(Key::as_item) {
            None => {
                change(self);
                self.tidy();
            }
            Some(None) => {
                if let Some(rare) = &mut self.rare {
                    visit(&mut rare.children, path, seen, change);
                    self.tidy();
                }
            }
            Some(Some(item)) => {
                let rest = path.get(1..).unwrap_or_default();
                for write in self.register.iter_mut() {
                    if let Content::List(list) = &mut write.content
                        && seen.covers(&write.id)
                        && let Some(node) = list.item_mut(item, seen)
                    {
                        node.visit(rest, seen, change);
                    }
                }
            }
        }
    }
}
