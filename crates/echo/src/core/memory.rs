//! How much memory the objects of open spaces may take, all spaces together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bound where none is given. Tests are to see what happens when it is reached.
pub(crate) const DEFAULT_BYTES: usize = if cfg!(test) { 8 << 10 } else { 32 << 20 };
/// What is left to a space however many are open.
const SHARE_MIN: usize = if cfg!(test) { 2 << 10 } else { 64 << 10 };

/// The bound, and among how many spaces it is divided.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: usize,
    spaces: AtomicUsize,
}

impl Memory {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            spaces: AtomicUsize::new(0),
        })
    }
}

/// The part of one space: less as more are open.
#[derive(Debug)]
pub(crate) struct Share(Arc<Memory>);

impl Share {
    pub(crate) fn of(memory: &Arc<Memory>) -> Self {
        memory.spaces.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(memory))
    }

    /// The same part once more, to be held instead of this one.
    pub(crate) fn again(&self) -> Self {
        Self::of(&self.0)
    }

    pub(crate) fn bytes(&self) -> usize {
        let spaces = self.0.spaces.load(Ordering::Relaxed).max(1);
        (self.0.bytes / spaces).max(SHARE_MIN)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.spaces.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_divide_the_memory_while_they_are_open() {
        let memory = Memory::new(1 << 20);
        let one = Share::of(&memory);
        assert_eq!(one.bytes(), 1 << 20);
        let two = Share::of(&memory);
        assert_eq!((one.bytes(), two.bytes()), (1 << 19, 1 << 19));
        drop(two);
        assert_eq!(one.bytes(), 1 << 20);
        let many: Vec<_> = (0..1_000).map(|_| Share::of(&memory)).collect();
        assert_eq!(many[999].bytes(), SHARE_MIN);
    }
}
