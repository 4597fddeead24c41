//! The way out to one connection: messages in order, never more than a few that wait.

use tokio::sync::mpsc;

use crate::limits::OUTLET_MESSAGES;
use crate::protocol::ErrorInfo;

/// What is written to a connection.
#[derive(Debug)]
pub(crate) enum Out {
    /// A message.
    Text(String),
    /// The last message, and the end.
    Goodbye(Box<ErrorInfo>),
}

/// Where messages for a connection go. Whoever sends waits until there is room.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    /// Tells connections apart.
    pub(crate) connection: u64,
    sender: mpsc::Sender<Out>,
}

/// The connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl Outlet {
    pub(crate) fn new(connection: u64) -> (Self, mpsc::Receiver<Out>) {
        let (sender, receiver) = mpsc::channel(OUTLET_MESSAGES);
        (Self { connection, sender }, receiver)
    }

    pub(crate) async fn send(&self, text: String) -> Result<(), Gone> {
        self.sender.send(Out::Text(text)).await.map_err(|_| Gone)
    }

    /// Says why, and ends the connection.
    pub(crate) async fn goodbye(&self, error: ErrorInfo) {
        // It may have ended by itself.
        drop(self.sender.send(Out::Goodbye(Box::new(error))).await);
    }
}
