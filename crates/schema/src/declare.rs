//! Declaring indexes in schemas that are there already.

use std::fmt;

use dxos_document::{Path, TypeName};
use serde_json::{Map as Keywords, Value as Json, json};

use crate::TypeSchema;
use crate::indexes::{INDEX, LEVELS_MAX, PATHS_MAX, TEXT};

/// References that are followed one after the other.
const REFERENCES_MAX: usize = 16;

/// An index that a schema declares: see [`TypeSchema::indexes`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexDeclaration {
    /// The objects in the order of a property.
    Order(Path),
    /// The words of all their texts.
    Words,
    /// The words of the texts at a property.
    WordsAt(Path),
}

/// Why an index cannot be declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// No object of the type may have the property.
    #[error(
        "the schema of {type_name} allows no property {path}; add the property to the schema first"
    )]
    NotAllowed {
        /// The type.
        type_name: TypeName,
        /// The property.
        path: Path,
    },
    /// The property is too far inside others.
    #[error("{path} is more than {LEVELS_MAX} levels deep, and is not indexed there; move it up")]
    TooDeep {
        /// The property.
        path: Path,
    },
    /// The schema declares as many as count.
    #[error(
        "the schema of {type_name} declares {PATHS_MAX} indexes of this kind, and no more count; \
         remove one first"
    )]
    TooMany {
        /// The type.
        type_name: TypeName,
    },
}

impl IndexDeclaration {
    /// How many of them one space keeps, of all its types together. What is declared beyond is
    /// left out.
    pub const SPACE_MAX: usize = 64;

    /// What spaces call the index of a type, given without its version.
    pub fn name(&self, type_base: &str) -> String {
        format!("{type_base} by {self}")
    }

    const fn keyword(&self) -> &'static str {
        match self {
            Self::Order(_) => INDEX,
            Self::Words | Self::WordsAt(_) => TEXT,
        }
    }

    const fn path(&self) -> Option<&Path> {
        match self {
            Self::Order(path) | Self::WordsAt(path) => Some(path),
            Self::Words => None,
        }
    }
}

impl fmt::Display for IndexDeclaration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(path) => write!(formatter, "{path}"),
            Self::Words => formatter.write_str("words"),
            Self::WordsAt(path) => write!(formatter, "words of {path}"),
        }
    }
}

impl TypeSchema {
    /// All indexes that it declares, as far as they count.
    pub fn declared(&self) -> Vec<IndexDeclaration> {
        let order = self.indexes().into_iter().map(IndexDeclaration::Order);
        let words = self.indexes_all_texts().then_some(IndexDeclaration::Words);
        let at = self.text_indexes().into_iter();
        let at = at.map(IndexDeclaration::WordsAt);
        order.chain(words).chain(at).collect()
    }

    /// This schema with one more index. What it allows stays the same.
    ///
    /// # Errors
    ///
    /// [`DeclareError`].
    pub fn with_index(&self, index: &IndexDeclaration) -> Result<Self, DeclareError> {
        let declared = self.declared();
        if declared.contains(index) {
            return Ok(self.clone());
        }
        let Some(path) = index.path() else {
            let mut schema = self.schema().clone();
            let keywords = keywords(&mut schema).ok_or_else(|| self.not_allowed("*"))?;
            keywords.insert(TEXT.to_owned(), json!(true));
            return Ok(self.with_schema(schema));
        };
        if path.parts().len() > LEVELS_MAX {
            return Err(DeclareError::TooDeep { path: path.clone() });
        }
        let alike = |other: &&IndexDeclaration| {
            other.path().is_some() && other.keyword() == index.keyword()
        };
        if declared.iter().filter(alike).count() >= PATHS_MAX {
            let type_name = self.type_name().clone();
            return Err(DeclareError::TooMany { type_name });
        }
        let mut schema = self.schema().clone();
        let place = self.place(&mut schema, path).map(keywords);
        let place = place.flatten().ok_or_else(|| self.not_allowed(path))?;
        place.insert(index.keyword().to_owned(), json!(true));
        Ok(self.with_schema(schema))
    }

    /// This schema without an index. What it allows stays the same.
    #[must_use]
    pub fn without_index(&self, index: &IndexDeclaration) -> Self {
        if !self.declared().contains(index) {
            return self.clone();
        }
        let mut schema = self.schema().clone();
        let place = match index.path() {
            Some(path) => self.place(&mut schema, path),
            None => Some(&mut schema),
        };
        if let Some(keywords) = place.and_then(keywords) {
            keywords.remove(index.keyword());
        }
        self.with_schema(schema)
    }

    /// Where a schema describes a property; made where it says nothing of it. Definitions that
    /// others use too are copied on the way there. `None` where there may be no such property.
    fn place<'s>(&self, schema: &'s mut Json, path: &Path) -> Option<&'s mut Json> {
        let mut place = schema;
        for part in path.parts() {
            self.resolve(place);
            let keywords = keywords(place)?;
            let rest = keywords.get("additionalProperties").cloned();
            let properties = keywords.entry("properties").or_insert_with(|| json!({}));
            let properties = properties.as_object_mut()?;
            if !properties.contains_key(part.as_str()) {
                let rest = rest.unwrap_or_else(|| json!({}));
                properties.insert(part.to_string(), rest);
            }
            place = properties.get_mut(part.as_str())?;
        }
        Some(place)
    }

    /// Puts what a reference within the schema leads to in its place.
    fn resolve(&self, place: &mut Json) {
        for _ in 0..REFERENCES_MAX {
            let reference = place.get("$ref").and_then(Json::as_str);
            let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
            let target = pointer.and_then(|pointer| self.schema().pointer(pointer));
            let Some(mut target) = target.cloned() else {
                return;
            };
            let (Some(found), Some(own)) = (keywords(&mut target), place.as_object_mut()) else {
                return;
            };
            own.remove("$ref");
            for (keyword, beside) in std::mem::take(own) {
                join(found, keyword, beside);
            }
            *place = target;
        }
    }

    fn with_schema(&self, schema: Json) -> Self {
        Self::of_parts(self.type_name().clone(), schema)
    }

    fn not_allowed(&self, path: impl Into<Path>) -> DeclareError {
        DeclareError::NotAllowed {
            type_name: self.type_name().clone(),
            path: path.into(),
        }
    }
}

/// Adds what stood beside a reference to what it led to: both hold.
fn join(found: &mut Keywords<String, Json>, keyword: String, beside: Json) {
    let is_note = ["title", "description", "default", "examples"].contains(&keyword.as_str());
    if is_note || found.get(&keyword).is_none_or(|other| *other == beside) {
        found.insert(keyword, beside);
        return;
    }
    let both = found.entry("allOf").or_insert_with(|| json!([]));
    if let Some(both) = both.as_array_mut() {
        match beside {
            Json::Array(more) if keyword == "allOf" => both.extend(more),
            beside => both.push(Json::Object([(keyword, beside)].into_iter().collect())),
        }
    }
}

/// The keywords of a schema; `None` of one that allows nothing, or is none.
fn keywords(schema: &mut Json) -> Option<&mut Keywords<String, Json>> {
    if *schema == Json::Bool(true) {
        *schema = json!({});
    }
    schema.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_document::{Map, Value};

    fn schema(schema: Json) -> TypeSchema {
        TypeSchema::new("task@1", schema).unwrap()
    }

    fn order(path: &str) -> IndexDeclaration {
        IndexDeclaration::Order(path.into())
    }

    #[test]
    fn an_index_is_declared_and_taken_back_and_nothing_else_changes() {
        let city = json!({"properties": {"city": {"type": "string"}}, "required": ["city"]});
        let before = schema(json!({
            "properties": {
                "due": {"type": "integer"},
                "home": {"$ref": "#/$defs/Place"},
                "work": {"$ref": "#/$defs/Place", "required": ["floor"]},
                "any": true,
            },
            "$defs": {"Place": {"$ref": "#/$defs/City"}, "City": city},
        }));
        let (at, all) = (
            IndexDeclaration::WordsAt("title".into()),
            IndexDeclaration::Words,
        );
        let wanted = [
            order("due"),
            order("home.city"),
            order("work.floor"),
            order("any"),
            all,
            at,
        ];
        let mut schema = before.clone();
        for index in &wanted {
            schema = schema.with_index(index).unwrap();
            assert!(schema.declared().contains(index), "{index}");
        }
        assert_eq!(schema.declared().len(), wanted.len());
        // Objects are as right or wrong as before, also in the place of the copy.
        let riga = Value::map([("city", "Riga")]);
        for (place, value, wrong) in [
            ("home", riga.clone(), 0),
            ("home", Value::Map(Map::new()), 1),
            ("home", Value::map([("city", 7)]), 1),
            ("work", riga, 1),
            ("work", Value::map([("floor", 3)]), 1),
        ] {
            let object = Map::from([(place.into(), value)]);
            assert_eq!(schema.violations(&object).len(), wrong, "{object:?}");
            assert_eq!(before.violations(&object).len(), wrong, "{object:?}");
        }
        for index in &wanted {
            schema = schema.without_index(index);
        }
        assert_eq!(schema.declared(), []);
        assert_eq!(schema.without_index(&order("due")), schema);
    }

    #[test]
    fn what_cannot_be_indexed_is_refused() {
        let closed = schema(json!({"properties": {"a": false}, "additionalProperties": false}));
        for path in ["a", "b", "a.b"] {
            let error = closed.with_index(&order(path)).unwrap_err();
            assert!(matches!(error, DeclareError::NotAllowed { .. }), "{error}");
        }
        let nothing = schema(json!(false));
        assert!(nothing.with_index(&IndexDeclaration::Words).is_err());
        let mut any = schema(json!(true));
        let error = any.with_index(&order("a.b.c.d.e")).unwrap_err();
        assert!(matches!(error, DeclareError::TooDeep { .. }), "{error}");
        for number in 0..PATHS_MAX {
            any = any.with_index(&order(&format!("p{number}"))).unwrap();
        }
        let error = any.with_index(&order("a")).unwrap_err();
        assert!(matches!(error, DeclareError::TooMany { .. }), "{error}");
        // Of the other kinds there may be some.
        let words = IndexDeclaration::WordsAt("a".into());
        assert!(any.with_index(&words).unwrap().declared().contains(&words));
    }

    #[test]
    fn what_is_said_of_all_other_properties_goes_on_to_hold() {
        let before = schema(json!({"additionalProperties": {"type": "integer"}}));
        let after = before.with_index(&order("n")).unwrap();
        let wrong = Map::from([("n".into(), Value::from("text"))]);
        assert_eq!(after.violations(&wrong).len(), 1);
    }
}
