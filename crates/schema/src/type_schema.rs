//! The schema of a type, as an object of its space.

use dxos_document::{META, Map, Object, Op, TypeName, Value};
use dxos_keys::{HashDomain, Hasher, ObjectId};
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use crate::object::EchoObject;
use crate::validate::{self, Checked, Violation};

/// The JSON Schema (draft 2020-12) of one version of a type.
///
/// A space keeps it in an object of type [`TypeSchema::TYPE`] whose id follows from the name and
/// the version of the type: devices that write it at once write the same object.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeSchema {
    type_name: TypeName,
    schema: Json,
}

/// Why something is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The object holds something else.
    #[error("object {object} holds no schema: {reason}")]
    Object {
        /// The object.
        object: ObjectId,
        /// What is wrong.
        reason: String,
    },
    /// A schema is a JSON object or a boolean.
    #[error("the schema of {type_name} is neither a JSON object nor true or false")]
    Kind {
        /// The type.
        type_name: TypeName,
    },
}

impl TypeSchema {
    /// The type of objects that hold schemas. Its properties are `type`, the name with its
    /// version, and `schema`, the JSON as text: a schema is replaced as a whole.
    pub const TYPE: &str = "dxos.org/type/Schema@0.1.0";

    /// The schema of a struct.
    pub fn of<T: EchoObject>() -> Self {
        let generator = SchemaSettings::draft2020_12().into_generator();
        Self {
            type_name: T::type_name(),
            schema: generator.into_root_schema_for::<T>().to_value(),
        }
    }

    /// The schema of a type that no struct stands for.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Kind`].
    pub fn new(type_name: impl Into<TypeName>, schema: Json) -> Result<Self, SchemaError> {
        let type_name = type_name.into();
        if schema.is_object() || schema.is_boolean() {
            Ok(Self { type_name, schema })
        } else {
            Err(SchemaError::Kind { type_name })
        }
    }

    pub(crate) const fn of_parts(type_name: TypeName, schema: Json) -> Self {
        Self { type_name, schema }
    }

    /// Reads a schema from the object that holds it.
    ///
    /// # Errors
    ///
    /// [`SchemaError::Object`].
    pub fn read(object: &Object) -> Result<Self, SchemaError> {
        let wrong = |reason: String| SchemaError::Object {
            object: object.id(),
            reason,
        };
        let text = |key| object.properties().get(key).and_then(Value::as_str);
        let (Some(name), Some(schema)) = (text("type"), text("schema")) else {
            return Err(wrong("it lacks the texts \"type\" and \"schema\"".into()));
        };
        let type_name = TypeName::from(name);
        if Self::id_of(&type_name) != object.id() {
            return Err(wrong(format!("its id is not that of the schema of {name}")));
        }
        let schema = serde_json::from_str(schema).map_err(|error| wrong(error.to_string()))?;
        Self::new(type_name, schema).map_err(|error| wrong(error.to_string()))
    }

    /// The type with its version.
    pub const fn type_name(&self) -> &TypeName {
        &self.type_name
    }

    /// The JSON Schema.
    pub const fn schema(&self) -> &Json {
        &self.schema
    }

    /// The object that holds the schema of a type, in every space.
    pub fn id_of(type_name: &TypeName) -> ObjectId {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            Hasher::new(HashDomain::Schema)
                .part(type_name.as_bytes())
                .finish();
        ObjectId::from_bytes(id)
    }

    /// The object that holds this schema.
    pub fn id(&self) -> ObjectId {
        Self::id_of(&self.type_name)
    }

    /// The properties of that object.
    pub fn properties(&self) -> Map {
        Map::from([
            ("type".into(), self.type_name.as_str().into()),
            ("schema".into(), self.schema.to_string().into()),
        ])
    }

    /// The operation that makes that object.
    pub fn create(&self) -> Op {
        Op::Create {
            object: self.id(),
            type_name: Self::TYPE.into(),
            properties: self.properties(),
        }
    }

    /// What of these properties does not fit: empty when all does. No more than a few are named.
    ///
    /// Checked are the keywords by which `schemars` describes types: `$ref` within the schema,
    /// `type`, `enum`, `const`, `allOf`, `anyOf`, `oneOf`, `not`; `properties`, `required`,
    /// `additionalProperties`, `minProperties`, `maxProperties`; `items`, `prefixItems`,
    /// `minItems`, `maxItems`; the bounds of numbers and of the length of text, and the formats
    /// of whole numbers. Others, such as `pattern`, are passed over.
    pub fn violations(&self, properties: &Map) -> Vec<Violation> {
        self.check(properties).violations
    }

    /// The same, with the references whose targets have to exist: those at places that the
    /// keyword `x-echo-required` marks, as `#[echo(required)]` at a field does.
    pub fn check(&self, properties: &Map) -> Checked {
        // Tags, keys and the parent are kept there, and no business of a schema.
        if properties.contains_key(META) {
            let mut own = properties.clone();
            own.remove(META);
            return validate::check(&self.schema, &own);
        }
        validate::check(&self.schema, properties)
    }
}
