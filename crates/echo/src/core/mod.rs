//! The logic of ECHO, without actors: spaces as state machines over a store that is passed in.

mod admit;
mod again;
mod append;
mod apply;
mod archive;
mod at;
mod body;
mod cache;
mod content_keys;
mod control;
mod delegated;
mod devices;
mod duties;
mod evidence;
mod flush;
mod history;
mod index;
pub(crate) mod layout;
mod live;
mod message;
mod moved;
mod owed;
mod pace;
mod past;
mod query;
mod rebuild;
mod receive;
mod refs;
mod report;
mod roles;
mod schema;
mod serve;
pub(crate) mod space;
mod sync;
mod tail;
#[cfg(test)]
mod tests;
mod texts;
mod transact;
mod tree;
mod undo;

pub(crate) use admit::Guest;
pub(crate) use past::Past;
pub(crate) use space::{Outcome, Space};
pub(crate) use sync::Effects;
