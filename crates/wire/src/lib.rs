//! What goes over a wire and into a store: the versioned codec, frames, stream kinds, and in
//! [`limits`] every bound on input from outside, in one place.
//!
//! It does no I/O and knows no message of any protocol: those are in `dxos-protocol`.
//!
//! ```
//! use dxos_wire::{decode, encode};
//! let bytes = encode(1, &("task", 7_u32)).unwrap();
//! assert_eq!(decode::<(String, u32)>(1, &bytes), Ok(("task".to_owned(), 7)));
//! assert!(decode::<(String, u32)>(1, &bytes[..3]).is_err());
//! ```

mod codec;
mod frame;
pub mod limits;
mod request;
mod stream;

pub use codec::{DecodeError, EncodeError, decode, encode, version_of};
pub use frame::{FRAME_HEADER_BYTES, FrameError, frame_header, frame_length};
pub use request::Request;
pub use stream::{Priority, StreamKind, StreamKindError};
