//! What filters, orders and groups can name: properties, and what is known of an object besides.

use std::borrow::Cow;

use crate::context::Moment;
use crate::meta::META;
use crate::{Object, ObjectRef, Path, Query, Value};

/// What [`Path::about`] can name, but for the relevance, which orders alone have.
pub(crate) const ABOUT: [&str; 7] = [
    "created", "parent", "source", "tags", "target", "type", "updated",
];

impl Path {
    /// What is known of an object besides its properties, to be named in filters, orders and
    /// groups as a property is: `created` and `updated` (timestamps, as the clock of the writer
    /// showed), `type` (a text), `parent`, `source` and `target` (references), `tags` (a set);
    /// `relevance` (a number) in orders only, see [`Query::by_relevance`].
    ///
    /// It is the path below [`META`](crate::META), where no property can be.
    ///
    /// ```
    /// use dxos_document::{Filter, Path, Query, Value};
    ///
    /// let lately = Query::new(Filter::ge(Path::about("updated"), Value::Timestamp(1_000)))
    ///     .descending(Path::about("updated"));
    /// ```
    pub fn about(name: &str) -> Self {
        Self::of([META, name])
    }

    /// The name behind [`Path::about`], if it is such a path.
    pub fn as_about(&self) -> Option<&str> {
        match self.parts() {
            [first, name] if first == META => Some(name),
            _ => None,
        }
    }
}

impl Object {
    /// What a filter, an order or a group sees at `path`: a property, or what
    /// [`Path::about`] names.
    pub fn field(&self, path: &Path) -> Option<Cow<'_, Value>> {
        match path.as_about() {
            None => self.at(path).map(Cow::Borrowed),
            Some(name) => self.about(name).map(Cow::Owned),
        }
    }

    fn about(&self, name: &str) -> Option<Value> {
        let time = |moment: Moment| Value::Timestamp(moment.shown_ms());
        let end = |end: &ObjectRef| Value::Reference(end.clone());
        Some(match name {
            "created" => time(self.created()),
            "parent" => self.parent()?.into(),
            Query::RELEVANCE => Value::Float(self.score()?),
            "source" => end(self.relation()?.source),
            "tags" => {
                let mut tags = self.tags().peekable();
                tags.peek()?;
                Value::set(tags)
            }
            "target" => end(self.relation()?.target),
            "type" => self.type_name().as_str().into(),
            "updated" => time(self.updated()),
            _ => return None,
        })
    }
}

impl Moment {
    /// Its time on the clock of the writer as a timestamp has it: milliseconds since 1970.
    pub fn shown_ms(&self) -> i64 {
        i64::try_from(self.time_ms).unwrap_or(i64::MAX)
    }
}
