//! End-to-end tests through the public API, over real fjall and real QUIC on loopback, and of
//! real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "everything here is a test: what goes wrong fails it"
)]

mod forks;
mod graph;
mod history;
mod joining;
mod killed;
mod life;
mod live;
mod processes;
mod profiles;
mod rendezvous;
mod support;
mod texts;
mod trace;
mod transactions;
mod two_clients;
mod typed;
mod typed_migrations;
