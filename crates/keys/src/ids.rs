//! Newtypes over fixed-size byte strings: what can be shown to anyone.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text::{self, ParseKeyError};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $length:literal, $kind:literal) => {
        id!($(#[$meta])* $name, $length, $kind, "The first", 0..8);
    };
    ($(#[$meta:meta])* $name:ident, $length:literal, $kind:literal, $which:literal, $short:expr) => {
        $(#[$meta])*
        ///
        /// Its text form is z-base-32; it sorts by its bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// How many bytes one has.
            pub const LENGTH: usize = $length;

            /// Takes the bytes as they are. Any bytes are accepted: a key that is no curve
            /// point simply verifies nothing.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Reads one from a slice, `None` when its length is wrong.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            #[doc = concat!($which, " eight characters of the text form, for logs and tables.")]
            pub fn short(&self) -> String {
                let text = self.to_string();
                text.get($short).map(str::to_owned).unwrap_or(text)
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                // Numbers are compared faster than slices, and trees of ids are searched all the
                // time. Every id has 16 or 32 bytes.
                const { assert!(matches!(Self::LENGTH, 16 | 32)) };
                let parts = |id: &Self| {
                    let (parts, _) = id.0.as_chunks();
                    let [first, rest @ ..] = parts else { return (0, 0) };
                    let second = rest.first().map_or(0, |part| u128::from_be_bytes(*part));
                    (u128::from_be_bytes(*first), second)
                };
                parts(self).cmp(&parts(other))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&text::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseKeyError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text::decode($kind, text).map(Self)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    <[u8; $length]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

id!(
    /// The public key of an identity: it signed the identity's first device and its recovery
    /// key, and was then destroyed.
    IdentityKey, 32, "identity key"
);
id!(
    /// The public key of a device: it signs blocks and credentials and is the peer's name in
    /// TLS.
    DeviceKey, 32, "device key"
);
id!(
    /// The public key of a space: it signed the genesis credential and was then destroyed.
    /// Members keep it to themselves; the network sees a [`Topic`].
    SpaceKey, 32, "space key"
);
id!(
    /// The name of a feed: the hash of its device, space, designation and incarnation.
    FeedId, 32, "feed id"
);
id!(
    /// The hash of a block's header and signature, by which other blocks refer to it.
    BlockHash, 32, "block hash"
);
id!(
    /// The hash of a block's body.
    BodyHash, 32, "body hash"
);
id!(
    /// The hash of a replica's visible state; equal states have equal hashes.
    StateHash, 32, "state hash"
);
id!(
    /// What devices that share a space announce themselves under: a keyed hash that does not
    /// give the space key away.
    Topic, 32, "topic"
);
id!(
    /// The name of a content key, derived from it, that tells which key opens a body.
    ContentKeyId, 16, "content key id"
);
id!(
    /// The name of an object in a space.
    // It begins with a time: what tells it from its neighbours is at its end.
    ObjectId, 16, "object id", "The last", 18..26
);
id!(
    /// The name of an item of a queue: the hash of the device that wrote it and of what that
    /// device drew at random. Written again, as after a fork, it keeps it.
    QueueItemId, 16, "queue item id"
);
id!(
    /// The name of an invitation.
    InvitationId, 16, "invitation id"
);

impl ObjectId {
    /// Draws a new one from `rng` for an object that is created at `now_ms`, milliseconds since
    /// 1970: 48 bits of the time, then 80 random ones, so two never meet.
    ///
    /// Ids that are made one after the other stand side by side in every ordered table, which
    /// makes tables much faster to write and to read. The time orders nothing else, and nobody
    /// relies on it: any 16 bytes are an id.
    pub fn generate_at(now_ms: u64, rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        let [_, _, time @ ..] = now_ms.to_be_bytes();
        if let Some(front) = bytes.first_chunk_mut() {
            *front = time;
        }
        Self(bytes)
    }
}

impl InvitationId {
    /// Draws a new one from `rng`; 128 random bits, so two never meet.
    pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn text_form_is_stable() {
        let key = SpaceKey::from_bytes([7; 32]);
        assert_eq!(
            key.to_string(),
            "yhdoqba8yhdoqba8yhdoqba8yhdoqba8yhdoqba8yhdoqba8yhdo".to_string()
        );
        assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
    }

    #[test]
    fn an_object_id_made_later_sorts_later() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let ids: Vec<_> = [0, 1, 255, 256, 1 << 40, (1 << 48) - 1]
            .map(|ms| ObjectId::generate_at(ms, &mut rng))
            .into();
        assert!(ids.is_sorted());
        // Beyond the year 10889 the count begins again.
        assert!(ObjectId::generate_at(1 << 48, &mut rng) < ids[1]);
        let together = [(); 2].map(|()| ObjectId::generate_at(1_800_000_000_000, &mut rng));
        assert_ne!(together[0], together[1]);
        assert_ne!(together[0].short(), together[1].short());
        assert!(together[0].to_string().ends_with(&together[0].short()));
    }

    #[test]
    fn ids_are_ordered_as_their_bytes_are() {
        let base = [7_u8; 32];
        let mut all = vec![base];
        for at in [0, 1, 7, 8, 15, 16, 17, 31] {
            for value in [0, 6, 8, 0x80, 255] {
                let mut other = base;
                other[at] = value;
                all.push(other);
            }
        }
        for one in &all {
            for two in &all {
                let ids = [one, two].map(|bytes| FeedId::from_bytes(*bytes));
                assert_eq!(ids[0].cmp(&ids[1]), one.cmp(two));
                let short = [one, two].map(|bytes| ObjectId::from_slice(&bytes[..16]).unwrap());
                assert_eq!(short[0].cmp(&short[1]), one[..16].cmp(&two[..16]));
            }
        }
    }

    #[test]
    fn text_form_is_refused_when_cut_or_mistyped() {
        let text = SpaceKey::from_bytes([7; 32]).to_string();
        assert!(matches!(
            text[..40].parse::<SpaceKey>(),
            Err(ParseKeyError::Length { .. })
        ));
        assert!(matches!(
            "".parse::<SpaceKey>(),
            Err(ParseKeyError::Length { found: 0, .. })
        ));
        let mistyped = format!("l{}", &text[1..]);
        assert_eq!(
            mistyped.parse::<SpaceKey>(),
            Err(ParseKeyError::Alphabet { kind: "space key" })
        );
        assert!("ключ".parse::<SpaceKey>().is_err());
    }

    #[test]
    fn json_is_text_and_binary_is_bytes() {
        let id = ObjectId::from_bytes([9; 16]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<ObjectId>(&json).unwrap(), id);
        assert_eq!(postcard::to_allocvec(&id).unwrap(), [9; 16]);
    }
}
