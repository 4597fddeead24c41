//! Who changed an object, when, and what they did to it.

use std::fmt::Write as _;

use anyhow::Result;
use dxos_client::{
    Change, ChangeKind, Database, HISTORY_PAGE_MAX, HistoryEntry, Key, ObjectId, Path, Value,
};
use serde_json::json;

use super::Answer;
use super::show::{author_text, whole_text};
use crate::device::time_text;
use crate::output::table;

/// Characters of a value that a change shows.
const VALUE_CHARS_MAX: usize = 60;
/// The map in which an object has its tags and whatever else is no property.
const META: &str = "@meta";

pub(super) async fn answer(db: &Database, object: ObjectId, limit: usize) -> Result<Answer> {
    let mut history = db.history(object);
    let mut entries: Vec<HistoryEntry> = Vec::new();
    let (mut more, mut before_epoch) = (true, None);
    while more && entries.len() < limit {
        let left = limit - entries.len();
        let page = history.next(left.min(HISTORY_PAGE_MAX)).await?;
        more = page.next.is_some();
        before_epoch = page.before_epoch;
        entries.extend(page.entries);
    }
    let mut text = entries_text(&entries);
    if more && !entries.is_empty() {
        text.push_str("\n\nthere is more; --limit shows it");
    }
    if let Some(epoch) = before_epoch {
        let _ = write!(
            text,
            "\n\nwhat was before is gone: epoch {epoch} stands for it"
        );
    }
    let json = json!({ "entries": entries, "more": more, "before_epoch": before_epoch });
    Ok((json, text))
}

fn entries_text(entries: &[HistoryEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let changes: Vec<_> = entry.changes.iter().map(change_text).collect();
        vec![
            time_text(entry.time_ms),
            author_text(&entry.author),
            changes.join("; "),
        ]
    });
    table(&["when", "who", "what"], rows)
}

fn change_text(change: &Change) -> String {
    let path = change.path.as_ref().map(path_text).unwrap_or_default();
    let cut = |values: &[Value]| {
        let texts: Vec<_> = values.iter().map(whole_text).collect();
        short(&texts.join(", "))
    };
    match &change.kind {
        ChangeKind::Created {
            type_name,
            properties,
        } => {
            let properties = properties.iter().map(|(key, value)| {
                let path = path_text(&Path::from(key.clone()));
                format!("{path} = {}", short(&whole_text(value)))
            });
            let properties: Vec<_> = properties.collect();
            format!("made as {type_name}; {}", properties.join("; "))
                .trim_end_matches([';', ' '])
                .to_owned()
        }
        ChangeKind::Deleted => "deleted".to_owned(),
        ChangeKind::Restored => "brought back".to_owned(),
        ChangeKind::Assigned(value) => format!("{path} = {}", short(&whole_text(value))),
        ChangeKind::Unset => format!("{path} taken out"),
        ChangeKind::Counted(by) => format!("{path} {by:+}"),
        ChangeKind::Added(values) => format!("{path} with {}", cut(values)),
        ChangeKind::Removed(values) => format!("{path} without {}", cut(values)),
        ChangeKind::TextEdited {
            inserted,
            deleted,
            marked,
        } => {
            let inserted = inserted.iter().map(|text| Value::from(text.as_str()));
            let inserted: Vec<_> = inserted.collect();
            let typed = cut(&inserted);
            let marks: Vec<_> = marked.iter().map(|(name, _)| name.as_str()).collect();
            let parts = [
                (!inserted.is_empty(), format!("typed {typed}")),
                (*deleted > 0, format!("{deleted} characters taken out")),
                (!marks.is_empty(), format!("marked {}", marks.join(", "))),
            ];
            edited(&path, parts)
        }
        ChangeKind::ListEdited {
            inserted,
            deleted,
            moved,
        } => {
            let parts = [
                (!inserted.is_empty(), format!("{} put in", cut(inserted))),
                (*deleted > 0, format!("{deleted} items taken out")),
                (*moved > 0, format!("{moved} items moved")),
            ];
            edited(&path, parts)
        }
        _ => format!("{path} edited"),
    }
}

fn edited(path: &str, parts: [(bool, String); 3]) -> String {
    let parts = parts.into_iter().filter(|(is_there, _)| *is_there);
    let parts: Vec<_> = parts.map(|(_, part)| part).collect();
    format!("{path}: {}", parts.join(", "))
}

/// A path, with what is no property as queries name it: `@tags`.
fn path_text(path: &Path) -> String {
    let [first, rest @ ..] = path.parts() else {
        return path.to_string();
    };
    if first.as_str() != META || rest.is_empty() {
        return path.to_string();
    }
    let rest: Vec<_> = rest.iter().map(Key::as_str).collect();
    format!("@{}", rest.join("."))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
