//! Copies of texts that follow what happens to them.

use dxos_document::{Path, TextChange, TextSnapshot};
use dxos_keys::{FeedId, ObjectId, SpaceKey};
use tokio::sync::mpsc;

/// Asks for a copy of a text, and for what happens to it from then on; `None` when there is no
/// text at the path.
#[derive(Clone, Debug)]
pub struct WatchText {
    /// The space.
    pub space: SpaceKey,
    /// The object.
    pub object: ObjectId,
    /// The text.
    pub path: Path,
}

/// A copy of a text. Dropping the events ends it.
#[derive(Debug)]
pub struct TextWatch {
    /// The text as it was when it began.
    pub snapshot: Box<TextSnapshot>,
    /// The feed that this device writes to.
    pub feed: FeedId,
    /// What happened since. A reader that falls behind gets the text anew, so that no more than
    /// a fixed number are ever kept.
    pub events: mpsc::Receiver<TextEvent>,
}

/// What happened to a text.
#[derive(Clone, Debug)]
pub enum TextEvent {
    /// Operations changed it.
    Changed(Vec<TextChange>),
    /// There is no text at the path any more.
    Gone,
    /// It is to be read anew: it was replaced, taken back in part, or too much happened.
    Replaced(Box<TextSnapshot>),
}
