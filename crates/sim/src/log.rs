//! A queue to which every edit also appends its numbers, in the same transaction: on every device
//! each stands there once, in one order, and whoever reads on from a cursor gets each once.

use std::collections::BTreeSet;

use dxos_client::{Queue, QueueCursor, QueueItem, Value};

use crate::peer::{Mark, Peer};
use crate::{Violation, World};

/// The name of the queue.
pub(crate) const LOG: &str = "log";
/// Items that are read at once.
const PAGE: usize = 64;

impl World {
    /// Checks what the honest ones show of it.
    pub(crate) async fn check_logs(&self, durable: &[Mark]) -> Result<(), Violation> {
        let mut first = None;
        for peer in self.peers.iter().take(self.honest) {
            let Some(items) = log_of(peer).await? else {
                continue;
            };
            let wrong = |reason: String| Violation::Queue {
                peer: peer.index,
                reason,
            };
            let numbers: Vec<i64> = items.iter().filter_map(number).collect();
            let known: BTreeSet<i64> = numbers.iter().copied().collect();
            if known.len() != items.len() {
                let (shown, once) = (items.len(), known.len());
                return Err(wrong(format!("{shown} items for {once} numbers")));
            }
            for outcast in &self.outcasts {
                let mut banned = outcast.banned.iter();
                if let Some(mark) = banned.find(|mark| known.contains(&mark.number)) {
                    return Err(Violation::Outcast {
                        peer: peer.index,
                        outcast: outcast.index,
                        edit: mark.number,
                    });
                }
            }
            if let Some(mark) = durable.iter().find(|mark| !known.contains(&mark.number)) {
                return Err(wrong(format!("edit {} is missing", mark.number)));
            }
            if *first.get_or_insert_with(|| numbers.clone()) != numbers {
                return Err(wrong("the items, or their order, are others".to_owned()));
            }
        }
        Ok(())
    }
}

const fn number(item: &QueueItem) -> Option<i64> {
    match item.value {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

/// The items in their order, which must be those that are read on from the start.
async fn log_of(peer: &Peer) -> Result<Option<Vec<QueueItem>>, Violation> {
    let Some(space) = peer.open_space().await? else {
        return Ok(None);
    };
    let log = space.queue(LOG);
    let mut items: Vec<QueueItem> = Vec::new();
    loop {
        let more = match items.last() {
            Some(last) => log.latest_before(last.position, PAGE).await,
            None => log.latest(PAGE).await,
        };
        let more = peer.answered("read a queue", async { more }).await?;
        if more.is_empty() {
            break;
        }
        items.extend(more);
    }
    items.reverse();
    check_arrivals(peer, &log, &items).await?;
    Ok(Some(items))
}

/// Reads on from the start: what is not taken back comes once, and is all that there is.
async fn check_arrivals(peer: &Peer, log: &Queue, items: &[QueueItem]) -> Result<(), Violation> {
    let mut cursor = QueueCursor::START;
    let mut came = BTreeSet::new();
    loop {
        let page = peer.answered("read on in a queue", log.read(cursor, PAGE));
        let page = page.await?;
        if page.is_empty() {
            break;
        }
        for id in &page.taken_back {
            came.remove(id);
        }
        for item in &page.items {
            if !came.insert(item.id) {
                let reason = format!("item {} comes twice", item.id);
                return Err(Violation::Queue {
                    peer: peer.index,
                    reason,
                });
            }
        }
        cursor = page.next;
    }
    let all: BTreeSet<_> = items.iter().map(|item| item.id).collect();
    if came != all {
        return Err(Violation::Queue {
            peer: peer.index,
            reason: format!("{} items come, and there are {}", came.len(), all.len()),
        });
    }
    Ok(())
}
