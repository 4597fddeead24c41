//! `dx queue`: logs of a space beside its objects.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use dxos_client::{
    Durability, QueueCursor, QueueItem, QueuePage, QueueReport, Retention, Value,
    number_out_of_range,
};
use serde_json::json;

use crate::control::Within;
use crate::invite::stop_signal;
use crate::output::{Output, printable, table};
use crate::session::{Session, end, find_space};

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Append items to a queue: all of them on every replica, or none
    Append {
        #[command(flatten)]
        queue: QueueName,
        /// The items: JSON, and else text as it is
        #[arg(required = true, value_name = "ITEM", allow_negative_numbers = true)]
        items: Vec<String>,
    },
    /// Print what is in a queue and what comes, an item a line, until Ctrl-C
    Follow {
        #[command(flatten)]
        queue: QueueName,
        /// From where: `start`, or what reading said is next
        #[arg(long, value_name = "CURSOR", default_value_t)]
        from: QueueCursor,
        /// End after so many items
        #[arg(long, value_name = "ITEMS")]
        count: Option<usize>,
    },
    /// List the queues of a space
    List {
        /// The space: its key, the beginning of its key, or its name
        space: String,
    },
    /// Read a queue in the order in which its items came to this device
    Read {
        #[command(flatten)]
        queue: QueueName,
        /// From where: `start`, or what reading said is next
        #[arg(long, value_name = "CURSOR", default_value_t)]
        from: QueueCursor,
        /// Read the last items instead, the latest first, in the order that is the same everywhere
        #[arg(long, conflicts_with = "from")]
        latest: bool,
        /// At most so many
        #[arg(long, value_name = "ITEMS", default_value = "100")]
        limit: NonZeroUsize,
    },
    /// Say how much a queue is to hold, on every device; without a bound, everything stays
    Retain {
        #[command(flatten)]
        queue: QueueName,
        /// Items at most
        #[arg(long, value_name = "ITEMS")]
        items: Option<u64>,
        /// Bytes of items at most
        #[arg(long, value_name = "BYTES")]
        bytes: Option<u64>,
        /// Seconds that an item stays at most
        #[arg(long, value_name = "SECONDS")]
        age: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct QueueName {
    /// The space: its key, the beginning of its key, or its name
    space: String,
    /// The name of the queue
    name: String,
}

pub(crate) async fn run(session: &Session, command: QueueCommand, output: Output) -> Result<()> {
    if let QueueCommand::Follow { queue, from, count } = command {
        return follow(session, &queue, from, count, output).await;
    }
    let client = session.local().await?;
    let done = answer(&client, command).await;
    end(&client).await?;
    let (json, text) = done?;
    output.result(&json, || text);
    Ok(())
}

type Answer = (serde_json::Value, String);

async fn answer(client: &dxos_client::Client, command: QueueCommand) -> Result<Answer> {
    Ok(match command {
        QueueCommand::Append { queue, items } => {
            let found = find(client, &queue).await?;
            let items: Result<Vec<Value>> = items.iter().map(|item| value_of(item)).collect();
            let appended = found.append_values(items?, Durability::Synced).await?;
            let json = json!({ "ids": appended.ids, "seq": appended.committed.seq });
            let text = format!("{} items appended", appended.ids.len());
            (json, text)
        }
        QueueCommand::List { space } => {
            let space = find_space(client, &space).await?;
            let reports = space.queues().await?;
            (json!(reports), list_text(&reports))
        }
        QueueCommand::Read {
            queue,
            latest: true,
            limit,
            ..
        } => {
            let items = find(client, &queue).await?.latest(limit.get()).await?;
            let json: Vec<_> = items.iter().map(item_json).collect();
            (json!(json), lines(&items))
        }
        QueueCommand::Read {
            queue, from, limit, ..
        } => {
            let page = find(client, &queue).await?.read(from, limit.get()).await?;
            let text = format!("{}\nnext: {}", lines(&page.items), page.next);
            (page_json(&page), text.trim_start().to_owned())
        }
        QueueCommand::Retain {
            queue,
            items,
            bytes,
            age,
        } => {
            let retention = Retention {
                items_max: items,
                bytes_max: bytes,
                age_max_ms: age.map(|seconds| seconds.saturating_mul(1000)),
            };
            let found = find(client, &queue).await?;
            found.set_retention(retention).await?;
            (json!(retention), retention_text(&retention))
        }
        // It is answered elsewhere.
        QueueCommand::Follow { .. } => (json!(null), String::new()),
    })
}

async fn find(client: &dxos_client::Client, queue: &QueueName) -> Result<dxos_client::Queue> {
    let space = find_space(client, &queue.space).await?;
    Ok(space.queue(queue.name.as_str()))
}

async fn follow(
    session: &Session,
    queue: &QueueName,
    from: QueueCursor,
    count: Option<usize>,
    output: Output,
) -> Result<()> {
    let client = session.online().await?;
    let followed = async {
        let mut subscription = find(&client, queue).await?.subscribe(from);
        let mut left = count.unwrap_or(usize::MAX);
        while left > 0 {
            let Some(page) = subscription.next().await else {
                break;
            };
            let page = page?;
            for id in &page.taken_back {
                output.event(&json!({ "takenBack": id }), &format!("taken back: {id}"));
            }
            for item in page.items.iter().take(left) {
                output.event(&item_json(item), &line(item));
            }
            left = left.saturating_sub(page.items.len());
        }
        anyhow::Ok(())
    };
    let followed = if Within::find().is_some() {
        // It ends when the user goes.
        followed.await
    } else {
        tokio::select! {
            biased;
            () = stop_signal() => Ok(()),
            followed = followed => followed,
        }
    };
    end(&client).await?;
    followed
}

/// The value of JSON that stands in a text.
///
/// What 64 bits do not hold would be read as the nearest floating-point number, which nobody asked
/// for.
pub(crate) fn value_of_json(json: &serde_json::Value, text: &str) -> Result<Value> {
    if let Some(number) = number_out_of_range(text.as_bytes()) {
        bail!("the whole number {number} is out of range; write it as text, or with an exponent");
    }
    Ok(Value::from_json(json)?)
}

/// What a value on the command line means.
pub(crate) fn value_of(text: &str) -> Result<Value> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Ok(value_of_json(&json, text)?),
        Err(_) => Ok(text.into()),
    }
}

fn item_json(item: &QueueItem) -> serde_json::Value {
    json!({
        "id": item.id,
        "position": item.position,
        "author": item.author,
        "time_ms": item.time_ms,
        "value": item.value.to_json(),
    })
}

fn page_json(page: &QueuePage) -> serde_json::Value {
    let items: Vec<_> = page.items.iter().map(item_json).collect();
    json!({ "items": items, "takenBack": page.taken_back, "next": page.next })
}

fn lines(items: &[QueueItem]) -> String {
    let lines: Vec<_> = items.iter().map(line).collect();
    lines.join("\n")
}

fn line(item: &QueueItem) -> String {
    let author = &item.author;
    let name = author.display_name.as_deref();
    let name = name.map_or_else(|| author.device.short(), printable);
    let value = match &item.value {
        Value::String(text) => printable(text),
        value => printable(&value.to_json().to_string()),
    };
    format!("{name}: {value}")
}

fn list_text(reports: &[QueueReport]) -> String {
    if reports.is_empty() {
        return "no queues".to_owned();
    }
    let rows = reports.iter().map(|report| {
        vec![
            printable(&report.name),
            report.items.to_string(),
            indicatif::HumanBytes(report.bytes).to_string(),
            retention_text(&report.retention),
        ]
    });
    table(&["queue", "items", "size", "holds"], rows)
}

fn retention_text(retention: &Retention) -> String {
    let items = retention.items_max.map(|max| format!("{max} items"));
    let bytes = retention.bytes_max;
    let bytes = bytes.map(|max| indicatif::HumanBytes(max).to_string());
    let age = retention.age_max_ms.map(Duration::from_millis);
    let age = age.map(|age| indicatif::HumanDuration(age).to_string());
    let bounds: Vec<_> = [items, bytes, age].into_iter().flatten().collect();
    if bounds.is_empty() {
        return "everything".to_owned();
    }
    format!("at most {}", bounds.join(", "))
}
