//! Ranges, order, snapshots.

use std::ops::Bound;

use bytes::Bytes;

use super::{A, B, Opener, keys, rows};
use crate::{Batch, Direction, Durability, KeyRange};

const KEYS: [&str; 6] = ["a", "aa", "ab", "b", "ba", "c"];

fn filled() -> Batch {
    let mut batch = Batch::new();
    for key in KEYS.iter().rev() {
        batch.put(A, *key, key.to_uppercase());
    }
    batch
}

/// Scans give every key once, in the order of bytes, from either end; other keyspaces do not
/// show, and one that was never written is empty.
pub fn directions(open: &impl Opener) {
    let store = open().unwrap();
    store.commit(filled(), Durability::Buffered).unwrap();
    let mut expected: Vec<(Bytes, Bytes)> = KEYS
        .iter()
        .map(|key| (Bytes::from(*key), Bytes::from(key.to_uppercase())))
        .collect();
    assert_eq!(
        rows(&*store, A, KeyRange::all(), Direction::Forward),
        expected
    );
    expected.reverse();
    assert_eq!(
        rows(&*store, A, KeyRange::all(), Direction::Reverse),
        expected
    );
    assert_eq!(rows(&*store, B, KeyRange::all(), Direction::Forward), []);
    assert_eq!(rows(&*store, B, KeyRange::all(), Direction::Reverse), []);
    assert_eq!(store.get(B, b"a").unwrap(), None);
    assert!(store.contains(A, b"ab").unwrap());
    assert!(!store.contains(A, b"abc").unwrap());
    // Only as much as is asked for is read: the last key at once.
    let last = store
        .scan(A, KeyRange::all(), Direction::Reverse)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(last.0, "c");
}

/// Every pair of bounds selects what [`KeyRange::contains`] says, empty and inverted ranges
/// included.
pub fn bounds(open: &impl Opener) {
    let store = open().unwrap();
    store.commit(filled(), Durability::Buffered).unwrap();
    let mut limits = vec![Bound::Unbounded];
    for key in ["", "a", "aaa", "ab", "b", "c", "d"] {
        limits.push(Bound::Included(Bytes::from(key)));
        limits.push(Bound::Excluded(Bytes::from(key)));
    }
    for start in &limits {
        for end in &limits {
            let range = KeyRange::new(start.clone(), end.clone());
            let expected: Vec<&str> = KEYS
                .iter()
                .copied()
                .filter(|key| range.contains(key.as_bytes()))
                .collect();
            assert_eq!(keys(&*store, range.clone()), expected, "{range:?}");
        }
    }
}

/// Prefixes, those that end in 0xff and the empty one included.
pub fn prefixes(open: &impl Opener) {
    let store = open().unwrap();
    let present: [&[u8]; 9] = [
        b"\x00",
        b"\x00\x00",
        b"p",
        b"p\xfe",
        b"p\xff",
        b"p\xff\xff\x01",
        b"q",
        b"\xff",
        b"\xff\xff\xff",
    ];
    let mut batch = Batch::new();
    for key in present {
        batch.put(A, key, "");
    }
    store.commit(batch, Durability::Buffered).unwrap();
    let prefixes: [&[u8]; 9] = [
        b"",
        b"\x00",
        b"p",
        b"p\xfe",
        b"p\xff",
        b"p\xff\xff",
        b"\xff",
        b"\xff\xff",
        b"x",
    ];
    for prefix in prefixes {
        let expected: Vec<&[u8]> = present
            .into_iter()
            .filter(|key| key.starts_with(prefix))
            .collect();
        assert_eq!(
            keys(&*store, KeyRange::prefix(prefix)),
            expected,
            "{prefix:?}"
        );
    }
}

/// A scan shows the moment at which it began, however many batches follow.
pub fn scan_while_writing(open: &impl Opener) {
    let store = open().unwrap();
    store.commit(filled(), Durability::Buffered).unwrap();
    let mut forward = store.scan(A, KeyRange::all(), Direction::Forward);
    let mut reverse = store.scan(A, KeyRange::all(), Direction::Reverse);
    assert_eq!(
        forward.next().unwrap().unwrap(),
        (Bytes::from("a"), Bytes::from("A"))
    );
    assert_eq!(
        reverse.next().unwrap().unwrap(),
        (Bytes::from("c"), Bytes::from("C"))
    );
    let mut batch = Batch::new();
    for key in KEYS {
        batch.put(A, key, "new");
    }
    batch
        .delete(A, "b")
        .put(A, "aaa", "new")
        .put(A, "bb", "new");
    store.commit(batch, Durability::Buffered).unwrap();
    let rest: Vec<Bytes> = forward.map(|row| row.unwrap().1).collect();
    assert_eq!(rest, ["AA", "AB", "B", "BA", "C"]);
    let rest: Vec<Bytes> = reverse.map(|row| row.unwrap().1).collect();
    assert_eq!(rest, ["BA", "B", "AB", "AA", "A"]);
    assert_eq!(
        keys(&*store, KeyRange::all()),
        ["a", "aa", "aaa", "ab", "ba", "bb", "c"]
    );
}
