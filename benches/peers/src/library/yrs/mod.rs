//! yrs.

mod keys;
mod objects;
mod text;

pub use keys::Yrs as YrsKeys;
pub use objects::Yrs as YrsObjects;
pub use text::Yrs as YrsText;
