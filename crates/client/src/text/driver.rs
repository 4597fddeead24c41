//! The task behind a text: commits what is typed, takes in what others do.

use std::pin::Pin;
use std::sync::Arc;

use dxos_document::{Path, Stamp, TextChange, TxError};
use dxos_protocol::echo::TextEvent;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep};

use super::{Shared, TextError, TextOptions, TextUpdate};
use crate::{Database, ObjectId, TransactionError};

type Flush = oneshot::Sender<Result<(), TextError>>;

pub(super) struct Driver {
    db: Database,
    object: ObjectId,
    path: Path,
    options: TextOptions,
    shared: Arc<Shared>,
    events: mpsc::Receiver<TextEvent>,
    requests: mpsc::Receiver<Flush>,
    /// There is another text at the path, or none.
    gone: bool,
}

impl Driver {
    pub(super) fn new(
        db: Database,
        (object, path): (ObjectId, Path),
        options: TextOptions,
        shared: Arc<Shared>,
        (events, requests): (mpsc::Receiver<TextEvent>, mpsc::Receiver<Flush>),
    ) -> Self {
        Self {
            db,
            object,
            path,
            options,
            shared,
            events,
            requests,
            gone: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut due: Option<Pin<Box<Sleep>>> = None;
        let mut pause: Option<Pin<Box<Sleep>>> = None;
        // While it runs, something was committed lately.
        let mut rest: Option<Pin<Box<Sleep>>> = None;
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                biased;
                () = wait(&mut due) => {
                    due = None;
                    rest = self.flush_and_rest().await;
                }
                () = shared.dirty.notified() => {
                    pause = Some(Box::pin(sleep(self.options.undo_pause)));
                    if due.is_some() {
                        continue;
                    }
                    due = rest.take();
                    if due.is_none() && self.options.eager {
                        rest = self.flush_and_rest().await;
                    } else if due.is_none() {
                        due = Some(Box::pin(sleep(self.options.interval)));
                    }
                }
                () = wait(&mut rest) => rest = None,
                request = self.requests.recv() => {
                    due = None;
                    let flushed = self.flush().await;
                    match request {
                        // Whoever gave up waiting needs no answer.
                        Some(answer) => drop(answer.send(flushed)),
                        None => return,
                    }
                }
                event = self.events.recv() => match event {
                    Some(event) => self.take_in(event),
                    None => return,
                },
                () = wait(&mut pause) => {
                    pause = None;
                    shared.draft().end_undo_step();
                }
            }
        }
    }

    fn take_in(&mut self, event: TextEvent) {
        let shared = Arc::clone(&self.shared);
        // Held until it is told: whoever sees the text under this lock has been told all of it.
        let mut draft = shared.draft();
        let update = match event {
            TextEvent::Changed(changes) => {
                let mut deltas = Vec::new();
                let marks = changes.iter().any(has_marks);
                for change in &changes {
                    deltas.extend(draft.apply(change));
                }
                if marks {
                    TextUpdate::Renewed
                } else if deltas.is_empty() {
                    return;
                } else {
                    TextUpdate::Edited(deltas)
                }
            }
            TextEvent::Gone => {
                self.gone = true;
                return;
            }
            TextEvent::Replaced(snapshot) => {
                self.gone = false;
                if !draft.reset(*snapshot) {
                    tracing::info!(object = %self.object, "the text was replaced by another");
                }
                TextUpdate::Renewed
            }
        };
        // Nobody may be listening.
        if let Some(updates) = &*shared.updates() {
            let _ = updates.send(update);
        }
    }

    /// Takes in what has happened before a transaction of this text; gives what happened with it
    /// or later and was taken out too.
    ///
    /// Another text of this device may have committed before: its characters have smaller numbers
    /// in the same feed, and could not be taken in any more once there are greater ones.
    fn take_in_before(&mut self, own: Stamp) -> Option<TextEvent> {
        loop {
            let changes = match self.events.try_recv().ok()? {
                TextEvent::Changed(changes) => changes,
                anew => return Some(anew),
            };
            let (before, later): (Vec<_>, Vec<_>) =
                changes.into_iter().partition(|change| change.stamp < own);
            if !before.is_empty() {
                self.take_in(TextEvent::Changed(before));
            }
            if !later.is_empty() {
                return Some(TextEvent::Changed(later));
            }
        }
    }

    /// Commits what was typed. An eager text is given a time in which it gathers what follows.
    async fn flush_and_rest(&mut self) -> Option<Pin<Box<Sleep>>> {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, object = %self.object, "text");
        }
        let interval = self.options.interval;
        self.options.eager.then(|| Box::pin(sleep(interval)))
    }

    async fn flush(&mut self) -> Result<(), TextError> {
        let gone = || TextError::Gone {
            object: self.object,
            path: self.path.clone(),
        };
        if self.gone {
            return Err(gone());
        }
        let Some(batch) = self.shared.draft().take() else {
            return Ok(());
        };
        let (object, path) = (self.object, self.path.clone());
        let committed = self
            .db
            .transaction(move |tx| batch.commit(tx, object, &path))
            .await;
        match committed {
            Ok(committed) => {
                let rest = self.take_in_before(committed.stamp());
                self.shared.draft().committed(committed);
                if let Some(event) = rest {
                    self.take_in(event);
                }
                Ok(())
            }
            Err(error) => {
                self.shared.draft().failed();
                Err(match error {
                    TransactionError::Aborted(TxError::NoText { .. }) => gone(),
                    TransactionError::Aborted(error) => TextError::Edit(error),
                    TransactionError::Client(error) => TextError::Client(error),
                })
            }
        }
    }
}

fn has_marks(change: &TextChange) -> bool {
    let mut edits = change.edits.iter();
    edits.any(|edit| matches!(edit, dxos_document::TextEdit::Mark { .. }))
}

impl Drop for Driver {
    /// However it ends: who waits for updates learns that there are no more.
    fn drop(&mut self) {
        drop(self.shared.updates().take());
    }
}

async fn wait(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}
