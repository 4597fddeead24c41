//! Credentials: signed assertions about identities, devices and members of spaces; the chains
//! that prove a device; and the [`Membership`] of a space, a pure function of the set of its
//! control blocks.
//!
//! No network, no store, no clock: a chain or a presentation can be verified anywhere. What
//! blocks are and how they arrive is `dxos-feed`'s business.
//!
//! ```
//! use dxos_credentials::{DeviceChain, Presentation};
//! use dxos_keys::{DeviceSecret, IdentitySecret, Keyring};
//! # use rand_core::SeedableRng;
//! # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! // An identity signs its first device; its key is then destroyed.
//! let keyring = Keyring::generate(&mut rng);
//! let secret = IdentitySecret::generate(&mut rng);
//! let identity = secret.identity();
//! let chain = DeviceChain::genesis(secret, keyring.device.device(), keyring.sealing.sealing_key());
//!
//! // The device proves to a third party that it acts for the identity.
//! let shown = Presentation::sign(&keyring.device, chain, Vec::new(), b"challenge", "example.com").unwrap();
//! let text = shown.to_string();
//! let shown: Presentation = text.parse().unwrap();
//! let verified = shown.verify(b"challenge", "example.com").unwrap();
//! assert_eq!(verified.identity, identity);
//! ```

mod chain;
mod credential;
mod membership;
mod presentation;
mod profile;
mod role;
mod summary;
mod text;

#[cfg(test)]
mod tests;

pub use chain::{ChainError, DeviceChain, LinkKind, VerifiedDevice};
pub use credential::{Assertion, Credential, CredentialError, GuestProof, Issuer, Seen};
pub use membership::{
    Authority, Change, ControlBlock, Delegated, Departure, Epoch, Erasure, Member, Membership,
    Refused, Renewals, Revocation,
};
pub use presentation::{Presentation, PresentationError};
pub use profile::{Profile, check_display_name};
pub use role::{Right, Role};
pub use summary::Summary;
pub use text::ParseProofError;
