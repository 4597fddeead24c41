//! Texts that many edit at once.

mod difference;
mod edit;
mod editor;
mod marks;
mod state;
mod units;
mod value;

pub use edit::{Anchor, TextEdit};
pub use editor::{Expand, TextEditor};
pub use value::{Span, Text};

pub(crate) use editor::element;
pub(crate) use marks::{Mark, MarkId};
pub(crate) use state::{TextState, has_seen, parent_of, place_of, seen_end};
