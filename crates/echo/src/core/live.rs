//! Live queries: kept up to date from the objects that were touched.

use std::collections::{BTreeMap, BTreeSet};

use dxos_document::{Difference, Filter, LiveResults, Object, Query, Relevance};
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use tokio::sync::mpsc;

/// Differences that a subscriber may be behind before they are folded into one.
const BACKLOG_MAX: usize = 16;

/// What a live query has to know of objects that it was not told of.
pub(crate) trait Lookup {
    /// An object as it is now.
    fn object(&self, object: ObjectId) -> Result<Option<Object>, EchoError>;

    /// A filter that answers by one object alone; see [`Filter::resolve`].
    fn resolve(&self, filter: &Filter) -> Result<Filter, EchoError>;

    /// What decides how well objects fit a query that was resolved, as it is now; `None` when it
    /// does not ask.
    fn relevance(&self, query: &Query) -> Result<Option<Relevance>, EchoError>;
}

/// The live queries of one space.
#[derive(Debug, Default)]
pub(crate) struct Live {
    next: u64,
    queries: BTreeMap<u64, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    /// The filter as it was asked for, when others than the object itself decide whether it
    /// holds.
    asked: Option<Asked>,
    results: LiveResults,
    changes: mpsc::Sender<Difference>,
    /// What a subscriber that fell behind was told last.
    told: Option<Vec<Object>>,
    /// Whether words may weigh otherwise by now than in the order of the results.
    is_unweighed: bool,
}

#[derive(Debug)]
struct Asked {
    filter: Filter,
    /// The objects that decide.
    sources: BTreeSet<ObjectId>,
    /// Every object for which they decide otherwise than if they were not there.
    named: BTreeSet<ObjectId>,
}

impl Asked {
    fn new(filter: &Filter, resolved: &Filter) -> Option<Self> {
        let sources = filter.sources();
        (!sources.is_empty()).then(|| Self {
            filter: filter.clone(),
            sources,
            named: resolved.named(),
        })
    }
}

impl Subscriber {
    /// Remembers what was told last, when there is no room to tell more.
    fn note_if_full(&mut self) {
        if self.changes.capacity() == 0 && self.told.is_none() {
            self.told = Some(self.results.results().to_vec());
        }
    }

    /// Tells a change, unless the subscriber is behind.
    fn tell(&self, change: Difference) {
        if self.told.is_none() && !change.is_empty() {
            // There is room, which only this side fills.
            let _ = self.changes.try_send(change);
        }
    }

    /// Resolves the filter again when what decides has changed. Returns the objects for which it
    /// may hold now and did not before, or the other way round.
    fn resolve_again(
        &mut self,
        touched: &[(ObjectId, Option<Object>)],
        lookup: &impl Lookup,
    ) -> Result<Vec<(ObjectId, Option<Object>)>, EchoError> {
        let Some(asked) = &mut self.asked else {
            return Ok(Vec::new());
        };
        if !touched.iter().any(|(id, _)| asked.sources.contains(id)) {
            return Ok(Vec::new());
        }
        let resolved = lookup.resolve(&asked.filter)?;
        let named = resolved.named();
        // All of them: which of several conditions names one may have changed.
        let differing: BTreeSet<_> = named.union(&asked.named).copied().collect();
        asked.named = named;
        self.results.refilter(resolved);
        let loaded = differing.into_iter().map(|id| Ok((id, lookup.object(id)?)));
        loaded.collect()
    }
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

    /// Adds a live query over all `objects`, asked with the filter `asked`, which was resolved
    /// to the one in `query`. Returns its first result and its changes.
    pub(crate) fn subscribe(
        &mut self,
        asked: &Filter,
        (query, relevance): (Query, Option<Relevance>),
        objects: impl IntoIterator<Item = Object>,
    ) -> (Vec<Object>, mpsc::Receiver<Difference>) {
        let asked = Asked::new(asked, &query.filter);
        let results = LiveResults::ranked(query, relevance, objects);
        let initial = results.results().to_vec();
        let (sender, changes) = mpsc::channel(BACKLOG_MAX);
        self.queries.insert(
            self.next,
            Subscriber {
                asked,
                results,
                changes: sender,
                told: None,
                is_unweighed: false,
            },
        );
        self.next += 1;
        (initial, changes)
    }

    /// Tells every subscriber of objects that changed, each as it is now.
    pub(crate) fn update(
        &mut self,
        touched: &[(ObjectId, Option<Object>)],
        lookup: &impl Lookup,
    ) -> Result<(), EchoError> {
        self.queries
            .retain(|_, subscriber| !subscriber.changes.is_closed());
        for subscriber in self.queries.values_mut() {
            subscriber.note_if_full();
            subscriber.is_unweighed |= subscriber.results.query().is_ranked();
            let also = subscriber.resolve_again(touched, lookup)?;
            let change = subscriber
                .results
                .update(touched.iter().cloned().chain(also));
            subscriber.tell(change);
        }
        self.retry();
        Ok(())
    }

    /// Whether words may weigh otherwise than in the results of a query.
    pub(crate) fn is_unweighed(&self) -> bool {
        let mut subscribers = self.queries.values();
        subscribers.any(|subscriber| subscriber.is_unweighed)
    }

    /// Weighs the words again of the queries that are ordered by them. Of those that show what is
    /// behind a cursor all objects are looked at.
    pub(crate) fn weigh(
        &mut self,
        all: impl Fn() -> Result<Vec<Object>, EchoError>,
        lookup: &impl Lookup,
    ) -> Result<(), EchoError> {
        self.queries
            .retain(|_, subscriber| !subscriber.changes.is_closed());
        for subscriber in self.queries.values_mut() {
            if !std::mem::take(&mut subscriber.is_unweighed) {
                continue;
            }
            let query = subscriber.results.query();
            let Some(relevance) = lookup.relevance(query)? else {
                continue;
            };
            subscriber.note_if_full();
            let change = if subscriber.results.query().is_cut_by_relevance() {
                let query = subscriber.results.query().clone();
                let before = subscriber.results.results().to_vec();
                subscriber.results = LiveResults::ranked(query, Some(relevance), all()?);
                Difference::between(&before, subscriber.results.results())
            } else {
                subscriber.results.weigh(relevance)
            };
            subscriber.tell(change);
        }
        self.retry();
        Ok(())
    }

    /// Answers every query again, after the state was made anew.
    pub(crate) fn refresh(
        &mut self,
        objects: &[Object],
        lookup: &impl Lookup,
    ) -> Result<(), EchoError> {
        self.queries
            .retain(|_, subscriber| !subscriber.changes.is_closed());
        for subscriber in self.queries.values_mut() {
            let told = subscriber.told.take();
            subscriber.told = Some(told.unwrap_or_else(|| subscriber.results.results().to_vec()));
            let mut query = subscriber.results.query().clone();
            if let Some(asked) = &mut subscriber.asked {
                query.filter = lookup.resolve(&asked.filter)?;
                asked.named = query.filter.named();
            }
            let relevance = lookup.relevance(&query)?;
            subscriber.is_unweighed = false;
            let objects = objects.iter().cloned();
            subscriber.results = LiveResults::ranked(query, relevance, objects);
        }
        self.retry();
        Ok(())
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
    use dxos_document::{Context, ObjectState, Op, Stamp, Timeframe};
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

    /// No query here looks at other objects.
    struct Nothing;

    impl Lookup for Nothing {
        fn object(&self, _: ObjectId) -> Result<Option<Object>, EchoError> {
            Ok(None)
        }

        fn resolve(&self, filter: &Filter) -> Result<Filter, EchoError> {
            Ok(filter.clone())
        }

        fn relevance(&self, _: &Query) -> Result<Option<Relevance>, EchoError> {
            Ok(None)
        }
    }

    #[test]
    fn a_subscriber_that_reads_nothing_costs_a_bounded_backlog_and_catches_up() {
        let mut live = Live::default();
        let tasks = Filter::type_name("task");
        let (mut seen, mut changes) =
            live.subscribe(&tasks, (Query::new(tasks.clone()), None), [object(1, 0)]);
        for round in 1..1000 {
            let touched = [(ObjectId::from_bytes([1; 16]), Some(object(1, round)))];
            live.update(&touched, &Nothing).unwrap();
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
        let tasks = Filter::type_name("task");
        drop(live.subscribe(&tasks, (Query::new(tasks.clone()), None), []));
        live.update(&[], &Nothing).unwrap();
        assert!(live.is_empty());
    }
}
