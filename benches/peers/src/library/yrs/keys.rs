//! Keys of yrs.

use std::collections::BTreeMap;

use anyhow::Result;
use yrs::updates::decoder::Decode as _;
use yrs::{Doc, Map as _, MapRef, ReadTxn as _, StateVector, Transact as _, Update};

use crate::forks::Keys;

/// A document of yrs.
pub struct Yrs {
    doc: Doc,
    keys: MapRef,
    agent: u8,
}

impl Keys for Yrs {
    fn new(agent: u8) -> Result<Self> {
        let doc = Doc::with_client_id(u64::from(agent));
        let keys = doc.get_or_insert_map("keys");
        Ok(Self { doc, keys, agent })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.keys.insert(&mut self.doc.transact_mut(), key, value);
        Ok(())
    }

    fn contents(&self) -> Result<BTreeMap<String, String>> {
        let txn = self.doc.transact();
        let keys = self.keys.iter(&txn);
        Ok(keys
            .map(|(key, value)| (key.to_owned(), value.to_string(&txn)))
            .collect())
    }

    fn copy(&mut self) -> Result<Self> {
        let copy = Self::new(self.agent)?;
        let all = self
            .doc
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        copy.doc
            .transact_mut()
            .apply_update(Update::decode_v1(&all)?)?;
        Ok(copy)
    }

    fn sync(&mut self, other: &mut Self) -> Result<()> {
        for (from, to) in [(&*self, &*other), (&*other, &*self)] {
            let known = to.doc.transact().state_vector();
            let update = from.doc.transact().encode_diff_v1(&known);
            to.doc
                .transact_mut()
                .apply_update(Update::decode_v1(&update)?)?;
        }
        Ok(())
    }
}
