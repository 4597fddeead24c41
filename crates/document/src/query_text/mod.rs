//! Queries as people type them.
//!
//! A text is a row of conditions, all of which hold, and of options:
//!
//! ```text
//! type:task done:false due<2026-12-01 (prio>=3 OR tag:now) NOT title~draft order:-due limit:20
//! ```
//!
//! | written | meaning |
//! | --- | --- |
//! | `path:value`, `path=value` | equal; `null` also where there is none |
//! | `path!=value`, `<`, `<=`, `>`, `>=` | not equal, before, at or before, after, at or after |
//! | `path:(one, two)` | equal to one of these |
//! | `path^=text` | begins with this text |
//! | `path~value` | a list or set has this member, a text contains this text |
//! | `text:words`, `text:"quick bro*"` | all these words are found in its texts |
//! | `path~~words` | all these words are found in the texts of this property |
//! | `has:path` | there is one, null included |
//! | `type:task`, `type:task@1.0` | of this type in any version, in this version |
//! | `type-exact:task` | of this type without a version |
//! | `tag:name`, `id:ID`, `id:(ID, ID)` | has this tag; is one of these objects |
//! | `key:github.com#7` | another system, `github.com`, calls it so |
//! | `child-of:ID`, `is:child` | is a child of this object, of any |
//! | `references:ID`, `references:ID/path` | refers to this object, from this property |
//! | `referenced-by:ID`, `referenced-by:ID/path` | this object refers to it, from this property |
//! | `relation-from:ID`, `relation-to:ID`, `relations-of:ID` | is a relation with this end |
//! | `(…)`, `OR`, `NOT`, `*`, `NONE` | grouping, one of both, not, every object, no object |
//! | `order:due,-prio` | in this order; `-`: the greatest first |
//! | `order:-@relevance` | what fits best what is searched for first |
//! | `limit:20`, `after:CURSOR` | how many at most; behind this place |
//! | `deleted:include`, `deleted:only` | deleted objects too, only they |
//!
//! `@created`, `@updated`, `@type`, `@parent`, `@tags` stand for what is known of an object besides its
//! properties. A value is `true`, `false`, `null`, a number, a day (`2026-12-01`, from midnight in
//! UTC on), a time (`2026-12-01T10:30:00Z`), a text in double quotes as in JSON, a list or map as in
//! JSON, or else a text as it stands, which does not begin with one of `= < > ~ : ! '`.
//!
//! A day is compared with timestamps, and with texts as it stands: `due<2026-12-01` also finds what
//! was imported from JSON or CSV, where a date is a text, as texts of that form are in the order of
//! their dates. A time is compared with timestamps only, and what stands in quotes with texts only.
//!
//! What stands in quotes before a sign is always a property, and so is every name before `=`:
//! `"text":one` and `text=one` are conditions on a property `text`. A dot leads into a map, in
//! quotes too; one that is part of a name has a backslash before it, `a\.b:1` or `"a\\.b":1`.

mod parse;
mod print;
mod scan;
mod time;

use std::fmt;
use std::str::FromStr;

use crate::{Filter, Query};

/// Milliseconds since 1970 of a day or of a time with its offset, as RFC 3339 writes them; `None`
/// for anything else.
pub fn parse_time(text: &str) -> Option<i64> {
    time::parse(text)
}

/// A time in milliseconds since 1970 as RFC 3339 writes it, in UTC; `None` where four digits are
/// not enough for its year.
pub fn time_text(ms: i64) -> Option<String> {
    time::print(ms).map(|text| text.to_string())
}

/// Levels of parentheses and `NOT` at most.
const NESTING_MAX: usize = 60;

/// Where a text is no query, and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {column} of the query: {reason}")]
pub struct QueryTextError {
    /// The character, from 1 on.
    pub column: usize,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl FromStr for Query {
    type Err = QueryTextError;

    /// Reads the text form.
    fn from_str(text: &str) -> Result<Self, QueryTextError> {
        parse::query(text)
    }
}

impl FromStr for Filter {
    type Err = QueryTextError;

    /// Reads the text form of a query that has conditions only.
    fn from_str(text: &str) -> Result<Self, QueryTextError> {
        parse::filter(text)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::query(self, formatter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::filter(self, formatter)
    }
}
