//! Text of automerge.

use anyhow::{Context as _, Result};
use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ReadDoc as _, Value};

use super::actor;
use crate::text::{Edit, Text};

/// A document of automerge.
pub struct Automerge {
    doc: AutoCommit,
    text: ObjId,
    outgoing: Option<Vec<u8>>,
}

impl Text for Automerge {
    /// All replicas share the change that creates the text.
    fn new(agent: u8) -> Result<Self> {
        let mut doc = AutoCommit::new().with_actor(actor(0));
        let text = doc.put_object(ROOT, "text", ObjType::Text)?;
        doc.commit_with(CommitOptions::default().with_time(0));
        doc.set_actor(actor(agent));
        Ok(Self {
            doc,
            text,
            outgoing: None,
        })
    }

    fn record(&mut self) {
        self.outgoing = Some(Vec::new());
    }

    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        for &(at, deleted, inserted) in edits {
            let deleted = isize::try_from(deleted)?;
            self.doc.splice_text(&self.text, at, deleted, inserted)?;
        }
        self.doc.commit();
        if let Some(outgoing) = &mut self.outgoing {
            let change = self.doc.get_last_local_change().context("no change")?;
            outgoing.extend_from_slice(change.raw_bytes());
        }
        Ok(())
    }

    fn text(&self) -> Result<String> {
        Ok(self.doc.text(&self.text)?)
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.save())
    }

    fn load(bytes: &[u8]) -> Result<Self> {
        let doc = AutoCommit::load(bytes)?;
        let (value, text) = doc.get(ROOT, "text")?.context("no text")?;
        debug_assert!(matches!(value, Value::Object(ObjType::Text)));
        Ok(Self {
            doc,
            text,
            outgoing: None,
        })
    }

    fn updates(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.save())
    }

    fn outgoing(&mut self) -> Result<Vec<u8>> {
        Ok(self
            .outgoing
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default())
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        self.doc.load_incremental(bytes)?;
        Ok(())
    }
}
