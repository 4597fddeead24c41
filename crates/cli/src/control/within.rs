//! What a command knows that runs in another process than the one where the user is.

use std::cell::Cell;

use anyhow::{Context, Result, bail};
use dxos_client::Client;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{Asked, Progress, Question, TEXT_BYTES_MAX, Told};

tokio::task_local! {
    static WITHIN: Within;
}

/// What the user said; `None` when there is nobody to ask.
pub(super) type Answer = Option<Zeroizing<String>>;

/// What goes to the user.
pub(super) enum Word {
    Tell(Told),
    /// With bytes behind it, and who waits until they are on their way.
    Carry(Told, Vec<u8>, oneshot::Sender<()>),
    /// What the user's side answers, with the bytes behind it.
    Call(Told, oneshot::Sender<(Asked, Vec<u8>)>),
}

/// The process that a command runs in, and the user it runs for.
#[derive(Clone, Debug)]
pub(crate) struct Within {
    pub(super) client: Client,
    pub(super) words: mpsc::UnboundedSender<Word>,
    pub(super) width: Option<u16>,
    pub(super) progress: bool,
}

impl Within {
    /// Runs a command that finds itself to be within.
    pub(super) async fn scope<T>(self, command: impl Future<Output = T>) -> T {
        WITHIN.scope(self, command).await
    }

    /// Where the command at hand runs; `None` where it runs where the user is.
    pub(crate) fn find() -> Option<Self> {
        WITHIN.try_with(Clone::clone).ok()
    }

    /// The client that is open.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Columns of the user's terminal.
    pub(crate) const fn width(&self) -> Option<u16> {
        self.width
    }

    /// Prints for the user. When the user has gone nobody misses it. While the
    /// user does not read, the command is not gone on with.
    pub(crate) fn out(&self, mut text: &str) {
        while !text.is_empty() {
            // A character has four bytes at most.
            let mut ends = (0..4).map(|less| TEXT_BYTES_MAX - less);
            let piece = ends.find_map(|end| text.get(..end));
            let piece = piece.unwrap_or(text);
            self.tell(Told::Out(piece.to_owned()));
            text = text.get(piece.len()..).unwrap_or_default();
        }
    }

    /// The same beside the result.
    pub(crate) fn note(&self, text: &str) {
        self.tell(Told::Note(text.to_owned()));
    }

    /// Says how far the command is, if somebody looks.
    pub(crate) fn progress(&self, progress: Progress) {
        if self.progress {
            self.tell(Told::Progress(progress));
        }
    }

    fn tell(&self, told: Told) {
        drop(self.words.send(Word::Tell(told)));
    }

    /// Asks the user; `None` when there is nobody to ask.
    pub(crate) async fn ask(&self, question: Question) -> Result<Answer> {
        match &mut self.call(Told::Ask(question)).await?.0 {
            Asked::Answer(said) => Ok(said.take().map(Zeroizing::new)),
            _ => bail!("something else was answered than was asked"),
        }
    }

    /// Has the user's side do something, and waits for what it answers.
    pub(super) async fn call(&self, told: Told) -> Result<(Asked, Vec<u8>)> {
        let (sender, answer) = oneshot::channel();
        drop(self.words.send(Word::Call(told, sender)));
        answer.await.context(GONE)
    }

    /// The same, on a thread that may wait.
    pub(super) fn blocking_call(&self, told: Told) -> std::io::Result<(Asked, Vec<u8>)> {
        let (sender, answer) = oneshot::channel();
        drop(self.words.send(Word::Call(told, sender)));
        answer.blocking_recv().map_err(|_| gone())
    }

    /// Sends bytes behind a message, on a thread that may wait, and waits until they are on their
    /// way.
    pub(super) fn blocking_carry(&self, told: Told, bytes: Vec<u8>) -> std::io::Result<()> {
        let (sender, carried) = oneshot::channel();
        drop(self.words.send(Word::Carry(told, bytes, sender)));
        carried.blocking_recv().map_err(|_| gone())
    }
}

const GONE: &str = "the user has gone";

fn gone() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::BrokenPipe, GONE)
}

/// Does something when a command is dropped before it came to its end.
pub(crate) struct Undo<F: Fn()> {
    undo: F,
    kept: Cell<bool>,
}

impl<F: Fn()> Undo<F> {
    pub(crate) const fn new(undo: F) -> Self {
        let kept = Cell::new(false);
        Self { undo, kept }
    }

    /// What was begun is to stay.
    pub(crate) fn keep(&self) {
        self.kept.set(true);
    }
}

impl<F: Fn()> Drop for Undo<F> {
    fn drop(&mut self) {
        if !self.kept.get() {
            (self.undo)();
        }
    }
}
