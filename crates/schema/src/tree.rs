//! What a struct is written as, on the way to properties: values that remember which maps are
//! the variants of an enum.

use std::collections::BTreeMap;

use dxos_document::{Key, Map, Path, Value};

/// A struct as a tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// `None`: a field that has it is left out, elsewhere it is null.
    Absent,
    /// Anything that is assigned as a whole.
    Leaf(Value),
    /// A list.
    List(Vec<Self>),
    /// A struct or a map.
    Map(BTreeMap<Key, Self>),
    /// A variant with its content: of such a map one entry counts.
    Variant(Key, Box<Self>),
}

impl Tree {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::Leaf(value) => value.clone(),
            Self::List(items) => Value::List(items.iter().map(Self::value).collect()),
            Self::Map(map) => Value::Map(properties(map)),
            Self::Variant(name, content) => {
                Value::Map(std::iter::once((name.clone(), content.value())).collect())
            }
        }
    }

    /// This tree where a value has to be: nothing becomes null.
    pub(crate) fn present(self) -> Self {
        match self {
            Self::Absent => Self::Leaf(Value::Null),
            present => present,
        }
    }
}

pub(crate) fn properties(map: &BTreeMap<Key, Tree>) -> Map {
    map.iter()
        .map(|(key, tree)| (key.clone(), tree.value()))
        .collect()
}

/// What carrying a change over to properties led to.
#[derive(Debug)]
pub(crate) struct Carried {
    /// The properties afterwards, but for what is counted.
    pub(crate) properties: Map,
    /// Plain numbers that a counter of the struct is counted on.
    pub(crate) counted: Vec<(Path, i64)>,
    /// Texts that a string of the struct is typed into.
    pub(crate) typed: Vec<(Path, String)>,
}

/// Carries what changed between two trees over to the properties that the first one was read
/// from. What the struct knows nothing of stays as it is.
pub(crate) fn carry(
    found: &Map,
    before: &BTreeMap<Key, Tree>,
    after: &BTreeMap<Key, Tree>,
) -> Carried {
    let mut carrier = Carrier::default();
    let properties = carrier.map(found, before, after);
    Carried {
        properties,
        counted: carrier.counted,
        typed: carrier.typed,
    }
}

/// The same with every value that changed as it is to be assigned, as a whole.
pub(crate) fn carry_whole(
    found: &Map,
    before: &BTreeMap<Key, Tree>,
    after: &BTreeMap<Key, Tree>,
) -> Map {
    let mut carrier = Carrier {
        whole: true,
        ..Carrier::default()
    };
    carrier.map(found, before, after)
}

#[derive(Default)]
struct Carrier {
    path: Vec<Key>,
    /// How many lists this is inside of: no path leads to their items here.
    lists: usize,
    counted: Vec<(Path, i64)>,
    typed: Vec<(Path, String)>,
    /// Whether nothing is counted or typed.
    whole: bool,
}

impl Carrier {
    fn map(
        &mut self,
        found: &Map,
        before: &BTreeMap<Key, Tree>,
        after: &BTreeMap<Key, Tree>,
    ) -> Map {
        let mut result = found.clone();
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            result.remove(key);
        }
        for (key, after) in after {
            let value = match (found.get(key), before.get(key)) {
                (_, Some(before)) if before == after => continue,
                (Some(found), Some(before)) => self.child(key, found, before, after),
                _ => after.value(),
            };
            result.insert(key.clone(), value);
        }
        result
    }

    fn child(&mut self, key: &Key, found: &Value, before: &Tree, after: &Tree) -> Value {
        self.path.push(key.clone());
        let value = self.value(found, before, after);
        self.path.pop();
        value
    }

    fn value(&mut self, found: &Value, before: &Tree, after: &Tree) -> Value {
        if before == after {
            return found.clone();
        }
        match (found, before, after) {
            (Value::Map(found), Tree::Map(before), Tree::Map(after)) => {
                Value::Map(self.map(found, before, after))
            }
            (Value::Map(found), Tree::Variant(old, before), Tree::Variant(new, after))
                if old == new =>
            {
                let content = match found.get(old) {
                    Some(found) => self.child(old, found, before, after),
                    None => after.value(),
                };
                Value::Map(std::iter::once((new.clone(), content)).collect())
            }
            (Value::List(found), Tree::List(before), Tree::List(after))
                if found.len() == before.len() =>
            {
                self.lists += 1;
                let items = self.list(found, before, after);
                self.lists -= 1;
                Value::List(items)
            }
            (
                Value::Int(_),
                Tree::Leaf(Value::Counter(before)),
                Tree::Leaf(Value::Counter(after)),
            ) if self.edits() => match after.checked_sub(*before) {
                Some(by) => {
                    self.counted.push((Path::of(self.path.clone()), by));
                    found.clone()
                }
                None => Value::Counter(*after),
            },
            (Value::Text(_), Tree::Leaf(Value::String(_)), Tree::Leaf(Value::String(after)))
                if self.edits() =>
            {
                self.typed
                    .push((Path::of(self.path.clone()), after.clone()));
                found.clone()
            }
            _ => after.value(),
        }
    }

    /// Whether what is here is at a path and may be edited there.
    const fn edits(&self) -> bool {
        self.lists == 0 && !self.whole
    }

    /// Pairs the items of two lists; each pair keeps what is unknown.
    fn list(&mut self, found: &[Value], before: &[Tree], after: &[Tree]) -> Vec<Value> {
        let mut items = Vec::with_capacity(after.len());
        for (item, partner) in after.iter().zip(pair(before, after)) {
            let partner = partner.and_then(|at| Some((found.get(at)?, before.get(at)?)));
            items.push(match partner {
                Some((found, before)) => self.value(found, before, item),
                None => item.value(),
            });
        }
        items
    }
}

/// For each item of `after` the item of `before` that it came from: equal ones at both ends,
/// equal ones in between, wherever they moved to, then those that have most fields in common,
/// and in lists of one length those at one place.
fn pair(before: &[Tree], after: &[Tree]) -> Vec<Option<usize>> {
    let same = |(one, two): &(&Tree, &Tree)| one == two;
    let start = before.iter().zip(after).take_while(same).count();
    let (old, new) = (before.len() - start, after.len() - start);
    let rest = before.iter().rev().zip(after.iter().rev());
    let end = rest.take(old.min(new)).take_while(same).count();
    let middle = before.iter().enumerate().skip(start).take(old - end);
    let mut left: Vec<(usize, &Tree)> = middle.collect();
    let mut pairs: Vec<Option<usize>> = (0..start).map(Some).collect();
    let changed = after.iter().skip(start).take(new - end);
    // Beyond some number it would take too long to look for each.
    let searched = left.len() <= MOVED_MAX;
    pairs.extend(changed.map(|item| {
        if !searched {
            return None;
        }
        let found = left.iter().position(|(_, old)| *old == item)?;
        Some(left.remove(found).0)
    }));
    pairs.extend((0..end).map(|at| Some(before.len() - end + at)));
    let few = left.len() <= CHANGED_MAX;
    for (place, item) in pairs.iter_mut().zip(after) {
        if place.is_none() && few {
            let nearest = left.iter().enumerate().rev();
            let nearest = nearest.max_by_key(|(_, (_, old))| common(old, item));
            if let Some((found, (_, old))) = nearest
                && common(old, item) > 0
            {
                *place = Some(left.remove(found).0);
            }
        }
    }
    if before.len() == after.len() {
        for (at, place) in pairs.iter_mut().enumerate() {
            if place.is_none() && left.iter().any(|(old, _)| *old == at) {
                *place = Some(at);
            }
        }
    }
    pairs
}

/// Items of a list between its equal ends that are looked for at other places.
const MOVED_MAX: usize = 1024;
/// Changed items of a list that are compared with each other.
const CHANGED_MAX: usize = 64;

/// How many fields of two structs are equal.
fn common(one: &Tree, two: &Tree) -> usize {
    match (one, two) {
        (Tree::Map(one), Tree::Map(two)) => {
            let equal = one.iter().filter(|(key, tree)| two.get(*key) == Some(tree));
            equal.count()
        }
        (Tree::Variant(one, left), Tree::Variant(two, right)) if one == two => common(left, right),
        _ => 0,
    }
}
