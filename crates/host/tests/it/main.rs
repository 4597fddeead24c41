//! A host over real sockets: who gets in, what is served, what a slow or hostile client costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "everything here is a test: what goes wrong fails it"
)]

mod archives;
mod care;
mod console;
mod flood;
mod frames;
mod invitations;
mod objects;
mod queries;
mod resume;
mod security;
mod served;
mod support;
mod texts;
