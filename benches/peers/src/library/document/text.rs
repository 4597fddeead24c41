//! A text in a property of an object.

use anyhow::{Context as _, Result};
use dxos_document::{Text as Value, Value as Property};
use dxos_keys::ObjectId;

use super::replica::{Replica, join, object, split};
use crate::text::{Edit, Text};

/// A replica with one text.
pub struct Document {
    replica: Replica,
    page: ObjectId,
    sent: usize,
}

impl Text for Document {
    /// All replicas share the transaction that creates the text.
    fn new(agent: u8) -> Result<Self> {
        let mut replica = Replica::new(0);
        let page = object(0);
        replica.transact(|tx| {
            tx.add("page", [("body".into(), Value::new("").into())].into())
                .map(drop)
        })?;
        replica.become_agent(agent);
        Ok(Self {
            replica,
            page,
            sent: 0,
        })
    }

    fn record(&mut self) {
        self.replica.log = Some(Vec::new());
    }

    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        let page = self.page;
        self.replica.transact(|tx| {
            let mut body = tx.text(page, "body")?;
            edits
                .iter()
                .try_for_each(|&(at, deleted, inserted)| body.splice(at, deleted, inserted))
        })
    }

    fn text(&self) -> Result<String> {
        let state = self.replica.memory.0.get(&self.page).context("no page")?;
        let page = state.object(self.page).context("no page")?;
        match page.get("body") {
            Some(Property::Text(text)) => Ok(text.as_str().to_owned()),
            other => anyhow::bail!("no text: {other:?}"),
        }
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        self.replica.save()
    }

    fn load(bytes: &[u8]) -> Result<Self> {
        Ok(Self {
            replica: Replica::load(bytes, 9)?,
            page: object(0),
            sent: 0,
        })
    }

    fn updates(&mut self) -> Result<Vec<u8>> {
        self.sent = 0;
        self.outgoing()
    }

    fn outgoing(&mut self) -> Result<Vec<u8>> {
        let log = self.replica.log.as_deref().unwrap_or_default();
        let sent = join(&log[self.sent..])?;
        self.sent = log.len();
        Ok(sent)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        self.replica.receive(&split(bytes)?)
    }
}
