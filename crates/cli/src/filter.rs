//! Conditions of a query as a user types them.

use anyhow::{Result, bail};
use dxos_client::{Comparison, Filter, ObjectRef, Value};

/// All conditions together; every object when there are none.
pub(crate) fn all_of(conditions: &[String]) -> Result<Filter> {
    let mut all: Option<Filter> = None;
    for condition in conditions {
        let filter = parse(condition)?;
        all = Some(match all {
            Some(before) => before.and(filter),
            None => filter,
        });
    }
    Ok(all.unwrap_or_else(Filter::all))
}

/// Longer signs first, so that `>=` is not read as `>`.
const SIGNS: [(&str, Comparison); 6] = [
    ("!=", Comparison::Ne),
    (">=", Comparison::Ge),
    ("<=", Comparison::Le),
    ("=", Comparison::Eq),
    (">", Comparison::Gt),
    ("<", Comparison::Lt),
];

fn parse(condition: &str) -> Result<Filter> {
    if let Some((kind, rest)) = condition.split_once(':')
        && let Some(filter) = by_kind(kind, rest)?
    {
        return Ok(filter);
    }
    let place = condition.find(['!', '=', '<', '>']);
    let Some((path, rest)) = place.and_then(|place| condition.split_at_checked(place)) else {
        bail!(
            "{condition:?} is no condition; write type:NAME, tag:NAME, key:SOURCE#ID, \
             references:ID, referenced-by:ID, relations-of:ID or child-of:ID, or a property, one of = != < <= > >=, and a value"
        );
    };
    let sign = SIGNS
        .iter()
        .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)));
    match sign {
        Some((comparison, value)) if !path.is_empty() => {
            Ok(Filter::compare(path, *comparison, value_of(value)))
        }
        _ => bail!("{condition:?} is no condition; write for example done=false or size>=10"),
    }
}

/// A condition that is no comparison, `None` when the kind is none of them.
fn by_kind(kind: &str, rest: &str) -> Result<Option<Filter>> {
    Ok(Some(match kind {
        "child-of" => Filter::children_of(rest.parse()?),
        "key" => match rest.rsplit_once('#') {
            Some((source, id)) => Filter::foreign_key(source, id),
            None => bail!("{rest:?} is no key of another system; write key:SOURCE#ID"),
        },
        "referenced-by" => Filter::referenced_by(rest.parse()?),
        "references" => Filter::references(rest.parse::<ObjectRef>()?),
        "relations-of" => Filter::relations_of(rest.parse::<ObjectRef>()?),
        "tag" => Filter::tag(rest),
        "type" => Filter::type_name(rest),
        _ => return Ok(None),
    }))
}

/// A JSON value when it is one (`10`, `true`, `"10"`), else the text as it stands.
fn value_of(text: &str) -> Value {
    serde_json::from_str(text)
        .ok()
        .and_then(|json| Value::from_json(&json).ok())
        .unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_with_the_longest_sign() {
        let parsed = |text: &str| parse(text).unwrap();
        assert_eq!(parsed("type:task"), Filter::type_name("task"));
        assert_eq!(parsed("tag:a=b"), Filter::tag("a=b"));
        assert_eq!(parsed("key:x.org#1"), Filter::foreign_key("x.org", "1"));
        let id = dxos_client::ObjectId::from_bytes([7; 16]);
        assert_eq!(parsed(&format!("references:{id}")), Filter::references(id));
        assert_eq!(
            parsed(&format!("referenced-by:{id}")),
            Filter::referenced_by(id)
        );
        assert_eq!(parsed("done=false"), Filter::eq("done", false));
        assert_eq!(parsed("size>=10"), Filter::ge("size", 10));
        assert_eq!(parsed("size<10"), Filter::lt("size", 10));
        assert_eq!(parsed("title!=x y"), Filter::ne("title", "x y"));
        assert_eq!(parsed("title=\"10\""), Filter::eq("title", "10"));
        assert_eq!(parsed("größe=ä=b"), Filter::eq("größe", "ä=b"));
        assert_eq!(parsed("title="), Filter::eq("title", ""));
    }

    #[test]
    fn what_is_no_condition_is_an_error_that_shows_how() {
        for text in ["", "task", "=1", "!", "a!b"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("write"), "{error}");
        }
    }
}
