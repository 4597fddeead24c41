//! Queries: run, read in pages, counted, explained.

use dxos_client::{Cursor, Explanation, Filter, IndexReport, Object, Query};

use super::{Answer, json, params, space_of, unknown};
use crate::convert::{self, parse, small};
use crate::limits::{PAGE_BYTES_MAX, PAGE_OBJECTS_MAX};
use crate::protocol::{
    AskQuery, CountInfo, CursorPage, ExplanationInfo, FormatQuery, GroupCount, GroupInfo,
    IndexInfo, ObjectInfo, QueryPage, QuerySpec, QueryText, ReadPage, RunQuery,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: serde_json::Value) -> Answer {
    match method {
        "echo.query" => {
            let run: RunQuery = params(given)?;
            let space = space_of(caller, &run.space).await?;
            let found = space.db().query(run.query.to_query()).run().await?;
            json(&page(&found, run.query.highlighter().as_ref(), run.from))
        }
        "echo.page" => read_page(caller, &params(given)?).await,
        "echo.count" => {
            let ask: AskQuery = params(given)?;
            let space = space_of(caller, &ask.space).await?;
            let count = space.db().query(ask.query.to_query()).count().await?;
            json(&CountInfo { count })
        }
        "echo.groupCount" => {
            let ask: GroupCount = params(given)?;
            let space = space_of(caller, &ask.space).await?;
            let query = space.db().query(ask.query.to_query());
            let groups = query.group_count(ask.path).await?;
            let groups = groups.iter().map(|group| GroupInfo {
                value: group.value.to_json(),
                count: group.count,
            });
            json(&groups.collect::<Vec<_>>())
        }
        "echo.explain" => {
            let ask: AskQuery = params(given)?;
            let space = space_of(caller, &ask.space).await?;
            let explanation = space.db().query(ask.query.to_query()).explain().await?;
            json(&explained(&explanation))
        }
        "echo.parseQuery" => {
            let given: QueryText = params(given)?;
            let query: Query = parse("text", &given.text)?;
            json(&QuerySpec::of(&query))
        }
        "echo.formatQuery" => {
            let given: FormatQuery = params(given)?;
            let text = given.query.to_query().to_string();
            json(&QueryText { text })
        }
        _ => Err(unknown(method)),
    }
}

/// As many of the objects as fit a page, one at least.
fn fitting<'a>(
    objects: impl Iterator<Item = &'a Object>,
    highlighter: Option<&Filter>,
) -> Vec<ObjectInfo> {
    let mut infos = Vec::new();
    let mut bytes = 0;
    for object in objects.take(PAGE_OBJECTS_MAX) {
        let info = convert::found(object, highlighter);
        bytes += serde_json::to_string(&info).map_or(0, |text| text.len());
        if bytes > PAGE_BYTES_MAX && !infos.is_empty() {
            break;
        }
        infos.push(info);
    }
    infos
}

/// A page of the answer to a query: as many objects as fit, one at least.
pub(super) fn page(found: &[Object], highlighter: Option<&Filter>, from: u32) -> QueryPage {
    let start = (from as usize).min(found.len());
    let objects = fitting(found.iter().skip(start), highlighter);
    let end = start + objects.len();
    QueryPage {
        objects,
        next: (end < found.len()).then(|| small(end)),
        total: small(found.len()),
    }
}

async fn read_page(caller: &Caller, read: &ReadPage) -> Answer {
    let space = space_of(caller, &read.space).await?;
    let mut query = read.query.to_query();
    if let Some(after) = &read.after {
        let cursor: Cursor = parse("after", after)?;
        query = query.after(cursor);
    }
    let size = (read.size as usize).clamp(1, PAGE_OBJECTS_MAX);
    let found = space.db().query(query.clone()).page(size).await?;
    let objects = fitting(found.objects.iter(), read.query.highlighter().as_ref());
    // One that is cut where bytes end goes on behind what it holds.
    let last = found.objects.get(objects.len().wrapping_sub(1));
    let next = match last {
        Some(last) if objects.len() < found.objects.len() => Some(query.cursor_after(last)),
        _ => found.next,
    };
    json(&CursorPage {
        objects,
        next: next.map(|cursor| cursor.to_string()),
    })
}

fn explained(explanation: &Explanation) -> ExplanationInfo {
    let index = |index: &IndexReport| IndexInfo {
        name: index.name.clone(),
        is_ready: index.is_ready,
        done: index.done,
        objects: index.objects,
    };
    ExplanationInfo {
        index: explanation.index.clone(),
        in_order: explanation.in_order,
        rows: explanation.rows,
        objects: explanation.objects,
        results: explanation.results,
        building: explanation.building.iter().map(index).collect(),
    }
}
