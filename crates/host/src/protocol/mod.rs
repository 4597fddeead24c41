//! What goes over the wire between a host and a JavaScript client: data only. In words it is in
//! `docs/host-protocol.md`; the TypeScript types are generated from what is here.

#[macro_use]
mod table;
mod archive;
mod care;
mod client;
mod echo;
mod envelope;
mod halo;
mod history;
mod invitation;
mod mesh;
mod object;
mod op;
mod queue;
mod session;
mod text;
#[cfg(test)]
mod typescript;

pub use archive::*;
pub use care::*;
pub use client::*;
pub use echo::*;
pub use envelope::*;
pub use halo::*;
pub use history::*;
pub use invitation::*;
pub use mesh::*;
pub use object::*;
pub use op::*;
pub use queue::*;
pub use session::*;
pub use table::{METHODS, Method};
pub use text::*;

/// The version of the protocol. A host and a client of different versions do not talk.
pub const PROTOCOL: u32 = 1;
