//! How fast blocks are signed, and how fast runs of them are decoded and verified, on one core.
//!
//! Run it with `cargo run --release -p dxos-feed --example throughput`.
#![expect(clippy::print_stdout, reason = "a program for people to read")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::error::Error;
use std::time::Instant;

use bytes::Bytes;
use dxos_feed::{Append, Block, Dag, Designation, FeedDescriptor, FeedLimits, MemoryIndex, Run};
use dxos_keys::{DeviceSecret, SpaceKey};

const BLOCKS: u32 = 65_536;
const BODY: [u8; 100] = [5; 100];

fn main() -> Result<(), Box<dyn Error>> {
    let secret = DeviceSecret::from_seed(&[1; 32]);
    let space = SpaceKey::from_bytes([2; 32]);
    let feed = FeedDescriptor::new(secret.device(), space, Designation::Data, 0);
    let id = feed.id();

    let mut writer = Dag::new(space, FeedLimits::default());
    writer.register(feed)?;
    let body = Bytes::from_static(&BODY);
    let start = Instant::now();
    let mut blocks: Vec<Block> = Vec::new();
    for _ in 0..BLOCKS {
        let append = Append {
            feed: id,
            time_ms: 0,
            signer: &secret,
        };
        blocks.push(writer.append(append, |_| body.clone())?);
        writer.stored();
    }
    report("append, sign", start);

    for length in [1, 16, 256] {
        let mut frames = Vec::new();
        for (first, blocks) in (0..).step_by(length).zip(blocks.chunks(length)) {
            let run = Run {
                feed: id,
                first,
                blocks: blocks.to_vec(),
            };
            frames.push(postcard::to_stdvec(&run)?);
        }
        let start = Instant::now();
        for frame in &frames {
            let _run: Run = postcard::from_bytes(frame)?;
        }
        report(&format!("decode, runs of {length}"), start);

        let mut reader = Dag::new(space, FeedLimits::default());
        reader.register(feed)?;
        let index = MemoryIndex::default();
        let mut bytes = 0;
        let start = Instant::now();
        for frame in &frames {
            let run = postcard::from_bytes(frame)?;
            reader.insert(run, &index, &mut |accepted| {
                bytes += accepted.block.body.len()
            })?;
            reader.stored();
        }
        report(&format!("decode, verify, accept, runs of {length}"), start);
        if bytes != blocks.len() * BODY.len() {
            return Err("blocks were lost".into());
        }
    }
    Ok(())
}

fn report(what: &str, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:<40} {:>10.0} blocks/s", f64::from(BLOCKS) / seconds);
}
