//! Newtypes over fixed-size byte strings: what can be shown to anyone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text::{self, ParseKeyError};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $length:literal, $kind:literal) => {
        $(#[$meta])*
        ///
        /// Its text form is z-base-32; it sorts by its bytes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

            /// The first eight characters of the text form, for logs and tables.
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(8);
                text
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
    ObjectId, 16, "object id"
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

macro_rules! random_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// Draws a new one from `rng`; 128 random bits, so two never meet.
            pub fn generate(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }
    )*};
}
random_id!(ObjectId, InvitationId);

#[cfg(test)]
mod tests {
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
