//! Queues of spaces.

use dxos_client::{
    Direction, Durability, OpId, Queue, QueueCursor, QueueItem, QueueReport, Retention, Space,
    Stamp,
};
use serde_json::Value;

use super::{Answer, done, json, params, space_of, unknown};
use crate::convert::{self, parse};
use crate::protocol::{
    AppendItems, AppendedInfo, ErrorInfo, QueueInfo, QueueItemInfo, QueueOrderInfo, QueuePageInfo,
    QueuePosition, ReadItems, ReadQueue, RetentionInfo, SetRetention, SpaceParams,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    match method {
        "echo.appendItems" => {
            let append: AppendItems = params(given)?;
            let items = append.items.iter();
            let items = items.map(|item| convert::value("items", item));
            let items = items.collect::<Result<_, _>>()?;
            let durability = if append.durable {
                Durability::Synced
            } else {
                Durability::Interval
            };
            let queue = queue(caller, &append.space, &append.queue).await?;
            let appended = queue.append_values(items, durability).await?;
            let ids = appended.ids.iter().map(ToString::to_string).collect();
            json(&AppendedInfo { ids })
        }
        "echo.readQueue" => {
            let read: ReadQueue = params(given)?;
            let from = read.from.as_deref();
            let from: Option<QueueCursor> = from.map(|from| parse("from", from)).transpose()?;
            let queue = queue(caller, &read.space, &read.queue).await?;
            let limit = usize::try_from(read.limit).unwrap_or(usize::MAX);
            let page = queue.read(from.unwrap_or_default(), limit).await?;
            json(&QueuePageInfo {
                taken_back: page.taken_back.iter().map(ToString::to_string).collect(),
                items: page.items.iter().map(item).collect(),
                next: page.next.to_string(),
            })
        }
        "echo.readItems" => {
            let read: ReadItems = params(given)?;
            let beyond = read.beyond.as_ref().map(to_position).transpose()?;
            let queue = queue(caller, &read.space, &read.queue).await?;
            let limit = usize::try_from(read.limit).unwrap_or(usize::MAX);
            let order = match read.order {
                QueueOrderInfo::Ascending => Direction::Ascending,
                QueueOrderInfo::Descending => Direction::Descending,
            };
            let items = queue.items(order, beyond, limit).await?;
            json(&items.iter().map(item).collect::<Vec<_>>())
        }
        "echo.setRetention" => {
            let set: SetRetention = params(given)?;
            let queue = queue(caller, &set.space, &set.queue).await?;
            let RetentionInfo {
                items_max,
                bytes_max,
                age_max_ms,
            } = set.retention;
            let retention = Retention {
                items_max,
                bytes_max,
                age_max_ms,
            };
            queue.set_retention(retention).await?;
            done()
        }
        "echo.queues" => {
            let of: SpaceParams = params(given)?;
            let space = space_of(caller, &of.space).await?;
            json(&list(&space).await?)
        }
        _ => Err(unknown(method)),
    }
}

/// The queue that a client names.
pub(crate) async fn queue(caller: &Caller, space: &str, name: &str) -> Result<Queue, ErrorInfo> {
    Ok(space_of(caller, space).await?.queue(name))
}

/// The queues of a space, by their names.
pub(crate) async fn list(space: &Space) -> Result<Vec<QueueInfo>, ErrorInfo> {
    Ok(space.queues().await?.iter().map(report).collect())
}

/// What is known of a queue, if anybody has written to it.
pub(crate) async fn info(queue: &Queue) -> Result<Option<QueueInfo>, ErrorInfo> {
    Ok(queue.report().await?.as_ref().map(report))
}

fn report(report: &QueueReport) -> QueueInfo {
    let Retention {
        items_max,
        bytes_max,
        age_max_ms,
    } = report.retention;
    QueueInfo {
        name: report.name.clone(),
        items: report.items,
        bytes: report.bytes,
        retention: RetentionInfo {
            items_max,
            bytes_max,
            age_max_ms,
        },
        end: report.end.to_string(),
    }
}

fn item(item: &QueueItem) -> QueueItemInfo {
    let OpId { stamp, index } = item.position;
    QueueItemInfo {
        id: item.id.to_string(),
        position: QueuePosition {
            lamport: stamp.lamport,
            feed: stamp.feed.to_string(),
            seq: stamp.seq,
            index,
        },
        author: convert::author(&item.author),
        time_ms: item.time_ms,
        value: item.value.to_json(),
    }
}

fn to_position(position: &QueuePosition) -> Result<OpId, ErrorInfo> {
    Ok(OpId {
        stamp: Stamp {
            lamport: position.lamport,
            feed: parse("feed", &position.feed)?,
            seq: position.seq,
        },
        index: position.index,
    })
}
