//! Names of keyspaces.

use std::fmt;

/// The name of an ordered map of its own inside a store. Keys of one keyspace never mix with
/// those of another; a batch may write to several of them.
///
/// A keyspace comes into being with the first write to it, and reads as empty until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keyspace(&'static str);

impl Keyspace {
    /// Names a keyspace. The name becomes part of the disk format. Meant for constants:
    ///
    /// ```
    /// # use dxos_store::Keyspace;
    /// const BLOCKS: Keyspace = Keyspace::new("blocks");
    /// ```
    ///
    /// # Panics
    ///
    /// Unless the name is 1 to 64 characters of `a-z`, `0-9`, `-`, `_` and `.`; in a constant,
    /// that is an error of compilation.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        assert!(
            !rest.is_empty() && rest.len() <= 64,
            "a keyspace name has 1 to 64 characters"
        );
        while let [first, tail @ ..] = rest {
            assert!(
                matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'),
                "a keyspace name is of a-z, 0-9, '-', '_' and '.'"
            );
            rest = tail;
        }
        Self(name)
    }

    /// The name as given.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
