//! Text of loro.

use std::borrow::Cow;

use anyhow::Result;
use loro::{ExportMode, IdSpan, LoroDoc, LoroText};

use crate::text::{Edit, Text};

/// A document of loro.
pub struct Loro {
    doc: LoroDoc,
    text: LoroText,
    sent: i32,
}

impl Loro {
    fn over(doc: LoroDoc) -> Self {
        let text = doc.get_text("text");
        Self { doc, text, sent: 0 }
    }
}

impl Text for Loro {
    fn new(agent: u8) -> Result<Self> {
        let doc = LoroDoc::new();
        doc.set_peer_id(u64::from(agent))?;
        Ok(Self::over(doc))
    }

    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        for &(at, deleted, inserted) in edits {
            if deleted > 0 {
                self.text.delete(at, deleted)?;
            }
            if !inserted.is_empty() {
                self.text.insert(at, inserted)?;
            }
        }
        self.doc.commit();
        Ok(())
    }

    fn text(&self) -> Result<String> {
        Ok(self.text.to_string())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.export(ExportMode::Snapshot)?)
    }

    fn load(bytes: &[u8]) -> Result<Self> {
        Ok(Self::over(LoroDoc::from_snapshot(bytes)?))
    }

    fn updates(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.export(ExportMode::all_updates())?)
    }

    fn outgoing(&mut self) -> Result<Vec<u8>> {
        let peer = self.doc.peer_id();
        let end = self.doc.oplog_vv().get(&peer).copied().unwrap_or_default();
        let spans = vec![IdSpan::new(peer, self.sent, end)];
        self.sent = end;
        Ok(self.doc.export(ExportMode::UpdatesInRange {
            spans: Cow::Owned(spans),
        })?)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        self.doc.import(bytes)?;
        Ok(())
    }
}
