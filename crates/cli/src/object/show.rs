//! An object with all that is known of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use dxos_client::{Author, Loser};
use dxos_client::{Database, Object, ObjectId, Path, Value, time_text};
use serde_json::{Value as Json, json};

use super::Answer;
use crate::device;
use crate::output::{printable, table};

/// Objects that refer to it, of which a list shows as many.
const REFERRING_MAX: usize = 100;

type Losers = BTreeMap<Path, Vec<Loser>>;

pub(super) async fn answer(db: &Database, object: &Object) -> Result<Answer> {
    let losers = db.all_conflicts(object.id()).await?;
    let referring = db.references_to(object.id()).page(REFERRING_MAX).await?;
    let more = referring.next.is_some();
    let referring: Vec<_> = referring.objects.iter().map(Object::id).collect();
    Ok((
        json_of(object, &losers, &referring),
        text_of(object, &losers, (&referring, more)),
    ))
}

fn json_of(object: &Object, losers: &Losers, referring: &[ObjectId]) -> Json {
    let mut json = object.to_json();
    let Some(fields) = json.as_object_mut() else {
        return json;
    };
    let references = object.references().into_iter();
    let references = references
        .map(|(path, target)| json!({ "path": path.to_string(), "target": target.to_string() }));
    fields.insert("references".to_owned(), references.collect());
    fields.insert("referenced_by".to_owned(), json!(referring));
    if !losers.is_empty() {
        let losers = losers.iter().map(|(path, losers)| {
            let losers = losers.iter().map(|loser| {
                json!({
                    "value": loser.value.to_json(),
                    "feed": loser.stamp.feed,
                    "seq": loser.stamp.seq,
                    "author": loser.author,
                    "time_ms": loser.time_ms,
                })
            });
            (path.to_string(), losers.collect())
        });
        fields.insert("conflicts".to_owned(), Json::Object(losers.collect()));
    }
    json
}

fn text_of(object: &Object, losers: &Losers, referring: (&[ObjectId], bool)) -> String {
    let mut rows = vec![
        ("object", object.id().to_string()),
        ("type", object.type_name().to_string()),
        ("created", moment_text(object.created().time_ms)),
        ("updated", moment_text(object.updated().time_ms)),
    ];
    if object.is_deleted() {
        rows.push((
            "deleted",
            "yes; `dx object undelete` brings it back".to_owned(),
        ));
    } else if object.is_hidden() {
        rows.push(("hidden", "yes; what is above it is deleted".to_owned()));
    }
    if let Some(meta) = object.meta() {
        let parent = meta.parent.map(|parent| parent.to_string());
        let source = meta.source.as_ref().map(ToString::to_string);
        let target = meta.target.as_ref().map(ToString::to_string);
        let ends = [("parent", parent), ("from", source), ("to", target)];
        rows.extend(
            ends.into_iter()
                .filter_map(|(name, end)| Some((name, end?))),
        );
    }
    let tags: Vec<_> = object.tags().collect();
    if !tags.is_empty() {
        rows.push(("tags", tags.join(", ")));
    }
    for key in object.keys() {
        rows.push(("key", format!("{}#{}", key.source, key.id)));
    }
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<9} {}", printable(&value));
    }
    for (key, value) in object.properties() {
        let path = Path::from(key.clone()).to_string();
        let _ = write!(text, "\n{} = {}", printable(&path), whole_text(value));
    }
    if !losers.is_empty() {
        let _ = write!(text, "\n\n{}", losers_text(losers));
    }
    referring_text(&mut text, referring);
    text.trim_end().to_owned()
}

fn referring_text(text: &mut String, (referring, more): (&[ObjectId], bool)) {
    if referring.is_empty() {
        return;
    }
    let ids: Vec<_> = referring.iter().map(ToString::to_string).collect();
    let _ = write!(text, "\n\nreferred to by {}", ids.join(", "));
    if more {
        text.push_str(", and more; `dx query SPACE references:ID` finds all");
    }
}

/// What lost against what was assigned at the same time.
fn losers_text(losers: &Losers) -> String {
    let rows = losers.iter().flat_map(|(path, losers)| {
        losers.iter().map(move |loser| {
            vec![
                path.to_string(),
                whole_text(&loser.value),
                author_text(&loser.author),
                device::time_text(loser.time_ms),
            ]
        })
    });
    table(&["conflict", "lost", "by", "when"], rows)
}

pub(super) fn author_text(author: &Author) -> String {
    let name = author.display_name.clone();
    name.unwrap_or_else(|| author.device.short())
}

fn moment_text(ms: u64) -> String {
    let text = i64::try_from(ms).ok().and_then(time_text);
    text.unwrap_or_else(|| format!("{ms} ms after 1970"))
}

/// A value in full: texts and times as they are, and all else as JSON.
pub(super) fn whole_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Text(text) if text.spans().is_empty() => Some(text.as_str().to_owned()),
        Value::Timestamp(ms) => time_text(*ms),
        Value::Reference(target) => Some(target.to_string()),
        Value::Counter(count) => Some(count.to_string()),
        _ => None,
    };
    // What has lines is on one, and what could be taken for another value stands in quotes.
    let plain = text.filter(|text| !text.is_empty() && !text.contains(char::is_control));
    let is_text = value.as_str().is_some();
    let plain = plain.filter(|text| !is_text || serde_json::from_str::<Json>(text).is_err());
    printable(&plain.unwrap_or_else(|| match value.as_str() {
        Some(text) => Json::from(text).to_string(),
        None => value.to_json().to_string(),
    }))
}
