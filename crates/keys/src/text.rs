//! The text form of keys and ids: z-base-32, lower case, no padding and no checksum, so that it
//! is stable, URL-safe and can be selected with a double click.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

static Z_BASE_32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    specification
        .translate
        .from
        .push_str("YBNDRFGEJKMCPQXOTUWISZAH");
    specification
        .translate
        .to
        .push_str("ybndrfgejkmcpqxotuwiszah");
    #[expect(
        clippy::expect_used,
        reason = "the 32 symbols above are distinct ASCII characters"
    )]
    specification
        .encoding()
        .expect("z-base-32 is a valid alphabet")
});

/// Why a text is not the key or id that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// A character that z-base-32 does not have. Check for a cut or mistyped key.
    #[error("{kind} contains a character that is not z-base-32; copy it again")]
    Alphabet {
        /// What was being read, such as `device key`.
        kind: &'static str,
    },
    /// The text is too short or too long. Check that all of it was copied.
    #[error("{kind} has {found} bytes instead of {expected}; copy all of it")]
    Length {
        /// What was being read, such as `device key`.
        kind: &'static str,
        /// How many bytes such a key has.
        expected: usize,
        /// How many bytes the text stood for.
        found: usize,
    },
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Z_BASE_32.encode(bytes)
}

pub(crate) fn decode<const N: usize>(
    kind: &'static str,
    text: &str,
) -> Result<[u8; N], ParseKeyError> {
    let bytes = Z_BASE_32
        .decode(text.as_bytes())
        .map_err(|error| match error.kind {
            data_encoding::DecodeKind::Length => ParseKeyError::Length {
                kind,
                expected: N,
                found: text.len() * 5 / 8,
            },
            _ => ParseKeyError::Alphabet { kind },
        })?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| ParseKeyError::Length {
        kind,
        expected: N,
        found,
    })
}
