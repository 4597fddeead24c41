//! How far a command is, where somebody looks.

use std::io::Read;

use indicatif::{ProgressBar, ProgressBarIter};

use crate::control::{Progress, Within};

/// A bar on the terminal of the user, wherever the command runs.
#[derive(Debug)]
pub(crate) struct Bar {
    /// Hidden where nobody looks, or the user is elsewhere.
    here: ProgressBar,
    within: Option<Within>,
}

impl Bar {
    pub(crate) fn new(here: ProgressBar) -> Self {
        Self {
            here,
            within: Within::find(),
        }
    }

    /// That of this process alone.
    pub(crate) fn into_here(self) -> ProgressBar {
        self.here
    }

    fn tell(&self, progress: Progress) {
        if let Some(within) = &self.within {
            within.progress(progress);
        }
    }

    pub(crate) fn set_length(&self, length: u64) {
        self.here.set_length(length);
        let length = Some(length);
        self.tell(Progress {
            length,
            ..Progress::default()
        });
    }

    pub(crate) fn set_position(&self, position: u64) {
        self.here.set_position(position);
        let position = Some(position);
        self.tell(Progress {
            position,
            ..Progress::default()
        });
    }

    pub(crate) fn set_message(&self, message: String) {
        self.here.set_message(message.clone());
        let message = Some(message);
        self.tell(Progress {
            message,
            ..Progress::default()
        });
    }

    /// Goes on with what is read. What the user's side reads it sees there.
    pub(crate) fn wrap_read<R: Read>(&self, input: R) -> ProgressBarIter<R> {
        self.here.wrap_read(input)
    }

    /// Prints something above it.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.here.suspend(print);
    }

    pub(crate) fn finish_and_clear(&self) {
        self.here.finish_and_clear();
    }

    /// Takes over what another process said of it.
    pub(crate) fn follow(&self, progress: Progress) {
        if let Some(length) = progress.length {
            self.here.set_length(length);
        }
        if let Some(position) = progress.position {
            self.here.set_position(position);
        }
        if let Some(message) = progress.message {
            self.here.set_message(message);
        }
    }
}
