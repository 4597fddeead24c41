//! What is told as it happens: edits of a text, cursors, messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dxos_client::{Message, Messages, Space, TextUpdates};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Event, Source};
use crate::calls::space_of;
use crate::protocol::{CursorInfo, ErrorInfo, MessageInfo, Messages as Told};
use crate::shared::Caller;
use crate::text::{CursorMessage, Editor, Told as TextTold};

/// Messages that are told at once.
const MESSAGES_MAX: usize = 64;
/// A cursor that is not told again for so long is gone.
const CURSOR_LIFE: Duration = Duration::from_secs(60);
/// Cursors that are shown at most.
const CURSORS_MAX: usize = 64;

/// A text as it is edited.
pub(super) struct Typing {
    editor: Arc<Mutex<Editor>>,
    /// Says only that there is something: what it is, the editor knows.
    updates: TextUpdates,
}

impl Typing {
    pub(super) const fn new(editor: Arc<Mutex<Editor>>, updates: TextUpdates) -> Self {
        Self { editor, updates }
    }

    fn editor(&self) -> MutexGuard<'_, Editor> {
        self.editor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait(?Send)]
impl Source for Typing {
    fn renew(&mut self) {
        self.editor().renew();
    }

    async fn next(&mut self) -> Event {
        loop {
            let (told, wake) = {
                let mut editor = self.editor();
                (editor.tell(), Arc::clone(&editor.wake))
            };
            match told {
                Some(TextTold::Value(value)) => return Event::Value(json!(value).to_string()),
                Some(TextTold::Change(change)) => return Event::Change(json!(change).to_string()),
                None => {}
            }
            tokio::select! {
                biased;
                () = wake.notified() => {}
                update = self.updates.next() => if update.is_none() {
                    return Event::End(None);
                },
            }
        }
    }
}

/// Messages on a channel of a space.
pub(super) struct Channel {
    messages: Messages,
    /// How many were missed when that was told last.
    told: u64,
    fresh: bool,
}

impl Channel {
    pub(super) const fn new(messages: Messages) -> Self {
        Self {
            messages,
            told: 0,
            fresh: true,
        }
    }
}

fn info(message: &Message) -> MessageInfo {
    MessageInfo {
        device: message.device.to_string(),
        identity: Some(message.identity.to_string()),
        // What another program sent may be no JSON: then it is shown as base64.
        payload: serde_json::from_slice(&message.payload).unwrap_or_else(
            |_| json!({ "@bytes": data_encoding::BASE64.encode(&message.payload) }),
        ),
    }
}

#[async_trait(?Send)]
impl Source for Channel {
    fn renew(&mut self) {
        // What was sent while nobody was there is gone, as all messages are.
        self.fresh = true;
    }

    async fn next(&mut self) -> Event {
        let mut messages = Vec::new();
        if self.fresh {
            self.fresh = false;
            let told = Told {
                messages,
                dropped: 0,
            };
            return Event::Value(json!(told).to_string());
        }
        match self.messages.next().await {
            Some(message) => messages.push(info(&message)),
            None => return Event::End(None),
        }
        // No await is left when they are taken: dropping this loses nothing.
        while messages.len() < MESSAGES_MAX {
            match futures_util::FutureExt::now_or_never(self.messages.next()) {
                Some(Some(message)) => messages.push(info(&message)),
                _ => break,
            }
        }
        let missed = self.messages.missed();
        let dropped = missed - self.told;
        self.told = missed;
        Event::Change(json!(Told { messages, dropped }).to_string())
    }
}

/// Where others have their cursors in a text.
struct Cursors {
    space: Space,
    editor: Arc<Mutex<Editor>>,
    messages: Messages,
    names: BTreeMap<String, Option<String>>,
    seen: BTreeMap<(String, String), (String, CursorMessage, Instant)>,
    last: Option<Value>,
    fresh: bool,
}

pub(super) async fn cursors(
    caller: &Caller,
    editor: Arc<Mutex<Editor>>,
) -> Result<Box<dyn Source>, ErrorInfo> {
    let place = editor
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .place()
        .clone();
    let space = space_of(caller, &place.space.to_string()).await?;
    let messages = space.listen(&place.channel()).await?;
    Ok(Box::new(Cursors {
        space,
        editor,
        messages,
        names: BTreeMap::new(),
        seen: BTreeMap::new(),
        last: None,
        fresh: true,
    }))
}

impl Cursors {
    fn take(&mut self, message: &Message) {
        let Ok(cursor) = serde_json::from_slice::<CursorMessage>(&message.payload) else {
            return;
        };
        let editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other_text = cursor.path != editor.place().path;
        if is_other_text || cursor.editor == editor.name() || cursor.editor.len() > 64 {
            return;
        }
        drop(editor);
        let key = (message.device.to_string(), cursor.editor.clone());
        if cursor.selection.is_none() {
            self.seen.remove(&key);
        } else if self.seen.len() < CURSORS_MAX || self.seen.contains_key(&key) {
            let identity = message.identity.to_string();
            self.seen.insert(key, (identity, cursor, Instant::now()));
        }
    }

    /// The cursors as the client is shown them.
    fn show(&mut self) -> Value {
        let fresh = |at: &Instant| at.elapsed() < CURSOR_LIFE;
        self.seen.retain(|_, (_, _, at)| fresh(at));
        let editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        let infos: Vec<CursorInfo> = self
            .seen
            .iter()
            .filter_map(|((device, name), (identity, cursor, _))| {
                let (anchor, head) = cursor.selection.as_ref()?;
                Some(CursorInfo {
                    identity: identity.clone(),
                    device: device.clone(),
                    editor: name.clone(),
                    display_name: self.names.get(identity).cloned().flatten(),
                    anchor: editor.position(anchor)?,
                    head: editor.position(head)?,
                    version: editor.version(),
                })
            })
            .collect();
        json!(infos)
    }

    async fn learn_names(&mut self) {
        let unknown = self
            .seen
            .values()
            .any(|(identity, ..)| !self.names.contains_key(identity));
        if !unknown {
            return;
        }
        if let Ok(members) = self.space.members().await {
            self.names = members
                .into_iter()
                .map(|member| (member.identity.to_string(), member.profile.display_name))
                .collect();
        }
        for (identity, ..) in self.seen.values() {
            self.names.entry(identity.clone()).or_default();
        }
    }
}

#[async_trait(?Send)]
impl Source for Cursors {
    fn renew(&mut self) {
        self.fresh = true;
    }

    async fn next(&mut self) -> Event {
        loop {
            self.learn_names().await;
            let shown = self.show();
            if self.fresh || self.last.as_ref() != Some(&shown) {
                self.fresh = false;
                let text = shown.to_string();
                self.last = Some(shown);
                return Event::Value(text);
            }
            // Positions change with the text, and cursors that are not told again go.
            match timeout(Duration::from_millis(250), self.messages.next()).await {
                Ok(Some(message)) => self.take(&message),
                Ok(None) => return Event::End(None),
                Err(_) => {}
            }
        }
    }
}
