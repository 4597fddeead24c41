//! Typed objects: structs as properties of objects and back, the schemas of their types, and
//! whether properties fit a schema.
//!
//! It is pure data and functions, and knows nothing of spaces, storage or networks. What is
//! written where is decided by the caller, through the transactions of `dxos-document`.
//!
//! ```
//! use dxos_schema::{Counter, EchoObject, Timestamp, from_properties, to_properties};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, EchoObject)]
//! #[echo(type = "example.com/type/Task", version = "0.1.0", crate = "dxos_schema")]
//! struct Task {
//!     title: String,
//!     due: Option<Timestamp>,
//!     views: Counter,
//! }
//!
//! let task = Task { title: "Write".into(), due: None, views: Counter::new(0) };
//! let properties = to_properties(&task)?;
//! assert_eq!(properties.len(), 2);
//! let read: Task = from_properties(&properties)?;
//! assert_eq!(read.title, "Write");
//! assert_eq!(Task::type_name(), "example.com/type/Task@0.1.0");
//! # Ok::<(), dxos_schema::ConvertError>(())
//! ```
//!
//! # What becomes what
//!
//! | Rust | property |
//! | --- | --- |
//! | `bool`, `String`, `char` | boolean, string |
//! | whole numbers | integer; beyond 64 bits with sign it is an error that says where |
//! | `f32`, `f64` | float; one NaN, `-0.0` is `0.0`, infinities are kept; an integer is read too |
//! | `None` in a field | no property, null in a struct with `#[serde(flatten)]`; both are read |
//! | `None` in a list or a map, `Some(None)` | null, which is read as `None` |
//! | `()`, unit structs | null |
//! | structs, maps | map, merged leaf by leaf; keys are text, whole numbers, booleans, unit variants |
//! | tuples, `Vec` and other sequences | list; items are inserted, deleted and moved one by one |
//! | newtype structs | what is inside |
//! | variants without content | their name as a string |
//! | variants with content | as `serde` represents them: `{name: content}` if nothing is said |
//! | `&[u8]` of `serde_bytes`, [`Bytes`] | bytes; a plain `Vec<u8>` is a list of numbers |
//! | [`Timestamp`], [`Counter`], [`Set`], [`Ref`] | timestamp, counter, set, reference |
//! | [`Text`] | text that many type into; a `String` reads one too, and is typed into it |
//! | [`Any`] | the value itself |
//!
//! **Enums.** When two variants with content are assigned at once both are in the merged map:
//! every replica reads the one whose name comes first, and the next assignment takes the other
//! one out. With `#[serde(tag = "...")]` the later assignment of the tag decides.
//!
//! # Programs of different versions
//!
//! A struct reads objects of its type in any version, as long as they fit. A change is written
//! as the difference between the struct before and after it, so properties that only another
//! version knows stay: in the object, in structs within it, and in structs within lists, where
//! an item that was changed is recognised by the fields that stayed, else by its place.

mod de;
mod declare;
mod error;
mod indexes;
mod kinds;
mod migration;
mod mistakes;
mod object;
mod ser;
mod show;
mod tree;
mod type_schema;
mod typed_tx;
mod validate;

pub use declare::{DeclareError, IndexDeclaration};
pub use error::{ConvertError, MismatchError, ObjectError};
pub use kinds::{Any, Bytes, Counter, Ref, Referent, Set, Text, Timestamp};
pub use migration::{Migration, MigrationError};
pub use object::{
    EchoObject, Edited, IntoObject, NewObject, ObjectKey, Typed, from_properties, from_value,
    to_properties, to_value,
};
pub use type_schema::{SchemaError, TypeSchema};
pub use typed_tx::TypedTx;
pub use validate::{Checked, Required, Violation};

pub use dxos_derive::{EchoObject, JsonSchema};
// The trait alone: the macro of the same name is the one above.
pub use traits::*;

mod traits {
    pub use schemars::JsonSchema;
}

/// What the derive macros need. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use schemars;
}

#[cfg(test)]
extern crate self as dxos_schema;
#[cfg(test)]
mod tests;
