//! Histories of spaces, as they stand in a store.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use dxos_credentials::{Assertion, Credential, DeviceChain, GuestProof, Profile, Role, Seen};
use dxos_feed::{Append, Dag, Designation, FeedDescriptor, FeedLimits, Timeframe};
use dxos_keys::{
    BlockHash, ContentKeyId, DeviceSecret, FeedId, IdentityKey, IdentitySecret, InvitationId,
    SealingKey, SpaceKey, SpaceSecret,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng};

/// A control block before it is read.
pub(super) struct Stored {
    pub(super) descriptor: FeedDescriptor,
    pub(super) place: (FeedId, u64, BlockHash, u64),
    pub(super) past: Timeframe,
    pub(super) body: Bytes,
}

/// A device and how it belongs to its identity.
pub(super) struct Device {
    pub(super) secret: DeviceSecret,
    pub(super) chain: DeviceChain,
}

/// A space in the making: one replica in which every device writes.
pub(super) struct History {
    pub(super) space: SpaceKey,
    pub(super) stored: Vec<Stored>,
    /// How many members it has.
    pub(super) members: usize,
    dag: Dag,
    rng: ChaCha20Rng,
}

impl Device {
    pub(super) fn identity(&self) -> IdentityKey {
        self.chain.device().identity
    }
}

impl History {
    /// A space with a creator who has written nothing but that.
    pub(super) fn create() -> Result<(Self, Device)> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let secret = SpaceSecret::generate(&mut rng);
        let space = secret.space();
        let mut history = Self {
            space,
            stored: Vec::new(),
            members: 1,
            dag: Dag::new(space, FeedLimits::default()),
            rng,
        };
        let creator = history.identity();
        let genesis = Credential::space_genesis(secret, creator.identity());
        history.put(&creator, 0, None, &genesis)?;
        let shown = history.shown(&creator);
        history.say(&creator, shown)?;
        Ok((history, creator))
    }

    /// A hundred members with two devices each, who go on inviting, naming, changing roles and
    /// handing on keys until there are so many credentials.
    pub(super) fn of_an_old_space(credentials: usize) -> Result<Self> {
        let (mut history, creator) = Self::create()?;
        let mut members = vec![creator];
        while history.members < 100 && history.stored.len() + 6 < credentials {
            let device = history.join(&members, Role::Admin)?;
            members.push(device);
        }
        let mut at = 0;
        while history.stored.len() < credentials {
            let device = members.get(at % members.len()).context("nobody is there")?;
            let next = members.get((at + 1) % members.len());
            let next = next.context("nobody is there")?;
            let assertion = match at % 5 {
                0 => history.profile(at),
                1 => history.admission(next, Role::Admin, false),
                2 => history.content_key(),
                3 => history.delegated(),
                _ => Assertion::DeviceProfile {
                    device: device.secret.device(),
                    name: format!("device {at}"),
                },
            };
            history.say(device, assertion)?;
            at += 1;
        }
        Ok(history)
    }

    /// So many members, who come one by one with two devices each.
    pub(super) fn of_a_young_space(members: usize) -> Result<Self> {
        let (mut history, creator) = Self::create()?;
        let second = history.authorize(&creator)?;
        let shown = history.shown(&second);
        history.say(&creator, shown)?;
        let hosts = [creator];
        for _ in 0..members {
            history.join(&hosts, Role::Editor)?;
        }
        Ok(history)
    }

    /// A member comes with two devices: admitted, shown, named.
    fn join(&mut self, hosts: &[Device], role: Role) -> Result<Device> {
        let host = hosts.get(self.members % hosts.len());
        let host = host.context("nobody is there")?;
        let device = self.identity();
        let admission = self.admission(&device, role, true);
        self.say(host, admission)?;
        let shown = self.shown(&device);
        self.say(&device, shown)?;
        let named = self.profile(self.members);
        self.say(&device, named)?;
        let second = self.authorize(&device)?;
        let shown = self.shown(&second);
        self.say(&device, shown.clone())?;
        self.say(&second, shown)?;
        self.members += 1;
        Ok(device)
    }

    // Who there is.

    pub(super) fn identity(&mut self) -> Device {
        let identity = IdentitySecret::generate(&mut self.rng);
        let secret = DeviceSecret::generate(&mut self.rng);
        let chain = DeviceChain::genesis(identity, secret.device(), sealing(&secret));
        Device { secret, chain }
    }

    pub(super) fn authorize(&mut self, by: &Device) -> Result<Device> {
        let secret = DeviceSecret::generate(&mut self.rng);
        let chain = by
            .chain
            .authorize(&by.secret, secret.device(), sealing(&secret))?;
        Ok(Device { secret, chain })
    }

    // What is said.

    pub(super) fn shown(&self, device: &Device) -> Assertion {
        Assertion::DevicePresented {
            space: self.space,
            chain: device.chain.clone(),
            halo: None,
        }
    }

    pub(super) fn admission(&self, device: &Device, role: Role, chain: bool) -> Assertion {
        Assertion::SpaceMember {
            space: self.space,
            identity: device.identity(),
            role,
            profile: Profile::default(),
            chain: chain.then(|| device.chain.clone()),
            invitation: None,
            seen: Seen::new(),
        }
    }

    pub(super) fn removal(&self, device: &Device) -> Assertion {
        Assertion::MemberRemoved {
            space: self.space,
            identity: device.identity(),
            seen: Seen::new(),
        }
    }

    fn profile(&self, at: usize) -> Assertion {
        Assertion::MemberProfile {
            space: self.space,
            profile: Profile::named(format!("member {at}")),
        }
    }

    fn content_key(&mut self) -> Assertion {
        let mut key = [0; ContentKeyId::LENGTH];
        self.rng.fill_bytes(&mut key);
        Assertion::ContentKey {
            space: self.space,
            key: ContentKeyId::from_bytes(key),
            recipients: Vec::new(),
        }
    }

    fn delegated(&mut self) -> Assertion {
        let mut invitation = [0; InvitationId::LENGTH];
        self.rng.fill_bytes(&mut invitation);
        Assertion::DelegatedInvitation {
            space: self.space,
            invitation: InvitationId::from_bytes(invitation),
            role: Role::Editor,
            single_use: true,
            history: true,
            expires_ms: 5,
            proof: GuestProof::None,
        }
    }

    // Who says it.

    /// A device writes what it says, knowing all that was written.
    pub(super) fn say(&mut self, device: &Device, assertion: Assertion) -> Result<()> {
        let credential = Credential::by_device(&device.secret, assertion);
        self.put(device, 0, None, &credential)
    }

    /// A device pretends to know no more than `known`, and writes into a feed of its own.
    pub(super) fn say_in_the_dark(
        &mut self,
        device: &Device,
        incarnation: u32,
        known: &Timeframe,
        assertion: Assertion,
    ) -> Result<()> {
        let credential = Credential::by_device(&device.secret, assertion);
        self.put(device, incarnation, Some(known), &credential)
    }

    /// All that was written.
    pub(super) fn everything(&self) -> Timeframe {
        self.dag.timeframe()
    }

    fn put(
        &mut self,
        device: &Device,
        incarnation: u32,
        known: Option<&Timeframe>,
        credential: &Credential,
    ) -> Result<()> {
        let key = device.secret.device();
        let descriptor = FeedDescriptor::new(key, self.space, Designation::Control, incarnation);
        let feed = descriptor.id();
        self.dag.register(descriptor)?;
        let next = self.dag.next(&feed, key)?;
        let body: Bytes = credential.encode().into();
        let append = Append {
            feed,
            time_ms: 0,
            signer: &device.secret,
        };
        let block = self.dag.append(append, |_| body.clone())?;
        let mut past = next.clock;
        if let Some(known) = known {
            past = known.clone();
            past.dots.insert(feed, next.seq + 1);
        }
        let head = self.dag.feed(&feed).context("the feed is gone")?.head;
        self.stored.push(Stored {
            descriptor,
            place: (feed, next.seq, head, block.lamport),
            past,
            body,
        });
        Ok(())
    }
}

fn sealing(device: &DeviceSecret) -> SealingKey {
    SealingKey::from_bytes(*device.device().as_bytes())
}
