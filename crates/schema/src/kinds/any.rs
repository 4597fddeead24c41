//! Values of any kind.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use dxos_document::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// A value of any kind, for the parts of a struct that have no fixed form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Any(pub Value);

impl Deref for Any {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Any {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl<V: Into<Value>> From<V> for Any {
    fn from(value: V) -> Self {
        Self(value.into())
    }
}

impl JsonSchema for Any {
    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "dxos::Any".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }

    fn inline_schema() -> bool {
        true
    }
}
