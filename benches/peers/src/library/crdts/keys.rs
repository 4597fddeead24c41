//! Keys of crdts: a map of multi-value registers, whose states are merged.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use crdts::{CmRDT as _, CvRDT as _, MVReg, Map};

use crate::forks::Keys;

type State = Map<String, MVReg<String, u8>, u8>;

/// A map of crdts.
pub struct Crdts {
    state: State,
    agent: u8,
}

impl Keys for Crdts {
    fn new(agent: u8) -> Result<Self> {
        Ok(Self {
            state: Map::new(),
            agent,
        })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let context = self.state.read_ctx().derive_add_ctx(self.agent);
        let op = self.state.update(key, context, |register, context| {
            register.write(value.to_owned(), context)
        });
        self.state.apply(op);
        Ok(())
    }

    fn contents(&self) -> Result<BTreeMap<String, String>> {
        let mut contents = BTreeMap::new();
        for read in self.state.iter() {
            let (key, register) = read.val;
            let mut values = register.read().val;
            values.sort();
            contents.insert(key.clone(), values.join(" | "));
        }
        Ok(contents)
    }

    fn copy(&mut self) -> Result<Self> {
        Ok(Self {
            state: self.state.clone(),
            agent: self.agent,
        })
    }

    /// Merges, whatever the validation that comes before says; but tells what it said.
    fn sync(&mut self, other: &mut Self) -> Result<()> {
        let here = self.state.clone();
        let validation = self.state.validate_merge(&other.state);
        self.state.merge(other.state.clone());
        other.state.merge(here);
        validation.map_err(|error| anyhow!("validate_merge: {error:?}"))
    }
}
