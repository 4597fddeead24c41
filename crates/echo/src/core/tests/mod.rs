//! Replicas that pass messages by hand, in an order drawn at random.

mod archives;
mod archives_epochs;
mod backups;
mod churn;
mod control;
mod converge;
mod crash;
mod devices;
mod doctor;
mod epochs;
mod epochs_random;
mod erasures;
mod expiry;
mod forks;
mod found;
mod graph;
mod grounds;
mod hostile;
mod index_steps;
mod indexes;
mod large;
mod members;
mod mistaken;
mod past;
mod proofs;
mod purge;
mod queries;
mod queues;
mod receipts;
mod roles;
mod tickets;
mod undo;
mod vouched;
mod vouching;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dxos_credentials::{Credential, Profile, Role};
use dxos_document::{Object, Op, Query, Transaction};
use dxos_keys::{ObjectId, SpaceKey, SpaceSecret, StateHash};
use dxos_protocol::auth::Judgement;
use dxos_protocol::echo::AdmissionTicket;
use dxos_protocol::halo::Authority;
use dxos_protocol::replicate::{Message, SessionError, SessionId};
use dxos_store::{Durability, MemDisk, MemStore, Store};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::Guest;
use super::layout::{SPACES, SpaceNumber, SpaceRecord};
use super::space::decode_row;
use super::{Outcome, Space};

const NUMBER: SpaceNumber = SpaceNumber(0);
/// More steps than any scenario here takes.
const STEPS_MAX: usize = 100_000;

pub(super) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(super) fn authority(seed: u8) -> Authority {
    Authority::generate(Profile::default(), &mut rng(seed))
}

pub(super) fn object(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 16])
}

pub(super) fn task(number: u8, title: i64) -> Vec<Op> {
    Transaction::new()
        .create(object(number), "task", [("title", title)])
        .ops
}

pub(super) struct Replica {
    pub(super) disk: MemDisk,
    pub(super) store: MemStore,
    pub(super) space: Space,
    authority: Authority,
}

impl Replica {
    /// Opens what a disk has.
    fn open(disk: &MemDisk, authority: &Authority, key: SpaceKey) -> Self {
        let store = MemStore::open(disk).unwrap();
        let row = dxos_store::Read::get(&store, SPACES, key.as_bytes()).unwrap();
        let record = row.map_or(
            SpaceRecord {
                number: NUMBER,
                space: key,
                incarnation: 0,
            },
            |row| decode_row("space", &row).unwrap(),
        );
        let mut space = Space::open(record, authority.clone(), &store).unwrap();
        if space.is_stale() {
            drop(space.rebuild(&store).unwrap());
        }
        Self {
            disk: disk.clone(),
            store,
            space,
            authority: authority.clone(),
        }
    }

    pub(super) fn hash(&self) -> StateHash {
        self.space.state_hash(&self.store).unwrap()
    }

    pub(super) fn objects(&self) -> Vec<Object> {
        let query = Query::new(dxos_document::Filter::all());
        self.space.query(&query, &self.store).unwrap()
    }

    pub(super) fn has(&self, number: u8) -> bool {
        self.objects().iter().any(|o| o.id() == object(number))
    }

    pub(super) fn rebuild(&mut self) {
        self.space.stale = true;
        drop(self.space.rebuild(&self.store).unwrap());
    }

    pub(super) fn forks(&self) -> usize {
        self.space.report(&self.store).forks.len()
    }

    fn write(&mut self, outcome: Outcome) -> super::Effects {
        for part in self.space.parts(outcome.batch).unwrap() {
            let durability = if outcome.synced {
                Durability::Synced
            } else {
                Durability::Buffered
            };
            self.store.commit(part, durability).unwrap();
        }
        self.space.written(&self.store).unwrap();
        let mut effects = outcome.effects;
        if self.space.is_stale() {
            effects.merge(self.space.rebuild(&self.store).unwrap());
        }
        effects
    }
}

pub(super) struct Net {
    pub(super) replicas: Vec<Replica>,
    /// Messages on the way, in order, for each directed link.
    pub(super) links: BTreeMap<(usize, usize), VecDeque<Message>>,
    woken: BTreeSet<(usize, usize)>,
    /// Sessions that a replica ended.
    pub(super) ended: Vec<(usize, usize, SessionError)>,
    pub(super) rng: ChaCha20Rng,
    pub(super) key: SpaceKey,
    now_ms: u64,
}

impl Net {
    /// One replica that made the space.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let authority = authority(1);
        let secret = SpaceSecret::generate(&mut rng);
        let key = secret.space();
        let genesis = Credential::space_genesis(secret, authority.chain.device().identity);
        let disk = MemDisk::new();
        let store = MemStore::open(&disk).unwrap();
        let (space, outcome) = Space::create(
            (NUMBER, key),
            authority.clone(),
            &genesis,
            1,
            (&store, &mut rng),
        )
        .unwrap();
        let mut first = Replica {
            disk,
            store,
            space,
            authority,
        };
        first.write(outcome);
        Self {
            replicas: vec![first],
            links: BTreeMap::new(),
            woken: BTreeSet::new(),
            ended: Vec::new(),
            rng,
            key,
            now_ms: 1,
        }
    }

    /// A space of `roles.len() + 1` members, nobody connected.
    pub(super) fn of(seed: u64, roles: &[Role]) -> Self {
        let mut net = Self::new(seed);
        for role in roles {
            net.join(0, *role);
        }
        net
    }

    pub(super) fn admit(&mut self, host: usize, guest: &Authority, role: Role) -> AdmissionTicket {
        self.admit_to((host, true), guest, role)
    }

    /// A ticket for a guest of `host`, who may read the history or not.
    pub(super) fn admit_to(
        &mut self,
        (host, history): (usize, bool),
        guest: &Authority,
        role: Role,
    ) -> AdmissionTicket {
        self.now_ms += 1;
        let replica = &mut self.replicas[host];
        let guest = Guest {
            chain: guest.chain.clone(),
            role,
            profile: Profile::default(),
            invitation: None,
            history,
        };
        let (ticket, outcome) = replica
            .space
            .admit(guest, self.now_ms, (&replica.store, &mut self.rng))
            .unwrap();
        self.carry_out(host, outcome);
        ticket
    }

    /// A new member, admitted by `host`; its number.
    pub(super) fn join(&mut self, host: usize, role: Role) -> usize {
        let number = self.replicas.len();
        let guest = authority(u8::try_from(number).unwrap() + 1);
        let ticket = self.admit(host, &guest, role);
        self.take_up(&guest, ticket)
    }

    /// A replica with these secrets that takes up the space; its number.
    pub(super) fn take_up(&mut self, guest: &Authority, ticket: AdmissionTicket) -> usize {
        let mut joined = self.open(&MemDisk::new(), guest);
        let store = joined.store.clone();
        let outcome = joined.space.take_up(ticket, self.now_ms, &store).unwrap();
        joined.write(outcome);
        self.replicas.push(joined);
        self.replicas.len() - 1
    }

    /// Another replica over a copy of one's disk, as after a backup was restored elsewhere.
    pub(super) fn twin(&mut self, of: usize) -> usize {
        let replica = &mut self.replicas[of];
        if let Some(batch) = replica.space.close() {
            replica.store.commit(batch, Durability::Buffered).unwrap();
        }
        let disk = MemDisk::new();
        disk.restore(&replica.disk.snapshot());
        let authority = replica.authority.clone();
        let twin = self.open(&disk, &authority);
        self.replicas.push(twin);
        self.replicas.len() - 1
    }

    /// Opens what a disk has, as a start of its own.
    pub(super) fn open(&mut self, disk: &MemDisk, authority: &Authority) -> Replica {
        let mut opened = Replica::open(disk, authority, self.key);
        let stride = self.draw(1 << 16);
        opened.space.use_stride(u16::try_from(stride).unwrap());
        opened
    }

    /// Ends a replica, its sessions included, and opens what its disk has.
    pub(super) fn reopen(&mut self, number: usize, before: impl FnOnce(&MemDisk)) {
        for other in 0..self.replicas.len() {
            self.disconnect(number, other);
        }
        // A store that is dropped writes out what it has: a crash comes before that.
        let replica = self.replicas.remove(number);
        before(&replica.disk);
        let (disk, authority) = (replica.disk.clone(), replica.authority.clone());
        drop(replica);
        let opened = self.open(&disk, &authority);
        self.replicas.insert(number, opened);
    }

    pub(super) fn edit(&mut self, number: usize, ops: Vec<Op>) {
        self.now_ms += 1;
        let replica = &mut self.replicas[number];
        let (committed, outcome) = replica
            .space
            .commit(ops, self.now_ms, (&replica.store, &mut self.rng))
            .unwrap();
        committed.unwrap();
        self.carry_out(number, outcome);
    }

    pub(super) fn carry_out(&mut self, number: usize, outcome: Outcome) {
        let mut effects = self.replicas[number].write(outcome);
        effects.merge(self.write_again(number));
        let woken = effects.wake.into_iter();
        self.woken
            .extend(woken.map(|session| (number, usize::try_from(session.0).unwrap())));
        for (session, error) in effects.end {
            let other = usize::try_from(session.0).unwrap();
            self.ended.push((number, other, error));
            self.disconnect(number, other);
        }
    }

    /// What the actor does when it opens a space.
    pub(super) fn write_again_now(&mut self, number: usize) {
        let effects = self.write_again(number);
        assert!(effects.end.is_empty());
    }

    pub(super) fn transact(
        &mut self,
        number: usize,
        work: impl FnOnce(&mut dxos_document::Tx<'_>) -> Result<(), dxos_document::TxError>
        + Send
        + 'static,
    ) {
        self.now_ms += 1;
        let replica = &mut self.replicas[number];
        let work = dxos_protocol::echo::Work::new(|tx| {
            work(tx).unwrap();
            Ok(())
        });
        let (transacted, outcome) = replica
            .space
            .transact(work, self.now_ms, (&replica.store, &mut self.rng))
            .unwrap();
        transacted.unwrap();
        self.carry_out(number, outcome);
    }

    fn write_again(&mut self, number: usize) -> super::Effects {
        let mut effects = super::Effects::default();
        let replica = &mut self.replicas[number];
        loop {
            self.now_ms += 1;
            let written = replica
                .space
                .write_again(self.now_ms, (&replica.store, &mut self.rng));
            match written.unwrap() {
                Some(outcome) => effects.merge(replica.write(outcome)),
                None => return effects,
            }
        }
    }

    pub(super) fn connect(&mut self, one: usize, two: usize) {
        for (from, to) in [(one, two), (two, one)] {
            let device = self.replicas[to].space.device();
            let session = SessionId(to as u64);
            let replica = &mut self.replicas[from];
            let vouched = replica.space.vouch();
            replica.store.commit(vouched, Durability::Buffered).unwrap();
            replica.space.open_session(session, device);
            self.links.insert((from, to), VecDeque::new());
            self.woken.insert((from, to));
        }
    }

    pub(super) fn disconnect(&mut self, one: usize, two: usize) {
        for (from, to) in [(one, two), (two, one)] {
            if self.links.remove(&(from, to)).is_some() {
                self.woken.remove(&(from, to));
                let session = SessionId(to as u64);
                let effects = self.replicas[from].space.close_session(session);
                let woken = effects.wake.into_iter();
                self.woken
                    .extend(woken.map(|session| (from, usize::try_from(session.0).unwrap())));
            }
        }
    }

    pub(super) fn judge(&mut self, host: usize, guest: usize, full: bool) -> Judgement {
        let from = &self.replicas[guest];
        let device = from.space.device();
        let mut rest = None;
        loop {
            let from = &self.replicas[guest];
            let presented = from.space.evidence(full, rest, &from.store).unwrap();
            let evidence = presented.evidence;
            assert!(evidence.encode().unwrap().len() <= dxos_wire::limits::FRAME_BYTES_MAX);
            assert_eq!(evidence.more, presented.rest.is_some());
            let replica = &mut self.replicas[host];
            let (judgement, outcome) =
                replica
                    .space
                    .judge_evidence(&device, &evidence, 5, &replica.store);
            self.carry_out(host, outcome);
            rest = presented.rest;
            if rest.is_none() {
                return judgement;
            }
        }
    }

    /// A request that appends to a replica's control feeds.
    pub(super) fn control(
        &mut self,
        number: usize,
        run: impl FnOnce(
            &mut Space,
            u64,
            (&dyn dxos_store::Read, &mut dyn rand_core::CryptoRng),
        ) -> Result<((), Outcome), dxos_protocol::echo::EchoError>,
    ) -> Result<(), dxos_protocol::echo::EchoError> {
        self.now_ms += 1;
        let replica = &mut self.replicas[number];
        let parts = (&replica.store as _, &mut self.rng as _);
        let ((), outcome) = run(&mut replica.space, self.now_ms, parts)?;
        self.carry_out(number, outcome);
        Ok(())
    }

    /// Lets time pass, so that replicas do what is due, until nothing is.
    pub(super) fn settle_duties(&mut self) {
        let mut quiet = 0;
        for _ in 0..64 {
            self.settle();
            self.now_ms += 500;
            let mut done = false;
            for number in 0..self.replicas.len() {
                done |= self.do_duties(number);
            }
            let idle = !done
                && self
                    .replicas
                    .iter()
                    .all(|replica| !replica.space.has_duty());
            quiet = if idle { quiet + 1 } else { 0 };
            // Long enough for those who were let go to be gone.
            if quiet == 4 {
                self.settle();
                return;
            }
        }
        let spaces = self.replicas.iter().map(|replica| &replica.space);
        let due: Vec<_> = spaces.map(Space::duties_text).collect();
        panic!("the replicas find ever more to do: {due:#?}");
    }

    /// What an actor does from time to time; `true` when something was due.
    fn do_duties(&mut self, number: usize) -> bool {
        let replica = &mut self.replicas[number];
        let ticked = replica.space.tick(self.now_ms, &replica.store).unwrap();
        let parts = (&replica.store as _, &mut self.rng as _);
        let outcome = replica.space.do_duties(self.now_ms, parts).unwrap();
        let done = outcome.is_some();
        let mut outcome = outcome.unwrap_or_default();
        outcome.effects.merge(ticked);
        self.carry_out(number, outcome);
        done
    }

    /// A replica with these secrets that knows the space's key and nothing else of it.
    pub(super) fn adopt(&mut self, authority: &Authority) -> usize {
        let ticket = AdmissionTicket {
            space: self.key,
            control: Vec::new(),
        };
        self.take_up(authority, ticket)
    }

    /// Two replicas show each other their evidence, as MESH has them do, and connect when both
    /// let the other in.
    pub(super) fn meet(&mut self, one: usize, two: usize) -> bool {
        let mut judged = [false, false];
        for (number, (host, guest)) in [(one, two), (two, one)].into_iter().enumerate() {
            let mut judgement = self.judge(host, guest, false);
            if judgement == Judgement::NeedMore {
                judgement = self.judge(host, guest, true);
            }
            if let Judgement::Departed(evidence) = &judgement {
                let device = self.replicas[host].space.device();
                let replica = &mut self.replicas[guest];
                let (_, outcome) =
                    replica
                        .space
                        .judge_evidence(&device, evidence, self.now_ms, &replica.store);
                self.carry_out(guest, outcome);
            }
            judged[number] = judgement == Judgement::Admitted;
        }
        if judged == [true, true] {
            self.connect(one, two);
            return true;
        }
        false
    }

    /// Hands a message to a replica as if a peer had sent it.
    pub(super) fn deliver(&mut self, from: usize, to: usize, message: Message) {
        let replica = &mut self.replicas[to];
        let session = SessionId(from as u64);
        let received = replica
            .space
            .receive(session, message, self.now_ms, &replica.store);
        match received {
            Ok(outcome) => self.carry_out(to, outcome),
            Err(error) => panic!("{to} failed on a message of {from}: {error}"),
        }
    }

    pub(super) fn draw(&mut self, below: usize) -> usize {
        self.rng.next_u32() as usize % below
    }

    /// One thing that can happen, drawn at random; `false` when nothing can.
    pub(super) fn step(&mut self) -> bool {
        let mut can: Vec<(bool, (usize, usize))> = Vec::new();
        can.extend(self.woken.iter().map(|link| (true, *link)));
        let full = self.links.iter().filter(|(_, queue)| !queue.is_empty());
        can.extend(full.map(|(link, _)| (false, *link)));
        if can.is_empty() {
            return false;
        }
        let (sends, (from, to)) = can[self.draw(can.len())];
        if sends {
            self.woken.remove(&(from, to));
            let bytes_max = 1 + self.draw(4096);
            let replica = &mut self.replicas[from];
            let session = SessionId(to as u64);
            let produced = replica
                .space
                .produce(session, bytes_max, self.now_ms, &replica.store)
                .unwrap();
            if produced.more {
                self.woken.insert((from, to));
            }
            self.links
                .get_mut(&(from, to))
                .unwrap()
                .extend(produced.messages);
        } else {
            let queue = self.links.get_mut(&(from, to)).unwrap();
            let message = queue.pop_front().unwrap();
            self.deliver(from, to, message);
        }
        true
    }

    /// Runs until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("the replicas never fall silent");
    }

    /// All replicas named show the same, and it follows from their blocks.
    pub(super) fn assert_same(&mut self, numbers: &[usize]) {
        let first = self.replicas[numbers[0]].hash();
        for number in numbers {
            let replica = &mut self.replicas[*number];
            assert_eq!(first, replica.hash(), "replica {number} differs");
            let report = replica.space.report(&replica.store);
            assert_eq!(report.missing_blocks, 0, "replica {number} lacks blocks");
            let objects = replica.objects().len() as u64;
            replica.rebuild();
            assert_eq!(first, replica.hash(), "replica {number} rebuilt differs");
            let properties = u64::from(!report.properties.is_empty());
            assert_eq!(report.objects, objects + properties);
        }
        assert_eq!(self.ended, []);
    }
}
