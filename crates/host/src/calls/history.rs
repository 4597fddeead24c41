//! The past of a space.

use dxos_client::{HISTORY_PAGE_MAX, HistoryPage};
use serde_json::Value;

use super::echo::feed_of;
use super::query::page;
use super::{Answer, json, params, space_of, unknown};
use crate::convert::{self, parse, small};
use crate::protocol::{
    BlockInfo, BlockPage, ConflictInfo, Diff, ErrorInfo, HistoryPageInfo, LoserInfo, ObjectAt,
    ObjectParams, QueryAt, ReadBlocks, ReadHistory, SpaceParams, Undo,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    match method {
        "echo.conflicts" => conflicts(caller, &params(given)?).await,
        "echo.history" => history(caller, &params(given)?).await,
        "echo.undo" => undo(caller, &params(given)?).await,
        "echo.timeframe" => {
            let of: SpaceParams = params(given)?;
            let space = space_of(caller, &of.space).await?;
            json(&convert::timeframe(&space.timeframe().await?))
        }
        "echo.objectAt" => {
            let at: ObjectAt = params(given)?;
            let space = space_of(caller, &at.space).await?;
            let past = space.at(convert::to_timeframe(&at.timeframe)?);
            let object = past.get(parse("object", &at.object)?).await?;
            json(&object.as_ref().map(convert::object))
        }
        "echo.queryAt" => {
            let at: QueryAt = params(given)?;
            let space = space_of(caller, &at.space).await?;
            let past = space.at(convert::to_timeframe(&at.timeframe)?);
            let found = past.query(at.query.to_query()).await?;
            json(&page(&found, at.query.highlighter().as_ref(), at.from))
        }
        "echo.diff" => {
            let diff: Diff = params(given)?;
            let space = space_of(caller, &diff.space).await?;
            let from = convert::to_timeframe(&diff.from)?;
            let until = convert::to_timeframe(&diff.until)?;
            let found = space.diff(&from, &until).await?;
            json(&found.iter().map(convert::difference).collect::<Vec<_>>())
        }
        "echo.feeds" => feeds(caller, &params(given)?).await,
        "echo.blocks" => blocks(caller, &params(given)?).await,
        _ => Err(unknown(method)),
    }
}

async fn conflicts(caller: &Caller, of: &ObjectParams) -> Answer {
    let space = space_of(caller, &of.space).await?;
    let object = parse("object", &of.object)?;
    let all = space.db().all_conflicts(object).await?;
    let infos: Vec<_> = all
        .iter()
        .map(|(path, losers)| ConflictInfo {
            path: path.to_string(),
            losers: losers
                .iter()
                .map(|loser| LoserInfo {
                    value: loser.value.to_json(),
                    author: convert::author(&loser.author),
                    stamp: convert::stamp(&loser.stamp),
                    time_ms: loser.time_ms,
                })
                .collect(),
        })
        .collect();
    json(&infos)
}

async fn read(
    caller: &Caller,
    space: &str,
    (object, before): (Option<&str>, Option<&crate::protocol::StampInfo>),
    limit: u32,
) -> Result<HistoryPage, ErrorInfo> {
    let space = space_of(caller, space).await?;
    let mut history = match object {
        Some(object) => space.db().history(parse("object", object)?),
        None => space.history(),
    };
    if let Some(before) = before {
        history = history.before(convert::to_stamp(before)?);
    }
    Ok(history
        .next((limit as usize).clamp(1, HISTORY_PAGE_MAX))
        .await?)
}

async fn history(caller: &Caller, of: &ReadHistory) -> Answer {
    let from = (of.object.as_deref(), of.before.as_ref());
    let page = read(caller, &of.space, from, of.limit).await?;
    json(&HistoryPageInfo {
        entries: page.entries.iter().map(convert::history_entry).collect(),
        next: page.next.as_ref().map(convert::stamp),
    })
}

async fn undo(caller: &Caller, undo: &Undo) -> Answer {
    let space = space_of(caller, &undo.space).await?;
    let committed = convert::to_committed(&undo.committed)?;
    let db = space.db();
    let undone = if undo.any {
        db.undo_any(&committed).await?
    } else {
        db.undo(&committed).await?
    };
    json(&convert::undone(&undone))
}

async fn feeds(caller: &Caller, of: &SpaceParams) -> Answer {
    let feeds = space_of(caller, &of.space).await?.feeds().await?;
    json(&feeds.iter().map(convert::feed).collect::<Vec<_>>())
}

async fn blocks(caller: &Caller, of: &ReadBlocks) -> Answer {
    let feed = of.feed.as_deref().map(feed_of).transpose()?;
    let page = read(caller, &of.space, (None, of.before.as_ref()), of.limit).await?;
    let wanted = page
        .entries
        .iter()
        .filter(|entry| feed.is_none_or(|feed| entry.committed.feed == feed));
    json(&BlockPage {
        blocks: wanted
            .map(|entry| BlockInfo {
                committed: convert::committed(&entry.committed),
                author: convert::author(&entry.author),
                time_ms: entry.time_ms,
                changes: small(entry.changes.len()),
            })
            .collect(),
        next: page.next.as_ref().map(convert::stamp),
    })
}
