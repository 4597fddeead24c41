//! Objects created, changed, deleted and brought back.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use dxos_client::{
    Database, Durability, Key, Map, Object, ObjectId, Path, TransactionError, Tx, Value, parse_time,
};
use serde_json::{Value as Json, json};

use super::{Answer, PutOptions, UpdateOptions, assignment, existing, find_objects};
use crate::input::read;
use crate::output::printable;
use crate::queue::{value_of, value_of_json};

/// Properties as somebody gives them: as JSON, or on standard input.
pub(super) async fn properties(given: &str) -> Result<Map> {
    let (text, name) = match given {
        "-" => read("-".as_ref()).await?,
        text => (
            text.to_owned(),
            "what is given for the properties".to_owned(),
        ),
    };
    let json: Json = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
    match value_of_json(&json, &text)? {
        Value::Map(properties) => Ok(properties),
        _ => bail!("{name} is no JSON object, such as {{\"title\": \"Water the plants\"}}"),
    }
}

/// Runs a transaction that is on the disk when this returns.
async fn write<T: Send + 'static>(
    db: &Database,
    run: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let written = db.transaction_with(Durability::Synced, run).await;
    written.map_err(|error| match error {
        TransactionError::Aborted(error) => error,
        TransactionError::Client(error) => error.into(),
        other => anyhow!("{other}"),
    })
}

pub(super) async fn create(db: &Database, options: PutOptions, properties: Map) -> Result<Answer> {
    let PutOptions { type_name, tag, .. } = options;
    if type_name.is_empty() {
        bail!("the type has no name; give one, such as --type task");
    }
    let id = write(db, move |tx| {
        let id = tx.add(type_name, properties)?;
        if !tag.is_empty() {
            tx.tag(id, tag)?;
        }
        Ok(id)
    });
    let id = id.await?;
    Ok((json!({ "id": id }), id.to_string()))
}

pub(super) async fn update(
    db: &Database,
    object: &Object,
    options: &UpdateOptions,
) -> Result<Answer> {
    let mut assignments = Vec::new();
    for text in &options.assignments {
        let (path, value) = assignment(text)?;
        assignments.push((Path::from(path), value.to_owned()));
    }
    let unset: Vec<Path> = options
        .unset
        .iter()
        .map(|path| path.as_str().into())
        .collect();
    let (tag, untag) = (options.tag.clone(), options.untag.clone());
    let id = object.id();
    write(db, move |tx| {
        let before = tx.existing(id)?.properties().clone();
        let mut after = before.clone();
        for (path, given) in assignments {
            let value = fitting(&given, at(&after, path.parts()));
            let value = value.with_context(|| format!("{path} stays as it is"))?;
            ensure!(
                assign(&mut after, path.parts(), value),
                "{path} leads through something that is no map; take that out first, with --unset"
            );
        }
        tx.replace(id, &before, &after)?;
        for path in unset {
            tx.unset(id, path)?;
        }
        if !tag.is_empty() {
            tx.tag(id, tag)?;
        }
        if !untag.is_empty() {
            tx.untag(id, untag)?;
        }
        Ok(())
    })
    .await?;
    let object = existing(db, id).await?;
    let note = if object.is_deleted() {
        "; it is deleted"
    } else {
        ""
    };
    let type_name = printable(object.type_name().as_str());
    let text = format!("{type_name} {id} is written{note}");
    Ok((object.to_json(), text))
}

/// What was written as a value of the kind that is there already, where that is one that is no
/// plain JSON. `null` and what names its kind replaces it.
fn fitting(given: &str, before: Option<&Value>) -> Result<Value> {
    let meant = match (before, value_of(given)) {
        (Some(Value::Text(_)), Ok(Value::String(text))) => Value::Text(text.as_str().into()),
        (Some(Value::Text(_)), Err(_) | Ok(Value::Bool(_) | Value::Int(_) | Value::Float(_))) => {
            Value::Text(given.into())
        }
        (_, meant) => meant?,
    };
    let value = match (before, meant) {
        (_, value @ (Value::Null | Value::Text(_) | Value::Counter(_) | Value::Timestamp(_))) => {
            value
        }
        (Some(Value::Counter(_)), Value::Int(count)) => Value::Counter(count),
        (Some(Value::Counter(_)), _) => bail!(
            "a counter is there, and {given:?} is no whole number; --unset takes the counter out"
        ),
        (Some(Value::Float(_)), Value::Int(number)) => float(number),
        (Some(Value::Timestamp(_)), value) => {
            let time = value.as_str().and_then(parse_time);
            let time = time.with_context(|| {
                format!(
                    "a time is there, and {given:?} is none, such as 2026-12-01 or \
                     2026-12-01T10:00Z; --unset takes the time out"
                )
            })?;
            Value::Timestamp(time)
        }
        (_, value) => value,
    };
    Ok(value)
}

/// A whole number as a float, where that is the same number.
fn float(number: i64) -> Value {
    let text = number.to_string();
    let float: Option<f64> = text.parse().ok();
    match float.filter(|float| format!("{float}") == text) {
        Some(float) => Value::Float(float),
        None => Value::Int(number),
    }
}

fn at<'m>(map: &'m Map, path: &[Key]) -> Option<&'m Value> {
    let (first, rest) = path.split_first()?;
    let value = map.get(first)?;
    if rest.is_empty() {
        return Some(value);
    }
    at(value.as_map()?, rest)
}

/// Assigns a value, making the maps that lead there; `false` where something else is in the way.
fn assign(map: &mut Map, path: &[Key], value: Value) -> bool {
    match path {
        [] => false,
        [last] => {
            map.insert(last.clone(), value);
            true
        }
        [first, rest @ ..] => {
            let inner = map
                .entry(first.clone())
                .or_insert_with(|| Value::Map(Map::new()));
            match inner {
                Value::Map(inner) => assign(inner, rest, value),
                _ => false,
            }
        }
    }
}

pub(super) async fn delete(db: &Database, wanted: &[String]) -> Result<Answer> {
    let (changed, left) = sort(db, wanted, Object::is_deleted).await?;
    remove(db, &changed, true).await?;
    let again = "`dx object undelete` brings back what is deleted";
    let text = match (changed.len(), left) {
        (0, _) => "all of them are deleted already".to_owned(),
        (1, 0) => format!("1 object is deleted; {again}"),
        (count, 0) => format!("{count} objects are deleted; {again}"),
        (count, left) => format!("{count} are deleted, {left} were already; {again}"),
    };
    Ok((json!({ "deleted": changed }), text))
}

pub(super) async fn undelete(db: &Database, wanted: &[String]) -> Result<Answer> {
    let (changed, left) = sort(db, wanted, |object| !object.is_deleted()).await?;
    remove(db, &changed, false).await?;
    let mut text = match (changed.len(), left) {
        (0, _) => "none of them is deleted".to_owned(),
        (1, 0) => "1 object is there again".to_owned(),
        (count, 0) => format!("{count} objects are there again"),
        (count, left) => format!("{count} are there again, {left} were never deleted"),
    };
    let mut hidden = Vec::new();
    for id in &changed {
        if existing(db, *id).await?.is_hidden() {
            hidden.push(*id);
        }
    }
    if !hidden.is_empty() {
        let ids: Vec<_> = hidden.iter().map(ToString::to_string).collect();
        let ids = ids.join(", ");
        text = format!("{text}; what is above {ids} is deleted, and hides it");
    }
    Ok((json!({ "undeleted": changed, "hidden": hidden }), text))
}

/// The objects that are meant, each once, but for those that are as wanted, and how many those
/// are.
async fn sort(
    db: &Database,
    wanted: &[String],
    is_done: impl Fn(&Object) -> bool,
) -> Result<(Vec<ObjectId>, usize)> {
    let mut named: Vec<ObjectId> = Vec::new();
    for id in find_objects(db, wanted).await? {
        if !named.contains(&id) {
            named.push(id);
        }
    }
    let all = named.len();
    let mut open = Vec::new();
    for id in named {
        if !is_done(&existing(db, id).await?) {
            open.push(id);
        }
    }
    let left = all - open.len();
    Ok((open, left))
}

async fn remove(db: &Database, objects: &[ObjectId], is_deleted: bool) -> Result<()> {
    let objects = objects.to_vec();
    write(db, move |tx| {
        for id in objects {
            if is_deleted {
                tx.remove(id)?;
            } else {
                tx.restore(id)?;
            }
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_of_the_kind_that_is_there() {
        let text = Value::Text("old".into());
        let fit = |given: &str, before: Option<&Value>| fitting(given, before).unwrap();
        assert_eq!(fit("new", Some(&text)), Value::Text("new".into()));
        assert_eq!(fit("7", Some(&Value::Counter(1))), Value::Counter(7));
        assert_eq!(fit("7", Some(&Value::Float(0.5))), Value::Float(7.0));
        let time = Value::Timestamp(0);
        let day = Value::Timestamp(1_796_083_200_000);
        assert_eq!(fit("2026-12-01", Some(&time)), day);
        for (given, before) in [
            ("soon", &time),
            ("2026-12-32", &time),
            ("7", &time),
            ("1.5", &Value::Counter(1)),
            ("soon", &Value::Counter(1)),
            ("123456789012345678901", &Value::Int(1)),
        ] {
            assert!(fitting(given, Some(before)).is_err(), "{given}");
        }
        assert_eq!(fit("2026", Some(&text)), Value::Text("2026".into()));
        assert_eq!(fit("true", Some(&text)), Value::Text("true".into()));
        assert_eq!(fit("2026-12-01", None), Value::from("2026-12-01"));
        assert_eq!(fit("\"7\"", Some(&Value::Int(1))), Value::from("7"));
        assert_eq!(fit("null", Some(&text)), Value::Null);
    }

    #[test]
    fn an_assignment_is_split_at_its_equals_sign() {
        assert_eq!(assignment("a=b=c").unwrap(), ("a", "b=c"));
        assert_eq!(assignment(r"a\=b=").unwrap(), (r"a\=b", ""));
        for wrong in ["a", "=b", "", r"a\=b"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn maps_on_the_way_are_made_and_nothing_else_is_overwritten() {
        let mut map = Map::from([("n".into(), Value::Int(1))]);
        let path = |text: &str| Path::from(text).parts().to_vec();
        assert!(assign(&mut map, &path("a.b.c"), Value::Int(2)));
        assert!(!assign(&mut map, &path("n.b"), Value::Int(3)));
        assert_eq!(map.get("n"), Some(&Value::Int(1)));
        assert_eq!(
            Value::Map(map).to_json(),
            json!({"a": {"b": {"c": 2}}, "n": 1})
        );
    }
}
