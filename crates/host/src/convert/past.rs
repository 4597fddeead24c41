//! The past of a space, as it goes over the wire.

use dxos_client::{
    Author, Change, ChangeKind, Designation, FeedReport, HistoryEntry, KeptReason,
    ObjectDifference, Path, Stamp, Timeframe, Undone, Value,
};
use std::collections::BTreeMap;

use crate::protocol::{
    AuthorInfo, ChangeInfo, ChangeKindInfo, DesignationInfo, ErrorInfo, FeedInfo, HistoryEntryInfo,
    KeptPartInfo, ObjectDiff, PropertyDiff, StampInfo, TimeframeInfo, UndoPartInfo, UndoneInfo,
};

use super::{committed, object, parse, properties, texts};

pub(crate) fn author(author: &Author) -> AuthorInfo {
    AuthorInfo {
        device: author.device.to_string(),
        identity: author.identity.map(|identity| identity.to_string()),
        display_name: author.display_name.clone(),
    }
}

pub(crate) fn feed(report: &FeedReport) -> FeedInfo {
    FeedInfo {
        feed: report.feed.to_string(),
        designation: match report.descriptor.designation {
            Designation::Control => DesignationInfo::Control,
            Designation::Data => DesignationInfo::Data,
        },
        incarnation: report.descriptor.incarnation,
        author: author(&report.author),
        applied: report.applied,
    }
}

pub(crate) fn stamp(stamp: &Stamp) -> StampInfo {
    StampInfo {
        lamport: stamp.lamport,
        feed: stamp.feed.to_string(),
        seq: stamp.seq,
    }
}

pub(crate) fn to_stamp(info: &StampInfo) -> Result<Stamp, ErrorInfo> {
    Ok(Stamp {
        lamport: info.lamport,
        feed: parse("feed", &info.feed)?,
        seq: info.seq,
    })
}

pub(crate) fn timeframe(timeframe: &Timeframe) -> TimeframeInfo {
    let feeds = timeframe
        .iter()
        .map(|dot| (dot.actor.to_string(), dot.counter));
    TimeframeInfo {
        feeds: feeds.collect::<BTreeMap<_, _>>(),
    }
}

pub(crate) fn to_timeframe(info: &TimeframeInfo) -> Result<Timeframe, ErrorInfo> {
    let mut timeframe = Timeframe::new();
    for (feed, count) in &info.feeds {
        timeframe.dots.insert(parse("timeframe", feed)?, *count);
    }
    Ok(timeframe)
}

pub(crate) fn history_entry(entry: &HistoryEntry) -> HistoryEntryInfo {
    HistoryEntryInfo {
        committed: committed(&entry.committed),
        author: author(&entry.author),
        time_ms: entry.time_ms,
        changes: entry.changes.iter().map(change).collect(),
    }
}

fn change(change: &Change) -> ChangeInfo {
    let all = |values: &[Value]| values.iter().map(Value::to_json).collect();
    ChangeInfo {
        object: change.object.to_string(),
        path: change.path.as_ref().map(Path::to_string),
        change: match &change.kind {
            ChangeKind::Created {
                type_name,
                properties: first,
            } => ChangeKindInfo::Created {
                type_name: type_name.to_string(),
                properties: properties(first),
            },
            ChangeKind::Deleted => ChangeKindInfo::Deleted,
            ChangeKind::Restored => ChangeKindInfo::Restored,
            ChangeKind::Assigned(value) => ChangeKindInfo::Assigned {
                value: value.to_json(),
            },
            ChangeKind::Unset => ChangeKindInfo::Unset,
            ChangeKind::Counted(by) => ChangeKindInfo::Counted { by: *by },
            ChangeKind::Added(values) => ChangeKindInfo::Added {
                values: all(values),
            },
            ChangeKind::Removed(values) => ChangeKindInfo::Removed {
                values: all(values),
            },
            ChangeKind::TextEdited {
                inserted,
                deleted,
                marked,
            } => ChangeKindInfo::TextEdited {
                inserted: inserted.clone(),
                deleted: *deleted,
                marked: texts(marked.iter().map(|(name, _)| name.as_str())),
            },
            ChangeKind::ListEdited {
                inserted,
                deleted,
                moved,
            } => ChangeKindInfo::ListEdited {
                inserted: all(inserted),
                deleted: *deleted,
                moved: *moved,
            },
            _ => ChangeKindInfo::Edited,
        },
    }
}

pub(crate) fn difference(difference: &ObjectDifference) -> ObjectDiff {
    let property = |found: &dxos_client::PropertyDifference| PropertyDiff {
        path: found.path.to_string(),
        before: found.before.as_ref().map(Value::to_json),
        after: found.after.as_ref().map(Value::to_json),
    };
    ObjectDiff {
        object: difference.object.to_string(),
        before: difference.before.as_ref().map(object),
        after: difference.after.as_ref().map(object),
        properties: difference.properties.iter().map(property).collect(),
    }
}

pub(crate) fn undone(undone: &Undone) -> UndoneInfo {
    UndoneInfo {
        committed: undone.committed.as_ref().map(committed),
        undone: undone
            .undone
            .iter()
            .map(|part| UndoPartInfo {
                object: part.object.to_string(),
                path: part.path.as_ref().map(Path::to_string),
            })
            .collect(),
        kept: undone
            .kept
            .iter()
            .map(|part| KeptPartInfo {
                object: part.object.to_string(),
                path: part.path.as_ref().map(Path::to_string),
                reason: match part.reason {
                    KeptReason::Overwritten => "overwritten",
                    KeptReason::InUse => "in-use",
                    _ => "unsupported",
                }
                .to_owned(),
            })
            .collect(),
    }
}
