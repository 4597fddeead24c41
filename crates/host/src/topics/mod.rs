//! What can be followed: for each topic, what gives its values and changes.

mod query;
mod state;
mod stream;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dxos_client::{ObjectId, TextOptions};

use crate::calls::space_of;
use crate::convert::parse;
use crate::protocol::{ErrorInfo, Topic};
use crate::shared::Caller;
use crate::text::{Editor, Place};

/// What a topic says next.
#[derive(Debug)]
pub(crate) enum Event {
    /// All of it, as JSON.
    Value(String),
    /// What changed, as JSON.
    Change(String),
    /// Nothing comes any more.
    End(Option<ErrorInfo>),
}

/// What gives the events of one subscription. It is asked for the next one only when that may be
/// sent; until then it folds together what happens.
#[async_trait(?Send)]
pub(crate) trait Source {
    /// The next event is to say all of it.
    fn renew(&mut self);

    /// Waits for the next event. Dropping it loses nothing.
    async fn next(&mut self) -> Event;
}

/// What a subscription is made of: its source, and the text when it edits one.
pub(crate) type Opened = (Box<dyn Source>, Option<Arc<Mutex<Editor>>>);

/// Texts are committed soon, so that others see them within a blink.
const TEXT_INTERVAL: std::time::Duration = std::time::Duration::from_millis(15);

/// Opens a topic.
pub(crate) async fn open(caller: &Caller, topic: &Topic) -> Result<Opened, ErrorInfo> {
    let source: Box<dyn Source> = match topic {
        Topic::Query { space, query } => {
            let space = space_of(caller, space).await?;
            let live = space.db().query(query.to_query()).subscribe().await?;
            Box::new(query::Rows::new(live, query.highlighter()))
        }
        Topic::Object { space, object } => {
            let space = space_of(caller, space).await?;
            let object: ObjectId = parse("object", object)?;
            let live = space
                .db()
                .query(dxos_client::Filter::ids([object]))
                .deleted(dxos_client::Deleted::Include)
                .subscribe()
                .await?;
            Box::new(query::One::new(live))
        }
        Topic::Text {
            space,
            object,
            path,
        } => return text(caller, space, object, path).await,
        Topic::Cursors { text } => {
            let editor = caller.session.editor(*text)?;
            stream::cursors(caller, editor).await?
        }
        Topic::Messages { space, channel } => {
            let space = space_of(caller, space).await?;
            Box::new(stream::Channel::new(space.listen(channel).await?))
        }
        other => state::open(caller, other).await?,
    };
    Ok((source, None))
}

async fn text(caller: &Caller, space: &str, object: &str, path: &str) -> Result<Opened, ErrorInfo> {
    let space = space_of(caller, space).await?;
    let object: ObjectId = parse("object", object)?;
    let options = TextOptions::default().interval(TEXT_INTERVAL).eager();
    let handle = space.db().text_with(object, path, options).await?;
    let report = space.watch().await?;
    let place = Place {
        space: space.key(),
        object,
        path: path.to_owned(),
    };
    let drawn = crate::shared::draw().map_err(|error| ErrorInfo::internal(error.to_string()))?;
    let (name, _) = drawn.split_at(6);
    let name = data_encoding::BASE64URL_NOPAD.encode(name);
    let updates = handle.updates();
    let editor = Arc::new(Mutex::new(Editor::new(place, name, &handle, report)));
    let source = stream::Typing::new(Arc::clone(&editor), updates);
    Ok((Box::new(source), Some(editor)))
}
