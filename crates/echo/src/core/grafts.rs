//! Grafting: what a fork took away from this device's data feeds is written again, in a feed whose
//! name and blocks follow from the branch that was cut.
//!
//! A device whose disk was copied, or restored from a backup, forks its own feed, and every
//! replica cuts it there. Its user wrote all branches in good faith. This device takes each branch
//! that it has, or that peers tell it of, and puts its transactions, one for one, into a feed that
//! is named after the branch's first block. Everything in the new blocks follows from the old
//! ones: so it does not matter how often this is done, whether it is interrupted, or how many
//! copies of the device do it; they all come to the same blocks.
//!
//! A graft begins with blocks that hold nothing and name what the feed had named up to the cut, so
//! that its blocks have the same past as those that they replace. When a device may no longer
//! write by that past, as when the cut took away how it had shown itself, the past is what is
//! known now, and the feed another one (a *salted* one).

use std::collections::BTreeMap;

use dxos_credentials::Right;
use dxos_document::{Limits, Transaction};
use dxos_feed::{Block, Dep, Designation, FeedDescriptor, Header, Run, Timeframe};
use dxos_keys::{BlockHash, BodyHash, ContentKey, ContentKeyId, FeedId};
use dxos_protocol::echo::EchoError;
use dxos_protocol::replicate::Place;
use dxos_store::Read;

use super::body;
use super::layout::{BLOCKS, TipRecord, block_key, split_block};
use super::moved::Moved;
use super::onto::{Onto, is_graft_of, links, named_before};
use super::space::{Outcome, Space, advance_clock, store_failed};

/// Feeds onto which branches are grafted have numbers from here on, and no others.
pub(super) const GRAFTS: u32 = 1 << 31;
/// So much of a branch is written again in one step.
const STEP_BLOCKS: usize = 256;
const STEP_BYTES: usize = 256 * 1024;

/// Branches of this device that are not grafted yet.
#[derive(Debug, Default)]
pub(super) struct Grafts {
    /// Whether there may be something to do.
    is_due: bool,
    current: Option<Box<Graft>>,
    /// Branches that cannot be grafted at the moment.
    stuck: Vec<Place>,
    /// Whether one of them waits for blocks of others that it names.
    waits: bool,
}

impl Grafts {
    /// Something changed: there may be something to do.
    pub(super) fn look(&mut self) {
        self.is_due = true;
        self.current = None;
        self.stuck.clear();
        self.waits = false;
    }

    /// Whether nothing is left to be done, but for what cannot be done at the moment.
    pub(super) const fn is_idle(&self) -> bool {
        !self.is_due && self.current.is_none()
    }

    /// Feeds grew.
    pub(super) fn grown(&mut self) {
        if self.waits {
            self.look();
        }
    }
}

/// A branch that is being grafted.
#[derive(Debug)]
struct Graft {
    feed: FeedId,
    cut: u64,
    tip: Place,
    record: TipRecord,
    /// The block of the branch that is next.
    seq: u64,
    prev: BlockHash,
    /// What the feed had named so far.
    named: BTreeMap<FeedId, Dep>,
    onto: Option<Onto>,
    moved: Moved,
}

/// A block of a branch, as far as it can be read.
enum Content {
    Read(ContentKey, Transaction),
    /// Its key is not known here.
    Sealed,
    /// It counted for nothing.
    Rubbish,
}

/// How far a graft got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    More,
    Done,
    /// Something is missing that may come.
    Stuck,
}

/// Blocks of grafts, to be taken in.
type Made = Vec<(FeedDescriptor, u64, Block)>;

fn failed(error: &dyn std::error::Error) -> EchoError {
    EchoError::Store {
        reason: error.to_string(),
    }
}

impl Space {
    /// Writes a part of a branch again; `None` when there is nothing to do now. The space is not
    /// stale.
    pub(super) fn graft(&mut self, store: &dyn Read) -> Result<Option<Outcome>, EchoError> {
        if !self.grafts.is_due || self.permit(Right::Write, "write").is_err() {
            return Ok(None);
        }
        let current = self.grafts.current.take();
        let current = current.filter(|graft| self.is_cut_at(&graft.feed, graft.cut));
        let next = current.map_or_else(|| self.next_graft(store), |graft| Ok(Some(graft)));
        let Some(mut graft) = next? else {
            self.grafts.is_due = false;
            // An erasure may have waited for this.
            self.duties.look_again();
            return Ok(None);
        };
        let mut outcome = Outcome::default();
        let is_control = self
            .dag
            .feed(&graft.feed)
            .is_some_and(|state| state.descriptor.designation == Designation::Control);
        let step = if is_control {
            self.lose_branch(&mut graft, store, &mut outcome)?
        } else {
            self.graft_part(&mut graft, store, &mut outcome)?
        };
        match step {
            Step::More => self.grafts.current = Some(graft),
            Step::Stuck => self.grafts.stuck.push(graft.tip),
            Step::Done => {
                graft.record.is_done = true;
                let tip = (&graft.feed, &graft.tip.hash);
                self.put_tip(tip, graft.record, &mut outcome.batch)?;
            }
        }
        self.flush(&mut outcome.batch)?;
        Ok(Some(outcome))
    }

    fn is_cut_at(&self, feed: &FeedId, cut: u64) -> bool {
        let state = self.dag.feed(feed);
        state.is_some_and(|state| {
            state.length == cut && state.fork.as_ref().is_some_and(|fork| fork.seq() == cut)
        })
    }

    /// A branch of this device with which something is left to be done.
    fn next_graft(&self, store: &dyn Read) -> Result<Option<Box<Graft>>, EchoError> {
        let blocks = self.blocks(store);
        let device = self.device();
        let own = self.dag.feeds().filter(|(feed, state)| {
            state.descriptor.device == device && self.is_cut_at(feed, state.length)
        });
        for (feed, state) in own {
            for tip in blocks.tips(feed) {
                let (tip, record) = tip?;
                if record.is_done || tip.seq < state.length || self.grafts.stuck.contains(&tip) {
                    continue;
                }
                let Some(named) = named_before(&blocks, feed, state)? else {
                    break;
                };
                return Ok(Some(Box::new(Graft {
                    feed: *feed,
                    cut: state.length,
                    tip,
                    record,
                    seq: state.length,
                    prev: state.head,
                    named,
                    onto: None,
                    moved: Moved::default(),
                })));
            }
        }
        Ok(None)
    }

    /// Notes the credentials of a branch for writing them again.
    fn lose_branch(
        &mut self,
        graft: &mut Graft,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<Step, EchoError> {
        for _ in 0..STEP_BLOCKS {
            if graft.seq > graft.tip.seq {
                return Ok(Step::Done);
            }
            let place = (graft.seq, &graft.prev);
            let child = self.blocks(store).child(&graft.feed, place, graft.tip);
            let Some((hash, _)) = child.map_err(|error| failed(&error))? else {
                return Ok(Step::Stuck);
            };
            self.note_lost((graft.feed, graft.seq), hash, &mut outcome.batch)?;
            (graft.seq, graft.prev) = (graft.seq + 1, hash);
        }
        Ok(Step::More)
    }

    fn graft_part(
        &mut self,
        graft: &mut Graft,
        store: &dyn Read,
        outcome: &mut Outcome,
    ) -> Result<Step, EchoError> {
        let mut made = Made::new();
        let mut step = Step::More;
        let (mut count, mut bytes) = (0, 0);
        while count < STEP_BLOCKS && bytes < STEP_BYTES {
            if graft.seq > graft.tip.seq {
                step = Step::Done;
                break;
            }
            let place = (graft.seq, &graft.prev);
            let child = self.blocks(store).child(&graft.feed, place, graft.tip);
            let Some((hash, block)) = child.map_err(|error| failed(&error))? else {
                step = Step::Stuck;
                break;
            };
            match self.read_branch(graft, &block) {
                Content::Read(key, transaction) => {
                    let lost = (hash, &block);
                    self.graft_block(graft, lost, (&key, transaction), store, &mut made)?;
                }
                Content::Rubbish => {}
                Content::Sealed => {
                    step = Step::Stuck;
                    break;
                }
            }
            (count, bytes) = (count + 1, bytes + block.encoded_bytes());
            name(&mut graft.named, &block.deps);
            (graft.seq, graft.prev) = (graft.seq + 1, hash);
        }
        self.put_tip(
            (&graft.feed, &graft.tip.hash),
            graft.record,
            &mut outcome.batch,
        )?;
        if self.take_grafts(made, store, outcome) {
            Ok(step)
        } else {
            Ok(Step::Stuck)
        }
    }

    /// Takes in what was made; `false` when something that it names is missing here yet.
    fn take_grafts(&mut self, made: Made, store: &dyn Read, outcome: &mut Outcome) -> bool {
        let mut runs: Vec<(FeedDescriptor, Run)> = Vec::new();
        for (descriptor, seq, block) in made {
            match runs.last_mut() {
                Some((last, run)) if *last == descriptor => run.blocks.push(block),
                _ => {
                    let feed = descriptor.id();
                    let blocks = vec![block];
                    runs.push((
                        descriptor,
                        Run {
                            feed,
                            first: seq,
                            blocks,
                        },
                    ));
                }
            }
        }
        for (descriptor, run) in runs {
            let (feed, end) = (run.feed, run.end());
            if let Err(error) = self.dag.register(descriptor) {
                tracing::warn!(%error, "a branch could not be grafted");
                return false;
            }
            let (grown, result) = self.insert(run, store, outcome);
            self.tell_of(&grown, outcome);
            if let Err(error) = &result {
                tracing::warn!(feed = %feed.short(), %error, "a branch could not be grafted");
            }
            if self.dag.feed(&feed).is_none_or(|state| state.length < end) {
                self.grafts.waits = true;
                return false;
            }
        }
        true
    }

    fn read_branch(&self, graft: &Graft, block: &Block) -> Content {
        let Some((id, sealed)) = block.body.split_at_checked(ContentKeyId::LENGTH) else {
            return Content::Rubbish;
        };
        let Some(key) = ContentKeyId::from_slice(id).and_then(|id| self.keys.get(&id)) else {
            return Content::Sealed;
        };
        let header = block.header(graft.feed, graft.seq, graft.prev);
        let plain = key.open(header.sealing_context().as_bytes(), sealed).ok();
        let transaction = plain.and_then(|plain| {
            let plain = body::unpack(&plain)?;
            Transaction::decode(&plain, &Limits::default()).ok()
        });
        transaction.map_or(Content::Rubbish, |transaction| {
            Content::Read(key.clone(), transaction)
        })
    }

    /// Makes the block that replaces one of the branch, if it is not there already.
    fn graft_block(
        &mut self,
        graft: &mut Graft,
        (hash, lost): (BlockHash, &Block),
        (key, transaction): (&ContentKey, Transaction),
        store: &dyn Read,
        made: &mut Made,
    ) -> Result<(), EchoError> {
        let at = (graft.feed, graft.seq);
        graft.moved.note(at, Some(&transaction));
        let named_after = self.graft_of(&hash, graft.record.salt);
        let mut onto = match graft.onto.take() {
            Some(onto) if onto.descriptor == named_after || !self.has_blocks(&named_after) => onto,
            before => self.begin_graft(graft, before, (hash, lost, key), store, made)?,
        };
        if let Some(stored) = self.stored(&onto, store)?
            && !is_graft_of(&stored.1, lost)
            && onto.descriptor != named_after
        {
            // The branch was forked, too, and its other arm is there.
            onto = self.begin_graft(graft, Some(onto), (hash, lost, key), store, made)?;
        }
        let own = (onto.descriptor.id(), onto.seq);
        if let Some((hash, block)) = self.stored(&onto, store)? {
            onto.pass(hash, &block);
        } else {
            // Names that cannot be told anew stay what they were.
            let plain = encode(&transaction).unwrap_or_default();
            let names = (at.0, at.1, own);
            let ops = transaction.ops.into_iter();
            let ops = ops.map(|op| graft.moved.renamed(op, names)).collect();
            let deps = lost.deps.iter();
            let deps = deps.filter(|dep| dep.seq >= onto.clock.get(&dep.feed));
            let deps = deps.copied().collect();
            let lamport = lost.lamport.max(onto.lamport.saturating_add(1));
            let queues = transaction.queues;
            let plain = encode(&Transaction { ops, queues }).unwrap_or(plain);
            let block = self.block_onto(&onto, (lamport, lost.time_ms, deps), (key, &plain));
            made.push((onto.descriptor, onto.seq, block.1.clone()));
            onto.pass(block.0, &block.1);
        }
        graft.moved.again.insert(at, own);
        graft.onto = Some(onto);
        Ok(())
    }

    /// The feed onto which the branch that begins with a block is grafted.
    fn graft_of(&self, first: &BlockHash, salt: u32) -> FeedDescriptor {
        let [a, b, c, d, ..] = *first.as_bytes();
        let number = GRAFTS | u32::from_be_bytes([a, b, c, d]) ^ (salt & !GRAFTS);
        FeedDescriptor::new(self.device(), self.key(), Designation::Data, number)
    }

    fn has_blocks(&self, descriptor: &FeedDescriptor) -> bool {
        let state = self.dag.feed(&descriptor.id());
        state.is_some_and(|state| state.length > 0)
    }

    /// The block that is there already where the next one is to be.
    fn stored(
        &self,
        onto: &Onto,
        store: &dyn Read,
    ) -> Result<Option<(BlockHash, Block)>, EchoError> {
        let feed = onto.descriptor.id();
        if self
            .dag
            .feed(&feed)
            .is_none_or(|state| state.length <= onto.seq)
        {
            return Ok(None);
        }
        let found = store.get(BLOCKS, &block_key(&feed, onto.seq));
        let found = found.map_err(|error| store_failed(&error))?;
        Ok(found.as_ref().and_then(split_block))
    }

    /// Goes on in the feed that is named after a block of the branch: behind what the branch had
    /// named before, and behind what was grafted of it `before`.
    fn begin_graft(
        &mut self,
        graft: &mut Graft,
        before: Option<Onto>,
        (hash, lost, key): (BlockHash, &Block, &ContentKey),
        store: &dyn Read,
        made: &mut Made,
    ) -> Result<Onto, EchoError> {
        let mut named = graft.named.clone();
        let (lead, lamport) = match &before {
            Some(onto) => (
                onto.seq.checked_sub(1).map(|seq| Dep {
                    feed: onto.descriptor.id(),
                    seq,
                    hash: onto.prev,
                }),
                onto.lamport,
            ),
            None => {
                let state = self.dag.feed(&graft.feed);
                let lead = state.and_then(|state| {
                    Some(Dep {
                        feed: graft.feed,
                        seq: state.length.checked_sub(1)?,
                        hash: state.head,
                    })
                });
                (lead, state.map_or(0, |state| state.lamport))
            }
        };
        named.extend(lead.map(|lead| (lead.feed, lead)));
        let mut onto = Onto::new(self.graft_of(&hash, graft.record.salt));
        if before.is_none() && graft.record.salt == 0 && !self.has_blocks(&onto.descriptor) {
            let mut past = Timeframe::new();
            advance_clock(&mut past, graft.feed, graft.seq, &lost.deps);
            for dep in named.values() {
                past.dots.entry(dep.feed).or_insert(dep.seq + 1);
            }
            let place = (&onto.descriptor.id(), 0);
            let judged = self
                .membership
                .judge(&self.device(), place, &past, Right::Write);
            if let Err(refused) = judged {
                tracing::info!(feed = %graft.feed.short(), %refused, "a branch is written again as of now");
                graft.record.salt = self.record.incarnation.wrapping_add(1).max(1);
                onto = Onto::new(self.graft_of(&hash, graft.record.salt));
            }
        }
        let links = if graft.record.salt == 0 || before.is_some() {
            links(lead, named, lamport, self.dag.limits().deps_max)
        } else {
            self.dag
                .register(onto.descriptor)
                .map_err(|error| failed(&error))?;
            let next = self.dag.next(&onto.descriptor.id(), self.device());
            let next = next.map_err(|error| failed(&error))?;
            vec![(next.lamport, next.deps)]
        };
        let plain = encode(&Transaction::new()).unwrap_or_default();
        for (lamport, deps) in links {
            if let Some((hash, block)) = self.stored(&onto, store)? {
                onto.pass(hash, &block);
                continue;
            }
            let head = (lamport, lost.time_ms, deps);
            let block = self.block_onto(&onto, head, (key, &plain));
            made.push((onto.descriptor, onto.seq, block.1.clone()));
            onto.pass(block.0, &block.1);
        }
        Ok(onto)
    }

    fn block_onto(
        &self,
        onto: &Onto,
        (lamport, time_ms, deps): (u64, u64, Vec<Dep>),
        (key, plain): (&ContentKey, &[u8]),
    ) -> (BlockHash, Block) {
        let header = Header {
            feed: onto.descriptor.id(),
            seq: onto.seq,
            prev: onto.prev,
            lamport,
            time_ms,
            deps,
            body_hash: BodyHash::from_bytes([0; 32]),
            body_bytes: 0,
        };
        header.sign(&*self.authority.signer, |context| {
            body::seal_as_it_is(key, context, plain)
        })
    }
}

/// The bytes of a transaction, if they are within the limits of a block.
fn encode(transaction: &Transaction) -> Option<Vec<u8>> {
    let plain = transaction.encode(&Limits::default()).ok()?;
    (plain.len() <= body::plain_bytes_max()).then_some(plain)
}

fn name(named: &mut BTreeMap<FeedId, Dep>, deps: &[Dep]) {
    named.extend(deps.iter().map(|dep| (dep.feed, *dep)));
}
