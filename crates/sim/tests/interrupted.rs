//! Identities that are made, joined and recovered on a disk that stops working in the middle: the
//! client that is started again on it has the identity with all its spaces, or none and begins
//! anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "everything here is a test: what goes wrong fails it"
)]

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::testing::{self, World};
use dxos_actors::{Clock, Failures, SeedTree, Spawner};
use dxos_client::{
    Client, ClientError, ConnectionState, Filter, HaloError, IdentityKey, InvitationOptions,
    NetworkParts, Parts, Protection, RecoveryOptions, RecoveryPhrase, Space, SpaceKey, assemble,
    map,
};
use dxos_store::{CrashPlan, MemDisk, MemStore, StoreError};
use dxos_transport::mem::{MemDiscovery, MemNetwork};

const PATIENCE: Duration = Duration::from_secs(300);

/// What all clients share.
struct Around {
    network: MemNetwork,
    discovery: MemDiscovery,
    clock: Clock,
    seeds: SeedTree,
}

impl Around {
    fn of(world: &World) -> Self {
        Self {
            network: MemNetwork::new(world.seed),
            discovery: MemDiscovery::default(),
            clock: world.clock.clone(),
            seeds: world.seeds.clone(),
        }
    }

    async fn start(&self, disk: &MemDisk, address: u64, life: u64) -> Life {
        let (network, discovery) = (self.network.clone(), self.discovery.clone());
        let parts = Parts {
            store: Arc::new(MemStore::open(disk).unwrap()),
            protection: Protection::None,
            clock: self.clock.clone(),
            seeds: self.seeds.child_n("peer", address).child_n("life", life),
            sync_interval: Duration::from_millis(200),
            epochs: dxos_client::EpochPolicy::default(),
            // So little that objects are read again all the time.
            cache_bytes: 1 << 16,
            network: Some(Box::new(move |signer| {
                Ok(NetworkParts {
                    transport: network.endpoint_at(&*signer, address).unwrap(),
                    discovery: Arc::new(discovery),
                    mesh: dxos_mesh::MeshConfig::default(),
                    signal: Vec::new(),
                })
            })),
        };
        let spawner = Spawner::local(&Failures::new());
        let handle = spawner.handle();
        let node = spawner.run(move || async move { assemble(parts, &handle).await });
        Life {
            client: Client::over(node.await.unwrap().unwrap()),
            spawner,
        }
    }
}

/// A client that runs.
struct Life {
    client: Client,
    spawner: Spawner,
}

impl Life {
    async fn stop(self) {
        self.client.destroy().await.unwrap();
        self.spawner.shutdown(PATIENCE).await.unwrap();
    }

    /// Ends without a word.
    async fn crash(self, disk: &MemDisk, plan: CrashPlan, around: &Around) {
        around.network.crash(self.client.mesh().device().unwrap());
        disk.crash(plan);
        disk.heal();
        self.spawner.abort();
        drop(self.client);
        drop(self.spawner.shutdown(PATIENCE).await);
    }

    async fn identity(&self) -> Option<IdentityKey> {
        let identity = self.client.halo().identity().await.unwrap();
        identity.map(|identity| identity.identity)
    }
}

/// Waits until something holds, in virtual time.
async fn until(clock: &Clock, what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        clock.sleep(Duration::from_millis(500)).await;
    }
    panic!("{what}: it took too long");
}

async fn join(space: &Space, guest: &Client) {
    let options = InvitationOptions::default();
    let host = space.create_invitation(options).await.unwrap();
    let code = host.auth_code().unwrap().to_owned();
    let invitation = host.invitation().clone();
    let flow = guest.echo().accept_invitation(invitation).await.unwrap();
    flow.authenticate(&code).await.unwrap();
    flow.joined().await.unwrap();
}

async fn join_identity(host: &Client, device: &Client) -> Result<(), ClientError> {
    let options = InvitationOptions::default();
    let hosting = host.halo().create_invitation(options).await.unwrap();
    let code = hosting.auth_code().unwrap().to_owned();
    let invitation = hosting.invitation().clone();
    let flow = device.halo().accept_invitation(invitation, "Phone").await?;
    flow.authenticate(&code).await?;
    flow.adopted().await?;
    Ok(())
}

/// Ann with two spaces that Bob has joined.
async fn ann_and_bob(around: &Around) -> (Life, Life, [SpaceKey; 2]) {
    let ann = around.start(&MemDisk::new(), 1, 1).await;
    let bob = around.start(&MemDisk::new(), 2, 1).await;
    ann.client.halo().create_identity("Ann").await.unwrap();
    bob.client.halo().create_identity("Bob").await.unwrap();
    let mut spaces = Vec::new();
    for name in ["one", "two"] {
        let echo = ann.client.echo();
        let space = echo.create_space(map! { "name" => name }).await.unwrap();
        space.db().add(("note", map! {})).await.unwrap();
        join(&space, &bob.client).await;
        spaces.push(space.key());
    }
    let spaces = spaces.try_into().unwrap();
    (ann, bob, spaces)
}

/// Waits until these spaces are there with what is in them, and the devices of the identity.
async fn whole(life: &Life, spaces: &[SpaceKey], clock: &Clock) {
    let client = &life.client;
    for key in spaces {
        let here = async || {
            let Ok(space) = client.echo().space(*key).await else {
                return false;
            };
            let notes = space.db().query(Filter::type_name("note")).run().await;
            let report = space.report().await.unwrap();
            report.role.is_some() && notes.is_ok_and(|notes| notes.len() == 1)
        };
        until(clock, "a space", here).await;
    }
    let devices = async || {
        let devices = client.halo().devices().await;
        devices.is_ok_and(|devices| devices.iter().any(|device| device.current))
    };
    until(clock, "the devices", devices).await;
    assert_eq!(client.echo().spaces().await.unwrap().len(), spaces.len());
    client.halo().update_profile("Ann again").await.unwrap();
}

fn ended(n: u64) -> StoreError {
    StoreError::Io {
        path: "disk".into(),
        reason: format!("it stopped after {n} writes"),
    }
}

/// How the program ends when the disk does.
fn plans() -> [CrashPlan; 2] {
    [CrashPlan::kill(), CrashPlan::power_loss(0)]
}

#[test]
fn an_identity_that_was_cut_off_while_it_was_made_has_one_space_for_its_devices() {
    for plan in plans() {
        let mut cut_off = 0;
        for n in 0.. {
            let done = testing::run(n, |world| async move {
                let around = Around::of(&world);
                let disk = MemDisk::new();
                let life = around.start(&disk, 1, 1).await;
                disk.fail_after(n, ended(n));
                let made = life.client.halo().create_identity("Ann").await;
                life.crash(&disk, plan, &around).await;
                let life = around.start(&disk, 1, 2).await;
                if life.identity().await.is_none() {
                    assert!(made.is_err());
                    life.client.halo().create_identity("Ann").await.unwrap();
                }
                whole(&life, &[], &world.clock).await;
                let halo = life.client.halo().halo_space().unwrap();
                life.stop().await;
                let life = around.start(&disk, 1, 3).await;
                assert_eq!(life.client.halo().halo_space().unwrap(), halo);
                life.stop().await;
                made.is_ok()
            });
            if done {
                break;
            }
            cut_off += 1;
        }
        assert!(cut_off >= 3, "only {cut_off}");
    }
}

#[test]
fn a_device_that_was_cut_off_while_it_joined_has_the_identity_with_its_spaces_or_can_join_again() {
    for plan in plans() {
        let mut cut_off = 0;
        for n in 0.. {
            let done = testing::run(n, |world| async move {
                let around = Around::of(&world);
                let (ann, bob, spaces) = ann_and_bob(&around).await;
                let disk = MemDisk::new();
                let phone = around.start(&disk, 3, 1).await;
                disk.fail_after(n, ended(n));
                let joined = join_identity(&ann.client, &phone.client).await;
                phone.crash(&disk, plan, &around).await;
                let phone = around.start(&disk, 3, 2).await;
                if phone.identity().await.is_none() {
                    assert!(joined.is_err());
                    let join = async || join_identity(&ann.client, &phone.client).await.is_ok();
                    until(&world.clock, "joining", join).await;
                }
                assert_eq!(phone.identity().await, ann.identity().await);
                whole(&phone, &spaces, &world.clock).await;
                let halo = ann.client.halo().halo_space().unwrap();
                assert_eq!(phone.client.halo().halo_space().unwrap(), halo);
                for life in [phone, bob, ann] {
                    life.stop().await;
                }
                joined.is_ok()
            });
            if done {
                break;
            }
            cut_off += 1;
        }
        assert!(cut_off >= 3, "only {cut_off}");
    }
}

#[test]
fn a_recovery_that_was_cut_off_goes_on_or_can_be_done_again() {
    for plan in plans() {
        let mut cut_off = 0;
        for n in 0.. {
            let done = testing::run(n, |world| async move {
                let around = Around::of(&world);
                let (ann, bob, spaces) = ann_and_bob(&around).await;
                let phrase = ann.client.halo().create_recovery_phrase().await.unwrap();
                let before = ann.identity().await;
                known(&ann, &bob, &spaces, &world.clock).await;
                ann.stop().await;
                let disk = MemDisk::new();
                let phone = around.start(&disk, 3, 1).await;
                disk.fail_after(n, ended(n));
                let recovered = recover(&phone, &phrase).await;
                phone.crash(&disk, plan, &around).await;
                let phone = around.start(&disk, 3, 2).await;
                if phone.identity().await.is_none() {
                    assert!(recovered.is_err());
                    // Whom it asks may take its connection of before for open still.
                    let again = async || recover(&phone, &phrase).await.is_ok();
                    until(&world.clock, "recovering", again).await;
                }
                assert_eq!(phone.identity().await, before);
                whole(&phone, &spaces, &world.clock).await;
                // Once more does no harm; with another phrase it is refused.
                let again = async || recover(&phone, &phrase).await.is_ok();
                until(&world.clock, "recovering once more", again).await;
                let other = phone.client.halo().create_recovery_phrase().await.unwrap();
                let refused = recover(&phone, &other).await;
                assert!(matches!(
                    refused,
                    Err(ClientError::Halo(HaloError::IdentityExists { .. }))
                ));
                whole(&phone, &spaces, &world.clock).await;
                phone.stop().await;
                bob.stop().await;
                recovered.is_ok()
            });
            if done {
                break;
            }
            cut_off += 1;
        }
        assert!(cut_off >= 5, "only {cut_off}");
    }
}

/// Waits until what one has written in all spaces is with the other.
async fn known(a: &Life, b: &Life, spaces: &[SpaceKey], clock: &Clock) {
    let same = async || {
        let mut all = true;
        for key in spaces {
            let count = async |life: &Life| {
                let space = life.client.echo().space(*key).await.unwrap();
                space.report().await.unwrap().blocks
            };
            all &= count(a).await == count(b).await;
        }
        all
    };
    until(clock, "replication", same).await;
}

#[test]
fn devices_of_an_identity_that_was_recovered_twice_meet_in_one_space() {
    for seed in 0..4 {
        testing::run(seed, |world| async move {
            let around = Around::of(&world);
            let (ann, bob, spaces) = ann_and_bob(&around).await;
            let phrase = ann.client.halo().create_recovery_phrase().await.unwrap();
            known(&ann, &bob, &spaces, &world.clock).await;
            let before = ann.client.halo().halo_space().unwrap();
            // Ann's laptop is only away; she writes the phrase into two new devices meanwhile.
            let laptop = ann.client.mesh();
            laptop
                .set_connection_state(ConnectionState::Offline)
                .await
                .unwrap();
            let phone = around.start(&MemDisk::new(), 3, 1).await;
            recover(&phone, &phrase).await.unwrap();
            let tablet = around.start(&MemDisk::new(), 4, 1).await;
            recover(&tablet, &phrase).await.unwrap();
            laptop
                .set_connection_state(ConnectionState::Online)
                .await
                .unwrap();
            let all = [&ann, &phone, &tablet];
            let together = async || {
                let mut spaces = all.map(|life| life.client.halo().halo_space().unwrap());
                spaces.sort();
                let [first, _, last] = spaces;
                first == last && first != before
            };
            until(&world.clock, "one space", together).await;
            let named = async || {
                let mut count = 0;
                for life in all {
                    let devices = life.client.halo().devices().await.unwrap();
                    count += usize::from(devices.len() == 4);
                }
                count == all.len()
            };
            until(&world.clock, "devices", named).await;
            for life in all {
                whole(life, &spaces, &world.clock).await;
            }
            // It stays so.
            world.clock.sleep(Duration::from_secs(600)).await;
            assert!(together().await);
            for life in [bob, tablet, phone, ann] {
                life.stop().await;
            }
        });
    }
}

async fn recover(life: &Life, phrase: &RecoveryPhrase) -> Result<(), ClientError> {
    let options = RecoveryOptions::default();
    let recovered = life.client.halo().recover_identity(phrase, &options).await;
    recovered.map(drop)
}
