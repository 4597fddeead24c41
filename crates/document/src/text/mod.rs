//! Texts that many edit at once.

mod difference;
mod draft;
mod edit;
mod editor;
mod log;
mod marks;
mod state;
mod undo;
mod units;
mod value;

pub use draft::{CommittedBatch, TextBatch, TextChange, TextDelta, TextDraft, TextSnapshot};
pub use edit::{Anchor, TextEdit};
pub use editor::{Expand, TextEditor};
pub use value::{Span, Text};

pub(crate) use editor::element;
pub(crate) use log::Log;
pub(crate) use marks::{Mark, MarkId};
pub(crate) use state::{TextState, has_seen, parent_of, place_of, seen_end};
