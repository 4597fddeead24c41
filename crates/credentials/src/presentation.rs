//! Presentations: a device proves to a third party that it acts for an identity.

use dxos_keys::{Domain, HashDomain, Hasher, IdentityKey, Signature, Signer};
use serde::{Deserialize, Serialize};

use crate::{DeviceChain, VerifiedDevice};

const VERSION: u8 = 1;
/// A presentation, encoded.
const BYTES_MAX: usize = 64 * 1024;

/// A device chain with the device's signature of a challenge and of whom it is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    chain: DeviceChain,
    signature: Signature,
}

/// Why a presentation proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// The bytes are no presentation.
    #[error(transparent)]
    Malformed(#[from] dxos_wire::DecodeError),
    /// It was made for another challenge or audience, or altered.
    #[error("the presentation was made for another challenge or audience")]
    Signature,
    /// It is too large.
    #[error("presentation of {found} bytes, more than the {BYTES_MAX} allowed")]
    TooLarge {
        /// Its length.
        found: usize,
    },
}

/// The identity is part of it: whoever authorizes somebody else's device for an identity of its
/// own cannot put that chain under the device's signature.
fn message(identity: &IdentityKey, challenge: &[u8], audience: &str) -> [u8; 32] {
    Hasher::new(HashDomain::Credential)
        .part(identity.as_bytes())
        .part(challenge)
        .part(audience.as_bytes())
        .finish()
}

impl Presentation {
    /// Signs `challenge`, which the third party drew, for `audience`, such as its host name, so
    /// that it cannot show the result to somebody else as its own.
    pub fn sign(signer: &dyn Signer, chain: DeviceChain, challenge: &[u8], audience: &str) -> Self {
        let message = message(&chain.device().identity, challenge, audience);
        let signature = signer.sign(Domain::Presentation, &message);
        Self { chain, signature }
    }

    /// Verifies it; no network is needed.
    ///
    /// # Errors
    ///
    /// [`PresentationError`] says what is wrong.
    pub fn verify(
        &self,
        challenge: &[u8],
        audience: &str,
    ) -> Result<VerifiedDevice, PresentationError> {
        let verified = self.chain.device();
        verified
            .device
            .verify(
                Domain::Presentation,
                &message(&verified.identity, challenge, audience),
                &self.signature,
            )
            .map_err(|_| PresentationError::Signature)?;
        Ok(verified)
    }

    /// The bytes that [`Presentation::decode`] reads.
    ///
    /// # Errors
    ///
    /// [`dxos_wire::EncodeError`] when a part cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, dxos_wire::EncodeError> {
        dxos_wire::encode(VERSION, self)
    }

    /// Reads a presentation: all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`PresentationError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, PresentationError> {
        if bytes.len() > BYTES_MAX {
            return Err(PresentationError::TooLarge { found: bytes.len() });
        }
        Ok(dxos_wire::decode(VERSION, bytes)?)
    }
}
