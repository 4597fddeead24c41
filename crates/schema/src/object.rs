//! Types of objects, and objects that are about to be added.

use dxos_document::{Key, Map, Object, TypeName, Value};
use dxos_keys::ObjectId;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::de::Source;
use crate::error::{ConvertError, MismatchError, ObjectError};
use crate::kinds::Ref;
use crate::ser::to_tree;
use crate::tree::{self, Tree};
use crate::type_schema::TypeSchema;

/// A struct that is a type of objects. `#[derive(EchoObject)]` implements it.
pub trait EchoObject: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The name of the type, such as `example.com/type/Task`, without version.
    const TYPE: &'static str;

    /// Its version, such as `0.1.0`. Raise it, and register a migration, when what is stored
    /// under a name changes its meaning or kind; a field that is added with
    /// `#[serde(default)]` or as an `Option` needs neither.
    const VERSION: &'static str;

    /// The name with its version, as objects carry it.
    fn type_name() -> TypeName {
        TypeName::from(format!("{}@{}", Self::TYPE, Self::VERSION))
    }
}

/// The properties of a struct.
///
/// # Errors
///
/// When it has a value that no property can be.
pub fn to_properties<T: Serialize + ?Sized>(value: &T) -> Result<Map, ConvertError> {
    Ok(tree::properties(&entries(value)?))
}

/// Reads a struct from properties. What it does not know is passed over.
///
/// # Errors
///
/// When something is missing or of another kind.
pub fn from_properties<T: DeserializeOwned>(properties: &Map) -> Result<T, ConvertError> {
    T::deserialize(Source::Properties(properties))
}

/// What a value is as a property.
///
/// # Errors
///
/// When it has a part that no property can be.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, ConvertError> {
    Ok(to_tree(value)?.value())
}

/// Reads what [`to_value`] made.
///
/// # Errors
///
/// When something is missing or of another kind.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ConvertError> {
    T::deserialize(Source::Value(value))
}

pub(crate) fn entries<T: Serialize + ?Sized>(
    value: &T,
) -> Result<std::collections::BTreeMap<Key, Tree>, ConvertError> {
    match to_tree(value)? {
        Tree::Map(entries) => Ok(entries),
        Tree::Variant(name, content) => Ok(std::iter::once((name, *content)).collect()),
        _ => Err(ConvertError::new(
            "an object has named properties; use a struct with named fields",
        )),
    }
}

/// An object that is about to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Its type.
    pub type_name: TypeName,
    /// Its properties.
    pub properties: Map,
}

/// What can be added: a struct with `#[derive(EchoObject)]`, or a type name with properties.
pub trait IntoObject: Send + 'static {
    /// What names the object once it is there.
    type Key: ObjectKey;

    /// The object.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Encode`].
    fn into_object(self) -> Result<NewObject, ObjectError>;
}

impl<T: EchoObject> IntoObject for T {
    type Key = Ref<T>;

    fn into_object(self) -> Result<NewObject, ObjectError> {
        let type_name = T::type_name();
        match to_properties(&self) {
            Ok(properties) => Ok(NewObject {
                type_name,
                properties,
            }),
            Err(error) => Err(ObjectError::Encode { type_name, error }),
        }
    }
}

impl<N: Into<TypeName> + Send + 'static> IntoObject for (N, Map) {
    type Key = ObjectId;

    fn into_object(self) -> Result<NewObject, ObjectError> {
        Ok(NewObject {
            type_name: self.0.into(),
            properties: self.1,
        })
    }
}

/// An object as a struct of its type: a copy, that later changes do not touch. It dereferences
/// to the struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed<T> {
    object: Object,
    value: T,
}

impl<T: EchoObject> Typed<T> {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// When it is of another type, or does not fit.
    pub fn read(object: Object) -> Result<Self, MismatchError> {
        let value = read(&object)?;
        Ok(Self { object, value })
    }
}

impl<T> Typed<T> {
    /// Its name.
    pub const fn key(&self) -> Ref<T> {
        Ref::new(self.object.id())
    }

    /// The object that it was read from: its conflicts, when it was made, properties that the
    /// struct does not know.
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// Whether it is deleted. It keeps its properties, and edits, for when it is restored.
    pub const fn is_deleted(&self) -> bool {
        self.object.is_deleted()
    }

    /// The struct, to keep.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> std::ops::Deref for Typed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Reads an object as a struct, whatever its version.
pub(crate) fn read<T: EchoObject>(object: &Object) -> Result<T, MismatchError> {
    let mismatch = |error| MismatchError {
        object: object.id(),
        found: object.type_name().clone(),
        expected: T::type_name(),
        error,
    };
    if object.type_name().base() != T::TYPE {
        return Err(mismatch(ConvertError::new("it is of another type")));
    }
    from_properties(object.properties()).map_err(mismatch)
}

/// What names an object, and how it is read and changed: [`Ref`] as a struct, [`ObjectId`] as a
/// dynamic object.
pub trait ObjectKey: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// What reading gives.
    type Object: Send + 'static;

    /// What a change is made to.
    type Edit: 'static;

    /// The name of an object that was just added.
    fn new(object: ObjectId) -> Self;

    /// The object; when it is in another space, that one too.
    fn target(&self) -> (Option<dxos_keys::SpaceKey>, ObjectId);

    /// The object as it is read.
    ///
    /// # Errors
    ///
    /// When it is of another type, or does not fit.
    fn read(object: Object) -> Result<Self::Object, MismatchError>;

    /// Makes a change to what `object` shows, and gives what it leads to.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Mismatch`], [`ObjectError::Encode`].
    fn edit<R>(
        object: &Object,
        change: impl FnOnce(&mut Self::Edit) -> R,
    ) -> Result<(Edited, R), ObjectError>;

    /// The schema to keep in the space with objects of this type.
    fn schema() -> Option<TypeSchema>;

    /// The type with its version, `None` for any.
    fn type_name() -> Option<TypeName>;
}

/// What a change to an object leads to.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Its properties, but for what is counted or typed.
    pub(crate) properties: Map,
    /// Numbers that are counted on.
    pub(crate) counted: Vec<(dxos_document::Path, i64)>,
    /// Texts that are typed into.
    pub(crate) typed: Vec<(dxos_document::Path, String)>,
}

impl ObjectKey for ObjectId {
    type Object = Object;
    type Edit = Map;

    fn new(object: ObjectId) -> Self {
        object
    }

    fn target(&self) -> (Option<dxos_keys::SpaceKey>, ObjectId) {
        (None, *self)
    }

    fn read(object: Object) -> Result<Object, MismatchError> {
        Ok(object)
    }

    fn edit<R>(
        object: &Object,
        change: impl FnOnce(&mut Map) -> R,
    ) -> Result<(Edited, R), ObjectError> {
        let mut properties = object.properties().clone();
        let result = change(&mut properties);
        let edited = Edited {
            properties,
            counted: Vec::new(),
            typed: Vec::new(),
        };
        Ok((edited, result))
    }

    fn schema() -> Option<TypeSchema> {
        None
    }

    fn type_name() -> Option<TypeName> {
        None
    }
}

impl<T: EchoObject> ObjectKey for Ref<T> {
    type Object = Typed<T>;
    type Edit = T;

    fn new(object: ObjectId) -> Self {
        Self::new(object)
    }

    fn target(&self) -> (Option<dxos_keys::SpaceKey>, ObjectId) {
        (self.space(), self.object())
    }

    fn read(object: Object) -> Result<Typed<T>, MismatchError> {
        Typed::read(object)
    }

    fn edit<R>(
        object: &Object,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<(Edited, R), ObjectError> {
        let mut value: T = read(object)?;
        let encode = |error| ObjectError::Encode {
            type_name: T::type_name(),
            error,
        };
        let before = entries(&value).map_err(encode)?;
        let result = change(&mut value);
        let after = entries(&value).map_err(encode)?;
        let carried = tree::carry(object.properties(), &before, &after);
        let edited = Edited {
            properties: carried.properties,
            counted: carried.counted,
            typed: carried.typed,
        };
        Ok((edited, result))
    }

    fn schema() -> Option<TypeSchema> {
        Some(TypeSchema::of::<T>())
    }

    fn type_name() -> Option<TypeName> {
        Some(T::type_name())
    }
}

/// Any object, read and changed as a dynamic one.
impl ObjectKey for Ref<Object> {
    type Object = Object;
    type Edit = Map;

    fn new(object: ObjectId) -> Self {
        Self::new(object)
    }

    fn target(&self) -> (Option<dxos_keys::SpaceKey>, ObjectId) {
        (self.space(), self.object())
    }

    fn read(object: Object) -> Result<Object, MismatchError> {
        Ok(object)
    }

    fn edit<R>(
        object: &Object,
        change: impl FnOnce(&mut Map) -> R,
    ) -> Result<(Edited, R), ObjectError> {
        ObjectId::edit(object, change)
    }

    fn schema() -> Option<TypeSchema> {
        None
    }

    fn type_name() -> Option<TypeName> {
        None
    }
}
