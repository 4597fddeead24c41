//! Presentations: a device proves to a third party that it acts for an identity, and shows what
//! others signed about that.

use dxos_keys::{Domain, HashDomain, Hasher, Signature, Signer};
use dxos_wire::limits::{PRESENTATION_BYTES_MAX, PRESENTATION_CREDENTIALS_MAX};
use serde::{Deserialize, Serialize};

use crate::{Credential, CredentialError, DeviceChain, LinkKind, VerifiedDevice};

const VERSION: u8 = 2;

/// A device chain and any further credentials, with the device's signature of them, of a
/// challenge, and of whom they are meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    chain: DeviceChain,
    credentials: Vec<Credential>,
    signature: Signature,
}

/// What is sent. Credentials stand as bytes, so that they are counted before any is verified.
#[derive(Serialize, Deserialize)]
struct Parts {
    chain: DeviceChain,
    credentials: Vec<Vec<u8>>,
    signature: Signature,
}

/// Why a presentation proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// One of the credentials in it does not hold.
    #[error("credential {number} of the presentation does not hold: {error}")]
    Credential {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong.
        error: CredentialError,
    },
    /// The bytes are no presentation.
    #[error(transparent)]
    Malformed(#[from] dxos_wire::DecodeError),
    /// The same presentation is written in another way than the one way there is. Refuse it.
    #[error("the presentation is not in its canonical form")]
    NotCanonical,
    /// A recovery phrase signed it. It may bring an identity back and do nothing else.
    #[error("a recovery phrase cannot present anything; use a device of the identity")]
    RecoveryKey,
    /// It was made for another challenge or audience, altered, or signed by another device than
    /// the one at the end of its chain.
    #[error("the presentation was made for another challenge or audience, or by another device")]
    Signature,
    /// It is too large. Show fewer credentials.
    #[error(
        "presentation of {found} bytes, more than the {PRESENTATION_BYTES_MAX} allowed; show fewer credentials"
    )]
    TooLarge {
        /// Its length.
        found: usize,
    },
    /// It shows too many credentials.
    #[error(
        "presentation of {found} credentials, more than the {PRESENTATION_CREDENTIALS_MAX} allowed"
    )]
    TooMany {
        /// How many.
        found: usize,
    },
}

/// The identity is part of it: whoever authorizes somebody else's device for an identity of its
/// own cannot put that chain under the device's signature.
fn message(
    chain: &DeviceChain,
    credentials: &[Vec<u8>],
    challenge: &[u8],
    audience: &str,
) -> [u8; 32] {
    let mut hasher = Hasher::new(HashDomain::Presentation);
    hasher
        .part(chain.device().identity.as_bytes())
        .part(challenge)
        .part(audience.as_bytes())
        .update(&(credentials.len() as u64).to_le_bytes());
    for credential in credentials {
        hasher.part(credential);
    }
    hasher.finish()
}

impl Presentation {
    /// Signs `challenge`, which the third party drew, for `audience`, such as its host name, so
    /// that it cannot show the result to somebody else as its own. The `credentials` are shown
    /// with it, at most [`PRESENTATION_CREDENTIALS_MAX`] and
    /// [`PRESENTATION_BYTES_MAX`] bytes with the chain: everybody who gets the presentation reads
    /// them.
    ///
    /// # Errors
    ///
    /// [`PresentationError::TooMany`] or [`PresentationError::TooLarge`].
    pub fn sign(
        signer: &dyn Signer,
        chain: DeviceChain,
        credentials: Vec<Credential>,
        challenge: &[u8],
        audience: &str,
    ) -> Result<Self, PresentationError> {
        let found = credentials.len();
        if found > PRESENTATION_CREDENTIALS_MAX {
            return Err(PresentationError::TooMany { found });
        }
        let message = message(&chain, &encoded(&credentials), challenge, audience);
        let signature = signer.sign(Domain::Presentation, &message);
        let presentation = Self {
            chain,
            credentials,
            signature,
        };
        let found = presentation
            .encode()
            .map_or(usize::MAX, |bytes| bytes.len());
        if found > PRESENTATION_BYTES_MAX {
            return Err(PresentationError::TooLarge { found });
        }
        Ok(presentation)
    }

    /// Verifies it: the device at the end of the chain acts for the identity, and signed this
    /// challenge for this audience. No network is needed, so that a device which was revoked in
    /// the meantime is not noticed: whoever needs to know asks a space.
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
        let credentials = encoded(&self.credentials);
        let message = message(&self.chain, &credentials, challenge, audience);
        verified
            .device
            .verify(Domain::Presentation, &message, &self.signature)
            .map_err(|_| PresentationError::Signature)?;
        match verified.kind {
            LinkKind::Device => Ok(verified),
            LinkKind::RecoveryKey => Err(PresentationError::RecoveryKey),
        }
    }

    /// How the device belongs to its identity.
    pub const fn chain(&self) -> &DeviceChain {
        &self.chain
    }

    /// The further credentials. Each was signed by whom it names as its issuer; whether that one
    /// had the right to say so, and whether it is about the identity of
    /// [`Presentation::verify`], is for the reader to judge.
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// The bytes that [`Presentation::decode`] reads.
    ///
    /// # Errors
    ///
    /// [`dxos_wire::EncodeError`] when a part cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, dxos_wire::EncodeError> {
        let parts = Parts {
            chain: self.chain.clone(),
            credentials: encoded(&self.credentials),
            signature: self.signature,
        };
        dxos_wire::encode(VERSION, &parts)
    }

    /// Reads a presentation, all of `bytes`, and verifies its chain and its credentials.
    ///
    /// # Errors
    ///
    /// [`PresentationError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, PresentationError> {
        if bytes.len() > PRESENTATION_BYTES_MAX {
            return Err(PresentationError::TooLarge { found: bytes.len() });
        }
        let Parts {
            chain,
            credentials,
            signature,
        } = dxos_wire::decode(VERSION, bytes)?;
        let found = credentials.len();
        if found > PRESENTATION_CREDENTIALS_MAX {
            return Err(PresentationError::TooMany { found });
        }
        let credentials = credentials.iter().enumerate().map(|(at, bytes)| {
            let number = at + 1;
            Credential::decode(bytes)
                .map_err(|error| PresentationError::Credential { number, error })
        });
        let presentation = Self {
            chain,
            credentials: credentials.collect::<Result<_, _>>()?,
            signature,
        };
        // Numbers can be written longer than they need to be.
        if presentation.encode().is_ok_and(|again| again == bytes) {
            Ok(presentation)
        } else {
            Err(PresentationError::NotCanonical)
        }
    }
}

fn encoded(credentials: &[Credential]) -> Vec<Vec<u8>> {
    credentials.iter().map(Credential::encode).collect()
}
