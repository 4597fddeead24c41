//! Keys of automerge.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ROOT, ReadDoc as _};

use super::actor;
use crate::forks::Keys;

/// A document of automerge.
pub struct Automerge {
    doc: AutoCommit,
    agent: u8,
}

impl Keys for Automerge {
    fn new(agent: u8) -> Result<Self> {
        let doc = AutoCommit::new().with_actor(actor(agent));
        Ok(Self { doc, agent })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.doc.put(ROOT, key, value)?;
        self.doc.commit();
        Ok(())
    }

    fn contents(&self) -> Result<BTreeMap<String, String>> {
        let mut contents = BTreeMap::new();
        for key in self.doc.keys(ROOT) {
            let (value, _) = self.doc.get(ROOT, &key)?.context("no value")?;
            contents.insert(key, value.as_str().unwrap_or_default().to_owned());
        }
        Ok(contents)
    }

    fn copy(&mut self) -> Result<Self> {
        let doc = AutoCommit::load(&self.doc.save())?.with_actor(actor(self.agent));
        Ok(Self {
            doc,
            agent: self.agent,
        })
    }

    /// Both ways, whatever became of the first.
    fn sync(&mut self, other: &mut Self) -> Result<()> {
        let answer = other.doc.get_changes_added(&mut self.doc);
        let there = other.doc.apply_changes(answer);
        let sent = self.doc.get_changes_added(&mut other.doc);
        let here = self.doc.apply_changes(sent);
        there?;
        Ok(here?)
    }
}
