//! End-to-end tests through the public API, over real fjall and real QUIC on loopback, and of
//! real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "everything here is a test: what goes wrong fails it"
)]

mod archives;
mod doctor;
mod epochs;
mod failing_store;
mod forks;
mod graph;
mod halo_commands;
mod history;
mod host_command;
mod households;
mod invitation_attacks;
mod invitation_programs;
mod invitations;
mod joining;
mod keyring;
mod killed;
mod life;
mod live;
mod lost_laptop;
mod object_commands;
mod processes;
mod profiles;
mod queues;
mod receipts;
mod recover_command;
mod recovery;
mod recovery_liars;
mod removal;
mod rendezvous;
mod reset_command;
mod restores;
mod running_profile;
mod schema_commands;
mod search;
mod served_files;
mod six_devices;
mod space_life;
mod support;
mod texts;
mod thieves;
mod trace;
mod transactions;
mod transfer;
mod transfer_bounds;
mod two_clients;
mod typed;
mod typed_migrations;
mod waiting;
