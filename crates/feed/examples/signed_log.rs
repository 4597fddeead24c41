//! An encrypted, signed log that two devices share, with no network, no store and no runtime.
//!
//! Run it with `cargo run -p dxos-feed --example signed_log`.
#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::error::Error;

use dxos_feed::{
    Append, BlockIndex, Dag, Designation, FeedDescriptor, FeedLimits, IndexError, InsertError,
    MemoryIndex, RegisterError, Run,
};
use dxos_keys::{ContentKey, DeviceSecret, FeedId, SpaceKey};

fn main() -> Result<(), Box<dyn Error>> {
    let space = SpaceKey::from_bytes([42; 32]);
    // Both devices know it; real ones draw it at random and send it wrapped.
    let key = ContentKey::from_bytes([7; 32]);
    let mut laptop = Device::new("laptop", &[1; 32], space)?;
    let mut phone = Device::new("phone", &[2; 32], space)?;
    laptop.dag.register(phone.feed)?;
    phone.dag.register(laptop.feed)?;

    laptop.write(&key, "buy bread")?;
    laptop.write(&key, "buy cheese")?;
    laptop.write(&key, "call Ada")?;

    // Somebody on the way changes one bit of the blocks, as they travel.
    let sent = postcard::to_stdvec(&laptop.blocks_from(0)?)?;
    let mut tampered = sent.clone();
    if let Some(byte) = tampered.last_mut() {
        *byte ^= 1;
    }
    match phone.receive(&key, postcard::from_bytes(&tampered)?) {
        Err(error) => println!("phone refuses the altered run: {error}"),
        Ok(()) => return Err("an altered run was accepted".into()),
    }
    phone.receive(&key, postcard::from_bytes(&sent)?)?;

    // The phone's block names what it has seen, so the laptop knows what it answers.
    phone.write(&key, "bread is bought")?;
    laptop.receive(&key, phone.blocks_from(0)?)?;

    for device in [&laptop, &phone] {
        println!("{} has:", device.name);
        for line in &device.lines {
            println!("  {line}");
        }
    }
    if laptop.dag.timeframe() != phone.dag.timeframe() {
        return Err("the devices differ".into());
    }
    println!("both have the same {} blocks", laptop.lines.len());
    Ok(())
}

struct Device {
    name: &'static str,
    secret: DeviceSecret,
    feed: FeedDescriptor,
    dag: Dag,
    blocks: MemoryIndex,
    lines: Vec<String>,
}

impl Device {
    fn new(name: &'static str, seed: &[u8; 32], space: SpaceKey) -> Result<Self, RegisterError> {
        let secret = DeviceSecret::from_seed(seed);
        let feed = FeedDescriptor::new(secret.device(), space, Designation::Data, 0);
        let mut dag = Dag::new(space, FeedLimits::default());
        dag.register(feed)?;
        Ok(Self {
            name,
            secret,
            feed,
            dag,
            blocks: MemoryIndex::default(),
            lines: Vec::new(),
        })
    }

    fn write(&mut self, key: &ContentKey, text: &str) -> Result<(), Box<dyn Error>> {
        let feed = self.feed.id();
        let seq = self.dag.feed(&feed).map_or(0, |state| state.length);
        let append = Append {
            feed,
            time_ms: 0,
            signer: &self.secret,
        };
        // The body is sealed for this place in this feed: it opens nowhere else.
        let block = self.dag.append(append, |context| {
            key.seal(context.as_bytes(), text.as_bytes()).into()
        })?;
        self.blocks.insert(&feed, seq, &block);
        self.dag.stored();
        self.lines.push(line(&feed, text));
        Ok(())
    }

    fn blocks_from(&self, first: u64) -> Result<Run, IndexError> {
        let feed = self.feed.id();
        let mut run = Run {
            feed,
            first,
            blocks: Vec::new(),
        };
        while let Some(block) = self.blocks.block(&feed, run.end())? {
            run.blocks.push(block);
        }
        Ok(run)
    }

    fn receive(&mut self, key: &ContentKey, run: Run) -> Result<(), InsertError> {
        let (mut blocks, mut lines) = (Vec::new(), Vec::new());
        let result = self.dag.insert(run, &self.blocks, &mut |accepted| {
            let header = accepted
                .block
                .header(accepted.feed, accepted.seq, accepted.prev);
            let context = header.sealing_context();
            lines.push(match key.open(context.as_bytes(), &accepted.block.body) {
                Ok(text) => line(&accepted.feed, &String::from_utf8_lossy(&text)),
                Err(error) => line(&accepted.feed, &error.to_string()),
            });
            blocks.push((accepted.feed, accepted.seq, accepted.block.clone()));
        });
        for (feed, seq, block) in blocks {
            self.blocks.insert(&feed, seq, &block);
        }
        self.dag.stored();
        self.lines.append(&mut lines);
        result.map(|_| ())
    }
}

fn line(feed: &FeedId, text: &str) -> String {
    format!("{}: {text}", feed.short())
}
