//! From the writes that are live to the values that show, and the conflicts beside them.

use std::collections::BTreeMap;

use crate::branch::Branch;
use crate::context::OpId;
use crate::counter::{self, Tally};
use crate::node::{Content, Node};
use crate::object::Conflict;
use crate::{Key, Map, Path, Value, node};

pub(crate) type Conflicts = BTreeMap<Path, Vec<Conflict>>;

/// The way down to a place, made into a path only where there is a conflict.
struct Trail<'a> {
    above: Option<&'a Self>,
    key: &'a Key,
}

impl Trail<'_> {
    fn path(&self) -> Path {
        let mut parts = vec![self.key.clone()];
        let mut above = self.above;
        while let Some(trail) = above {
            parts.push(trail.key.clone());
            above = trail.above;
        }
        parts.reverse();
        Path::of(parts)
    }
}

/// The properties that show and their conflicts.
pub(crate) fn show(root: &Branch) -> (Map, Conflicts) {
    let mut conflicts = Conflicts::new();
    let (map, _) = show_map(root, None, &mut conflicts);
    (map, conflicts)
}

/// What shows at one place.
pub(crate) fn show_one(key: &Key, node: &Node) -> Option<Value> {
    let trail = Trail { above: None, key };
    show_node(node, &trail, &mut Conflicts::new()).map(|(value, _)| value)
}

/// Whether a whole number or counter shows at `path`.
pub(crate) fn shows_count(root: &Branch, path: &[Key]) -> bool {
    let Some((node, key)) = node::find(root, path).zip(path.last()) else {
        return false;
    };
    let trail = Trail { above: None, key };
    let shown = show_node(node, &trail, &mut Conflicts::new());
    matches!(shown, Some((Value::Int(_) | Value::Counter(_), _)))
}

fn show_map(
    branch: &Branch,
    above: Option<&Trail<'_>>,
    conflicts: &mut Conflicts,
) -> (Map, Option<OpId>) {
    let mut latest = None;
    let shown = branch.iter().filter_map(|(key, node)| {
        let (value, id) = show_node(node, &Trail { above, key }, conflicts)?;
        latest = latest.max(Some(id));
        Some((key.clone(), value))
    });
    let mut map = Map::new();
    // One by one: to sort what is in order takes an allocation.
    map.extend(shown);
    (map, latest)
}

fn single(content: &Content, trail: &Trail<'_>, conflicts: &mut Conflicts) -> Option<Value> {
    Some(match content {
        Content::Map => return None,
        Content::List(list) => {
            let items = list.in_order().into_iter().enumerate();
            let items = items.filter_map(|(position, (_, node))| {
                let key = &Key::from(position.to_string());
                let above = Some(trail);
                Some(show_node(node, &Trail { above, key }, conflicts)?.0)
            });
            Value::List(items.collect())
        }
        Content::Text(text) => Value::Text(text.show()),
        Content::Whole(value) => value.clone(),
        Content::Count {
            base,
            is_counter,
            tally,
        } => {
            let total = match tally {
                None => *base,
                Some(tally) => counter::total(std::iter::once((*base, Some(&**tally)))),
            };
            if *is_counter {
                Value::Counter(total)
            } else {
                Value::Int(total)
            }
        }
    })
}

/// What shows at one place: of all that is live there the latest, a map being as late as the
/// latest thing in it. The rest are conflicts.
fn show_node(node: &Node, trail: &Trail<'_>, conflicts: &mut Conflicts) -> Option<(Value, OpId)> {
    let (set, children) = (node.set(), node.children());
    if let (None, None, 1, Some(only)) =
        (set, children, node.register.len(), node.register.winner())
    {
        let value =
            single(&only.content, trail, conflicts).unwrap_or_else(|| Value::Map(Map::new()));
        return Some((value, only.id));
    }

    let mut candidates: Vec<(OpId, Value)> = Vec::new();
    let mut counters: Vec<(i64, Option<&Tally>)> = Vec::new();
    let mut latest_counter = None;
    let mut latest_in_map = None;
    let mut within_latest = Conflicts::new();
    for write in node.register.iter() {
        match &write.content {
            Content::Map => latest_in_map = latest_in_map.max(Some(write.id)),
            Content::Count {
                base,
                is_counter: true,
                tally,
            } => {
                latest_counter = latest_counter.max(Some(write.id));
                counters.push((*base, tally.as_deref()));
            }
            other => {
                // Of lists only the conflicts within the one that shows are told.
                let within = &mut Conflicts::new();
                let latest = candidates.is_empty();
                let found = single(other, trail, within).map(|value| (write.id, value));
                candidates.extend(found);
                if latest {
                    within_latest = std::mem::take(within);
                }
            }
        }
    }
    if let Some(latest) = latest_counter {
        let total = counter::total(counters.into_iter());
        candidates.push((latest, Value::Counter(total)));
    }
    if let Some((set, latest)) = set.and_then(|set| Some((set, set.latest()?))) {
        candidates.push((latest, Value::Set(set.values())));
    }
    let mut below = Conflicts::new();
    let mut map = Map::new();
    if let Some(children) = children {
        let latest_below;
        (map, latest_below) = show_map(children, Some(trail), &mut below);
        latest_in_map = latest_in_map.max(latest_below);
    }
    if let Some(latest) = latest_in_map {
        candidates.push((latest, Value::Map(map)));
    }

    candidates.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    let mut candidates = candidates.into_iter();
    let (id, value) = candidates.next()?;
    if latest_in_map == Some(id) {
        conflicts.append(&mut below);
    } else if matches!(value, Value::List(_)) {
        conflicts.append(&mut within_latest);
    }
    let losers: Vec<_> = candidates
        .filter(|(_, loser)| *loser != value)
        .map(|(id, value)| Conflict {
            value,
            stamp: id.stamp,
        })
        .collect();
    if !losers.is_empty() {
        conflicts.insert(trail.path(), losers);
    }
    Some((value, id))
}
