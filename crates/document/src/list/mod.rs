//! Lists whose items many insert, delete and move at once.

mod difference;
mod edit;
mod editor;
mod state;

pub use edit::ListEdit;
pub use editor::ListEditor;

pub(crate) use difference::{Change, changes};
pub(crate) use state::{Item, ListState};
