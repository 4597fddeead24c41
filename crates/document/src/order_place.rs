//! Where objects stand in the order of a query.

use std::cmp::Ordering;

use dxos_keys::ObjectId;

use crate::footprint::of_value;
use crate::query::compare_values;
use crate::{Cursor, Object, Query, Value};

/// Where one object stands in the order of a query: what of it the order looks at, without the
/// rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPlace {
    values: Box<[Value]>,
    object: ObjectId,
}

impl OrderPlace {
    /// The object.
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let values = self.values.iter();
        values.fold(size_of::<Self>(), |bytes, value| {
            bytes + size_of::<Value>() + of_value(value)
        })
    }
}

impl Query {
    /// Where `object` stands in the order of this query.
    pub fn place(&self, object: &Object) -> OrderPlace {
        let values = self.order.iter().map(|key| {
            let value = object.field(&key.path);
            value.map_or(Value::Null, std::borrow::Cow::into_owned)
        });
        OrderPlace {
            values: values.collect(),
            object: object.id(),
        }
    }

    /// Which of two places of this query comes first: as the objects there do.
    pub fn compare_places(&self, one: &OrderPlace, two: &OrderPlace) -> Ordering {
        let values = one.values.iter().zip(&two.values);
        for (key, (one, two)) in self.order.iter().zip(values) {
            let ordering = compare_values(key.direction, one, two);
            if ordering.is_ne() {
                return ordering;
            }
        }
        one.object.cmp(&two.object)
    }

    /// The cursor right behind a place of this query.
    pub fn cursor_behind(&self, place: OrderPlace) -> Cursor {
        Cursor::new(self.order.clone(), place.values.into_vec(), place.object)
    }

    /// The place right behind `object` in the order of this query.
    pub fn cursor_after(&self, object: &Object) -> Cursor {
        self.cursor_behind(self.place(object))
    }
}
