//! The children of a place in an object's tree.

use crate::Key;
use crate::node::Node;
use crate::small_map::SmallMap;

pub(crate) type Branch = SmallMap<Key, Node>;

impl Branch {
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
}
