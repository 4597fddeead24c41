//! Keys of loro.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use loro::{ExportMode, LoroDoc, LoroValue};

use crate::forks::Keys;

/// A document of loro.
pub struct Loro {
    doc: LoroDoc,
}

impl Keys for Loro {
    fn new(agent: u8) -> Result<Self> {
        let doc = LoroDoc::new();
        doc.set_peer_id(u64::from(agent))?;
        Ok(Self { doc })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.doc.get_map("keys").insert(key, value)?;
        self.doc.commit();
        Ok(())
    }

    fn contents(&self) -> Result<BTreeMap<String, String>> {
        let LoroValue::Map(keys) = self.doc.get_map("keys").get_value() else {
            bail!("no map")
        };
        let text = |value: &LoroValue| match value {
            LoroValue::String(text) => text.to_string(),
            other => format!("{other:?}"),
        };
        Ok(keys
            .iter()
            .map(|(key, value)| (key.to_string(), text(value)))
            .collect())
    }

    fn copy(&mut self) -> Result<Self> {
        let doc = LoroDoc::from_snapshot(&self.doc.export(ExportMode::Snapshot)?)?;
        doc.set_peer_id(self.doc.peer_id())?;
        Ok(Self { doc })
    }

    fn sync(&mut self, other: &mut Self) -> Result<()> {
        for (from, to) in [(&self.doc, &other.doc), (&other.doc, &self.doc)] {
            let update = from.export(ExportMode::updates(&to.oplog_vv()))?;
            to.import(&update)?;
        }
        Ok(())
    }
}
