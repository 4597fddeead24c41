//! `dx query`: objects, how many there are, and how they are found.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use dxos_client::{
    Database, Direction, Explanation, Filter, Key, Object, OrderBy, Path, Query, Value, time_text,
};
use serde_json::json;

use crate::arguments::QueryOptions;
use crate::output::{Output, table};
use crate::session::{Session, end, find_space};

/// Properties that a table shows, beside the id and the type.
const COLUMNS_MAX: usize = 8;
/// Characters of a value that a table shows.
const CELL_CHARS_MAX: usize = 48;
/// Characters on either side of a word that was searched for.
const AROUND_MAX: usize = 24;

/// Rows of a table when nobody says how many.
const ROWS_MAX: usize = 1_000;

pub(crate) async fn run(session: &Session, options: &QueryOptions, output: Output) -> Result<()> {
    let mut query: Query = options.conditions.join(" ").parse()?;
    if let Some(name) = &options.type_name {
        query.filter = Filter::type_name(name.as_str()).and(query.filter);
    }
    for key in &options.order {
        let (word, direction) = match key.strip_prefix('-') {
            Some(word) => (word, Direction::Descending),
            None => (key.as_str(), Direction::Ascending),
        };
        let path = named(word)?;
        query.order.push(OrderBy { path, direction });
    }
    if let Some(limit) = options.limit {
        query = query.limit(limit);
    }
    let client = session.local().await?;
    let answered = async {
        let space = find_space(&client, &options.space).await?;
        answer(&space.db(), query, options, output).await
    };
    let answered = answered.await;
    end(&client).await?;
    answered
}

/// The property that a word names, or what is known of an object besides.
fn named(word: &str) -> Result<Path> {
    if !word.starts_with('@') {
        return Ok(Path::from(word));
    }
    // The text form knows which names there are.
    let query: Query = format!("order:{word}").parse()?;
    let first = query.order.into_iter().next();
    Ok(first.map_or_else(|| Path::from(word), |key| key.path))
}

async fn answer(db: &Database, query: Query, options: &QueryOptions, output: Output) -> Result<()> {
    let filter = query.filter.clone();
    let asked = query.clone();
    let query = db.query(query);
    if options.count {
        let count = query.count().await?;
        output.result(&json!({ "count": count }), || count.to_string());
        return Ok(());
    }
    if let Some(by) = &options.by {
        let groups = query.group_count(named(by)?).await?;
        output.result(&json!(groups), || {
            let rows = groups.iter();
            let rows =
                rows.map(|group| vec![group.value.to_json().to_string(), group.count.to_string()]);
            table(&[by, "count"], rows)
        });
        return Ok(());
    }
    if options.explain {
        let explanation = query.explain().await?;
        output.result(&json!(explanation), || explanation_text(&explanation));
        return Ok(());
    }
    if output.is_json() {
        return print_json(db, asked, options.page).await;
    }
    let found = match asked.limit {
        Some(0) => query.run().await?,
        limit => {
            let page = query.page(limit.unwrap_or(ROWS_MAX)).await?;
            match (page.next, limit) {
                (None, _) => {}
                (Some(next), Some(_)) => {
                    output.note(&format!("there may be more, with after:{next}"));
                }
                (Some(next), None) => output.note(&format!(
                    "a table has {ROWS_MAX} rows and there may be more: with after:{next}, in a \
                     longer table with limit:N, and all of them with --json or `dx export`"
                )),
            }
            page.objects
        }
    };
    output.result(&json!(null), || objects_text(&found, &filter));
    Ok(())
}

/// Prints what is found as it is read: it may be more than memory holds.
async fn print_json(db: &Database, query: Query, is_page: bool) -> Result<()> {
    let filter = query.filter.clone();
    let mut pages = db.query(query).pages();
    let mut text = if is_page { "{\"objects\":[" } else { "[" }.to_owned();
    let mut separator = "";
    while let Some(objects) = pages.next().await? {
        for object in &objects {
            text.push_str(std::mem::replace(&mut separator, ","));
            text.push_str(&found_json(object, &filter).to_string());
        }
        Output::part(&text);
        text.clear();
    }
    text.push(']');
    if is_page {
        let next = pages.rest().map(ToString::to_string);
        write!(text, ",\"next\":{}}}", json!(next))?;
    }
    text.push('\n');
    Output::part(&text);
    Ok(())
}

fn explanation_text(explanation: &Explanation) -> String {
    let mut text = match &explanation.index {
        Some(index) if explanation.in_order => format!("index {index}, in the order of the query"),
        Some(index) => format!("index {index}"),
        None => "no index: every object".to_owned(),
    };
    let _ = write!(
        text,
        "\nread {} rows and {} objects, found {}",
        explanation.rows, explanation.objects, explanation.results
    );
    for index in &explanation.building {
        let _ = write!(
            text,
            "\nindex {} is being built: {} of {} objects",
            index.name, index.done, index.objects
        );
    }
    text
}

/// An object as JSON, with where the words are in it that were searched for: ranges of bytes.
fn found_json(object: &Object, filter: &Filter) -> serde_json::Value {
    let mut json = object.to_json();
    let highlights = filter.highlights(object);
    if !highlights.is_empty() {
        let highlights = highlights.iter().map(|highlight| {
            let ranges = highlight
                .ranges
                .iter()
                .map(|range| [range.start, range.end]);
            json!({
                "path": highlight.path.to_string(),
                "ranges": ranges.collect::<Vec<_>>(),
            })
        });
        if let Some(json) = json.as_object_mut() {
            json.insert("highlights".to_owned(), highlights.collect());
        }
    }
    json
}

/// The first words that were searched for, in brackets, with some of what stands around them.
fn found_text(object: &Object, filter: &Filter) -> String {
    let highlights = filter.highlights(object);
    let first = highlights.first().and_then(|highlight| {
        let text = object.text_at(&highlight.path)?;
        let range = highlight.ranges.first()?;
        let (before, rest) = text.split_at_checked(range.start)?;
        let (word, after) = rest.split_at_checked(range.end - range.start)?;
        let from = before.char_indices().nth_back(AROUND_MAX);
        let start = before.get(from.map_or(0, |(place, _)| place)..)?;
        let end = after.char_indices().nth(AROUND_MAX);
        let end = after.get(..end.map_or(after.len(), |(place, _)| place))?;
        let text = format!("{start}[{word}]{end}");
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    first.unwrap_or_default()
}

fn objects_text(objects: &[Object], filter: &Filter) -> String {
    if objects.is_empty() {
        return "nothing found".to_owned();
    }
    let mut names = BTreeSet::new();
    for object in objects {
        names.extend(object.properties().keys().map(Key::as_str));
    }
    let left_out = names.len().saturating_sub(COLUMNS_MAX);
    let names: Vec<&str> = names.into_iter().take(COLUMNS_MAX).collect();
    let mut header = vec!["object", "type"];
    header.extend(&names);
    header.push("conflicts");
    let has_words = objects
        .iter()
        .any(|object| !filter.highlights(object).is_empty());
    if has_words {
        header.push("found");
    }
    let rows = objects.iter().map(|object| {
        let mut row = vec![object.id().short(), object.type_name().to_string()];
        let properties = object.properties();
        row.extend(names.iter().map(|name| match properties.get(*name) {
            Some(value) => cell_text(value),
            None => String::new(),
        }));
        let conflicts: Vec<_> = object.all_conflicts().map(|c| c.0.to_string()).collect();
        row.push(conflicts.join(", "));
        if has_words {
            row.push(found_text(object, filter));
        }
        row
    });
    let mut text = table(&header, rows);
    if left_out > 0 {
        let _ = write!(text, "\n\n{left_out} more properties; --json shows all");
    }
    text
}

/// A value, cut to what fits a table.
fn cell_text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Text(text) => text.as_str().to_owned(),
        Value::Counter(count) => count.to_string(),
        Value::Timestamp(ms) => time_text(*ms).unwrap_or_else(|| value.to_json().to_string()),
        Value::Reference(reference) => reference.object().short(),
        Value::List(items) => items.iter().map(cell_text).collect::<Vec<_>>().join(", "),
        Value::Set(members) => members.iter().map(cell_text).collect::<Vec<_>>().join(", "),
        other => other.to_json().to_string(),
    };
    if text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(CELL_CHARS_MAX - 1).collect();
    cut + "…"
}
