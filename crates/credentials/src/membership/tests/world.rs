//! A space whose devices know what they were shown, and may lie about it.

use std::collections::BTreeMap;

use crdts::CvRDT;
use dxos_feed::{Designation, FeedDescriptor, Timeframe};
use dxos_keys::{
    BlockHash, ContentKeyId, DeviceKey, DeviceSecret, FeedId, IdentityKey, IdentitySecret,
    InvitationId, SealingKey, SpaceKey, SpaceSecret,
};

use crate::{
    Assertion, Authority, Change, ControlBlock, Credential, DeviceChain, LinkKind, Membership,
    Profile, Refused, Right, Role, Seen,
};

/// Index of a device in [`World::devices`].
pub(super) type Dev = usize;
/// Index of an identity.
pub(super) type Who = usize;

pub(super) struct Device {
    pub(super) secret: DeviceSecret,
    pub(super) chain: DeviceChain,
    pub(super) who: Who,
    /// What it was shown, closed under causes.
    pub(super) known: Timeframe,
}

/// A block of a data feed: only judged.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) device: DeviceKey,
    pub(super) feed: FeedId,
    pub(super) seq: u64,
    pub(super) past: Timeframe,
}

pub(super) struct World {
    pub(super) space: SpaceKey,
    secret: SpaceSecret,
    pub(super) identities: Vec<IdentityKey>,
    pub(super) devices: Vec<Device>,
    pub(super) blocks: Vec<ControlBlock>,
    pub(super) data: Vec<Data>,
    /// Of each block of each feed, its logical time and its past.
    feeds: BTreeMap<FeedId, Vec<(u64, Timeframe)>>,
}

impl World {
    /// Identities with as many devices each, the later ones authorized by the one before. The
    /// keys of identities grow with their index, so that ties are known.
    pub(super) fn new(devices: &[usize]) -> Self {
        let secret = SpaceSecret::from_seed(&[200; 32]);
        let mut secrets: Vec<_> = (0..devices.len())
            .map(|n| IdentitySecret::from_seed(&[u8::try_from(n).unwrap() + 100; 32]))
            .collect();
        secrets.sort_by_key(IdentitySecret::identity);
        let mut world = Self {
            space: secret.space(),
            secret,
            identities: secrets.iter().map(IdentitySecret::identity).collect(),
            devices: Vec::new(),
            blocks: Vec::new(),
            data: Vec::new(),
            feeds: BTreeMap::new(),
        };
        for (who, (identity, count)) in secrets.into_iter().zip(devices).enumerate() {
            let secret = world.draw_device();
            let chain = DeviceChain::genesis(identity, secret.device(), sealing(&secret));
            world.add(secret, chain, who);
            for _ in 1..*count {
                let last = world.devices.len() - 1;
                world.authorize(last);
            }
        }
        world
    }

    fn draw_device(&self) -> DeviceSecret {
        let n = u8::try_from(self.devices.len()).unwrap() + 1;
        DeviceSecret::from_seed(&[n; 32])
    }

    fn add(&mut self, secret: DeviceSecret, chain: DeviceChain, who: Who) -> Dev {
        let known = Timeframe::new();
        self.devices.push(Device {
            secret,
            chain,
            who,
            known,
        });
        self.devices.len() - 1
    }

    /// A device that came about in another way.
    pub(super) fn adopt(&mut self, secret: DeviceSecret, chain: DeviceChain, who: Who) -> Dev {
        self.add(secret, chain, who)
    }

    /// A new device, authorized by another.
    pub(super) fn authorize(&mut self, by: Dev) -> Dev {
        let secret = self.draw_device();
        let who = self.devices[by].who;
        let chain = self.chain_for(by, &secret);
        self.add(secret, chain, who)
    }

    /// A recovery key of the identity of `by`, as whoever finds the phrase holds it.
    pub(super) fn write_down(&mut self, by: Dev) -> Dev {
        let key = self.draw_device();
        let Device {
            secret, chain, who, ..
        } = &self.devices[by];
        let (who, sealing) = (*who, sealing(&key));
        let chain = chain.authorize_recovery_key(secret, &key, sealing, None);
        self.add(key, chain.unwrap(), who)
    }

    pub(super) fn is_recovery_key(&self, device: Dev) -> bool {
        self.devices[device].chain.device().kind == LinkKind::RecoveryKey
    }

    fn chain_for(&self, by: Dev, device: &DeviceSecret) -> DeviceChain {
        let Device { secret, chain, .. } = &self.devices[by];
        chain
            .authorize(secret, device.device(), sealing(device))
            .unwrap()
    }

    /// A chain that claims somebody else's device for the identity of `by`.
    pub(super) fn claim(&self, by: Dev, device: Dev) -> DeviceChain {
        let Device { secret, chain, .. } = &self.devices[by];
        let device = &self.devices[device].secret;
        let sealing = SealingKey::from_bytes([66; 32]);
        chain.authorize(secret, device.device(), sealing).unwrap()
    }

    pub(super) fn key(&self, device: Dev) -> DeviceKey {
        self.devices[device].secret.device()
    }

    pub(super) fn feed(
        &self,
        device: Dev,
        designation: Designation,
        incarnation: u32,
    ) -> FeedDescriptor {
        FeedDescriptor::new(self.key(device), self.space, designation, incarnation)
    }

    // What is said.

    pub(super) fn presented(&self, device: Dev) -> Assertion {
        let chain = self.devices[device].chain.clone();
        Assertion::DevicePresented {
            space: self.space,
            chain,
            halo: None,
        }
    }

    pub(super) fn member(&self, who: Who, role: Role) -> Assertion {
        let device = self
            .devices
            .iter()
            .find(|device| device.who == who)
            .unwrap();
        self.member_with(who, role, Some(device.chain.clone()))
    }

    pub(super) fn member_with(
        &self,
        who: Who,
        role: Role,
        chain: Option<DeviceChain>,
    ) -> Assertion {
        Assertion::SpaceMember {
            space: self.space,
            identity: self.identities[who],
            role,
            profile: Profile::default(),
            chain,
            invitation: None,
            seen: Seen::new(),
        }
    }

    /// An admission with an invitation for one guest.
    pub(super) fn invited(&self, who: Who, role: Role, invitation: u8) -> Assertion {
        let mut assertion = self.member(who, role);
        if let Assertion::SpaceMember {
            invitation: used, ..
        } = &mut assertion
        {
            *used = Some(self::invitation(invitation));
        }
        assertion
    }

    pub(super) fn removed(&self, who: Who) -> Assertion {
        Assertion::MemberRemoved {
            space: self.space,
            identity: self.identities[who],
            seen: Seen::new(),
        }
    }

    pub(super) fn revoked(&self, device: Dev) -> Assertion {
        let identity = self.identities[self.devices[device].who];
        Assertion::DeviceRevoked {
            identity,
            device: self.key(device),
            seen: Seen::new(),
            repeats: None,
        }
    }

    /// The same by somebody who repeats the word of another device.
    pub(super) fn repeated(&self, device: Dev, by: Dev) -> Assertion {
        let mut assertion = self.revoked(device);
        if let Assertion::DeviceRevoked { repeats, .. } = &mut assertion {
            *repeats = Some(self.key(by));
        }
        assertion
    }

    pub(super) fn restored(&self, device: Dev) -> Assertion {
        let identity = self.identities[self.devices[device].who];
        Assertion::DeviceRestored {
            identity,
            device: self.key(device),
        }
    }

    pub(super) fn content_key(&self, n: u8) -> Assertion {
        let key = content_key(n);
        Assertion::ContentKey {
            space: self.space,
            key,
            recipients: Vec::new(),
        }
    }

    pub(super) fn profile(&self, name: &str) -> Assertion {
        Assertion::MemberProfile {
            space: self.space,
            profile: Profile::named(name),
        }
    }

    pub(super) fn genesis(&self, admin: Who) -> Credential {
        Credential::space_genesis(self.secret.clone(), self.identities[admin])
    }

    // Who says it.

    /// Adds what a block names, and everything that those name.
    pub(super) fn close(&self, past: &mut Timeframe) {
        loop {
            let mut more = past.clone();
            for (feed, length) in &past.dots {
                if let Some((_, past)) = self.feeds[feed].get(usize::try_from(*length).unwrap() - 1)
                {
                    more.merge(past.clone());
                }
            }
            if more == *past {
                return;
            }
            *past = more;
        }
    }

    /// All that was ever written.
    pub(super) fn everything(&self) -> Timeframe {
        let dots = self
            .feeds
            .iter()
            .map(|(feed, log)| (*feed, log.len() as u64));
        Timeframe {
            dots: dots.collect(),
        }
    }

    /// What holds the blocks with these indices, and of their feeds what came before, alone.
    pub(super) fn just(&self, blocks: &[usize]) -> Timeframe {
        let mut past = Timeframe::new();
        for block in blocks.iter().map(|at| &self.blocks[*at]) {
            past.merge(Timeframe {
                dots: [(block.feed, block.seq + 1)].into(),
            });
        }
        past
    }

    fn append(&mut self, feed: FeedId, declared: &Timeframe) -> (u64, u64, Timeframe) {
        let mut past = declared.clone();
        past.dots.retain(|_, length| *length > 0);
        past.dots.remove(&feed);
        let log = self.feeds.get(&feed).map(Vec::as_slice).unwrap_or_default();
        let seq = log.len() as u64;
        if let Some((_, before)) = log.last() {
            past.merge(before.clone());
        }
        let lamports = past
            .dots
            .iter()
            .map(|(feed, length)| self.feeds[feed][usize::try_from(*length).unwrap() - 1].0);
        let lamport = lamports.max().unwrap_or(0) + 1;
        past.dots.insert(feed, seq + 1);
        self.feeds
            .entry(feed)
            .or_default()
            .push((lamport, past.clone()));
        (seq, lamport, past)
    }

    /// A device puts a credential, whoever signed it, into a feed of its own and declares
    /// whatever past it likes.
    pub(super) fn put(
        &mut self,
        device: Dev,
        incarnation: u32,
        declared: &Timeframe,
        credential: &Credential,
    ) -> usize {
        let descriptor = self.feed(device, Designation::Control, incarnation);
        let feed = descriptor.id();
        let (seq, lamport, past) = self.append(feed, declared);
        let mut known = past.clone();
        self.close(&mut known);
        self.devices[device].known.merge(known);
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&(self.blocks.len() as u64).to_le_bytes());
        let hash = BlockHash::from_bytes(hash);
        let place = (feed, seq, hash, lamport);
        let body = credential.encode();
        let block = ControlBlock::read(descriptor, place, past, &body).unwrap();
        self.blocks.push(block);
        self.blocks.len() - 1
    }

    /// A hostile device signs and declares what it likes.
    pub(super) fn lie(
        &mut self,
        device: Dev,
        incarnation: u32,
        declared: &Timeframe,
        assertion: Assertion,
    ) -> usize {
        let credential = Credential::by_device(&self.devices[device].secret, assertion);
        self.put(device, incarnation, declared, &credential)
    }

    /// An honest device writes what it holds to be true, knowing what it knows.
    pub(super) fn write(&mut self, device: Dev, assertion: Assertion) -> usize {
        let known = self.devices[device].known.clone();
        self.lie(device, 0, &known, assertion)
    }

    /// A device writes a transaction and declares whatever past it likes.
    pub(super) fn transact(&mut self, device: Dev, incarnation: u32, declared: &Timeframe) -> Data {
        let feed = self.feed(device, Designation::Data, incarnation).id();
        let (seq, _, past) = self.append(feed, declared);
        let mut known = past.clone();
        self.close(&mut known);
        self.devices[device].known.merge(known);
        let data = Data {
            device: self.key(device),
            feed,
            seq,
            past,
        };
        self.data.push(data.clone());
        data
    }

    /// An honest transaction.
    pub(super) fn edit(&mut self, device: Dev) -> Data {
        let known = self.devices[device].known.clone();
        self.transact(device, 0, &known)
    }

    /// These devices tell one another all they know.
    pub(super) fn meet(&mut self, devices: &[Dev]) {
        let mut known = Timeframe::new();
        for device in devices {
            known.merge(self.devices[*device].known.clone());
        }
        for device in devices {
            self.devices[*device].known = known.clone();
        }
    }

    pub(super) fn meet_all(&mut self) {
        let all: Vec<_> = (0..self.devices.len()).collect();
        self.meet(&all);
    }

    /// Who was admitted first creates the space; it admits the others with these roles, with
    /// their first devices; all devices present themselves and know of all that.
    pub(super) fn populate(&mut self, roles: &[Role]) {
        let genesis = self.genesis(0);
        self.put(0, 0, &Timeframe::new(), &genesis);
        self.write(0, self.presented(0));
        for (who, role) in (1..).zip(roles) {
            self.write(0, self.member(who, *role));
        }
        self.meet_all();
        for device in 1..self.devices.len() {
            self.write(device, self.presented(device));
        }
        self.meet_all();
    }

    // What follows.

    pub(super) fn evaluate(&self) -> Membership {
        Membership::evaluate(self.space, self.blocks.iter().cloned())
    }

    pub(super) fn role(&self, who: Who) -> Option<Role> {
        self.evaluate().role_of(&self.identities[who])
    }

    pub(super) fn counts(&self, block: usize) -> bool {
        self.evaluate().takes_effect(&self.blocks[block])
    }

    /// How a transaction is judged.
    pub(super) fn judge(&self, data: &Data) -> Result<Authority, Refused> {
        judge(&self.evaluate(), data, Right::Write)
    }

    /// Adds all blocks one by one in the order in which they were written.
    pub(super) fn insert_all(&self) -> (Membership, Vec<Change>) {
        let mut membership = Membership::new(self.space);
        let changes = self
            .blocks
            .iter()
            .cloned()
            .map(|block| membership.insert(block));
        let changes = changes.collect();
        (membership, changes)
    }
}

pub(super) fn judge(
    membership: &Membership,
    data: &Data,
    right: Right,
) -> Result<Authority, Refused> {
    membership.judge(&data.device, (&data.feed, data.seq), &data.past, right)
}

pub(super) fn invitation(n: u8) -> InvitationId {
    InvitationId::from_bytes([n; InvitationId::LENGTH])
}

/// What an assertion says was known of data, if it is one that says so.
pub(super) fn seen(assertion: &mut Assertion) -> Option<&mut Seen> {
    match assertion {
        Assertion::SpaceMember { seen, .. }
        | Assertion::MemberRemoved { seen, .. }
        | Assertion::DeviceRevoked { seen, .. } => Some(seen),
        _ => None,
    }
}

pub(super) fn content_key(n: u8) -> ContentKeyId {
    ContentKeyId::from_slice(&[n; ContentKeyId::LENGTH]).unwrap()
}

pub(super) fn sealing(device: &DeviceSecret) -> SealingKey {
    SealingKey::from_bytes(*device.device().as_bytes())
}
