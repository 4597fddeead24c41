//! Where in an object the words are that were searched for.

use std::ops::Range;

use crate::{Filter, Key, Object, Path, Value};

/// Ranges that are told of one object at most.
const RANGES_MAX: usize = 256;

/// Where words were found in one text of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// The property; see [`Object::text_at`]. Inside a list or a set the position, from 0, is a
    /// part of it.
    pub path: Path,
    /// The words, as ranges of bytes of the text in UTF-8, in order; none overlaps another.
    pub ranges: Vec<Range<usize>>,
}

impl Filter {
    /// Where in `object` the words are that its conditions on texts look for, in the order of
    /// the properties. No more than 256 ranges are told.
    pub fn highlights(&self, object: &Object) -> Vec<Highlight> {
        let mut found = Found::default();
        self.highlight(object, &mut found);
        found.highlights.sort_by(|one, two| one.path.cmp(&two.path));
        found.highlights
    }

    fn highlight(&self, object: &Object, found: &mut Found) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.highlight(object, found);
                }
            }
            Self::Text { path, words } => {
                let mut look = |path: &Path, text: &str| {
                    let left = RANGES_MAX.saturating_sub(found.ranges);
                    if left > 0 {
                        found.add(path, words.ranges(text, left));
                    }
                };
                match path {
                    Some(path) => {
                        if let Some(value) = object.field(path) {
                            visit(path, &value, &mut look);
                        }
                    }
                    None => {
                        for (key, value) in object.properties() {
                            visit(&Path::from(key.clone()), value, &mut look);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

impl Object {
    /// The text that a [`Highlight`] is of: where a path leads when positions in lists and sets
    /// are parts of it.
    pub fn text_at(&self, path: &Path) -> Option<&str> {
        let (first, rest) = path.parts().split_first()?;
        let mut value = self.properties().get(first)?;
        for part in rest {
            value = match value {
                Value::Map(map) => map.get(part)?,
                Value::List(items) => items.get(part.parse::<usize>().ok()?)?,
                Value::Set(members) => members.iter().nth(part.parse().ok()?)?,
                _ => return None,
            };
        }
        value.as_str()
    }
}

#[derive(Default)]
struct Found {
    highlights: Vec<Highlight>,
    ranges: usize,
}

impl Found {
    fn add(&mut self, path: &Path, ranges: Vec<Range<usize>>) {
        if ranges.is_empty() {
            return;
        }
        self.ranges += ranges.len();
        let known = self.highlights.iter_mut().find(|known| known.path == *path);
        let Some(known) = known else {
            self.highlights.push(Highlight {
                path: path.clone(),
                ranges,
            });
            return;
        };
        known.ranges.extend(ranges);
        known.ranges = super::words::joined(std::mem::take(&mut known.ranges), RANGES_MAX);
    }
}

/// Visits every text in a value, were it the property at `path`.
fn visit(path: &Path, value: &Value, look: &mut dyn FnMut(&Path, &str)) {
    match value {
        Value::String(text) => look(path, text),
        Value::Text(text) => look(path, text.as_str()),
        Value::List(items) => visit_items(path, items.iter(), look),
        Value::Set(members) => visit_items(path, members.iter(), look),
        Value::Map(map) => {
            for (key, value) in map {
                visit(&path.child(key.clone()), value, look);
            }
        }
        _ => {}
    }
}

fn visit_items<'a>(
    path: &Path,
    items: impl Iterator<Item = &'a Value>,
    look: &mut dyn FnMut(&Path, &str),
) {
    for (position, item) in items.enumerate() {
        visit(&path.child(Key::from(position.to_string())), item, look);
    }
}
