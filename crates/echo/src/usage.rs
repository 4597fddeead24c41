//! What takes how much of a store.

use dxos_store::{Direction, KeyRange, Keyspace, Read, StoreError};
use serde::{Deserialize, Serialize};

use crate::core::layout::{BLOCKS, BRANCHES, FEEDS, MARKS, OBJECTS, SPACES, TALLIES};

/// Bytes of keys and values that ECHO keeps in a store, over all spaces and before the store
/// compresses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Blocks of feeds, those of cut branches included.
    pub blocks: u64,
    /// States of objects, which are made from blocks.
    pub objects: u64,
    /// Everything else.
    pub rest: u64,
}

impl Usage {
    /// Adds up what a store holds. It reads all of it, so it takes as long as that.
    ///
    /// # Errors
    ///
    /// What the store says when it cannot be read.
    pub fn of(store: &dyn Read) -> Result<Self, StoreError> {
        let sum = |keyspaces: &[Keyspace]| {
            let mut bytes = 0_u64;
            for keyspace in keyspaces {
                for row in store.scan(*keyspace, KeyRange::all(), Direction::Forward) {
                    let (key, value) = row?;
                    bytes += (key.len() + value.len()) as u64;
                }
            }
            Ok(bytes)
        };
        Ok(Self {
            blocks: sum(&[BLOCKS, BRANCHES])?,
            objects: sum(&[OBJECTS])?,
            rest: sum(&[SPACES, FEEDS, MARKS, TALLIES])?,
        })
    }
}
