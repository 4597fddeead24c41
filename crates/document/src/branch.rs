//! The children of a place in an object's tree: an ordered map that is compact when it is small,
//! as nearly all are, and stays fast when it is large.

use std::collections::BTreeMap;

use crate::Key;
use crate::node::Node;

const FEW_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(crate) enum Branch {
    /// Sorted by key.
    Few(Vec<(Key, Node)>),
    Many(BTreeMap<Key, Node>),
}

impl Default for Branch {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

fn search(few: &[(Key, Node)], key: &str) -> Result<usize, usize> {
    few.binary_search_by(|(other, _)| other.as_str().cmp(key))
}

impl Branch {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Node)> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.iter().map(|(key, node)| (key, node))), None),
            Self::Many(many) => (None, Some(many.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// The children by their keys, in order.
    pub(crate) fn into_children(self) -> impl Iterator<Item = (Key, Node)> {
        let (few, many) = match self {
            Self::Few(few) => (few, BTreeMap::new()),
            Self::Many(many) => (Vec::new(), many),
        };
        few.into_iter().chain(many)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Few(few) => few.get(search(few, key).ok()?).map(|(_, node)| node),
            Self::Many(many) => many.get(key),
        }
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match self {
            Self::Few(few) => {
                let place = search(few, key).ok()?;
                few.get_mut(place).map(|(_, node)| node)
            }
            Self::Many(many) => many.get_mut(key),
        }
    }

    /// Makes room for `count` more.
    pub(crate) fn reserve(&mut self, count: usize) {
        if let Self::Few(few) = self {
            few.reserve_exact(count.min(FEW_MAX));
        }
    }

    /// The child at `key`, for `change` to change; made if there was none, and gone if it is left
    /// empty: whether something was there before, nothing may tell.
    pub(crate) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.get_mut(key) {
            change(node);
            if node.is_empty() {
                self.remove(key);
            }
        } else {
            let mut node = Node::default();
            change(&mut node);
            if !node.is_empty() {
                self.insert(key.clone(), node);
            }
        }
    }

    /// Adds a child; there must be none at `key`.
    pub(crate) fn insert(&mut self, key: Key, node: Node) {
        match self {
            Self::Many(many) => {
                many.insert(key, node);
            }
            Self::Few(few) if few.len() < FEW_MAX => match few.last() {
                Some((last, _)) if *last > key => {
                    if let Err(place) = search(few, &key) {
                        few.insert(place, (key, node));
                    }
                }
                _ => few.push((key, node)),
            },
            Self::Few(few) => {
                let mut many: BTreeMap<_, _> = std::mem::take(few).into_iter().collect();
                many.insert(key, node);
                *self = Self::Many(many);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        match self {
            Self::Few(few) => {
                if let Ok(place) = search(few, key) {
                    few.remove(place);
                }
            }
            Self::Many(many) => {
                many.remove(key);
            }
        }
    }

    /// Changes every child and drops those for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut Node) -> bool) {
        match self {
            Self::Few(few) => few.retain_mut(|(_, node)| keep(node)),
            Self::Many(many) => many.retain(|_, node| keep(node)),
        }
    }
}
