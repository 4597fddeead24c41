//! Text of crdts: a list of characters.

use anyhow::{Context as _, Result};
use crdts::CmRDT as _;
use crdts::list::{List, Op};

use crate::text::{Edit, Text};

/// A list of characters of crdts.
#[derive(Default)]
pub struct Crdts {
    list: List<char, u8>,
    agent: u8,
    log: Option<Vec<Op<char, u8>>>,
    sent: usize,
}

impl Crdts {
    fn apply(&mut self, op: Op<char, u8>) {
        if let Some(log) = &mut self.log {
            log.push(op.clone());
        }
        self.list.apply(op);
    }
}

impl Text for Crdts {
    /// An edit takes time in proportion to the length of the text.
    const CHARACTERS_MAX: usize = 20_000;

    const TRANSACTIONS: bool = false;

    fn new(agent: u8) -> Result<Self> {
        Ok(Self {
            agent,
            ..Self::default()
        })
    }

    fn record(&mut self) {
        self.log = Some(Vec::new());
    }

    fn edit(&mut self, edits: &[Edit<'_>]) -> Result<()> {
        for &(at, deleted, inserted) in edits {
            for _ in 0..deleted {
                let op = self
                    .list
                    .delete_index(at, self.agent)
                    .context("nothing there")?;
                self.apply(op);
            }
            for (index, character) in inserted.chars().enumerate() {
                let op = self.list.insert_index(at + index, character, self.agent);
                self.apply(op);
            }
        }
        Ok(())
    }

    fn text(&self) -> Result<String> {
        Ok(self.list.iter().collect())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(&self.list)?)
    }

    fn load(bytes: &[u8]) -> Result<Self> {
        Ok(Self {
            list: postcard::from_bytes(bytes)?,
            ..Self::default()
        })
    }

    fn updates(&mut self) -> Result<Vec<u8>> {
        self.sent = 0;
        self.outgoing()
    }

    fn outgoing(&mut self) -> Result<Vec<u8>> {
        let log = self.log.as_deref().unwrap_or_default();
        let bytes = postcard::to_stdvec(&log[self.sent..])?;
        self.sent = log.len();
        Ok(bytes)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        let ops: Vec<Op<char, u8>> = postcard::from_bytes(bytes)?;
        for op in ops {
            self.list.apply(op);
        }
        Ok(())
    }
}
