//! Texts that many edit at once.

mod back;
mod batch;
mod difference;
mod draft;
mod edit;
mod editor;
mod log;
mod marks;
mod sending;
mod state;
mod undo;
mod units;
mod value;

pub use batch::{CommittedBatch, TextBatch};
pub use draft::{TextChange, TextDelta, TextDraft, TextSnapshot};
pub use edit::{Anchor, TextEdit};
pub use editor::{Expand, TextEditor};
pub use value::{Span, Text};

pub(crate) use log::Log;
pub(crate) use marks::{Mark, MarkId};
pub(crate) use state::TextState;
