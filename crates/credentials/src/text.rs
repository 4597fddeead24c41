//! Chains and presentations as text that can be pasted: URL-safe, with a checksum, so that a
//! garbled copy is told from a forgery.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use dxos_keys::{HashDomain, Hasher};
use dxos_wire::limits::{CHAIN_TEXT_BYTES_MAX, PRESENTATION_BYTES_MAX};

use crate::chain::{self, DeviceChain};
use crate::{Presentation, PresentationError};

const CHECKSUM_BYTES: usize = 4;

const CHAIN: Kind = Kind {
    name: "device chain",
    prefix: "dxc1_",
    text_bytes_max: CHAIN_TEXT_BYTES_MAX,
};
const PRESENTATION: Kind = Kind {
    name: "presentation",
    prefix: "dxp1_",
    // Base64 and the rest take less than twice the bytes.
    text_bytes_max: 2 * PRESENTATION_BYTES_MAX,
};

struct Kind {
    name: &'static str,
    prefix: &'static str,
    text_bytes_max: usize,
}

/// Why a text is no device chain or no presentation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProofError {
    /// It was cut or altered on the way.
    #[error("the {kind} is garbled; copy all of it again")]
    Garbled {
        /// What was being read, such as `device chain`.
        kind: &'static str,
    },
    /// A newer program made it.
    #[error("the {kind} was made by a newer version of this program; update to use it")]
    Newer {
        /// What was being read.
        kind: &'static str,
    },
    /// It does not begin like one.
    #[error("this is no {kind}: it does not begin with {prefix:?}; copy all of it")]
    Prefix {
        /// What was being read.
        kind: &'static str,
        /// How one begins.
        prefix: &'static str,
    },
    /// It came as it was made, and proves nothing. Refuse it.
    #[error("the {kind} proves nothing: {reason}")]
    Refused {
        /// What was being read.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It is far too long.
    #[error("{kind} of {found} bytes, more than the {max} allowed")]
    TooLong {
        /// What was being read.
        kind: &'static str,
        /// Its length.
        found: usize,
        /// The greatest one.
        max: usize,
    },
}

impl Kind {
    fn checksum(&self, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut hasher = Hasher::new(HashDomain::ProofText);
        let [a, b, c, d, ..] = hasher.part(self.prefix.as_bytes()).update(bytes).finish();
        [a, b, c, d]
    }

    fn write(&self, mut bytes: Vec<u8>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        bytes.extend(self.checksum(&bytes));
        formatter.write_str(self.prefix)?;
        formatter.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }

    /// The bytes as they were made. White space is left out: a long line may come wrapped.
    fn read(&self, text: &str) -> Result<Vec<u8>, ParseProofError> {
        let (kind, found, max) = (self.name, text.len(), self.text_bytes_max);
        if found > max {
            return Err(ParseProofError::TooLong { kind, found, max });
        }
        let text: String = text.split_whitespace().collect();
        let prefix = self.prefix;
        let text = text
            .strip_prefix(prefix)
            .ok_or(ParseProofError::Prefix { kind, prefix })?;
        let mut bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| ParseProofError::Garbled { kind })?;
        let (content, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(ParseProofError::Garbled { kind })?;
        if *sum != self.checksum(content) {
            return Err(ParseProofError::Garbled { kind });
        }
        bytes.truncate(content.len());
        Ok(bytes)
    }

    /// What became of bytes that came as they were made.
    fn refused(
        &self,
        error: &dyn fmt::Display,
        malformed: &dxos_wire::DecodeError,
    ) -> ParseProofError {
        let kind = self.name;
        match malformed {
            dxos_wire::DecodeError::Version { found, known } if found > known => {
                ParseProofError::Newer { kind }
            }
            _ => ParseProofError::Refused {
                kind,
                reason: error.to_string(),
            },
        }
    }
}

/// `dxc1_` and the chain in Base64 (RFC 4648 §5). It holds public keys and signatures only.
impl fmt::Display for DeviceChain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = dxos_wire::encode(chain::VERSION, self).map_err(|_| fmt::Error)?;
        CHAIN.write(bytes, formatter)
    }
}

impl FromStr for DeviceChain {
    type Err = ParseProofError;

    /// Reads and verifies a chain.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = CHAIN.read(text)?;
        dxos_wire::decode(chain::VERSION, &bytes).map_err(|error| CHAIN.refused(&error, &error))
    }
}

/// `dxp1_` and the presentation in Base64 (RFC 4648 §5). Whoever gets hold of it can show it
/// where its challenge is still open.
impl fmt::Display for Presentation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.encode().map_err(|_| fmt::Error)?;
        PRESENTATION.write(bytes, formatter)
    }
}

impl FromStr for Presentation {
    type Err = ParseProofError;

    /// Reads a presentation; what it proves [`Presentation::verify`] says.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = PRESENTATION.read(text)?;
        Self::decode(&bytes).map_err(|error| match &error {
            PresentationError::Malformed(malformed) => PRESENTATION.refused(&error, malformed),
            _ => ParseProofError::Refused {
                kind: PRESENTATION.name,
                reason: error.to_string(),
            },
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    /// Text as somebody makes it who means harm: the checksum is right.
    pub(crate) fn chain_text(bytes: Vec<u8>) -> String {
        struct Text(Vec<u8>);
        impl std::fmt::Display for Text {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                super::CHAIN.write(self.0.clone(), formatter)
            }
        }
        Text(bytes).to_string()
    }
}
