//! The logic of ECHO, without actors: spaces as state machines over a store that is passed in.

mod admit;
mod again;
mod apply;
mod at;
mod body;
mod cache;
mod evidence;
mod history;
pub(crate) mod layout;
mod live;
mod moved;
mod past;
mod query;
mod rebuild;
mod receive;
mod refs;
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

pub(crate) use past::Past;
pub(crate) use query::PROPERTIES_TYPE;
pub(crate) use space::{Outcome, Space};
pub(crate) use sync::Effects;
