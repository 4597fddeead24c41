//! An ordered map that is compact when it is small, as nearly all are, and stays fast when it is
//! large.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

const FEW_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(crate) enum SmallMap<K, V> {
    /// Sorted by key.
    Few(Vec<(K, V)>),
    Many(BTreeMap<K, V>),
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<K: Ord, V: PartialEq> PartialEq for SmallMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

fn search<K: Borrow<Q>, V, Q: Ord + ?Sized>(few: &[(K, V)], key: &Q) -> Result<usize, usize> {
    few.binary_search_by(|(other, _)| other.borrow().cmp(key))
}

impl<K: Ord, V> SmallMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.iter().map(|(key, value)| (key, value))), None),
            Self::Many(many) => (None, Some(many.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.iter_mut().map(|(_, value)| value)), None),
            Self::Many(many) => (None, Some(many.values_mut())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// The entries by themselves, in the order of their keys.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        let (few, many) = match self {
            Self::Few(few) => (few, None),
            Self::Many(many) => (Vec::new(), Some(many)),
        };
        few.into_iter().chain(many.into_iter().flatten())
    }

    pub(crate) fn last_key(&self) -> Option<&K> {
        match self {
            Self::Few(few) => few.last().map(|(key, _)| key),
            Self::Many(many) => many.last_key_value().map(|(key, _)| key),
        }
    }

    /// Makes room for `count` more.
    pub(crate) fn reserve(&mut self, count: usize) {
        if let Self::Few(few) = self {
            few.reserve_exact(count.min(FEW_MAX));
        }
    }

    /// Changes every value and drops those for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        match self {
            Self::Few(few) => few.retain_mut(|(_, value)| keep(value)),
            Self::Many(many) => many.retain(|_, value| keep(value)),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Few(few) => few.get(search(few, key).ok()?).map(|(_, value)| value),
            Self::Many(many) => many.get(key),
        }
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Few(few) => {
                let place = search(few, key).ok()?;
                few.get_mut(place).map(|(_, value)| value)
            }
            Self::Many(many) => many.get_mut(key),
        }
    }

    /// The keys from `first` on and before `end`.
    pub(crate) fn keys_between(&self, first: &K, end: &K) -> impl Iterator<Item = &K> {
        let (few, many) = match self {
            Self::Few(few) => {
                let place = |key: &K| few.partition_point(|(other, _)| other < key);
                (few.get(place(first)..place(end)), None)
            }
            Self::Many(many) => {
                let range = (Bound::Included(first), Bound::Excluded(end));
                (None, (first <= end).then(|| many.range(range)))
            }
        };
        let few = few.into_iter().flatten().map(|(key, _)| key);
        few.chain(many.into_iter().flatten().map(|(key, _)| key))
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            Self::Many(many) => {
                many.insert(key, value);
            }
            Self::Few(few) => {
                let place = match few.last() {
                    Some((last, _)) if *last >= key => search(few, &key),
                    _ => Err(few.len()),
                };
                match place {
                    Ok(place) => {
                        if let Some((_, old)) = few.get_mut(place) {
                            *old = value;
                        }
                    }
                    Err(place) if few.len() < FEW_MAX => few.insert(place, (key, value)),
                    Err(_) => {
                        let mut many: BTreeMap<_, _> = std::mem::take(few).into_iter().collect();
                        many.insert(key, value);
                        *self = Self::Many(many);
                    }
                }
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Few(few) => {
                let place = search(few, key).ok()?;
                Some(few.remove(place).1)
            }
            Self::Many(many) => many.remove(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_small_map_is_a_map(
            steps in proptest::collection::vec((0..4_u8, 0..40_u8, any::<u8>()), 0..120),
            (first, end) in (0..40_u8, 0..40_u8),
        ) {
            let (mut small, mut model) = (SmallMap::default(), BTreeMap::new());
            for (kind, key, value) in steps {
                match kind {
                    0 => prop_assert_eq!(small.remove(&key), model.remove(&key)),
                    1 => {
                        let change = |old: &mut u8| *old = old.wrapping_add(value);
                        small.get_mut(&key).map(change);
                        model.get_mut(&key).map(change);
                    }
                    _ => {
                        small.insert(key, value);
                        model.insert(key, value);
                    }
                }
                prop_assert_eq!(small.get(&key), model.get(&key));
                prop_assert_eq!((small.len(), small.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(small.last_key(), model.keys().next_back());
            }
            prop_assert!(small.iter().eq(&model));
            prop_assert!(small.values().eq(model.values()));
            let between: Vec<_> = small.keys_between(&first, &end).copied().collect();
            let expected = model.keys().copied().filter(|key| (first..end).contains(key));
            prop_assert_eq!(between, expected.collect::<Vec<_>>());
            let odd = |value: &mut u8| {
                *value /= 2;
                *value % 2 == 1
            };
            small.retain(odd);
            model.retain(|_, value| odd(value));
            for value in small.values_mut().chain(model.values_mut()) {
                *value += 1;
            }
            let again: SmallMap<_, _> = SmallMap::Many(model.clone());
            prop_assert_eq!(&small, &again);
            prop_assert!(small.into_entries().eq(model));
        }
    }
}
