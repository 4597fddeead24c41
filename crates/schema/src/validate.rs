//! Properties against a JSON Schema.
//!
//! Schemas come from whoever may write to a space. So the check takes a bounded number of steps
//! and levels; what lies beyond them counts as fitting.

mod types;

use std::fmt;

use dxos_document::{Key, Map, ObjectRef, Path, Value};
use serde_json::Value as Json;

use self::types::{is_equal, is_of_type, name_types, number, range, show};
use crate::de::Source;
use crate::error::push_part;
use crate::show::short;

/// Steps that one check takes at most.
const STEPS_MAX: usize = 100_000;
/// Levels that one check goes down at most, references included.
const LEVELS_MAX: usize = 128;
/// What is named at most.
const VIOLATIONS_MAX: usize = 8;
/// Allowed values that a message lists.
const SHOWN_MAX: usize = 8;

type Keywords = serde_json::Map<String, Json>;

const NULL: Source<'_> = Source::Value(&Value::Null);

/// A place that does not fit a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The way there: keys, and positions in lists.
    pub path: Vec<Key>,
    /// What is wrong there.
    pub reason: String,
}

impl Violation {
    /// Where, as a JSON pointer: `/address/city`, and nothing for the object itself.
    pub fn pointer(&self) -> String {
        let mut text = String::new();
        for part in &self.path {
            push_part(&mut text, part);
        }
        text
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = self.pointer();
        if !pointer.is_empty() {
            write!(formatter, "{pointer}: ")?;
        }
        formatter.write_str(&self.reason)
    }
}

/// The keyword for places whose references have to refer to objects that exist.
pub(crate) const REQUIRED: &str = "x-echo-required";

/// A reference in a place where its target has to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The way there, as of a [`Violation`].
    pub path: Vec<Key>,
    /// The reference.
    pub target: ObjectRef,
}

/// What a schema says of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What does not fit: empty when all does. No more than a few are named.
    pub violations: Vec<Violation>,
    /// References whose targets have to exist, which only who has the objects can tell.
    pub required: Vec<Required>,
}

pub(crate) fn check(schema: &Json, properties: &Map) -> Checked {
    let mut check = Check {
        root: schema,
        steps: STEPS_MAX,
        path: Vec::new(),
        found: Vec::new(),
        required: Vec::new(),
    };
    check.schema(schema, Source::Properties(properties), LEVELS_MAX);
    Checked {
        violations: check.found,
        required: check.required,
    }
}

struct Check<'s> {
    root: &'s Json,
    steps: usize,
    path: Vec<Key>,
    found: Vec<Violation>,
    required: Vec<Required>,
}

impl<'s> Check<'s> {
    fn report(&mut self, reason: String) {
        if self.found.len() < VIOLATIONS_MAX {
            let path = self.path.clone();
            self.found.push(Violation { path, reason });
        }
    }

    fn report_at(&mut self, key: &str, reason: &str) {
        self.path.push(key.into());
        self.report(reason.to_owned());
        self.path.pop();
    }

    fn below(&mut self, key: Key, schema: &'s Json, value: Source<'_>, levels: usize) {
        self.path.push(key);
        self.schema(schema, value, levels);
        self.path.pop();
    }

    /// What does not fit one of several alternatives, without reporting it.
    fn attempt(&mut self, schema: &'s Json, value: Source<'_>, levels: usize) -> Vec<Violation> {
        let before = std::mem::take(&mut self.found);
        let required = self.required.len();
        self.schema(schema, value, levels);
        let found = std::mem::replace(&mut self.found, before);
        if !found.is_empty() {
            self.required.truncate(required);
        }
        found
    }

    /// Notes the references in a place where they have to refer to something.
    fn require(&mut self, value: Source<'_>) {
        if let Source::Value(value) = value {
            let path = Path::of(self.path.iter().cloned());
            for (path, target) in value.references(&path) {
                self.required.push(Required {
                    path: path.parts().to_vec(),
                    target: target.clone(),
                });
            }
        }
    }

    fn schema(&mut self, schema: &'s Json, value: Source<'_>, levels: usize) {
        let (Some(levels), Some(steps)) = (levels.checked_sub(1), self.steps.checked_sub(1)) else {
            self.steps = 0;
            return;
        };
        self.steps = steps;
        let keywords = match schema {
            Json::Bool(false) => return self.report(String::from("nothing may be here")),
            Json::Object(keywords) => keywords,
            _ => return,
        };
        if keywords.get(REQUIRED).and_then(Json::as_bool) == Some(true) {
            self.require(value);
        }
        if let Some((kind, content)) = Special::of(keywords) {
            let null = keywords
                .get("type")
                .is_some_and(|types| is_of_type(NULL, types));
            if null && matches!(value, Source::Value(Value::Null)) {
                return;
            }
            return self.special(kind, content, value, levels);
        }
        if let Some(target) = keywords.get("$ref").and_then(Json::as_str)
            && let Some(target) = self.resolve(target)
        {
            self.schema(target, value, levels);
        }
        if let Some(expected) = keywords.get("type")
            && !is_of_type(value, expected)
        {
            let expected = name_types(expected);
            // Whatever else does not fit follows from this.
            return self.report(format!("{} is not {expected}", show(value)));
        }
        self.alternatives(keywords, value, levels);
        match value {
            Source::Properties(map) | Source::Value(Value::Map(map)) => {
                self.map(keywords, map, levels);
            }
            Source::Value(Value::List(items)) => self.list(keywords, items.iter(), levels),
            Source::Value(Value::Set(members)) => self.list(keywords, members.iter(), levels),
            Source::Value(value) => self.scalar(keywords, value),
        }
    }

    fn resolve(&self, reference: &str) -> Option<&'s Json> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn special(&mut self, kind: Special, content: &'s Json, value: Source<'_>, levels: usize) {
        let fits = match (kind, value) {
            (Special::Bytes, Source::Value(Value::Bytes(_)))
            | (Special::Counter, Source::Value(Value::Counter(_) | Value::Int(_)))
            | (Special::Reference, Source::Value(Value::Reference(_)))
            | (Special::Text, Source::Value(Value::Text(_)))
            | (Special::Timestamp, Source::Value(Value::Timestamp(_))) => true,
            (Special::Set, Source::Value(Value::Set(members))) => {
                if let Some(schema) = content.get("items") {
                    for member in members {
                        self.schema(schema, Source::Value(member), levels);
                    }
                }
                true
            }
            _ => false,
        };
        if !fits {
            self.report(format!("{} is not {}", show(value), kind.name()));
        }
    }

    fn alternatives(&mut self, keywords: &'s Keywords, value: Source<'_>, levels: usize) {
        let list = |name| keywords.get(name).and_then(Json::as_array);
        for schema in list("allOf").into_iter().flatten() {
            self.schema(schema, value, levels);
        }
        if let Some(schema) = keywords.get("not")
            && self.steps > 0
            && self.attempt(schema, value, levels).is_empty()
            && self.steps > 0
        {
            self.report(format!("{} is what must not be here", show(value)));
        }
        for (name, once) in [("anyOf", false), ("oneOf", true)] {
            let Some(schemas) = list(name) else { continue };
            let mut fitting = 0_usize;
            let mut nearest: Option<Vec<Violation>> = None;
            for schema in schemas {
                let found = self.attempt(schema, value, levels);
                if found.is_empty() {
                    fitting += 1;
                    continue;
                }
                // The one that fits furthest is what was meant.
                let deepest = |found: &[Violation]| found.iter().map(|one| one.path.len()).max();
                let better = nearest
                    .as_ref()
                    .is_none_or(|nearest| deepest(nearest) < deepest(&found));
                if better {
                    nearest = Some(found);
                }
            }
            if self.steps == 0 {
                return;
            }
            if fitting == 0 {
                let room = VIOLATIONS_MAX.saturating_sub(self.found.len());
                self.found.extend(nearest.into_iter().flatten().take(room));
            } else if once && fitting > 1 {
                self.report(format!("{} fits {fitting} forms at once", show(value)));
            }
        }
    }

    fn map(&mut self, keywords: &'s Keywords, map: &Map, levels: usize) {
        let properties = keywords.get("properties").and_then(Json::as_object);
        let required = keywords.get("required").and_then(Json::as_array);
        for name in required.into_iter().flatten().filter_map(Json::as_str) {
            if !map.contains_key(name) {
                self.report_at(name, "it is missing");
            }
        }
        let rest = keywords.get("additionalProperties");
        // Which names a pattern stands for is not checked.
        let rest = rest.filter(|_| !keywords.contains_key("patternProperties"));
        for (key, value) in map {
            let schema = properties.and_then(|properties| properties.get(key.as_str()));
            match schema.or(rest) {
                Some(Json::Bool(false)) => self.report_at(key, "no such property is known"),
                Some(schema) => self.below(key.clone(), schema, Source::Value(value), levels),
                None => {}
            }
        }
        self.count(
            keywords,
            map.len(),
            ("minProperties", "maxProperties"),
            "entries",
        );
    }

    fn list<'v>(
        &mut self,
        keywords: &'s Keywords,
        items: impl ExactSizeIterator<Item = &'v Value>,
        levels: usize,
    ) {
        let length = items.len();
        let first = keywords.get("prefixItems").and_then(Json::as_array);
        let rest = keywords.get("items");
        for (at, item) in items.enumerate() {
            let schema = first.and_then(|first| first.get(at)).or(rest);
            if let Some(schema) = schema {
                let key = Key::from(at.to_string());
                self.below(key, schema, Source::Value(item), levels);
            }
            if self.steps == 0 {
                return;
            }
        }
        self.count(keywords, length, ("minItems", "maxItems"), "items");
    }

    fn count(&mut self, keywords: &Keywords, found: usize, (min, max): (&str, &str), what: &str) {
        let bound = |name| keywords.get(name).and_then(Json::as_u64);
        let found = found as u64;
        if let Some(min) = bound(min).filter(|min| found < *min) {
            self.report(format!("{found} {what} are fewer than {min}"));
        }
        if let Some(max) = bound(max).filter(|max| found > *max) {
            self.report(format!("{found} {what} are more than {max}"));
        }
    }

    fn scalar(&mut self, keywords: &Keywords, value: &Value) {
        if let Some(allowed) = keywords.get("enum").and_then(Json::as_array)
            && !allowed.iter().any(|allowed| is_equal(value, allowed))
        {
            let shown: Vec<_> = allowed
                .iter()
                .take(SHOWN_MAX)
                .map(Json::to_string)
                .collect();
            let more = if allowed.len() > SHOWN_MAX {
                ", ..."
            } else {
                ""
            };
            self.report(format!(
                "{} is not one of {}{more}",
                short(value),
                shown.join(", ")
            ));
        }
        if let Some(expected) = keywords.get("const")
            && !is_equal(value, expected)
        {
            self.report(format!("{} is not {expected}", short(value)));
        }
        match value {
            Value::String(_) | Value::Text(_) => {
                let text = value.as_str().unwrap_or_default();
                let length = text.chars().count();
                self.count(keywords, length, ("minLength", "maxLength"), "characters");
            }
            Value::Int(_) | Value::Counter(_) | Value::Float(_) => self.number(keywords, value),
            _ => {}
        }
    }

    fn number(&mut self, keywords: &Keywords, value: &Value) {
        use std::cmp::Ordering::{Equal, Greater, Less};

        let bounds: [(&str, &[std::cmp::Ordering], &str); 4] = [
            ("minimum", &[Less], "below"),
            ("exclusiveMinimum", &[Less, Equal], "not above"),
            ("maximum", &[Greater], "above"),
            ("exclusiveMaximum", &[Greater, Equal], "not below"),
        ];
        for (name, wrong, word) in bounds {
            let Some(bound) = keywords.get(name).and_then(number) else {
                continue;
            };
            let order = value.compare_within_family(&bound);
            if order.is_some_and(|order| wrong.contains(&order)) {
                self.report(format!("{} is {word} {}", short(value), short(&bound)));
            }
        }
        let format = keywords.get("format").and_then(Json::as_str);
        let Some((min, max)) = format.and_then(range) else {
            return;
        };
        // Bounds that are said take their place.
        let said = |names: [&str; 2]| names.iter().any(|name| keywords.contains_key(*name));
        let min = if said(["minimum", "exclusiveMinimum"]) {
            i64::MIN
        } else {
            min
        };
        let max = if said(["maximum", "exclusiveMaximum"]) {
            i64::MAX
        } else {
            max
        };
        if let Some(int) = value.as_int().filter(|int| *int < min || *int > max) {
            self.report(format!("{int} is out of the range from {min} to {max}"));
        }
    }
}

/// Kinds of values that JSON has no word for, by the schemas that this crate writes for them.
#[derive(Clone, Copy)]
enum Special {
    Bytes,
    Counter,
    Reference,
    Set,
    Text,
    Timestamp,
}

impl Special {
    fn of(keywords: &Keywords) -> Option<(Self, &Json)> {
        let properties = keywords.get("properties")?.as_object()?;
        let (tag, content) = properties.iter().next()?;
        if properties.len() != 1 {
            return None;
        }
        let kind = match tag.as_str() {
            "@bytes" => Self::Bytes,
            "@counter" => Self::Counter,
            "@ref" => Self::Reference,
            "@set" => Self::Set,
            "@text" => Self::Text,
            "@time" => Self::Timestamp,
            _ => return None,
        };
        Some((kind, content))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Counter => "a counter",
            Self::Reference => "a reference",
            Self::Set => "a set",
            Self::Text => "a text",
            Self::Timestamp => "a timestamp",
        }
    }
}
