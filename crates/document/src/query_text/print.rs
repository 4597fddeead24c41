//! Writing the text form of queries.

use std::fmt::{self, Display, Formatter, Write as _};

use super::scan::{Word, bare_value, is_bare};
use super::time;
use crate::{Comparison, Deleted, Direction, Filter, ForeignKey, Path, Query, Value};

/// What is read as something else than a property before a colon.
const KINDS: [&str; 19] = [
    "after",
    "child-of",
    "deleted",
    "has",
    "id",
    "is",
    "key",
    "limit",
    "order",
    "referenced-by",
    "references",
    "relation-from",
    "relation-to",
    "relations-of",
    "tag",
    "text",
    "type",
    "type-any",
    "type-exact",
];

pub(super) fn query(query: &Query, formatter: &mut Formatter<'_>) -> fmt::Result {
    let Query {
        filter,
        deleted,
        order,
        limit,
        after,
    } = query;
    let mut separator = "";
    let mut next =
        |formatter: &mut Formatter<'_>| formatter.write_str(std::mem::replace(&mut separator, " "));
    // An option after it would be read as part of the last row.
    if *filter != Filter::all() {
        next(formatter)?;
        match filter {
            Filter::Or(any) if any.len() > 1 => write!(formatter, "({filter})")?,
            _ => write!(formatter, "{filter}")?,
        }
    }
    for (place, key) in order.iter().enumerate() {
        if place == 0 {
            next(formatter)?;
            formatter.write_str("order:")?;
        } else {
            formatter.write_char(',')?;
        }
        if key.direction == Direction::Descending {
            formatter.write_char('-')?;
        }
        write_path(&key.path, Word::Path, formatter)?;
    }
    match deleted {
        Deleted::Exclude => {}
        Deleted::Include => {
            next(formatter)?;
            formatter.write_str("deleted:include")?;
        }
        Deleted::Only => {
            next(formatter)?;
            formatter.write_str("deleted:only")?;
        }
    }
    if let Some(limit) = limit {
        next(formatter)?;
        write!(formatter, "limit:{limit}")?;
    }
    if let Some(after) = after {
        next(formatter)?;
        write!(formatter, "after:{after}")?;
    }
    Ok(())
}

pub(super) fn filter(filter: &Filter, formatter: &mut Formatter<'_>) -> fmt::Result {
    match filter {
        Filter::And(all) => match all.as_slice() {
            [] => formatter.write_char('*'),
            [only] => self::filter(only, formatter),
            all => joined(all, " ", formatter),
        },
        Filter::ChildOf(parent) => write!(formatter, "child-of:{parent}"),
        Filter::Compare {
            path,
            comparison,
            value,
        } => {
            write_path(path, Word::Key, formatter)?;
            formatter.write_str(match comparison {
                Comparison::Eq => ":",
                Comparison::Ge => ">=",
                Comparison::Gt => ">",
                Comparison::Le => "<=",
                Comparison::Lt => "<",
                Comparison::Ne => "!=",
            })?;
            write_value(value, formatter)
        }
        Filter::Contains { path, value } => {
            write_path(path, Word::Key, formatter)?;
            formatter.write_char('~')?;
            write_value(value, formatter)
        }
        Filter::Exists(path) => {
            formatter.write_str("has:")?;
            write_path(path, Word::Path, formatter)
        }
        Filter::ForeignKeys(keys) => {
            formatter.write_str("key:")?;
            list(keys, formatter, write_key)
        }
        Filter::HasParent => formatter.write_str("is:child"),
        Filter::Ids(ids) => {
            formatter.write_str("id:")?;
            list(ids, formatter, Display::fmt)
        }
        Filter::In { path, values } => {
            write_path(path, Word::Key, formatter)?;
            formatter.write_str(":(")?;
            for (place, value) in values.iter().enumerate() {
                formatter.write_str(if place == 0 { "" } else { ", " })?;
                write_value(value, formatter)?;
            }
            formatter.write_char(')')
        }
        Filter::Not(inner) => {
            formatter.write_str("NOT ")?;
            part(inner, formatter)
        }
        Filter::Or(any) => match any.as_slice() {
            [] => formatter.write_str("NONE"),
            [only] => self::filter(only, formatter),
            any => joined(any, " OR ", formatter),
        },
        Filter::Prefix { path, prefix } => {
            write_path(path, Word::Key, formatter)?;
            formatter.write_str("^=")?;
            write_text(prefix, formatter)
        }
        Filter::ReferencedBy { source, path } => {
            reference("referenced-by", source, path.as_ref(), formatter)
        }
        Filter::References { path, target } => {
            reference("references", target, path.as_ref(), formatter)
        }
        Filter::RelationFrom(source) => write!(formatter, "relation-from:{source}"),
        Filter::RelationTo(target) => write!(formatter, "relation-to:{target}"),
        Filter::Tag(tag) => {
            formatter.write_str("tag:")?;
            write_text(tag, formatter)
        }
        Filter::Text { path, words } => {
            match path {
                Some(path) => {
                    write_path(path, Word::Key, formatter)?;
                    formatter.write_str("~~")?;
                }
                None => formatter.write_str("text:")?,
            }
            write_text(words.as_str(), formatter)
        }
        Filter::TypeAnyVersion(name) => {
            formatter.write_str(if name.contains('@') {
                "type-any:"
            } else {
                "type:"
            })?;
            write_text(name, formatter)
        }
        Filter::TypeExact(name) => {
            formatter.write_str(if name.version().is_some() {
                "type:"
            } else {
                "type-exact:"
            })?;
            write_text(name, formatter)
        }
    }
}

/// Conditions with a sign between them, each in parentheses where it needs them.
fn joined(filters: &[Filter], sign: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    for (place, inner) in filters.iter().enumerate() {
        formatter.write_str(if place == 0 { "" } else { sign })?;
        part(inner, formatter)?;
    }
    Ok(())
}

fn part(inner: &Filter, formatter: &mut Formatter<'_>) -> fmt::Result {
    match inner {
        Filter::And(parts) | Filter::Or(parts) if parts.len() > 1 => write!(formatter, "({inner})"),
        Filter::And(parts) | Filter::Or(parts) if parts.len() == 1 => {
            parts.first().map_or(Ok(()), |only| part(only, formatter))
        }
        _ => filter(inner, formatter),
    }
}

fn list<'a, T: 'a>(
    items: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
    formatter: &mut Formatter<'_>,
    write: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let mut items = items.into_iter();
    if items.len() == 1
        && let Some(only) = items.next()
    {
        return write(only, formatter);
    }
    formatter.write_char('(')?;
    for (place, item) in items.enumerate() {
        formatter.write_str(if place == 0 { "" } else { ", " })?;
        write(item, formatter)?;
    }
    formatter.write_char(')')
}

fn reference(
    kind: &str,
    name: &impl Display,
    path: Option<&Path>,
    formatter: &mut Formatter<'_>,
) -> fmt::Result {
    write!(formatter, "{kind}:{name}")?;
    path.map_or(Ok(()), |path| {
        formatter.write_char('/')?;
        write_path(path, Word::Path, formatter)
    })
}

fn write_quoted(text: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
    formatter.write_str(&quoted)
}

/// A text that is read as one whatever it looks like.
fn write_text(text: &str, formatter: &mut Formatter<'_>) -> fmt::Result {
    if is_bare(text, Word::Value) {
        formatter.write_str(text)
    } else {
        write_quoted(text, formatter)
    }
}

fn write_key(key: &ForeignKey, formatter: &mut Formatter<'_>) -> fmt::Result {
    let is_bare = |text: &str| is_bare(text, Word::Value) && !text.contains('#');
    if is_bare(&key.source) && is_bare(&key.id) {
        return write!(formatter, "{}#{}", key.source, key.id);
    }
    write_quoted(&key.source, formatter)?;
    formatter.write_char('#')?;
    write_quoted(&key.id, formatter)
}

fn write_path(path: &Path, word: Word, formatter: &mut Formatter<'_>) -> fmt::Result {
    if let Some(name) = path.as_about()
        && (name.is_empty() || is_bare(name, word))
    {
        return write!(formatter, "@{name}");
    }
    let text = path.to_string();
    let is_taken = match word {
        Word::Key => {
            KINDS.contains(&text.as_str())
                || matches!(text.as_str(), "*" | "AND" | "NONE" | "NOT" | "OR")
        }
        _ => text.starts_with('-'),
    };
    if is_taken || text.starts_with('@') || !is_bare(&text, word) {
        write_quoted(&text, formatter)
    } else {
        formatter.write_str(&text)
    }
}

fn write_value(value: &Value, formatter: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::String(text)
            if is_bare(text, Word::Value) && bare_value(text).as_ref() == Ok(value) =>
        {
            formatter.write_str(text)
        }
        Value::Timestamp(ms) => match time::print(*ms) {
            Some(text) => text.fmt(formatter),
            None => write!(formatter, "{}", value.to_json()),
        },
        other => write!(formatter, "{}", other.to_json()),
    }
}
