//! How commands on one profile wait for each other.

use std::time::{Duration, Instant};

use anyhow::Result;
use dxos_client::{Client, ClientError, NodeError};
use dxos_store::StoreError;

use crate::control;
use crate::output::Output;
use crate::session::{Session, explained};

/// How long a command waits for another one that has the profile open.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how long it says that it waits.
const SILENT: Duration = Duration::from_secs(1);
/// How often it looks whether the other one has ended: less and less often.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// The profile is open in a process that answers for it. Nothing was read or done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "another dx (`dx serve` or `dx host`) has this profile open, and does not run this command \
     for others; stop that one, or wait until it has ended"
)]
pub(crate) struct Served;

/// Opens the profile as soon as no other command has it open. Where that is one which answers for
/// others it ends with [`Served`].
pub(crate) async fn initialize(client: &Client, session: &Session, output: Output) -> Result<()> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    let mut is_said = false;
    loop {
        let error = match client.initialize().await {
            Err(error) if is_taken(&error) => error,
            opened => return opened.map_err(explained),
        };
        if control::is_served(session).await {
            return Err(Served.into());
        }
        let waited = begun.elapsed();
        if waited >= PATIENCE {
            return Err(explained(error));
        }
        if waited >= SILENT && !is_said {
            is_said = true;
            output.note("waiting for another dx that has this profile open");
        }
        tokio::time::sleep(pause).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Whether somebody else has the profile open still.
pub(crate) fn is_in_vain(error: &anyhow::Error) -> bool {
    error.is::<Served>() || error.downcast_ref().is_some_and(is_taken)
}

const fn is_taken(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Node(NodeError::Store(StoreError::Locked { .. }))
    )
}
