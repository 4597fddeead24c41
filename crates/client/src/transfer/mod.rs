//! Objects to and from files: JSON, JSON Lines and CSV.

mod export;
mod import;
mod write;

pub use export::{ExportError, ExportOptions};
pub use import::{ImportError, ImportEvent, ImportOptions, ImportReport};

pub(crate) use write::{Identity, Row, adopt, chunks, write_rows};
