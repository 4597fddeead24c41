//! Conditions of a query as a user types them.

use anyhow::{Result, bail};
use dxos_client::{Comparison, Filter, Value};

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
    if let Some(name) = condition.strip_prefix("type:") {
        return Ok(Filter::type_name(name));
    }
    let place = condition.find(['!', '=', '<', '>']);
    let Some((path, rest)) = place.and_then(|place| condition.split_at_checked(place)) else {
        bail!(
            "{condition:?} is no condition; write type:NAME, or a property, one of = != < <= > >=, and a value"
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
