//! Why a struct and properties do not fit each other.

use std::fmt::{self, Display};

use dxos_document::{TxError, TypeName};
use dxos_keys::ObjectId;

/// A struct cannot be written as properties, or properties cannot be read as a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    /// From the inside out.
    parts: Vec<String>,
    reason: String,
}

impl ConvertError {
    pub(crate) fn new(reason: impl Display) -> Self {
        Self {
            parts: Vec::new(),
            reason: reason.to_string(),
        }
    }

    /// The same within an entry, item or variant.
    pub(crate) fn within(mut self, part: impl Display) -> Self {
        self.parts.push(part.to_string());
        self
    }

    /// Where, as a JSON pointer: `/address/city`, and nothing for the object itself.
    pub fn pointer(&self) -> String {
        let mut text = String::new();
        for part in self.parts.iter().rev() {
            push_part(&mut text, part);
        }
        text
    }

    /// What is wrong there.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

pub(crate) fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    for character in part.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

impl Display for ConvertError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = self.pointer();
        formatter.write_str(&pointer)?;
        if !pointer.is_empty() {
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for ConvertError {}

impl serde::ser::Error for ConvertError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for ConvertError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message)
    }
}

/// An object is not what a struct asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "object {object} of type {found} cannot be read as {expected}: {error}; \
     read it as a dynamic object, or register a migration"
)]
pub struct MismatchError {
    /// The object.
    pub object: ObjectId,
    /// Its type.
    pub found: TypeName,
    /// The type of the struct.
    pub expected: TypeName,
    /// Where it does not fit.
    pub error: ConvertError,
}

/// Why a typed object was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The struct has a value that no property can be. The text says where.
    #[error("the {type_name} cannot be written: {error}")]
    Encode {
        /// Its type.
        type_name: TypeName,
        /// Where.
        error: ConvertError,
    },
    /// The object is of another type, or does not fit the struct.
    #[error(transparent)]
    Mismatch(#[from] MismatchError),
    /// The transaction refused it.
    #[error(transparent)]
    Tx(#[from] TxError),
}
