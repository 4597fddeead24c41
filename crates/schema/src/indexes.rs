//! The indexes that a schema declares.

use dxos_document::{Key, Path};
use serde_json::Value as Json;

use crate::TypeSchema;

/// The keyword at a property that is to be indexed.
const INDEX: &str = "x-echo-index";
/// Levels of properties that are looked at.
const LEVELS_MAX: usize = 4;
/// Properties that one schema indexes at most.
const PATHS_MAX: usize = 32;

impl TypeSchema {
    /// The properties by which spaces keep the objects of this type in order, so that queries
    /// need not look at all of them: those that the keyword `x-echo-index` marks, as
    /// `#[echo(index)]` at a field does. No more than 32 count.
    pub fn indexes(&self) -> Vec<Path> {
        let mut found = Vec::new();
        let schema = self.schema();
        look(schema, schema, &mut Vec::new(), &mut found);
        found.sort();
        found.dedup();
        found.truncate(PATHS_MAX);
        found
    }
}

fn look(root: &Json, schema: &Json, path: &mut Vec<Key>, found: &mut Vec<Path>) {
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
        if property.get(INDEX) == Some(&Json::Bool(true)) {
            found.push(Path::of(path.iter().cloned()));
        }
        if path.len() < LEVELS_MAX {
            look(root, property, path, found);
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
        let empty = TypeSchema::new("task", json!(true)).unwrap();
        assert!(empty.indexes().is_empty());
    }
}
