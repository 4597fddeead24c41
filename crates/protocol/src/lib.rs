//! The typed messages in which ECHO, HALO and MESH talk to each other, to the client above them
//! and to their counterparts on other devices. Data only: no actor, no I/O, no logic beyond
//! encoding.
//!
//! - [`echo`], [`halo`], [`mesh`]: requests to each subsystem, with their replies and errors;
//! - [`replicate`], [`auth`]: what replicas and sessions say to each other over a stream;
//! - [`invitation`]: what host and guest of an invitation say to each other.
//!
//! ```
//! use dxos_protocol::replicate::Message;
//! let message = Message::Want { ranges: Vec::new() };
//! let bytes = message.encode().unwrap();
//! assert_eq!(Message::decode(&bytes).unwrap(), message);
//! assert!(Message::decode(&bytes[1..]).is_err());
//! ```

pub mod auth;
pub mod echo;
pub mod gossip;
pub mod halo;
pub mod history;
pub mod invitation;
pub mod mesh;
pub mod recovery;
pub mod replicate;

/// Declares messages with their replies.
macro_rules! request {
    ($($name:ident => $reply:ty),* $(,)?) => {$(
        impl dxos_wire::Request for $name {
            type Reply = $reply;
            const NAME: &'static str = stringify!($name);
        }
    )*};
}
use request;

/// Adds `encode` and `decode` to what travels between devices.
macro_rules! wire_message {
    ($name:ident, $version:literal) => {
        impl $name {
            /// Encodes the message for one frame.
            ///
            /// # Errors
            ///
            /// [`dxos_wire::EncodeError`] when a part cannot be written.
            pub fn encode(&self) -> Result<bytes::Bytes, dxos_wire::EncodeError> {
                dxos_wire::encode($version, self).map(Into::into)
            }

            /// Decodes the content of one frame, all of it.
            ///
            /// # Errors
            ///
            /// [`dxos_wire::DecodeError`] when it is another version or malformed.
            pub fn decode(bytes: &[u8]) -> Result<Self, dxos_wire::DecodeError> {
                dxos_wire::decode($version, bytes)
            }
        }
    };
}
use wire_message;
