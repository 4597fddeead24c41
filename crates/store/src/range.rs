//! Ranges of keys.

use std::ops::Bound;

use bytes::Bytes;

/// A range of keys, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    start: Bound<Bytes>,
    end: Bound<Bytes>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
        }
    }

    /// Every key within the two bounds. A range whose start is after its end is empty.
    #[must_use]
    pub const fn new(start: Bound<Bytes>, end: Bound<Bytes>) -> Self {
        Self { start, end }
    }

    /// Keys from `start` up to but without `end`.
    #[must_use]
    pub fn between(start: &[u8], end: &[u8]) -> Self {
        Self {
            start: Bound::Included(Bytes::copy_from_slice(start)),
            end: Bound::Excluded(Bytes::copy_from_slice(end)),
        }
    }

    /// Keys that begin with `prefix`, itself included; every key for an empty one.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        // The end is the prefix with its last byte that is not 0xff raised by one and the
        // rest dropped; a prefix of nothing but 0xff has no end.
        let end = prefix
            .iter()
            .rposition(|byte| *byte != 0xff)
            .and_then(|last| prefix.get(..=last))
            .and_then(|kept| kept.split_last())
            .map(|(last, head)| [head, &[last.saturating_add(1)]].concat());
        Self {
            start: Bound::Included(Bytes::copy_from_slice(prefix)),
            end: end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.into())),
        }
    }

    /// Where the range starts.
    pub fn start(&self) -> Bound<&[u8]> {
        self.start.as_ref().map(AsRef::as_ref)
    }

    /// Where the range ends.
    pub fn end(&self) -> Bound<&[u8]> {
        self.end.as_ref().map(AsRef::as_ref)
    }

    /// Whether the key lies within.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match self.start() {
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
            Bound::Unbounded => true,
        };
        let before_end = match self.end() {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        after_start && before_end
    }

    /// Whether the bounds alone say that there is no key within, as when the start is after
    /// the end.
    pub fn is_empty(&self) -> bool {
        match (self.start(), self.end()) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
        }
    }

    /// The range without `key` and all before it.
    #[must_use]
    pub(crate) fn after(self, key: Bytes) -> Self {
        Self {
            start: Bound::Excluded(key),
            end: self.end,
        }
    }

    /// The range without `key` and all after it.
    #[must_use]
    pub(crate) fn before(self, key: Bytes) -> Self {
        Self {
            start: self.start,
            end: Bound::Excluded(key),
        }
    }
}
