//! From properties to anything that `serde` can read.

use dxos_document::{Key, Map, Value};
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use crate::error::ConvertError;

/// What is read: a value, or the properties of an object.
#[derive(Clone, Copy)]
pub(crate) enum Source<'de> {
    Value(&'de Value),
    Properties(&'de Map),
}

impl<'de> Source<'de> {
    const fn map(self) -> Option<&'de Map> {
        match self {
            Self::Value(value) => value.as_map(),
            Self::Properties(map) => Some(map),
        }
    }

    const fn value(self) -> Option<&'de Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Properties(_) => None,
        }
    }

    fn wrong(self, expected: &dyn de::Expected) -> ConvertError {
        let Some(value) = self.value() else {
            return ConvertError::invalid_type(Unexpected::Map, expected);
        };
        let unexpected = match value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Int(value) => Unexpected::Signed(*value),
            Value::Float(value) => Unexpected::Float(*value),
            Value::String(value) => Unexpected::Str(value),
            Value::Bytes(_) => Unexpected::Other("bytes"),
            Value::Counter(_) => Unexpected::Other("a counter"),
            Value::Timestamp(_) => Unexpected::Other("a timestamp"),
            Value::Reference(_) => Unexpected::Other("a reference"),
            Value::List(_) => Unexpected::Other("a list"),
            Value::Set(_) => Unexpected::Other("a set"),
            Value::Map(_) => Unexpected::Other("a map"),
            Value::Text(text) => Unexpected::Str(text.as_str()),
            _ => Unexpected::Other("a value of another kind"),
        };
        ConvertError::invalid_type(unexpected, expected)
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
            match self.value() {
                Some(Value::Int(value) | Value::Counter(value)) => visitor.visit_i64(*value),
                Some(Value::Float(value)) => visitor.visit_f64(*value),
                _ => Err(self.wrong(&visitor)),
            }
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
            match self.value() {
                Some(Value::String(text)) => visitor.visit_borrowed_str(text),
                Some(Value::Text(text)) => visitor.visit_borrowed_str(text.as_str()),
                _ => Err(self.wrong(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'de> {
    type Error = ConvertError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        if let Some(map) = self.map() {
            return visitor.visit_map(Entries::new(map));
        }
        match self.value() {
            None | Some(Value::Null) => visitor.visit_unit(),
            Some(Value::Bool(value)) => visitor.visit_bool(*value),
            Some(Value::Int(value) | Value::Counter(value)) => visitor.visit_i64(*value),
            Some(Value::Float(value)) => visitor.visit_f64(*value),
            Some(Value::String(text)) => visitor.visit_borrowed_str(text),
            Some(Value::List(items)) => visitor.visit_seq(Items::new(items.iter())),
            // What serde has no word for: its JSON form, by which the types of this crate know
            // it when serde has kept it in between (untagged, flatten).
            Some(other) => other
                .to_json()
                .deserialize_any(visitor)
                .map_err(ConvertError::new),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.value() {
            Some(Value::Bool(value)) => visitor.visit_bool(*value),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.value() {
            Some(Value::Bytes(bytes)) => visitor.visit_borrowed_bytes(bytes),
            Some(Value::List(items)) => visitor.visit_seq(Items::new(items.iter())),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.value() {
            Some(Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.value() {
            Some(Value::Null) => visitor.visit_unit(),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        if name != Value::SERDE_NAME {
            return visitor.visit_newtype_struct(self);
        }
        let json = match self {
            Self::Value(value) => value.to_json(),
            Self::Properties(map) => Value::Map(map.clone()).to_json(),
        };
        visitor
            .visit_newtype_struct(json)
            .map_err(ConvertError::new)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.value() {
            Some(Value::List(items)) => visitor.visit_seq(Items::new(items.iter())),
            Some(Value::Set(members)) => visitor.visit_seq(Items::new(members.iter())),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.map() {
            Some(map) => visitor.visit_map(Entries::new(map)),
            None => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        if let Some(Value::String(variant)) = self.value() {
            return visitor.visit_enum(BorrowedStrDeserializer::new(variant));
        }
        let Some(map) = self.map() else {
            return Err(self.wrong(&visitor));
        };
        // Two variants that were assigned concurrently are both there: every replica takes the
        // same one.
        let known = map
            .iter()
            .find(|(name, _)| variants.contains(&name.as_str()));
        let Some((variant, content)) = known.or_else(|| map.first_key_value()) else {
            let reason = "an empty map where one with the name of a variant is expected";
            return Err(ConvertError::new(reason));
        };
        visitor.visit_enum(Variant { variant, content })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        visitor.visit_unit()
    }
}

struct Items<I> {
    items: I,
    at: usize,
}

impl<I> Items<I> {
    const fn new(items: I) -> Self {
        Self { items, at: 0 }
    }
}

impl<'de, I: ExactSizeIterator<Item = &'de Value>> SeqAccess<'de> for Items<I> {
    type Error = ConvertError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ConvertError> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let at = self.at;
        self.at += 1;
        seed.deserialize(Source::Value(item))
            .map(Some)
            .map_err(|error| error.within(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    entries: std::collections::btree_map::Iter<'de, Key, Value>,
    current: Option<(&'de Key, &'de Value)>,
}

impl<'de> Entries<'de> {
    fn new(map: &'de Map) -> Self {
        Self {
            entries: map.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ConvertError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ConvertError> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(KeySource(key))
            .map(Some)
            .map_err(|error| error.within(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ConvertError> {
        let Some((key, value)) = self.current.take() else {
            return Err(ConvertError::new("a value was asked for before its key"));
        };
        seed.deserialize(Source::Value(value))
            .map_err(|error| error.within(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// The key of a map: text, or what was written as text.
struct KeySource<'de>(&'de str);

macro_rules! parsed_keys {
    ($($method:ident($type:ty) => $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
            match self.0.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeySource<'de> {
    type Error = ConvertError;

    parsed_keys! {
        deserialize_bool(bool) => visit_bool;
        deserialize_i8(i64) => visit_i64;
        deserialize_i16(i64) => visit_i64;
        deserialize_i32(i64) => visit_i64;
        deserialize_i64(i64) => visit_i64;
        deserialize_i128(i64) => visit_i64;
        deserialize_u8(u64) => visit_u64;
        deserialize_u16(u64) => visit_u64;
        deserialize_u32(u64) => visit_u64;
        deserialize_u64(u64) => visit_u64;
        deserialize_u128(u64) => visit_u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// A variant with content.
struct Variant<'de> {
    variant: &'de Key,
    content: &'de Value,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ConvertError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), ConvertError> {
        let name: StrDeserializer<'_, ConvertError> = self.variant.as_str().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = ConvertError;

    fn unit_variant(self) -> Result<(), ConvertError> {
        if self.content.is_null() {
            return Ok(());
        }
        let error = Source::Value(self.content).wrong(&"nothing beside the name of the variant");
        Err(error.within(self.variant))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ConvertError> {
        seed.deserialize(Source::Value(self.content))
            .map_err(|error| error.within(self.variant))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        Source::Value(self.content)
            .deserialize_tuple(length, visitor)
            .map_err(|error| error.within(self.variant))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        Source::Value(self.content)
            .deserialize_map(visitor)
            .map_err(|error| error.within(self.variant))
    }
}
