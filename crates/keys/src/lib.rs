//! Keys, signatures, hashes and ids: the names by which everything else in DXOS refers to
//! identities, devices, spaces, feeds, blocks and objects, and the few cryptographic
//! operations behind them.
//!
//! Every public value is a newtype of its own, so that a device key cannot be passed where a
//! space key is meant. Every secret is zeroized when dropped, compared in constant time where
//! it is compared at all, and prints as `DeviceSecret(..)`.
//!
//! It is not a protocol: what is signed and why lives in `dxos-feed` and `dxos-credentials`.
//! It reads no clock and no random source: randomness is passed in.
//!
//! ```
//! use dxos_keys::{DeviceSecret, Domain, Signer};
//! # use rand_core::SeedableRng;
//! # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! let secret = DeviceSecret::generate(&mut rng);
//! let device = secret.device();
//! let signature = secret.sign(Domain::Presentation, b"hello");
//! device.verify(Domain::Presentation, b"hello", &signature).unwrap();
//! assert!(device.verify(Domain::Presentation, b"hullo", &signature).is_err());
//! assert_eq!(device.to_string().parse(), Ok(device));
//! ```

mod content;
mod hash;
mod ids;
mod keyring;
mod recovery;
mod sealing;
mod sign;
mod text;

pub use content::{ContentKey, OpenError, SEAL_OVERHEAD_BYTES};
pub use hash::{HashDomain, Hasher};
pub use ids::{
    BlockHash, BodyHash, ContentKeyId, DeviceKey, FeedId, IdentityKey, InvitationId, ObjectId,
    QueueItemId, SpaceKey, StateHash, Topic,
};
pub use keyring::{
    Argon2Params, KeyPlace, Keyring, KeyringError, KeyringLock, Protection, ProtectionKind, stretch,
};
pub use recovery::{PhraseError, RecoveryKeys, RecoveryPhrase};
pub use sealing::{SealedKey, SealingKey, SealingSecret};
pub use sign::{
    DeviceSecret, Domain, IdentitySecret, Signature, SignatureError, Signer, SpaceSecret,
};
pub use text::ParseKeyError;
