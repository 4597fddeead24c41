//! The indexes that a schema declares.

use dxos_document::{Key, Path};
use serde_json::Value as Json;

use crate::TypeSchema;

/// The keyword at a property that is to be indexed.
pub(crate) const INDEX: &str = "x-echo-index";
/// The keyword at a property, or at the whole, whose texts are to be searched.
pub(crate) const TEXT: &str = "x-echo-text";
/// Levels of properties that are looked at.
pub(crate) const LEVELS_MAX: usize = 4;
/// Properties that one schema indexes at most.
pub(crate) const PATHS_MAX: usize = 32;

impl TypeSchema {
    /// The properties by which spaces keep the objects of this type in order, so that queries
    /// need not look at all of them: those that the keyword `x-echo-index` marks, as
    /// `#[echo(index)]` at a field does. No more than 32 count.
    pub fn indexes(&self) -> Vec<Path> {
        self.marked(INDEX)
    }

    /// The properties in whose texts spaces keep where each word is, so that a search need not
    /// read all objects: those that the keyword `x-echo-text` marks, as `#[echo(text)]` at a field
    /// does. No more than 32 count.
    pub fn text_indexes(&self) -> Vec<Path> {
        self.marked(TEXT)
    }

    /// Whether spaces keep where each word is in all texts of the objects of this type, as the
    /// keyword `x-echo-text` at the top of the schema says, and `#[echo(text)]` at a struct.
    pub fn indexes_all_texts(&self) -> bool {
        self.schema().get(TEXT) == Some(&Json::Bool(true))
    }

    fn marked(&self, keyword: &str) -> Vec<Path> {
        let mut found = Vec::new();
        let schema = self.schema();
        look((schema, keyword), schema, &mut Vec::new(), &mut found);
        found.sort();
        found.dedup();
        found.truncate(PATHS_MAX);
        found
    }
}

fn look((root, keyword): (&Json, &str), schema: &Json, path: &mut Vec<Key>, found: &mut Vec<Path>) {
    let schema = match schema.get("$ref").and_then(Json::as_str) {
        Some(reference) => {
            let target = reference.strip_prefix('#');
            target
                .and_then(|target| root.pointer(target))
                .unwrap_or(schema)
        }
        None => schema,
    };
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return;
    };
    for (name, property) in properties {
        if found.len() > PATHS_MAX {
            return;
        }
        path.push(Key::from(name.as_str()));
        if property.get(keyword) == Some(&Json::Bool(true)) {
            found.push(Path::of(path.iter().cloned()));
        }
        if path.len() < LEVELS_MAX {
            look((root, keyword), property, path, found);
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marked_properties_are_indexed_also_inside_others() {
        let schema = json!({
            "properties": {
                "due": {"type": "integer", INDEX: true},
                "title": {"type": "string", INDEX: "yes"},
                "place": {"$ref": "#/$defs/Place"},
                "self": {"$ref": "#"},
            },
            "$defs": {"Place": {"properties": {"city": {INDEX: true}}}},
        });
        let schema = TypeSchema::new("task", schema).unwrap();
        let found = schema.indexes();
        assert!(found.contains(&Path::from("due")));
        assert!(found.contains(&Path::from("place.city")));
        assert!(!found.contains(&Path::from("title")));
        assert!(found.len() <= PATHS_MAX);
        assert!(schema.text_indexes().is_empty() && !schema.indexes_all_texts());
        let empty = TypeSchema::new("task", json!(true)).unwrap();
        assert!(empty.indexes().is_empty());
    }
    #[test]
    fn texts_are_marked_at_properties_and_as_a_whole() {
        let schema = json!({
            "properties": {"title": {TEXT: true}, "due": {INDEX: true}},
            TEXT: true,
        });
        let schema = TypeSchema::new("task", schema).unwrap();
        assert_eq!(schema.text_indexes(), [Path::from("title")]);
        assert!(schema.indexes_all_texts());
    }
}
