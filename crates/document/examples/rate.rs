//! Measures how fast objects are created on one core: transactions of 1,000 encoded, decoded,
//! applied and written as states, and how many bytes they take.
//!
//! Run it with `cargo run --release -p dxos-document --example rate`.
#![expect(clippy::print_stdout, reason = "a program that shows something")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use dxos_document::{Context, Limits, Object, ObjectState, Stamp, Timeframe, Transaction, Value};
use dxos_keys::{FeedId, ObjectId};

const OBJECTS: u64 = 100_000;
const PER_TRANSACTION: u64 = 1_000;
const ROUNDS: u32 = 5;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn timed<T>(
    work: impl FnOnce() -> Result<T, Box<dyn Error>>,
) -> Result<(T, Duration), Box<dyn Error>> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed()))
}

fn object_id(number: u64) -> ObjectId {
    // Spread like random ids, the same in every run.
    let (low, high) = (
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        number.wrapping_mul(0xc2b2_ae3d_27d4_eb4f),
    );
    ObjectId::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_le_bytes())
}

fn transaction(first: u64) -> Transaction {
    (first..first + PER_TRANSACTION).fold(Transaction::new(), |transaction, number| {
        transaction.create(
            object_id(number),
            "example.com/type/Task@1.0",
            [
                ("id", Value::from(format!("task-{number}"))),
                ("title", Value::from(format!("Write chapter {number}"))),
                ("done", Value::Bool(number.is_multiple_of(3))),
                ("tags", Value::List(vec!["home".into(), "urgent".into()])),
            ],
        )
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits::default();
    let report = |name: &str, time: Duration| {
        println!(
            "{name:<22}{:>12.0} objects/s",
            OBJECTS as f64 / time.as_secs_f64()
        );
    };
    for round in 1..=ROUNDS {
        println!("round {round}");
        let firsts = (0..OBJECTS).step_by(usize::try_from(PER_TRANSACTION)?);
        let (transactions, time) = timed(|| Ok(firsts.map(transaction).collect::<Vec<_>>()))?;
        report("build", time);
        let (bodies, encode) = timed(|| {
            let bodies = transactions
                .iter()
                .map(|transaction| transaction.encode(&limits));
            Ok(bodies.collect::<Result<Vec<_>, _>>()?)
        })?;
        report("encode", encode);
        let (decoded, decode) = timed(|| {
            let decoded = bodies.iter().map(|body| Transaction::decode(body, &limits));
            Ok(decoded.collect::<Result<Vec<_>, _>>()?)
        })?;
        report("decode", decode);
        let past = Timeframe::new();
        let (states, apply) = timed(|| {
            let mut states: BTreeMap<ObjectId, ObjectState> = BTreeMap::new();
            for (seq, transaction) in (0..).zip(&decoded) {
                let stamp = Stamp {
                    lamport: seq + 1,
                    feed: FeedId::from_bytes([1; 32]),
                    seq,
                };
                let context = Context {
                    stamp,
                    past: &past,
                    time_ms: 1_700_000_000_000,
                };
                for (index, op) in transaction.ops.iter().enumerate() {
                    states
                        .entry(op.object())
                        .or_default()
                        .apply(op, &context, index)?;
                }
            }
            Ok(states)
        })?;
        report("apply", apply);
        let (encoded, write) =
            timed(|| Ok(states.values().map(ObjectState::encode).collect::<Vec<_>>()))?;
        report("encode states", write);
        report("these four", encode + decode + apply + write);
        let (_, read) = timed(|| {
            let states = encoded.iter().map(|bytes| ObjectState::decode(bytes));
            Ok(states.collect::<Result<Vec<_>, _>>()?)
        })?;
        report("decode states", read);
        let (_, show) = timed(|| {
            let objects = states.iter().filter_map(|(id, state)| state.object(*id));
            Ok(objects.collect::<Vec<Object>>())
        })?;
        report("show", show);
        let total = |bytes: &[Vec<u8>]| bytes.iter().map(Vec::len).sum::<usize>() as f64;
        println!(
            "bytes an object: {:.1} in transactions, {:.1} in states\n",
            total(&bodies) / OBJECTS as f64,
            total(&encoded) / OBJECTS as f64,
        );
    }
    Ok(())
}
