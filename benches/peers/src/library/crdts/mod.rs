//! crdts. It has no format of its own: states and operations are written with postcard.

mod keys;
mod map;
mod registers;
mod text;

pub use keys::Crdts as CrdtsKeys;
pub use map::MapObjects as CrdtsMap;
pub use registers::Registers as CrdtsRegisters;
pub use text::Crdts as CrdtsText;
