//! Frames: a big-endian length of four bytes, then that many bytes.

use crate::limits::FRAME_BYTES_MAX;

/// How many bytes stand before the content of a frame.
pub const FRAME_HEADER_BYTES: usize = 4;

/// A frame is longer than [`FRAME_BYTES_MAX`]. Do not read it: end the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame of {found} bytes, more than the {FRAME_BYTES_MAX} allowed")]
pub struct FrameError {
    /// The length that the frame has or claims.
    pub found: usize,
}

/// The header of a frame with `length` bytes of content.
///
/// # Errors
///
/// [`FrameError`] when the content is longer than a frame may be.
pub fn frame_header(length: usize) -> Result<[u8; FRAME_HEADER_BYTES], FrameError> {
    match u32::try_from(length) {
        Ok(short) if length <= FRAME_BYTES_MAX => Ok(short.to_be_bytes()),
        _ => Err(FrameError { found: length }),
    }
}

/// How long the content behind this header is; checked before a byte of it is read.
///
/// # Errors
///
/// [`FrameError`] when the peer claims more than a frame may have.
pub fn frame_length(header: [u8; FRAME_HEADER_BYTES]) -> Result<usize, FrameError> {
    let found = u32::from_be_bytes(header) as usize;
    if found <= FRAME_BYTES_MAX {
        Ok(found)
    } else {
        Err(FrameError { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_over_the_limit_is_refused_on_both_sides() {
        for length in [0, 1, FRAME_BYTES_MAX] {
            assert_eq!(frame_length(frame_header(length).unwrap()), Ok(length));
        }
        assert!(frame_header(FRAME_BYTES_MAX + 1).is_err());
        assert!(frame_length([0xff; 4]).is_err());
    }
}
