//! What a struct can hold beside plain data: the kinds of values that merge, or mean more than
//! their content. Each is written as the [`Value`] of its kind; in JSON it is the form of
//! [`Value::to_json`], which is also what its schema says.

mod any;
mod bytes;
mod counter;
mod reference;
mod set;
mod text;
mod timestamp;

pub use any::Any;
pub use bytes::Bytes;
pub use counter::Counter;
pub use reference::{Ref, Referent};
pub use set::Set;
pub use text::Text;
pub use timestamp::Timestamp;

use dxos_document::Value;
use schemars::Schema;
use serde_json::{Value as Json, json};

/// The schema of a value with the JSON form `{tag: content}`.
fn tagged(tag: &str, content: &Json, description: &str) -> Schema {
    let schema = json!({
        "description": description,
        "type": "object",
        "properties": { tag: content },
        "required": [tag],
        "additionalProperties": false,
    });
    Schema::try_from(schema).unwrap_or_default()
}

/// What is wrong with a value of another kind.
fn wrong<E: serde::de::Error>(expected: &str, found: &Value) -> E {
    E::custom(format_args!(
        "{} is not {expected}",
        crate::show::short(found)
    ))
}
