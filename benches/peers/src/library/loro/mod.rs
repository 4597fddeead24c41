//! loro.

mod keys;
mod objects;
mod text;

pub use keys::Loro as LoroKeys;
pub use objects::Loro as LoroObjects;
pub use text::Loro as LoroText;
