//! Two replicas of one document are edited without seeing each other, exchange what they wrote,
//! and come to the same state. The feeds are simulated here: each replica keeps its own
//! transactions in a list, and the other takes what it is missing.
//!
//! Run it with `cargo run -p dxos-document --example two_replicas`.
#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;

use crdts::{CmRDT as _, Dot};
use dxos_document::{Context, Limits, ObjectState, Stamp, Timeframe, Transaction, Value};
use dxos_keys::{FeedId, ObjectId};

/// A transaction as a feed would carry it.
struct Block {
    stamp: Stamp,
    past: Timeframe,
    body: Vec<u8>,
}

/// One device's copy of the document.
struct Replica {
    name: &'static str,
    feed: FeedId,
    written: Vec<Block>,
    timeframe: Timeframe,
    lamport: u64,
    state: ObjectState,
}

impl Replica {
    fn new(name: &'static str, number: u8) -> Self {
        Self {
            name,
            feed: FeedId::from_bytes([number; 32]),
            written: Vec::new(),
            timeframe: Timeframe::new(),
            lamport: 0,
            state: ObjectState::default(),
        }
    }

    fn write(&mut self, transaction: &Transaction) -> Result<(), Box<dyn Error>> {
        let block = Block {
            stamp: Stamp {
                lamport: self.lamport + 1,
                feed: self.feed,
                seq: self.timeframe.get(&self.feed),
            },
            past: self.timeframe.clone(),
            body: transaction.encode(&Limits::default())?,
        };
        self.apply(&block)?;
        self.written.push(block);
        Ok(())
    }

    fn apply(&mut self, block: &Block) -> Result<(), Box<dyn Error>> {
        let context = Context {
            stamp: block.stamp,
            past: &block.past,
            time_ms: 0,
        };
        let transaction = Transaction::decode(&block.body, &Limits::default())?;
        for (index, op) in transaction.ops.iter().enumerate() {
            self.state.apply(op, &context, index)?;
        }
        let stamp = block.stamp;
        self.timeframe.apply(Dot::new(stamp.feed, stamp.seq + 1));
        self.lamport = self.lamport.max(stamp.lamport);
        Ok(())
    }

    fn pull(&mut self, other: &Self) -> Result<(), Box<dyn Error>> {
        let known = self.timeframe.get(&other.feed);
        let missing = other
            .written
            .iter()
            .filter(|block| block.stamp.seq >= known);
        for block in missing {
            println!(
                "{} <- {}: {} bytes",
                self.name,
                other.name,
                block.body.len()
            );
            self.apply(block)?;
        }
        Ok(())
    }

    fn show(&self, document: ObjectId) {
        if let Some(object) = self.state.object(document) {
            println!("{}: {}", self.name, object.to_json());
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let document = ObjectId::from_bytes([7; 16]);
    let (mut ann, mut ben) = (Replica::new("ann", 1), Replica::new("ben", 2));

    ann.write(&Transaction::new().create(
        document,
        "task@1.0",
        [
            ("title", Value::from("Plan")),
            ("place", Value::map([("city", "Riga"), ("room", "1")])),
            ("tags", Value::set(["new"])),
            ("votes", Value::Counter(0)),
        ],
    ))?;
    ben.pull(&ann)?;

    println!("\nboth edit offline");
    ann.write(
        &Transaction::new()
            .set(document, "title", "Plan the party")
            .set(document, "place.city", "Oslo")
            .set_remove(document, "tags", ["new"])
            .increment(document, "votes", 1),
    )?;
    ben.write(
        &Transaction::new()
            .set(document, "title", "Plan the trip")
            .set(document, "place.room", "2")
            .set_add(document, "tags", ["new", "fun"])
            .increment(document, "votes", 1),
    )?;
    ann.show(document);
    ben.show(document);

    println!("\nthey exchange what they wrote");
    ann.pull(&ben)?;
    ben.pull(&ann)?;
    ann.show(document);
    ben.show(document);
    println!("equal bytes: {}", ann.state.encode() == ben.state.encode());

    println!("\nann has seen both titles and decides");
    ann.write(&Transaction::new().set(document, "title", "Plan the trip and the party"))?;
    ben.pull(&ann)?;
    ben.show(document);
    println!("equal bytes: {}", ann.state.encode() == ben.state.encode());
    Ok(())
}
