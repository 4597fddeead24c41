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
//! let shown = Presentation::sign(&keyring.device, chain, b"challenge", "example.com");
//! let bytes = shown.encode().unwrap();
//! let verified = Presentation::decode(&bytes).unwrap().verify(b"challenge", "example.com").unwrap();
//! assert_eq!(verified.identity, identity);
//! ```

mod chain;
mod credential;
mod membership;
mod presentation;
mod role;

#[cfg(test)]
mod tests;

pub use chain::{ChainError, DeviceChain, VerifiedDevice};
pub use credential::{Assertion, Credential, CredentialError, Issuer, check_display_name};
pub use membership::{Authority, Change, ControlBlock, Member, Membership, Refused};
pub use presentation::{Presentation, PresentationError};
pub use role::{Right, Role};
