//! A version byte, then postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not the value that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is no byte at all.
    #[error("empty input where a version byte was expected")]
    Empty,
    /// The bytes are cut, altered, or hold something else. Refuse them.
    #[error("malformed input: {0}")]
    Malformed(postcard::Error),
    /// The value ended before the bytes did. Refuse them.
    #[error("{extra} bytes too many after the value")]
    TrailingBytes {
        /// How many bytes were left over.
        extra: usize,
    },
    /// Another version wrote this. When it is a later one, use a newer program.
    #[error("version {found} where this program reads {known}; use a program that knows it")]
    Version {
        /// The version that was found.
        found: u8,
        /// The version that was expected.
        known: u8,
    },
}

/// A value cannot be encoded, such as a sequence of unknown length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value cannot be encoded: {0}")]
pub struct EncodeError(postcard::Error);

/// Encodes `value` behind its version.
///
/// # Errors
///
/// [`EncodeError`] when the type cannot be written in this format; types of this workspace can.
pub fn encode<T: Serialize + ?Sized>(version: u8, value: &T) -> Result<Vec<u8>, EncodeError> {
    postcard::to_extend(value, vec![version]).map_err(EncodeError)
}

/// Decodes what [`encode`] wrote with the same version, all of it. Memory is bounded by the
/// length of `bytes`: the caller bounds that (see [`crate::limits`]).
///
/// # Errors
///
/// [`DecodeError`] says what is wrong; nothing of the input is used then.
pub fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, DecodeError> {
    let (&found, rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if found != version {
        return Err(DecodeError::Version {
            found,
            known: version,
        });
    }
    let (value, rest) = postcard::take_from_bytes(rest).map_err(DecodeError::Malformed)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::TrailingBytes { extra: rest.len() })
    }
}

/// The version that `bytes` were written with.
///
/// # Errors
///
/// [`DecodeError::Empty`] when there is none.
pub fn version_of(bytes: &[u8]) -> Result<u8, DecodeError> {
    bytes.first().copied().ok_or(DecodeError::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_an_addition_or_another_version_is_refused() {
        type Value = (String, Vec<u64>);
        let bytes = encode(3, &(String::from("ключ"), vec![1_u64, 1 << 40])).unwrap();
        assert!(decode::<Value>(3, &bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(decode::<Value>(3, &bytes[..length]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(
            decode::<Value>(3, &longer),
            Err(DecodeError::TrailingBytes { extra: 1 })
        );
        assert_eq!(
            decode::<Value>(2, &bytes),
            Err(DecodeError::Version { found: 3, known: 2 })
        );
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        // A sequence that claims 2^60 elements in a few bytes.
        let bytes = [1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert!(decode::<Vec<u64>>(1, &bytes).is_err());
    }
}
