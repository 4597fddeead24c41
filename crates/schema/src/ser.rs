//! From anything that `serde` can write to a tree of values.

use std::collections::BTreeMap;

use dxos_document::{Key, Value};
use serde::ser::{self, Serialize};

use crate::error::ConvertError;
use crate::tree::Tree;

/// Writes a value as a tree.
pub(crate) fn to_tree<T: Serialize + ?Sized>(value: &T) -> Result<Tree, ConvertError> {
    value.serialize(TreeSerializer)
}

struct TreeSerializer;

macro_rules! leaf {
    ($($method:ident($type:ty) => |$value:ident| $result:expr;)*) => {$(
        fn $method(self, $value: $type) -> Result<Tree, ConvertError> {
            Ok(Tree::Leaf($result))
        }
    )*};
}

fn int<N: TryInto<i64> + Copy + std::fmt::Display>(number: N) -> Result<Tree, ConvertError> {
    let int = number.try_into().map_err(|_| {
        ConvertError::new(format_args!(
            "the number {number} does not fit into 64 bits with sign; keep it as text"
        ))
    })?;
    Ok(Tree::Leaf(Value::Int(int)))
}

impl ser::Serializer for TreeSerializer {
    type Ok = Tree;
    type Error = ConvertError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    leaf! {
        serialize_bool(bool) => |value| Value::Bool(value);
        serialize_i8(i8) => |value| Value::Int(value.into());
        serialize_i16(i16) => |value| Value::Int(value.into());
        serialize_i32(i32) => |value| Value::Int(value.into());
        serialize_i64(i64) => |value| Value::Int(value);
        serialize_u8(u8) => |value| Value::Int(value.into());
        serialize_u16(u16) => |value| Value::Int(value.into());
        serialize_u32(u32) => |value| Value::Int(value.into());
        serialize_f32(f32) => |value| Value::from(f64::from(value));
        serialize_f64(f64) => |value| Value::from(value);
        serialize_char(char) => |value| Value::String(value.into());
        serialize_str(&str) => |value| Value::from(value);
        serialize_bytes(&[u8]) => |value| Value::Bytes(value.to_vec());
    }

    fn serialize_u64(self, value: u64) -> Result<Tree, ConvertError> {
        int(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Tree, ConvertError> {
        int(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Tree, ConvertError> {
        int(value)
    }

    fn serialize_none(self) -> Result<Tree, ConvertError> {
        Ok(Tree::Absent)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, ConvertError> {
        // `Some(None)` is not `None`.
        to_tree(value).map(Tree::present)
    }

    fn serialize_unit(self) -> Result<Tree, ConvertError> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, ConvertError> {
        Ok(Tree::Leaf(Value::Null))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Tree, ConvertError> {
        Ok(Tree::Leaf(Value::from(variant)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Tree, ConvertError> {
        if name != Value::SERDE_NAME {
            return to_tree(value);
        }
        let json = serde_json::to_value(value).map_err(ConvertError::new)?;
        Value::from_json(&json)
            .map(Tree::Leaf)
            .map_err(ConvertError::new)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, ConvertError> {
        let content = to_tree(value).map_err(|error| error.within(variant))?;
        Ok(Tree::Variant(variant.into(), Box::new(content.present())))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, ConvertError> {
        Ok(Items::new(None, length.unwrap_or_default()))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, ConvertError> {
        Ok(Items::new(None, length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, ConvertError> {
        Ok(Items::new(None, length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items, ConvertError> {
        Ok(Items::new(Some(variant), length))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, ConvertError> {
        Ok(Entries::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, ConvertError> {
        Ok(Entries::new(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, ConvertError> {
        Ok(Entries::new(Some(variant)))
    }
}

/// A list that is being written, perhaps the content of a variant.
struct Items {
    variant: Option<&'static str>,
    items: Vec<Tree>,
}

impl Items {
    fn new(variant: Option<&'static str>, length: usize) -> Self {
        // What a type says of its length is a hint.
        let items = Vec::with_capacity(length.min(1024));
        Self { variant, items }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ConvertError> {
        let item = to_tree(value).map_err(|error| error.within(self.items.len()))?;
        self.items.push(item.present());
        Ok(())
    }

    fn finish(self) -> Tree {
        within_variant(self.variant, Tree::List(self.items))
    }
}

fn within_variant(variant: Option<&'static str>, content: Tree) -> Tree {
    match variant {
        None => content,
        Some(variant) => Tree::Variant(variant.into(), Box::new(content)),
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for Items {
            type Ok = Tree;
            type Error = ConvertError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ConvertError> {
                self.push(value)
            }

            fn end(self) -> Result<Tree, ConvertError> {
                Ok(self.finish())
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A map or struct that is being written, perhaps the content of a variant.
struct Entries {
    variant: Option<&'static str>,
    map: BTreeMap<Key, Tree>,
    key: Option<Key>,
}

impl Entries {
    const fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            map: BTreeMap::new(),
            key: None,
        }
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ConvertError> {
        match to_tree(value).map_err(|error| error.within(key))? {
            Tree::Absent => {}
            tree => drop(self.map.insert(key.into(), tree)),
        }
        Ok(())
    }
}

impl ser::SerializeMap for Entries {
    type Ok = Tree;
    type Error = ConvertError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ConvertError> {
        let key = match to_tree(key)? {
            Tree::Leaf(Value::String(text)) => text,
            Tree::Leaf(Value::Int(number)) => number.to_string(),
            Tree::Leaf(Value::Bool(value)) => value.to_string(),
            _ => {
                let reason = "the key of a map is text, a whole number, a boolean or an id";
                return Err(ConvertError::new(reason));
            }
        };
        self.key = Some(key.into());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ConvertError> {
        let key = self
            .key
            .take()
            .ok_or_else(|| ConvertError::new("a value came without its key"))?;
        let tree = to_tree(value).map_err(|error| error.within(&key))?;
        self.map.insert(key, tree.present());
        Ok(())
    }

    fn end(self) -> Result<Tree, ConvertError> {
        Ok(within_variant(self.variant, Tree::Map(self.map)))
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Entries {
            type Ok = Tree;
            type Error = ConvertError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), ConvertError> {
                self.field(key, value)
            }

            fn end(self) -> Result<Tree, ConvertError> {
                Ok(within_variant(self.variant, Tree::Map(self.map)))
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);
