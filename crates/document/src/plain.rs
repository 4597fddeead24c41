//! Objects that are read where they stand: nearly all are simple enough for that, and a copy of
//! one costs more than what is read of it.

use std::borrow::Cow;

use crate::context::Moment;
use crate::meta::META;
use crate::node::{Content, Node};
use crate::{Key, ObjectState, TypeName, Value, view};

/// An object without conflicts, nested maps or sets, references, tags, keys, parent or ends, as
/// it shows.
#[derive(Clone, Copy, Debug)]
pub struct PlainObject<'a> {
    state: &'a ObjectState,
    type_name: &'a TypeName,
    created: Moment,
}

impl ObjectState {
    /// The object as it shows, to be read in place. `None` when it was never created, and when
    /// it is not as simple as [`PlainObject`] says: then [`ObjectState::object`] tells all of it.
    pub fn plain(&self) -> Option<PlainObject<'_>> {
        let (type_name, created) = (self.type_name()?, self.created?);
        let mut places = self.root.iter();
        let is_plain = places.all(|(key, node)| key != META && is_plain(node));
        is_plain.then_some(PlainObject {
            state: self,
            type_name,
            created,
        })
    }
}

impl<'a> PlainObject<'a> {
    /// Its type.
    pub const fn type_name(&self) -> &'a TypeName {
        self.type_name
    }

    /// Whether it is deleted.
    pub fn is_deleted(&self) -> bool {
        self.state.is_deleted()
    }

    /// Its first creation.
    pub const fn created(&self) -> Moment {
        self.created
    }

    /// Its latest change.
    pub fn updated(&self) -> Moment {
        self.state.updated.unwrap_or(self.created)
    }

    /// One of its properties.
    pub fn get(&self, key: &Key) -> Option<Cow<'a, Value>> {
        let node = self.state.root.get(key)?;
        match node.register.winner().map(|write| &write.content) {
            Some(Content::Whole(value)) => Some(Cow::Borrowed(value)),
            _ => view::show_one(key, node).map(Cow::Owned),
        }
    }
}

fn is_plain(node: &Node) -> bool {
    if node.register.len() != 1 || node.set().is_some() || node.children().is_some() {
        return false;
    }
    let mut contents = node.register.iter().map(|write| &write.content);
    contents.all(|content| match content {
        Content::Count { .. } => true,
        Content::List(list) => list.items.values().all(|item| is_plain(&item.node)),
        Content::Map => false,
        Content::Text(text) => text.marks.is_empty(),
        Content::Whole(value) => matches!(
            value,
            Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::String(_)
                | Value::Timestamp(_)
                | Value::Bytes(_)
                | Value::Counter(_)
        ),
    })
}

#[cfg(test)]
mod tests {
    use dxos_keys::{FeedId, ObjectId};

    use super::*;
    use crate::{Context, ObjectRef, Op, Stamp, Timeframe};

    #[test]
    fn what_has_more_to_it_than_values_is_not_plain() {
        let object = ObjectId::from_bytes([1; 16]);
        let stamp = Stamp {
            lamport: 1,
            feed: FeedId::from_bytes([1; 32]),
            seq: 0,
        };
        let context = Context {
            stamp,
            past: &Timeframe::new(),
            time_ms: 7,
        };
        let with = |value: Value| {
            let mut state = ObjectState::default();
            let create = Op::Create {
                object,
                type_name: "task".into(),
                properties: [("of".into(), value)].into(),
            };
            state.apply(&create, &context, 0).unwrap();
            state
        };
        let reference = || Value::Reference(ObjectRef::local(object));
        for (value, is_plain) in [
            (Value::from("text"), true),
            (Value::Int(5), true),
            (Value::List(vec!["a".into(), Value::List(Vec::new())]), true),
            (reference(), false),
            (Value::List(vec![reference()]), false),
            (Value::map([("a", 1)]), false),
            (Value::set([Value::Int(1)]), false),
        ] {
            let state = with(value.clone());
            let plain = state.plain();
            assert_eq!(plain.is_some(), is_plain, "{value:?}");
            if let Some(plain) = plain {
                assert_eq!(plain.get(&"of".into()).as_deref(), Some(&value));
                assert_eq!((plain.created().time_ms, plain.is_deleted()), (7, false));
            }
        }
        assert!(ObjectState::default().plain().is_none());
    }
}
