//! What a member may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The role of a member in a space, from the least to the most powerful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Carries ciphertext for others and cannot read it.
    Replicator,
    /// Reads.
    Reader,
    /// Reads and writes.
    Editor,
    /// Reads, writes, admits and removes.
    Admin,
}

/// Something that a role may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To hold and pass on blocks.
    Replicate,
    /// To get the content keys.
    Read,
    /// To write transactions.
    Write,
    /// To admit, remove, rotate keys.
    Admit,
}

impl Role {
    /// Whether the role allows it.
    pub const fn allows(self, right: Right) -> bool {
        match right {
            Right::Replicate => true,
            Right::Read => !matches!(self, Self::Replicator),
            Right::Write => matches!(self, Self::Editor | Self::Admin),
            Right::Admit => matches!(self, Self::Admin),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Replicator => "replicator",
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Replicator, Self::Reader, Self::Editor, Self::Admin]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| format!("{text:?} is no role; use admin, editor, reader or replicator"))
    }
}
