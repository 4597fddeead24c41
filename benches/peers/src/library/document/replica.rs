//! A replica: objects, where in its feed it is, and what it has seen.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use crdts::CmRDT as _;
use dxos_document::{
    Context, Limits, ObjectState, Objects, Stamp, Timeframe, Transaction, Tx, TxError,
};
use dxos_keys::{FeedId, ObjectId};
use serde::{Deserialize, Serialize};

/// The objects of a replica, by id.
#[derive(Default)]
pub(super) struct Memory(pub(super) BTreeMap<ObjectId, ObjectState>);

impl Objects for Memory {
    fn read(&mut self, object: ObjectId) -> Result<&ObjectState, TxError> {
        Ok(self.0.entry(object).or_default())
    }

    fn write(&mut self, object: ObjectId) -> Result<&mut ObjectState, TxError> {
        Ok(self.0.entry(object).or_default())
    }

    fn new_id(&mut self) -> ObjectId {
        object(self.0.len())
    }
}

/// The id of an object by number.
pub(super) fn object(number: usize) -> ObjectId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    ObjectId::from_bytes(id)
}

/// A transaction as it is sent: what a block holds, without its signature and its seal.
#[derive(Serialize, Deserialize)]
struct Sent {
    stamp: Stamp,
    past: Timeframe,
    ops: Vec<u8>,
}

/// A replica that writes one feed.
pub(super) struct Replica {
    pub(super) memory: Memory,
    feed: FeedId,
    seq: u64,
    lamport: u64,
    past: Timeframe,
    /// What was written here, encoded, if it is kept.
    pub(super) log: Option<Vec<Vec<u8>>>,
}

impl Replica {
    pub(super) fn new(agent: u8) -> Self {
        Self {
            memory: Memory::default(),
            feed: FeedId::from_bytes([agent; 32]),
            seq: 0,
            lamport: 0,
            past: Timeframe::new(),
            log: None,
        }
    }

    /// Goes on as another device.
    pub(super) fn become_agent(&mut self, agent: u8) {
        self.feed = FeedId::from_bytes([agent; 32]);
        self.seq = self.past.get(&self.feed);
    }

    /// One transaction.
    pub(super) fn transact(
        &mut self,
        run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError>,
    ) -> Result<()> {
        self.lamport += 1;
        let stamp = Stamp {
            lamport: self.lamport,
            feed: self.feed,
            seq: self.seq,
        };
        let context = Context {
            stamp,
            past: &self.past,
            time_ms: 0,
        };
        let mut tx = Tx::new(&mut self.memory, context);
        run(&mut tx)?;
        let ops = tx.into_ops();
        if let Some(log) = &mut self.log {
            let ops = Transaction::from(ops).encode(&Limits::default())?;
            let sent = Sent {
                stamp,
                past: self.past.clone(),
                ops,
            };
            log.push(postcard::to_stdvec(&sent)?);
        }
        self.seq += 1;
        self.past.apply(self.past.inc(self.feed));
        Ok(())
    }

    /// Transactions of another replica, in order; what is here already is left out.
    pub(super) fn receive(&mut self, packets: &[&[u8]]) -> Result<()> {
        let limits = Limits::default();
        for packet in packets {
            let sent: Sent = postcard::from_bytes(packet)?;
            let transaction = Transaction::decode(&sent.ops, &limits)?;
            let context = Context {
                stamp: sent.stamp,
                past: &sent.past,
                time_ms: 0,
            };
            for (index, op) in transaction.ops.iter().enumerate() {
                self.memory.write(op.object())?.apply(op, &context, index)?;
            }
            self.lamport = self.lamport.max(sent.stamp.lamport);
            self.past.apply(self.past.inc(sent.stamp.feed));
        }
        Ok(())
    }

    /// The objects as bytes: what a store would keep of them beside the blocks.
    pub(super) fn save(&self) -> Result<Vec<u8>> {
        let states = self
            .memory
            .0
            .iter()
            .map(|(id, state)| (id.as_bytes(), state.encode()));
        let states: Vec<_> = states.collect();
        Ok(postcard::to_stdvec(&(states, self.lamport, &self.past))?)
    }

    pub(super) fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        type Saved<'a> = (Vec<([u8; 16], &'a [u8])>, u64, Timeframe);
        let (states, lamport, past): Saved<'_> = postcard::from_bytes(bytes)?;
        let mut loaded = Self::new(0);
        for (id, state) in states {
            let state = ObjectState::decode(state).context("a state cannot be read")?;
            loaded.memory.0.insert(ObjectId::from_bytes(id), state);
        }
        (loaded.lamport, loaded.past) = (lamport, past);
        loaded.become_agent(agent);
        Ok(loaded)
    }
}

/// Packets in one piece.
pub(super) fn join(packets: &[Vec<u8>]) -> Result<Vec<u8>> {
    Ok(postcard::to_stdvec(packets)?)
}

/// And taken apart again.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    Ok(postcard::from_bytes(bytes)?)
}
