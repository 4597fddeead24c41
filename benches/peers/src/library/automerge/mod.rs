//! automerge.

mod keys;
mod objects;
mod text;

pub use keys::Automerge as AutomergeKeys;
pub use objects::Automerge as AutomergeObjects;
pub use text::Automerge as AutomergeText;

use automerge::ActorId;

fn actor(agent: u8) -> ActorId {
    ActorId::from([agent; 16])
}
