//! Names that states share: those of one type have the same properties, mostly in the same order.

use crate::{Key, TypeName};

/// Names of properties that are kept.
const KEYS_MAX: usize = 64;

/// The names that were read lately.
#[derive(Debug, Default)]
pub(crate) struct Names {
    keys: Vec<Key>,
    /// Where the next one is, if this state is like those before.
    next: usize,
    type_name: Option<TypeName>,
}

impl Names {
    /// Another state begins.
    pub(crate) fn begin(&mut self) {
        self.next = 0;
    }

    pub(crate) fn key(&mut self, text: &str) -> Key {
        let expected = self.keys.get(self.next).filter(|key| **key == *text);
        if let Some(key) = expected {
            self.next += 1;
            return key.clone();
        }
        if let Some(place) = self.keys.iter().position(|key| *key == *text) {
            self.next = place + 1;
            return self.keys.get(place).cloned().unwrap_or_else(|| text.into());
        }
        if self.keys.len() >= KEYS_MAX {
            self.keys.clear();
        }
        let key = Key::from(text);
        self.keys.push(key.clone());
        self.next = self.keys.len();
        key
    }

    pub(crate) fn type_name(&mut self, text: &str) -> TypeName {
        match &self.type_name {
            Some(name) if *name == *text => name.clone(),
            _ => self.type_name.insert(text.into()).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shared(one: &Key, two: &Key) -> bool {
        std::ptr::eq(one.as_str(), two.as_str())
    }

    #[test]
    fn a_name_that_was_read_is_shared_and_none_is_lost() {
        let mut names = Names::default();
        let first: Vec<_> = ["done", "title"].map(|text| names.key(text)).into();
        for order in [["done", "title"], ["title", "done"]] {
            names.begin();
            for text in order {
                let key = names.key(text);
                assert_eq!(key, *text);
                assert!(first.iter().any(|other| is_shared(other, &key)));
            }
        }
        for number in 0..3 * KEYS_MAX {
            let text = number.to_string();
            assert_eq!(names.key(&text), *text);
            assert!(names.keys.len() <= KEYS_MAX);
        }
        assert_eq!(names.type_name("task"), *"task");
        assert_eq!(names.type_name("note"), *"note");
        assert_eq!(names.type_name("note"), *"note");
    }
}
