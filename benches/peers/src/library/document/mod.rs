//! This project's objects alone: dxos-document, in memory, nothing signed, sealed or stored.

mod objects;
mod replica;
mod text;

pub use objects::Document as DocumentObjects;
pub use text::Document as DocumentText;
