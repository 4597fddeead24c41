//! Randomness that can be replayed.

use std::fmt;

use rand::{TryRng, rngs::SysRng};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A seed with labelled children, so that every component draws from a stream of its own:
/// draws in one never shift another, and one seed replays a whole simulated world.
///
/// A path of labels names one stream. Ask for each once: who asks again gets the same numbers
/// again, which for keys and nonces would be fatal.
///
/// ```
/// use dxos_actors::SeedTree;
/// let world = SeedTree::from_seed(7);
/// let echo = world.child_n("node", 3).child("echo");
/// assert_ne!(echo.seed(), world.child_n("node", 4).child("echo").seed());
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SeedTree {
    key: [u8; 32],
}

/// The operating system gave no randomness, so no secret can be made: see to it that its random
/// device works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness ({text}): see to it that its random device works")]
pub struct SeedError {
    text: String,
}

const CHILD: &str = "dxos-actors v1 seed tree: child";
const NUMBERED: &str = "dxos-actors v1 seed tree: numbered child";
const BYTES: &str = "dxos-actors v1 seed tree: bytes";
const NUMBER: &str = "dxos-actors v1 seed tree: number";
const RNG: &str = "dxos-actors v1 seed tree: rng";
const ROOT: &str = "dxos-actors v1 seed tree: root";

impl SeedTree {
    /// Returns a tree seeded by the operating system: for everything but simulations.
    ///
    /// # Errors
    ///
    /// [`SeedError`].
    pub fn from_os() -> Result<Self, SeedError> {
        let mut key = [0; 32];
        match SysRng.try_fill_bytes(&mut key) {
            Ok(()) => Ok(Self { key }),
            Err(error) => Err(SeedError {
                text: error.to_string(),
            }),
        }
    }

    /// Returns the tree of a seed that people can type: for simulations and tests only.
    pub fn from_seed(seed: u64) -> Self {
        Self {
            key: blake3::derive_key(ROOT, &seed.to_le_bytes()),
        }
    }

    /// Returns the child of a label.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self {
            key: self.derive(CHILD, label.as_bytes()),
        }
    }

    /// Returns the numbered child of a label, such as a node.
    #[must_use]
    pub fn child_n(&self, label: &str, n: u64) -> Self {
        let name = [&n.to_le_bytes(), label.as_bytes()].concat();
        Self {
            key: self.derive(NUMBERED, &name),
        }
    }

    /// Returns the generator of this place in the tree, at its beginning.
    pub fn rng(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.derive(RNG, &[]))
    }

    /// Returns the generator of a child, at its beginning.
    pub fn rng_of(&self, label: &str) -> ChaCha20Rng {
        self.child(label).rng()
    }

    /// Returns a number for things that take such a seed.
    pub fn seed(&self) -> u64 {
        let bytes = self.derive(NUMBER, &[]);
        let number = bytes.first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(number)
    }

    /// Returns bytes for things that take such a seed.
    pub fn bytes(&self) -> [u8; 32] {
        self.derive(BYTES, &[])
    }

    fn derive(&self, context: &'static str, name: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.key).update(name);
        hasher.finalize().into()
    }
}

impl fmt::Debug for SeedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedTree(..)")
    }
}
