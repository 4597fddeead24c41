//! What a stream between two devices is for.

/// The extension that a stream belongs to. Every stream begins with two bytes: kind, version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StreamKind {
    /// Proof of membership in a swarm's space. One a swarm and connection.
    Auth,
    /// Ephemeral messages and presence.
    Gossip,
    /// Joining a space or adding a device.
    Invitation,
    /// Bringing an identity back with its recovery phrase.
    Recovery,
    /// Blocks of a space.
    Replicate,
    /// Rendezvous with a signalling server.
    Signal,
}

/// Which stream's data goes first on one connection; higher is sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// History that a peer asked for.
    Backfill,
    /// What was written just now.
    Live,
    /// Admission, authentication, rendezvous.
    Control,
}

/// A peer opened a stream of a kind or version that this program does not know. Refuse the
/// stream; the rest of the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream of kind {kind} and version {version} is not known here")]
pub struct StreamKindError {
    /// The kind's byte.
    pub kind: u8,
    /// The version's byte.
    pub version: u8,
}

impl StreamKind {
    /// The version of this kind that this program speaks.
    pub const fn version(self) -> u8 {
        match self {
            Self::Auth
            | Self::Gossip
            | Self::Invitation
            | Self::Recovery
            | Self::Replicate
            | Self::Signal => 1,
        }
    }

    /// The default priority of a stream of this kind.
    pub const fn priority(self) -> Priority {
        match self {
            Self::Auth | Self::Invitation | Self::Recovery | Self::Signal => Priority::Control,
            Self::Gossip | Self::Replicate => Priority::Live,
        }
    }

    /// The two bytes with which a stream of this kind begins.
    pub const fn to_bytes(self) -> [u8; 2] {
        let kind = match self {
            Self::Auth => 1,
            Self::Replicate => 2,
            Self::Gossip => 3,
            Self::Invitation => 4,
            Self::Signal => 5,
            Self::Recovery => 6,
        };
        [kind, self.version()]
    }

    /// Reads the two bytes with which a stream begins.
    ///
    /// # Errors
    ///
    /// [`StreamKindError`] when kind or version is unknown.
    pub const fn from_bytes([kind, version]: [u8; 2]) -> Result<Self, StreamKindError> {
        let known = match kind {
            1 => Self::Auth,
            2 => Self::Replicate,
            3 => Self::Gossip,
            4 => Self::Invitation,
            5 => Self::Signal,
            6 => Self::Recovery,
            _ => return Err(StreamKindError { kind, version }),
        };
        if known.version() == version {
            Ok(known)
        } else {
            Err(StreamKindError { kind, version })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip_and_unknown_ones_are_refused() {
        for kind in [
            StreamKind::Auth,
            StreamKind::Gossip,
            StreamKind::Invitation,
            StreamKind::Recovery,
            StreamKind::Replicate,
            StreamKind::Signal,
        ] {
            assert_eq!(StreamKind::from_bytes(kind.to_bytes()), Ok(kind));
            let [byte, version] = kind.to_bytes();
            assert!(StreamKind::from_bytes([byte, version + 1]).is_err());
        }
        assert!(StreamKind::from_bytes([0, 1]).is_err());
        assert!(StreamKind::from_bytes([99, 1]).is_err());
    }
}
