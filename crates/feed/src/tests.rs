//! Tests, most of them by a hostile hand.

mod append;
mod delivery;
mod encoding;
mod floors;
mod forks;
mod golden;
mod mutation;
mod rubbish;
mod rules;
mod runs;
mod support;
mod unsigned;
mod waiting;
