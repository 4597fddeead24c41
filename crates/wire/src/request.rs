//! Messages that have an answer.

/// A typed message with the type of its reply. Subsystems know each other by these alone.
pub trait Request: Send + 'static {
    /// What comes back.
    type Reply: Send + 'static;

    /// The name of the message in traces and errors, such as `CreateSpace`.
    const NAME: &'static str;
}
