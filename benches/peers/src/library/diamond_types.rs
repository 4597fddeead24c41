//! Text of diamond-types; it has nothing else.

use anyhow::{Result, anyhow};
use diamond_types::AgentId;
use diamond_types::list::ListCRDT;
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};

use crate::text::{Edit, Text};

/// A document of diamond-types.
pub struct DiamondTypes {
    list: ListCRDT,
    agent: AgentId,
    sent: Vec<usize>,
}

impl Text for DiamondTypes {
    const TRANSACTIONS: bool = false;

    fn new(agent: u8) -> Result<Self> {
        let mut list = ListCRDT::new();
        let agent = list.oplog.get_or_create_agent_id(&format!("agent{agent}"));
        Ok(Self {
            list,
            agent,
            sent: Vec::new(),
        })
    }

    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        for &(at, deleted, inserted) in edits {
            if deleted > 0 {
                self.list
                    .delete_without_content(self.agent, at..at + deleted);
            }
            if !inserted.is_empty() {
                self.list.insert(self.agent, at, inserted);
            }
        }
        Ok(())
    }

    fn text(&self) -> Result<String> {
        Ok(self.list.branch.content().to_string())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.list.oplog.encode(ENCODE_FULL))
    }

    fn load(bytes: &[u8]) -> Result<Self> {
        let mut list = ListCRDT::load_from(bytes).map_err(|error| anyhow!("{error:?}"))?;
        let agent = list.oplog.get_or_create_agent_id("loaded");
        Ok(Self {
            list,
            agent,
            sent: Vec::new(),
        })
    }

    fn updates(&mut self) -> Result<Vec<u8>> {
        self.save()
    }

    fn outgoing(&mut self) -> Result<Vec<u8>> {
        let bytes = self.list.oplog.encode_from(ENCODE_PATCH, &self.sent);
        self.sent = self.list.oplog.local_version_ref().to_vec();
        Ok(bytes)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        self.list
            .merge_data_and_ff(bytes)
            .map_err(|error| anyhow!("{error:?}"))?;
        Ok(())
    }
}
