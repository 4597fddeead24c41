//! Commands on spaces and their objects.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use dxos_client::{
    Departure, Explanation, Filter, Key, Map, MemberReport, Object, Path, PendingQuery, Query,
    SpaceReport, Value, map,
};
use serde_json::json;

use crate::arguments::{DeleteOptions, QueryOptions};
use crate::identity::online_text;
use crate::output::{Output, table};
use crate::select::confirm;
use crate::session::{Session, end, find_space, name_of};

/// Properties that a table shows, beside the id and the type.
const COLUMNS_MAX: usize = 8;
/// Characters of a value that a table shows.
const CELL_CHARS_MAX: usize = 48;
/// Characters on either side of a word that was searched for.
const AROUND_MAX: usize = 24;

pub(crate) async fn create(session: &Session, name: Option<String>, output: Output) -> Result<()> {
    let client = session.local().await?;
    let properties = name.map_or_else(Map::new, |name| map! { "name" => name });
    let created = match client.echo().create_space(properties).await {
        Ok(space) => space.report().await,
        Err(error) => Err(error),
    };
    end(&client).await?;
    let report = created?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

pub(crate) async fn list(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let reports = client.echo().reports().await;
    end(&client).await?;
    let reports = reports?;
    output.result(&json!(reports), || list_text(&reports));
    Ok(())
}

pub(crate) async fn show(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let shown = async {
        let space = find_space(&client, space).await?;
        let (report, members) = (space.report().await?, space.members().await?);
        anyhow::Ok((report, members, space.state_hash().await?))
    };
    let shown = shown.await;
    end(&client).await?;
    let (report, members, hash) = shown?;
    let mut json = json!(report);
    if let Some(json) = json.as_object_mut() {
        json.insert("members".to_owned(), json!(members));
        json.insert("state_hash".to_owned(), json!(hash));
    }
    output.result(&json, || {
        format!(
            "key         {}\nname        {}\nrole        {}\nstate hash  {hash}\nobjects     {}\n\
             blocks      {}\n{}\n{}",
            report.space,
            name_of(&report)
                .as_deref()
                .map(crate::output::printable)
                .unwrap_or_default(),
            role_text(&report),
            report.objects,
            report.blocks,
            forks_text(&report),
            members_text(&members)
        )
    });
    Ok(())
}

/// Which devices wrote two things in one place, as one that was copied or restored does.
fn forks_text(report: &SpaceReport) -> String {
    let devices: BTreeSet<_> = report
        .forks
        .iter()
        .map(|fork| fork.device.short())
        .collect();
    match devices.into_iter().collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => none,
        devices => format!("forked by   {devices}\n"),
    }
}

pub(crate) async fn open(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let opened = async {
        let space = find_space(&client, space).await?;
        space.open().await?;
        anyhow::Ok(space.report().await?)
    };
    let opened = opened.await;
    end(&client).await?;
    let report = opened?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

pub(crate) async fn close(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let closed = async {
        let space = find_space(&client, space).await?;
        space.close().await?;
        anyhow::Ok(space.report().await?)
    };
    let closed = closed.await;
    end(&client).await?;
    let report = closed?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

pub(crate) async fn delete(
    session: &Session,
    options: DeleteOptions,
    output: Output,
) -> Result<()> {
    let client = session.local().await?;
    let deleted = async {
        let space = find_space(&client, &options.space).await?;
        let report = space.report().await?;
        let name = name_of(&report).unwrap_or_else(|| report.space.short());
        let name = crate::output::printable(&name);
        let what = format!(
            "delete {name} on this device, with {} objects that may be nowhere else",
            report.objects
        );
        confirm(what, options.confirm, output).await?;
        space.delete().await?;
        anyhow::Ok((report.space, name))
    };
    let deleted = deleted.await;
    end(&client).await?;
    let (space, name) = deleted?;
    output.result(&json!({ "deleted": space }), || {
        format!("{name} is deleted on this device")
    });
    Ok(())
}

pub(crate) fn list_text(reports: &[SpaceReport]) -> String {
    if reports.is_empty() {
        return "no spaces yet; `dx space create NAME` makes one".to_owned();
    }
    let rows = reports.iter().map(|report| {
        vec![
            report.space.short(),
            name_of(report).unwrap_or_default(),
            report.state.to_string(),
            role_text(report),
            report.objects.to_string(),
            report.blocks.to_string(),
        ]
    });
    let mut text = table(
        &["space", "name", "state", "role", "objects", "blocks"],
        rows,
    );
    for report in reports {
        if let Some(reason) = &report.reason {
            let _ = write!(text, "\n\n{}: {reason}", report.space.short());
        }
    }
    text
}

/// What this profile is in a space, or how it came to be nothing there any more.
fn role_text(report: &SpaceReport) -> String {
    let role = report.role.map(|role| role.to_string());
    departure_text(report).or(role).unwrap_or_default()
}

/// Why this device has no part in a space any more; `None` where it has one.
pub(crate) fn departure_text(report: &SpaceReport) -> Option<String> {
    why_gone(report.departure, report.revoked)
}

fn why_gone(departure: Option<Departure>, revoked: bool) -> Option<String> {
    if revoked {
        return Some("this device was revoked".to_owned());
    }
    let text = match departure? {
        Departure::Left => "left".to_owned(),
        Departure::Removed { by } => format!("removed by {}", by.short()),
        Departure::InvitationLost { .. } => {
            "not admitted: another guest used the invitation; ask for a new one".to_owned()
        }
        _ => "no member any more".to_owned(),
    };
    Some(text)
}

pub(crate) fn members_text(members: &[MemberReport]) -> String {
    let rows = members.iter().map(|member| {
        vec![
            member.identity.short(),
            member.profile.display_name.clone().unwrap_or_default(),
            member.role.to_string(),
            member.devices.len().to_string(),
            online_text(member.online),
        ]
    });
    table(&["member", "name", "role", "devices", "online"], rows)
}

pub(crate) async fn query(session: &Session, options: &QueryOptions, output: Output) -> Result<()> {
    let mut query: Query = options.conditions.join(" ").parse()?;
    if let Some(name) = &options.type_name {
        query.filter = Filter::type_name(name.as_str()).and(query.filter);
    }
    for key in &options.order {
        query = match key.strip_prefix('-') {
            Some(key) => query.descending(named(key)),
            None => query.order_by(named(key)),
        };
    }
    if let Some(limit) = options.limit {
        query = query.limit(limit);
    }
    let client = session.local().await?;
    let answered = async {
        let space = find_space(&client, &options.space).await?;
        let filter = query.filter.clone();
        answer((space.db().query(query), &filter), options, output).await
    };
    let answered = answered.await;
    end(&client).await?;
    answered
}

/// The property that a word names, or what is known of an object besides.
fn named(word: &str) -> Path {
    match word.strip_prefix('@') {
        Some(name) => Path::about(name),
        None => Path::from(word),
    }
}

async fn answer(
    (query, filter): (PendingQuery, &Filter),
    options: &QueryOptions,
    output: Output,
) -> Result<()> {
    if options.count {
        let count = query.count().await?;
        output.result(&json!({ "count": count }), || count.to_string());
        return Ok(());
    }
    if let Some(by) = &options.by {
        let groups = query.group_count(named(by)).await?;
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
    let found = query.run().await?;
    let json: Vec<_> = found
        .iter()
        .map(|object| found_json(object, filter))
        .collect();
    output.result(&json!(json), || objects_text(&found, filter));
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

#[cfg(test)]
mod tests {
    use dxos_client::{IdentityKey, InvitationId};

    use super::*;

    #[test]
    fn whoever_has_no_part_in_a_space_any_more_is_told_why() {
        let invitation = InvitationId::from_bytes([1; 16]);
        let by = IdentityKey::from_bytes([2; 32]);
        for (departure, revoked, said) in [
            (
                Some(Departure::InvitationLost { invitation }),
                false,
                "another guest",
            ),
            (Some(Departure::Removed { by }), false, "removed by"),
            (Some(Departure::Left), false, "left"),
            (None, true, "this device was revoked"),
        ] {
            let text = why_gone(departure, revoked).unwrap();
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(why_gone(None, false), None);
    }
}
