//! Keywords of a schema that do not say what they are for.

use std::collections::BTreeSet;

use dxos_document::Key;
use serde_json::Value as Json;

use crate::indexes::{INDEX, TEXT};
use crate::show::short_json;
use crate::validate::REQUIRED;
use crate::{TypeSchema, Violation};

/// What is named at most.
const MISTAKES_MAX: usize = 8;

const TYPES: &[&str] = &[
    "array", "boolean", "integer", "null", "number", "object", "string",
];
/// Keywords with a schema for each of some names.
const BY_NAME: &[&str] = &["$defs", "definitions", "patternProperties", "properties"];
/// Keywords with one schema.
const ONE: &[&str] = &["additionalProperties", "items", "not"];
/// Keywords with a list of schemas.
const LIST: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords with a count.
const COUNT: &[&str] = &[
    "maxItems",
    "maxLength",
    "maxProperties",
    "minItems",
    "minLength",
    "minProperties",
];
/// Keywords that say something to people, or of the schema as a whole.
const REMARKS: &[&str] = &[
    "$anchor",
    "$comment",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];
/// Keywords with a number.
const NUMBER: &[&str] = &["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"];

impl TypeSchema {
    /// Where the schema itself is wrong: keywords that [`TypeSchema::violations`] and the indexes
    /// of spaces know, and would pass over as they stand. Empty when there are none; no more than
    /// a few are named. Spaces take such schemas all the same.
    pub fn mistakes(&self) -> Vec<Violation> {
        self.search().found
    }

    /// Keywords by which nothing is checked, such as `pattern`, or one that is misspelt: in order,
    /// each once, no more than a few. What only says something to people is not among them.
    pub fn unchecked(&self) -> Vec<String> {
        let unchecked = self.search().unchecked.into_iter();
        unchecked.take(MISTAKES_MAX).collect()
    }

    fn search(&self) -> Search<'_> {
        let mut search = Search {
            root: self.schema(),
            path: Vec::new(),
            found: Vec::new(),
            unchecked: BTreeSet::new(),
        };
        search.schema(self.schema());
        search
    }
}

struct Search<'s> {
    root: &'s Json,
    path: Vec<Key>,
    found: Vec<Violation>,
    unchecked: BTreeSet<String>,
}

impl Search<'_> {
    fn within(&mut self, part: &str, look: impl FnOnce(&mut Self)) {
        self.path.push(part.into());
        look(self);
        self.path.pop();
    }

    fn wrong(&mut self, is: &Json, expected: &str) {
        if self.found.len() < MISTAKES_MAX {
            self.found.push(Violation {
                path: self.path.clone(),
                reason: format!("{} is not {expected}", short_json(is)),
            });
        }
    }

    fn schema(&mut self, schema: &Json) {
        let keywords = match schema {
            Json::Object(keywords) => keywords,
            Json::Bool(_) => return,
            other => return self.wrong(other, "a schema: a JSON object, true or false"),
        };
        for (keyword, value) in keywords {
            self.within(keyword, |search| search.keyword(keyword, value));
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Json) {
        let is = |known: &[&str]| known.contains(&keyword);
        if is(BY_NAME) {
            let Json::Object(schemas) = value else {
                return self.wrong(value, "a JSON object");
            };
            for (name, schema) in schemas {
                self.within(name, |search| search.schema(schema));
            }
            if keyword == "patternProperties" {
                self.unchecked.insert(keyword.to_owned());
            }
        } else if is(ONE) {
            self.schema(value);
        } else if is(LIST) {
            let Json::Array(schemas) = value else {
                return self.wrong(value, "a list of schemas");
            };
            for (at, schema) in schemas.iter().enumerate() {
                self.within(&at.to_string(), |search| search.schema(schema));
            }
        } else if is(COUNT) {
            if value.as_u64().is_none() {
                self.wrong(value, "a count");
            }
        } else if is(NUMBER) {
            if !value.is_number() {
                self.wrong(value, "a number");
            }
        } else if is(&[INDEX, TEXT, REQUIRED]) {
            if !value.is_boolean() {
                self.wrong(value, "true or false");
            }
        } else {
            self.other(keyword, value);
        }
    }

    fn other(&mut self, keyword: &str, value: &Json) {
        let is_type = |name: &Json| name.as_str().is_some_and(|name| TYPES.contains(&name));
        let every = |holds: &dyn Fn(&Json) -> bool| {
            let items = value.as_array();
            items.is_some_and(|items| items.iter().all(holds))
        };
        match keyword {
            "type" if !is_type(value) && !every(&is_type) => {
                let names = TYPES.join(", ");
                self.wrong(value, &format!("one of {names}, or a list of these"));
            }
            "required" if !every(&Json::is_string) => self.wrong(value, "a list of names"),
            "enum" if !value.is_array() => self.wrong(value, "a list of values"),
            "$ref" => {
                let pointer = value.as_str().map(|text| text.strip_prefix('#'));
                match pointer {
                    Some(Some(pointer)) if self.root.pointer(pointer).is_some() => {}
                    Some(Some(_)) => self.wrong(value, "anywhere in this schema"),
                    _ => self.wrong(
                        value,
                        "a reference within this schema, such as #/$defs/Name",
                    ),
                }
            }
            "type" | "required" | "enum" | "const" | "format" => {}
            remark if REMARKS.contains(&remark) || remark.starts_with("x-") => {}
            other => drop(self.unchecked.insert(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mistakes(schema: Json) -> Vec<String> {
        let schema = TypeSchema::new("task", schema).unwrap();
        let found = schema.mistakes();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_would_be_passed_over_is_named_with_its_place() {
        let found = mistakes(json!({
            "type": "objekt",
            "properties": {
                "due": {"type": "integer", "x-echo-index": "yes"},
                "place": {"$ref": "#/$defs/Place"},
                "tags": {"type": "array", "items": ["string"]},
            },
            "required": "due",
        }));
        let wanted = [
            "/properties/due/x-echo-index: \"yes\" is not true or false",
            "/properties/place/$ref: \"#/$defs/Place\" is not anywhere in this schema",
            "/properties/tags/items: [\"string\"] is not a schema",
            "/required: \"due\" is not a list of names",
            "/type: \"objekt\" is not one of array",
        ];
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.starts_with(wanted), "{found}");
        }
        let many: serde_json::Map<_, _> = (0..50).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(mistakes(json!({"properties": many})).len(), MISTAKES_MAX);
    }

    #[test]
    fn keywords_that_check_nothing_are_named_once() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Task",
            "propertis": {},
            "properties": {
                "pattern": {"type": "string", "pattern": "^x$", "minLength": 1},
                "many": {"items": {"pattern": "y", "multipleOf": 2, "x-mine": 1}},
            },
            "patternProperties": {"^a": {"format": "date"}},
        });
        let found = TypeSchema::new("task", schema).unwrap().unchecked();
        assert_eq!(
            found,
            ["multipleOf", "pattern", "patternProperties", "propertis"]
        );
        let many: serde_json::Map<_, _> = (0..50).map(|n| (n.to_string(), json!(n))).collect();
        let schema = TypeSchema::new("task", Json::Object(many)).unwrap();
        assert_eq!(schema.unchecked().len(), MISTAKES_MAX);
    }

    #[test]
    fn right_schemas_have_none() {
        for right in [
            json!(true),
            json!({"type": ["string", "null"], "pattern": 5, "enum": [1], "title": "t"}),
            json!({"properties": {"self": {"$ref": "#"}, "type": {"type": "null"}}}),
            json!({"anyOf": [{"minimum": 1.5}, {"maxItems": 3}], "not": false}),
        ] {
            assert_eq!(mistakes(right.clone()), Vec::<String>::new(), "{right}");
        }
    }
}
