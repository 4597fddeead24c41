//! Texts that programs hold copies of: what operations do to them is passed on, edit by edit.

use dxos_document::{Context, Op, Path, TextChange, TextSnapshot};
use dxos_keys::{FeedId, ObjectId};
use dxos_protocol::echo::{EchoError, TextEvent, TextWatch};
use dxos_store::Read;
use tokio::sync::mpsc;

use super::space::{Space, store_failed};

/// Events that a reader may be behind; then it gets the text anew.
const BACKLOG_MAX: usize = 64;

/// The copies of texts of one space.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    watchers: Vec<Watcher>,
}

#[derive(Debug)]
struct Watcher {
    object: ObjectId,
    path: Path,
    events: mpsc::Sender<TextEvent>,
    /// What was done since everything was last written.
    changes: Vec<TextChange>,
    /// It has to be told the text anew.
    renew: bool,
}

impl Texts {
    /// Notes an operation that was applied.
    pub(crate) fn note(&mut self, op: &Op, context: &Context<'_>, index: usize) {
        let object = op.object();
        for watcher in self.watchers.iter_mut().filter(|w| w.object == object) {
            watcher.note(op, context, index);
        }
    }

    /// What was noted since the last write is not written after all.
    pub(crate) fn forget(&mut self) {
        for watcher in &mut self.watchers {
            watcher.changes.clear();
        }
    }

    /// Everything may have changed.
    pub(crate) fn renew(&mut self) {
        for watcher in &mut self.watchers {
            watcher.changes.clear();
            watcher.renew = true;
        }
    }

    /// Tells what was noted, now that it is written; `snapshot` reads a text.
    pub(crate) fn tell(
        &mut self,
        mut snapshot: impl FnMut(&ObjectId, &Path) -> Option<Option<TextSnapshot>>,
    ) {
        self.watchers.retain(|watcher| !watcher.events.is_closed());
        for watcher in &mut self.watchers {
            if watcher.events.capacity() == 0 {
                // It gets the text anew when it has read what there is.
                watcher.renew |= !watcher.changes.is_empty();
                watcher.changes.clear();
                continue;
            }
            let event = if watcher.renew {
                watcher.changes.clear();
                match snapshot(&watcher.object, &watcher.path) {
                    None => continue,
                    Some(None) => TextEvent::Gone,
                    Some(Some(text)) => TextEvent::Replaced(Box::new(text)),
                }
            } else if watcher.changes.is_empty() {
                continue;
            } else {
                TextEvent::Changed(std::mem::take(&mut watcher.changes))
            };
            watcher.renew = false;
            // There is room, which only this side fills.
            let _ = watcher.events.try_send(event);
        }
    }
}

impl Watcher {
    fn note(&mut self, op: &Op, context: &Context<'_>, index: usize) {
        let leads_here = |path: &Path| self.path.parts().starts_with(path.parts());
        match op {
            Op::Text {
                path, of, edits, ..
            } if *path == self.path => self.changes.push(TextChange {
                stamp: context.stamp,
                past: context.past.clone(),
                index: u32::try_from(index).unwrap_or(u32::MAX),
                of: *of,
                edits: edits.clone(),
            }),
            Op::Create { properties, .. } => {
                let first = self.path.parts().first();
                self.renew |= first.is_some_and(|first| properties.contains_key(first));
            }
            Op::List { path, .. }
            | Op::Set { path, .. }
            | Op::SetAdd { path, .. }
            | Op::Unset { path, .. } => self.renew |= leads_here(path),
            _ => {}
        }
    }
}

impl Space {
    /// Gives a copy of a text and follows what happens to it.
    pub(crate) fn watch_text(
        &mut self,
        object: ObjectId,
        path: Path,
        store: &dyn Read,
    ) -> Result<Option<TextWatch>, EchoError> {
        let number = self.record.number;
        let state = self
            .cache
            .load(store, number, object)
            .map_err(|error| store_failed(&error))?;
        let Some(snapshot) = state.text_snapshot(&path) else {
            return Ok(None);
        };
        let (sender, events) = mpsc::channel(BACKLOG_MAX);
        self.texts.watchers.push(Watcher {
            object,
            path,
            events: sender,
            changes: Vec::new(),
            renew: false,
        });
        Ok(Some(TextWatch {
            snapshot: Box::new(snapshot),
            feed: self.data_feed(),
            events,
        }))
    }

    /// The feed that this device writes objects to.
    fn data_feed(&self) -> FeedId {
        self.own_feed(dxos_feed::Designation::Data).id()
    }

    /// Tells those who hold copies of texts what happened to them.
    pub(crate) fn tell_texts(&mut self) {
        let cache = &self.cache;
        self.texts.tell(|object, path| {
            let state = cache.peek(object)?;
            Some(state.text_snapshot(path))
        });
    }

    /// The same, where texts may not be in memory.
    pub(crate) fn retry_texts(&mut self, store: &dyn Read) {
        let number = self.record.number;
        let (texts, cache) = (&mut self.texts, &mut self.cache);
        texts.tell(|object, path| {
            let state = cache.load(store, number, *object).ok()?;
            Some(state.text_snapshot(path))
        });
    }
}
