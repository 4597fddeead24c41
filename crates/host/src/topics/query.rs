//! Objects: the answer to a query, and one object.

use async_trait::async_trait;
use dxos_client::{Difference, Filter, LiveQuery, Object, Placed};
use serde_json::{Value, json};

use super::{Event, Source};
use crate::convert::{self, small};
use crate::limits::{PART_BYTES_MAX, PART_OBJECTS_MAX};
use crate::protocol::{PlacedInfo, QueryChange};

/// The answer to a query, in parts, and then how it changes.
pub(super) struct Rows {
    live: LiveQuery,
    /// What its objects tell of where words are.
    highlighter: Option<Filter>,
    /// Where the next part begins, while there is one.
    from: Option<usize>,
}

impl Rows {
    pub(super) const fn new(live: LiveQuery, highlighter: Option<Filter>) -> Self {
        Self {
            live,
            highlighter,
            from: Some(0),
        }
    }

    /// The part that begins at a position, and where the next one does.
    fn part(&self, from: usize) -> (String, Option<usize>) {
        let results = self.live.results();
        let mut objects = String::new();
        let mut end = from;
        for object in results.iter().skip(from).take(PART_OBJECTS_MAX) {
            let text = text_of(object, self.highlighter.as_ref());
            if end > from && objects.len() + text.len() > PART_BYTES_MAX {
                break;
            }
            if end > from {
                objects.push(',');
            }
            objects.push_str(&text);
            end += 1;
        }
        let total = results.len();
        let text = format!(r#"{{"objects":[{objects}],"from":{from},"total":{total}}}"#);
        (text, (end < total).then_some(end))
    }
}

fn text_of(object: &Object, highlighter: Option<&Filter>) -> String {
    json!(convert::found(object, highlighter)).to_string()
}

fn placed(placed: &Placed, highlighter: Option<&Filter>) -> PlacedInfo {
    PlacedInfo {
        position: small(placed.position),
        object: convert::found(&placed.object, highlighter),
    }
}

/// A change as JSON; `None` when it is so large that all of it is sent anew, in parts.
fn change(difference: &Difference, highlighter: Option<&Filter>) -> Option<String> {
    let named = difference.added.len() + difference.updated.len();
    if named > PART_OBJECTS_MAX || difference.removed.len() > PART_OBJECTS_MAX * 16 {
        return None;
    }
    let placed = |one| placed(one, highlighter);
    let change = QueryChange {
        added: difference.added.iter().map(placed).collect(),
        removed: difference.removed.iter().map(ToString::to_string).collect(),
        updated: difference.updated.iter().map(placed).collect(),
    };
    let text = json!(change).to_string();
    // One large object is sent either way.
    (text.len() <= PART_BYTES_MAX * 4 || named <= 1).then_some(text)
}

#[async_trait(?Send)]
impl Source for Rows {
    fn renew(&mut self) {
        self.from = Some(0);
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some(from) = self.from {
                let (text, next) = self.part(from);
                self.from = next;
                return Event::Value(text);
            }
            match self.live.next().await {
                None => return Event::End(None),
                Some(difference) if difference.is_empty() => {}
                Some(difference) => match change(&difference, self.highlighter.as_ref()) {
                    Some(text) => return Event::Change(text),
                    None => self.from = Some(0),
                },
            }
        }
    }
}

/// One object, as a value each time.
pub(super) struct One {
    live: LiveQuery,
    fresh: bool,
}

impl One {
    pub(super) const fn new(live: LiveQuery) -> Self {
        Self { live, fresh: true }
    }
}

#[async_trait(?Send)]
impl Source for One {
    fn renew(&mut self) {
        self.fresh = true;
    }

    async fn next(&mut self) -> Event {
        if !self.fresh && self.live.next().await.is_none() {
            return Event::End(None);
        }
        self.fresh = false;
        let object = self.live.results().first();
        let object = object.map(convert::object);
        Event::Value(
            object
                .map_or(Value::Null, |object| json!(object))
                .to_string(),
        )
    }
}
