//! The clean end of a node.

use std::{fmt, time::Duration};

use dxos_wire::Request;
use tokio::time::Instant;

use crate::port::{Port, PortError};

/// Asks a subsystem to finish: accept nothing new, make durable what was acknowledged, and
/// answer when that is done. Afterwards the subsystem may be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long it may take. What is not done by then should be left.
    pub deadline: Duration,
}

impl Request for Shutdown {
    type Reply = Result<(), ShutdownError>;

    const NAME: &'static str = "Shutdown";
}

/// Why something did not end cleanly. What was acknowledged as durable is safe all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// It had ended before, or ended without an answer: the log tells why.
    #[error("it had ended before it was asked to: see the log")]
    Closed,
    /// It was not done within its time, and was left behind. Allow more time.
    #[error("it was not done within its time: allow more")]
    Deadline,
    /// It could not finish its work, for the reason given.
    #[error("{text}")]
    Failed {
        /// What happened, to what, and what to do.
        text: String,
    },
}

impl From<PortError> for ShutdownError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Closed => Self::Closed,
            PortError::Deadline | PortError::Overloaded => Self::Deadline,
        }
    }
}

/// A part of the node that did not end cleanly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageFailure {
    /// Its name.
    pub stage: String,
    /// What happened to it.
    pub error: ShutdownError,
}

/// The parts of a node that did not end cleanly, in the order in which they were asked. All
/// others did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownFailures {
    /// At least one.
    pub stages: Vec<StageFailure>,
}

impl fmt::Display for ShutdownFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not everything ended cleanly: ")?;
        for (index, StageFailure { stage, error }) in self.stages.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{stage}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ShutdownFailures {}

/// Shuts the parts of a node down, one after the other: first what takes in, last what stores.
/// Each has an equal share of the time that is left, so that what one does not need goes to
/// the next. A part that fails or is too slow does not keep the others from their turn. Works
/// on any executor.
///
/// # Errors
///
/// [`ShutdownFailures`] names the parts that did not end cleanly.
pub async fn shutdown_in_order<N: Into<String>>(
    stages: Vec<(N, Port<Shutdown>)>,
    deadline: Duration,
) -> Result<(), ShutdownFailures> {
    let end = Instant::now() + deadline;
    let mut left = u32::try_from(stages.len()).unwrap_or(u32::MAX);
    let mut failures = Vec::new();
    for (stage, port) in stages {
        let stage = stage.into();
        let share = end.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        // A stage that uses up what it was told is still on time.
        let told = share * 7 / 8;
        let reply = port.ask_within(Shutdown { deadline: told }, share).await;
        let result = reply.unwrap_or_else(|error| Err(error.into()));
        match result {
            Ok(()) => tracing::debug!(stage, "shut down"),
            Err(error) => {
                tracing::error!(stage, "did not shut down cleanly: {error}");
                failures.push(StageFailure { stage, error });
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(ShutdownFailures { stages: failures })
    }
}
