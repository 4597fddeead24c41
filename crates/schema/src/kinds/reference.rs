//! References to other objects.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use dxos_document::{Object, ObjectRef, Value};
use dxos_keys::{ObjectId, SpaceKey};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::EchoObject;

/// The name of an object of type `T`, in this space or in another. It is what adding an object
/// gives, and what a struct holds to refer to one. `Ref`, without a type, is that of any object.
pub struct Ref<T: ?Sized = Object> {
    space: Option<SpaceKey>,
    object: ObjectId,
    of: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized> Ref<T> {
    /// An object of the same space.
    pub const fn new(object: ObjectId) -> Self {
        Self {
            space: None,
            object,
            of: PhantomData,
        }
    }

    /// An object of another space.
    pub const fn across(space: SpaceKey, object: ObjectId) -> Self {
        Self {
            space: Some(space),
            object,
            of: PhantomData,
        }
    }

    /// The space, `None` when it is the one that the reference is in.
    pub const fn space(&self) -> Option<SpaceKey> {
        self.space
    }

    /// The object.
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// The same object, taken for one of type `U`. Reading it tells whether it is.
    pub const fn of_type<U: ?Sized>(self) -> Ref<U> {
        Ref {
            space: self.space,
            object: self.object,
            of: PhantomData,
        }
    }
}

// By hand, because a reference needs nothing of the type that it refers to.
impl<T: ?Sized> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Ref<T> {}

impl<T: ?Sized> fmt::Debug for Ref<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ref(")?;
        if let Some(space) = &self.space {
            write!(formatter, "{}:", space.short())?;
        }
        write!(formatter, "{})", self.object.short())
    }
}

impl<T: ?Sized> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: ?Sized> Eq for Ref<T> {}

impl<T: ?Sized> PartialOrd for Ref<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: ?Sized> Ord for Ref<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.space, self.object).cmp(&(other.space, other.object))
    }
}

impl<T: ?Sized> Hash for Ref<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.space, self.object).hash(state);
    }
}

impl<T: ?Sized> From<ObjectId> for Ref<T> {
    fn from(object: ObjectId) -> Self {
        Self::new(object)
    }
}

impl<T: ?Sized> From<&ObjectRef> for Ref<T> {
    fn from(reference: &ObjectRef) -> Self {
        Self {
            space: reference.space().copied(),
            object: reference.object(),
            of: PhantomData,
        }
    }
}

impl<T: ?Sized> From<Ref<T>> for ObjectRef {
    fn from(reference: Ref<T>) -> Self {
        match reference.space {
            None => Self::local(reference.object),
            Some(space) => Self::across(space, reference.object),
        }
    }
}

impl<T: ?Sized> From<Ref<T>> for Value {
    fn from(reference: Ref<T>) -> Self {
        Self::Reference(reference.into())
    }
}

impl<T: ?Sized> Serialize for Ref<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::from(*self).serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for Ref<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Reference(reference) => Ok(Self::from(&reference)),
            other => Err(super::wrong("a reference", &other)),
        }
    }
}

/// What a [`Ref`] refers to.
pub trait Referent {
    /// The name of its type, without version; `None` for any.
    const TYPE: Option<&'static str>;
}

impl Referent for Object {
    const TYPE: Option<&'static str> = None;
}

impl<T: EchoObject> Referent for T {
    const TYPE: Option<&'static str> = Some(T::TYPE);
}

impl<T: Referent + ?Sized> JsonSchema for Ref<T> {
    fn schema_name() -> Cow<'static, str> {
        T::TYPE.map_or("Ref".into(), |name| format!("Ref_to_{name}").into())
    }

    fn schema_id() -> Cow<'static, str> {
        format!("dxos::{}", Self::schema_name()).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let content = json!({ "type": "string" });
        let mut schema = super::tagged("@ref", &content, "A reference to an object.");
        if let Some(name) = T::TYPE {
            schema.insert(TARGET_TYPE.to_owned(), name.into());
        }
        schema
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The keyword that names the type of what is referred to.
const TARGET_TYPE: &str = "x-echo-type";
