//! Bounds on what one transaction may hold.

/// The bounds that encoding, decoding and applying operations keep to. They are the same on
/// every replica of a space: an operation that one accepts and another refuses would part them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations in one transaction. Default: 65,536; never more than 2^20.
    pub ops_max: usize,
    /// Nesting: the parts of a path plus the nesting of the value assigned at it, where a scalar
    /// has none and each list, set or map adds one. Default: 64.
    pub depth_max: usize,
    /// Parts of one path. Default: 64.
    pub path_parts_max: usize,
    /// Bytes of one part of a path, one key of a map, or a type name. Default: 1 KiB.
    pub part_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ops_max: 65_536,
            depth_max: 64,
            path_parts_max: 64,
            part_bytes_max: 1024,
        }
    }
}

/// Which bound was passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Path and value are nested too deeply. Store the inner part as an object of its own.
    #[error("a value is nested deeper than {max} levels; make its inner part an object of its own")]
    Depth {
        /// The bound.
        max: usize,
    },
    /// A transaction has too many operations. Split it.
    #[error("a transaction has {found} operations, at most {max} are allowed; split it")]
    Ops {
        /// How many there are.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// A key, part of a path or type name is too long. Shorten it.
    #[error("a property or type name has {found} bytes, at most {max} are allowed; shorten it")]
    PartBytes {
        /// How long it is.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// The name of a queue is empty or too long.
    #[error("the name of a queue has {found} bytes; give it 1 to {max}")]
    QueueName {
        /// How long it is.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// An item of a queue is too large. Split it, or store it as an object that it refers to.
    #[error(
        "an item of a queue has {found} bytes, at most {max} are allowed; split it, or refer to \
         an object"
    )]
    QueueItem {
        /// How large it is.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// A path has too many parts. Store the inner part as an object of its own.
    #[error("a path has {found} parts, at most {max} are allowed; make its inner part an object")]
    PathParts {
        /// How many there are.
        found: usize,
        /// The bound.
        max: usize,
    },
}

impl Limits {
    pub(crate) fn name(&self, name: &str) -> Result<(), LimitError> {
        if name.len() > self.part_bytes_max {
            return Err(LimitError::PartBytes {
                found: name.len(),
                max: self.part_bytes_max,
            });
        }
        Ok(())
    }

    pub(crate) fn ops(&self, found: usize) -> Result<(), LimitError> {
        let max = self.ops_max.min(1 << 20);
        if found > max {
            return Err(LimitError::Ops { found, max });
        }
        Ok(())
    }

    /// Takes `levels` off what is left of the allowed depth.
    pub(crate) fn descend(&self, left: usize, levels: usize) -> Result<usize, LimitError> {
        left.checked_sub(levels).ok_or(LimitError::Depth {
            max: self.depth_max,
        })
    }

    pub(crate) fn parts(&self, found: usize) -> Result<(), LimitError> {
        if found > self.path_parts_max {
            return Err(LimitError::PathParts {
                found,
                max: self.path_parts_max,
            });
        }
        Ok(())
    }
}
