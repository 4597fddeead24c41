//! Live queries: kept up to date from the objects that were touched.

use std::collections::BTreeMap;

use dxos_document::{Difference, LiveResults, Object, Query};
use dxos_keys::ObjectId;
use tokio::sync::mpsc;

/// Differences that a subscriber may be behind before they are folded into one.
const BACKLOG_MAX: usize = 16;

/// The live queries of one space.
#[derive(Debug, Default)]
pub(crate) struct Live {
    next: u64,
    queries: BTreeMap<u64, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    results: LiveResults,
    changes: mpsc::Sender<Difference>,
    /// What a subscriber that fell behind was told last.
    told: Option<Vec<Object>>,
}

impl Live {
    pub(crate) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Whether a subscriber is behind and [`Live::retry`] is to be called again.
    #[cfg(test)]
    pub(crate) fn is_lagging(&self) -> bool {
        self.queries
            .values()
            .any(|subscriber| subscriber.told.is_some())
    }

    /// Adds a live query over all `objects`. Returns its first result and its changes.
    pub(crate) fn subscribe(
        &mut self,
        query: Query,
        objects: impl IntoIterator<Item = Object>,
    ) -> (Vec<Object>, mpsc::Receiver<Difference>) {
        let results = LiveResults::new(query, objects);
        let initial = results.results().to_vec();
        let (sender, changes) = mpsc::channel(BACKLOG_MAX);
        self.queries.insert(
            self.next,
            Subscriber {
                results,
                changes: sender,
                told: None,
            },
        );
        self.next += 1;
        (initial, changes)
    }

    /// Tells every subscriber of objects that changed, each as it is now.
    pub(crate) fn update(&mut self, touched: &[(ObjectId, Option<Object>)]) {
        self.queries
            .retain(|_, subscriber| !subscriber.changes.is_closed());
        for subscriber in self.queries.values_mut() {
            let full = subscriber.changes.capacity() == 0;
            if full && subscriber.told.is_none() {
                subscriber.told = Some(subscriber.results.results().to_vec());
            }
            let change = subscriber.results.update(touched.iter().cloned());
            if subscriber.told.is_none() && !change.is_empty() {
                // There is room, which only this side fills.
                let _ = subscriber.changes.try_send(change);
            }
        }
        self.retry();
    }

    /// Answers every query again, after the state was made anew.
    pub(crate) fn refresh(&mut self, mut objects: impl FnMut() -> Vec<Object>) {
        self.queries
            .retain(|_, subscriber| !subscriber.changes.is_closed());
        for subscriber in self.queries.values_mut() {
            let told = subscriber.told.take();
            subscriber.told = Some(told.unwrap_or_else(|| subscriber.results.results().to_vec()));
            let query = subscriber.results.query().clone();
            subscriber.results = LiveResults::new(query, objects());
        }
        self.retry();
    }

    /// Catches up those subscribers that were behind and have room now.
    pub(crate) fn retry(&mut self) {
        for subscriber in self.queries.values_mut() {
            if subscriber.changes.capacity() == 0 {
                continue;
            }
            if let Some(told) = subscriber.told.take() {
                let change = Difference::between(&told, subscriber.results.results());
                if !change.is_empty() {
                    let _ = subscriber.changes.try_send(change);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxos_document::{Context, Filter, ObjectState, Op, Stamp, Timeframe};
    use dxos_keys::FeedId;

    fn object(id: u8, title: i64) -> Object {
        let object = ObjectId::from_bytes([id; 16]);
        let mut state = ObjectState::default();
        let stamp = Stamp {
            lamport: 1,
            feed: FeedId::from_bytes([1; 32]),
            seq: 0,
        };
        let past = Timeframe::new();
        let properties = [("title".into(), title.into())].into();
        let op = Op::Create {
            object,
            type_name: "task".into(),
            properties,
        };
        state
            .apply(
                &op,
                &Context {
                    stamp,
                    past: &past,
                    time_ms: 0,
                },
                0,
            )
            .unwrap();
        state.object(object).unwrap()
    }

    #[test]
    fn a_subscriber_that_reads_nothing_costs_a_bounded_backlog_and_catches_up() {
        let mut live = Live::default();
        let (mut seen, mut changes) =
            live.subscribe(Query::new(Filter::type_name("task")), [object(1, 0)]);
        for round in 1..1000 {
            live.update(&[(ObjectId::from_bytes([1; 16]), Some(object(1, round)))]);
        }
        assert!(live.is_lagging());
        let mut received = 0;
        while let Ok(change) = changes.try_recv() {
            received += 1;
            change.fold(&mut seen);
            live.retry();
        }
        assert!(received <= BACKLOG_MAX + 1);
        assert_eq!(seen, [object(1, 999)]);
        assert!(!live.is_lagging());
    }

    #[test]
    fn a_dropped_subscription_is_forgotten() {
        let mut live = Live::default();
        drop(live.subscribe(Query::new(Filter::type_name("task")), []));
        live.update(&[]);
        assert!(live.is_empty());
    }
}
