//! Text of yrs.

use anyhow::Result;
use yrs::updates::decoder::Decode as _;
use yrs::{
    Doc, GetString as _, ReadTxn as _, StateVector, Text as _, TextRef, Transact as _, Update,
};

use crate::text::{Edit, Text};

/// A document of yrs.
pub struct Yrs {
    doc: Doc,
    text: TextRef,
    outgoing: Option<Vec<Vec<u8>>>,
}

impl Yrs {
    fn over(doc: Doc) -> Self {
        let text = doc.get_or_insert_text("text");
        Self {
            doc,
            text,
            outgoing: None,
        }
    }
}

impl Text for Yrs {
    fn new(agent: u8) -> Result<Self> {
        Ok(Self::over(Doc::with_client_id(u64::from(agent))))
    }

    fn record(&mut self) {
        self.outgoing = Some(Vec::new());
    }

    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        let mut txn = self.doc.transact_mut();
        for &(at, deleted, inserted) in edits {
            let at = u32::try_from(at)?;
            if deleted > 0 {
                self.text
                    .remove_range(&mut txn, at, u32::try_from(deleted)?);
            }
            if !inserted.is_empty() {
                self.text.insert(&mut txn, at, inserted);
            }
        }
        if let Some(outgoing) = &mut self.outgoing {
            txn.commit();
            outgoing.push(txn.encode_update_v1());
        }
        Ok(())
    }

    fn text(&self) -> Result<String> {
        Ok(self.text.get_string(&self.doc.transact()))
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        let nothing = StateVector::default();
        Ok(self.doc.transact().encode_state_as_update_v1(&nothing))
    }

    fn load(bytes: &[u8]) -> Result<Self> {
        let mut loaded = Self::over(Doc::new());
        loaded.receive(bytes)?;
        Ok(loaded)
    }

    fn updates(&mut self) -> Result<Vec<u8>> {
        self.save()
    }

    fn outgoing(&mut self) -> Result<Vec<u8>> {
        let outgoing = self
            .outgoing
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        Ok(yrs::merge_updates_v1(outgoing)?)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        let update = Update::decode_v1(bytes)?;
        self.doc.transact_mut().apply_update(update)?;
        Ok(())
    }
}
