//! A collaborative text in the hands of a program: what is typed shows at once, is committed in
//! batches, and what others type comes in between.

mod driver;
mod mirror;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dxos_document::{Anchor, Expand, Key, Path, Text, TextDelta, TextDraft, TxError, Value};
use dxos_protocol::echo::WatchText;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

pub use mirror::{Mirrored, TextMirror};

use crate::{ClientError, Database, ObjectId};

/// Updates that a reader may be behind before it is told to read the text anew.
const BACKLOG_MAX: usize = 256;

/// How a text is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextOptions {
    /// What is typed within this time is committed together, so others see it that much later
    /// at most. Default: 50 ms.
    pub interval: Duration,
    /// Whether what is typed after a pause of `interval` is committed at once, and only what
    /// follows it within `interval` is gathered. It shows to others that much earlier, and a burst
    /// of edits takes one block more. Default: no.
    pub eager: bool,
    /// After so long without an edit a further one is another step to undo. Default: 500 ms.
    pub undo_pause: Duration,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(50),
            eager: false,
            undo_pause: Duration::from_millis(500),
        }
    }
}

impl TextOptions {
    /// Commits what is typed within `interval` together.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Commits at once what is typed after a pause.
    #[must_use]
    pub const fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// Makes what follows `pause` without an edit another step to undo.
    #[must_use]
    pub const fn undo_pause(mut self, pause: Duration) -> Self {
        self.undo_pause = pause;
        self
    }
}

/// Why a text cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// What was typed could not be committed; it stays on screen and is tried again with the
    /// next edit.
    #[error("what was typed could not be committed: {0}")]
    Client(#[from] ClientError),
    /// The client was closed.
    #[error("the text can be edited no longer: its client was closed")]
    Closed,
    /// The edit is out of bounds.
    #[error(transparent)]
    Edit(#[from] TxError),
    /// There is no text at the path, or there is another by now.
    #[error("there is no text at {path} of object {object} any more; open it again")]
    Gone {
        /// The object.
        object: ObjectId,
        /// The path.
        path: Path,
    },
}

/// How what shows of a text has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextUpdate {
    /// Others changed characters, in this order.
    Edited(Vec<TextDelta>),
    /// Read the text anew: its marks have changed, or too much has.
    Renewed,
}

/// A text that is being edited. Positions count Unicode scalar values. Cheap to clone; when the
/// last clone is dropped what was typed is committed.
///
/// ```no_run
/// # async fn edit(space: dxos_client::Space, page: dxos_client::ObjectId) -> Result<(), Box<dyn std::error::Error>> {
/// let body = space.db().text(page, "body").await?;
/// body.insert(0, "Hello ")?;
/// let cursor = body.cursor(6)?;
/// body.insert(0, "> ")?;
/// assert_eq!(body.position(&cursor), Some(8));
/// body.undo();
/// body.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TextHandle {
    shared: Arc<Shared>,
    // Ends the driver when the last handle is gone.
    flushes: mpsc::Sender<oneshot::Sender<Result<(), TextError>>>,
}

#[derive(Debug)]
struct Shared {
    draft: Mutex<TextDraft>,
    dirty: Notify,
    /// Gone once nothing is committed any more.
    updates: Mutex<Option<broadcast::Sender<TextUpdate>>>,
}

impl Shared {
    fn draft(&self) -> MutexGuard<'_, TextDraft> {
        // A draft is whole between any two of its calls.
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn updates(&self) -> MutexGuard<'_, Option<broadcast::Sender<TextUpdate>>> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    /// Opens the text at `path` of an object to edit it.
    ///
    /// # Errors
    ///
    /// [`TextError::Gone`] when there is none.
    pub async fn text(
        &self,
        object: ObjectId,
        path: impl Into<Path>,
    ) -> Result<TextHandle, TextError> {
        self.text_with(object, path, TextOptions::default()).await
    }

    /// The same, and says how what is typed is committed.
    ///
    /// # Errors
    ///
    /// As for [`Database::text`].
    pub async fn text_with(
        &self,
        object: ObjectId,
        path: impl Into<Path>,
        options: TextOptions,
    ) -> Result<TextHandle, TextError> {
        let path = path.into();
        let node = self.space().client().node()?;
        let watch = WatchText {
            space: self.space().key(),
            object,
            path: path.clone(),
        };
        let found = node
            .echo
            .watch_text()
            .ask(watch)
            .await
            .map_err(ClientError::unanswered("ECHO"))?
            .map_err(ClientError::from)?;
        let Some(watch) = found else {
            return Err(TextError::Gone { object, path });
        };
        let (updates, _) = broadcast::channel(BACKLOG_MAX);
        let shared = Arc::new(Shared {
            draft: Mutex::new(TextDraft::new(*watch.snapshot, watch.feed)),
            dirty: Notify::new(),
            updates: Mutex::new(Some(updates)),
        });
        let (flushes, requests) = mpsc::channel(16);
        let driver = driver::Driver::new(
            self.clone(),
            (object, path),
            options,
            Arc::clone(&shared),
            (watch.events, requests),
        );
        node.spawner
            .spawn("text", move || driver.run())
            .map_err(|_| TextError::Closed)?;
        Ok(TextHandle { shared, flushes })
    }
}

impl TextHandle {
    fn edit(
        &self,
        edit: impl FnOnce(&mut TextDraft) -> Result<(), TxError>,
    ) -> Result<(), TextError> {
        // What nobody commits must not look as if it were kept.
        if self.flushes.is_closed() {
            return Err(TextError::Closed);
        }
        edit(&mut self.shared.draft())?;
        self.shared.dirty.notify_one();
        Ok(())
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.shared.draft().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The characters, with what was typed here and not committed yet.
    pub fn content(&self) -> String {
        self.shared.draft().content()
    }

    /// The text with its marks.
    pub fn show(&self) -> Text {
        self.shared.draft().show()
    }

    /// Puts characters in so that the first will be number `at`.
    ///
    /// # Errors
    ///
    /// [`TextError::Edit`] when `at` is beyond the end, [`TextError::Closed`].
    pub fn insert(&self, at: usize, text: &str) -> Result<(), TextError> {
        self.edit(|draft| draft.insert(at, text))
    }

    /// Takes `len` characters out from number `at` on.
    ///
    /// # Errors
    ///
    /// [`TextError::Edit`] when there are not that many.
    pub fn delete(&self, at: usize, len: usize) -> Result<(), TextError> {
        self.edit(|draft| draft.delete(at, len))
    }

    /// Takes characters out and puts others in their place.
    ///
    /// # Errors
    ///
    /// [`TextError::Edit`] when they are not there.
    pub fn splice(&self, at: usize, delete: usize, insert: &str) -> Result<(), TextError> {
        self.edit(|draft| draft.splice(at, delete, insert))
    }

    /// Says something of the characters from number `from` up to, not including, `to`, such as
    /// that they are `bold`; null takes it off. `expand` says what of what is typed at the ends
    /// later is marked too.
    ///
    /// # Errors
    ///
    /// [`TextError::Edit`] when the range is empty or not there.
    pub fn mark(
        &self,
        range: (usize, usize),
        name: impl Into<Key>,
        value: impl Into<Value>,
        expand: Expand,
    ) -> Result<(), TextError> {
        let (name, value) = (name.into(), value.into());
        self.edit(|draft| draft.mark(range, name, value, expand))
    }

    /// A place that stays with the character number `at`, or with the end when `at` is the
    /// length: a cursor.
    ///
    /// # Errors
    ///
    /// [`TextError::Edit`] when `at` is beyond the end.
    pub fn cursor(&self, at: usize) -> Result<Anchor, TextError> {
        Ok(self.shared.draft().cursor(at)?)
    }

    /// Where a cursor is now; `None` when its character is not known here.
    pub fn position(&self, cursor: &Anchor) -> Option<usize> {
        self.shared.draft().position(cursor)
    }

    /// Takes back the last step of what was edited through this text here and not taken back
    /// yet, and nothing of what others did. `false` when there is none.
    pub fn undo(&self) -> bool {
        let undone = self.shared.draft().undo();
        self.shared.dirty.notify_one();
        undone
    }

    /// Does again what was taken back last. `false` when there is nothing, or something was
    /// edited since.
    pub fn redo(&self) -> bool {
        let redone = self.shared.draft().redo();
        self.shared.dirty.notify_one();
        redone
    }

    /// What is edited from now on is another step to undo, without a pause.
    pub fn end_undo_step(&self) {
        self.shared.draft().end_undo_step();
    }

    /// The position of a place given in UTF-16 units, as JavaScript counts.
    pub fn from_utf16(&self, units: usize) -> usize {
        self.shared.draft().from_utf16(units)
    }

    /// The place in UTF-16 units of a position.
    pub fn to_utf16(&self, at: usize) -> usize {
        self.shared.draft().to_utf16(at)
    }

    /// The position of a place given in bytes of UTF-8.
    pub fn from_utf8(&self, bytes: usize) -> usize {
        self.shared.draft().from_utf8(bytes)
    }

    /// The place in bytes of UTF-8 of a position.
    pub fn to_utf8(&self, at: usize) -> usize {
        self.shared.draft().to_utf8(at)
    }

    /// Commits what was typed until now, without waiting for the interval.
    ///
    /// # Errors
    ///
    /// [`TextError::Client`] when the role does not allow it, [`TextError::Gone`] when another
    /// text is there by now, [`TextError::Closed`].
    pub async fn flush(&self) -> Result<(), TextError> {
        let (sender, flushed) = oneshot::channel();
        let asked = self.flushes.send(sender).await;
        asked.map_err(|_| TextError::Closed)?;
        flushed.await.unwrap_or(Err(TextError::Closed))
    }

    /// How what shows changes from now on through others.
    pub fn updates(&self) -> TextUpdates {
        let updates = self
            .shared
            .updates()
            .as_ref()
            .map_or_else(|| broadcast::channel(1).1, broadcast::Sender::subscribe);
        TextUpdates { updates }
    }
}

/// Changes to a text by others; see [`TextHandle::updates`].
#[derive(Debug)]
pub struct TextUpdates {
    updates: broadcast::Receiver<TextUpdate>,
}

impl TextUpdates {
    /// Waits for the next; `None` when the text is closed. A reader that falls behind is told
    /// to read the text anew.
    pub async fn next(&mut self) -> Option<TextUpdate> {
        match self.updates.recv().await {
            Ok(update) => Some(update),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.updates = self.updates.resubscribe();
                Some(TextUpdate::Renewed)
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
