//! Who is online, and ephemeral messages, also between devices with no connection to each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "everything here is a test: what goes wrong fails it"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::testing::{World, run};
use dxos_client::{
    Client, ConnectionState, DeviceKey, IdentityKey, InvitationOptions, MemberReport, NetworkParts,
    Parts, Protection, Role, Space, SpaceKey, assemble, map,
};
use dxos_protocol::invitation::Authentication;
use dxos_store::{MemDisk, MemStore};
use dxos_transport::mem::{MemDiscovery, MemNetwork};

/// Somebody with one device.
struct Person {
    client: Client,
    device: DeviceKey,
    identity: IdentityKey,
}

struct Village {
    world: World,
    network: MemNetwork,
    discovery: MemDiscovery,
}

impl Village {
    fn new(world: World) -> Self {
        let network = MemNetwork::new(world.seed);
        Self {
            world,
            network,
            discovery: MemDiscovery::default(),
        }
    }

    async fn person(&self, name: &str) -> Person {
        let (network, discovery) = (self.network.clone(), self.discovery.clone());
        let parts = Parts {
            store: Arc::new(MemStore::open(&MemDisk::new()).unwrap()),
            protection: Protection::None,
            clock: self.world.clock.clone(),
            seeds: self.world.seeds.child(name),
            sync_interval: Duration::from_millis(200),
            epochs: dxos_client::EpochPolicy::default(),
            // So little that objects are read again all the time.
            cache_bytes: 1 << 16,
            network: Some(Box::new(move |signer| {
                Ok(NetworkParts {
                    transport: network.endpoint(&*signer),
                    discovery: Arc::new(discovery),
                    mesh: dxos_mesh::MeshConfig::default(),
                    signal: Vec::new(),
                })
            })),
        };
        let handle = self.world.spawner.handle();
        let client = Client::over(assemble(parts, &handle).await.unwrap());
        let identity = client.halo().create_identity(name).await.unwrap();
        Person {
            device: identity.device,
            identity: identity.identity,
            client,
        }
    }

    async fn sleep(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Cuts the direct way between two, until nothing of it is left.
    async fn part(&self, a: &Person, b: &Person) {
        self.network.partition(&[a.device], &[b.device]);
        for _ in 0..120 {
            self.sleep(1).await;
            let status = a.client.mesh().network_status().await.unwrap();
            let mut sessions = status.swarms.iter().flat_map(|swarm| &swarm.sessions);
            if !sessions.any(|device| *device == b.device) {
                return;
            }
        }
        unreachable!("they are still connected");
    }
}

async fn join(space: &Space, guest: &Person, role: Role) -> Space {
    let options = InvitationOptions::default()
        .authentication(Authentication::None)
        .role(role);
    let host = space.create_invitation(options).await.unwrap();
    let echo = guest.client.echo();
    let flow = echo.accept_invitation(host.invitation().clone()).await;
    flow.unwrap().joined().await.unwrap()
}

async fn at(person: &Person, space: SpaceKey) -> Space {
    person.client.echo().space(space).await.unwrap()
}

fn who(members: &[MemberReport]) -> BTreeMap<IdentityKey, bool> {
    members
        .iter()
        .map(|member| (member.identity, member.online))
        .collect()
}

async fn sees(space: &Space, whom: &Person) -> bool {
    who(&space.members().await.unwrap())[&whom.identity]
}

#[test]
fn a_member_is_seen_through_others_until_it_leaves_or_falls_silent() {
    run(1, |world| async move {
        let village = Village::new(world);
        let (ann, bob, eve) = (
            village.person("Ann").await,
            village.person("Bob").await,
            village.person("Eve").await,
        );
        let space = ann.client.echo().create_space(map! {}).await.unwrap();
        join(&space, &bob, Role::Editor).await;
        let eves = join(&space, &eve, Role::Reader).await;
        let key = space.key();
        village.sleep(5).await;
        village.part(&ann, &eve).await;

        // Through Bob, and for as long as Ann is there.
        village.sleep(15).await;
        for _ in 0..12 {
            village.sleep(5).await;
            assert!(sees(&eves, &ann).await && sees(&space, &eve).await);
        }
        let contacts = eve.client.halo().contacts().await.unwrap();
        assert!(contacts.iter().all(|contact| contact.online));

        // Who goes offline says so, and is seen again when back.
        let mut watch = eves.watch_members().await.unwrap();
        let is = |online: bool| {
            let ann = ann.identity;
            move |members: &Vec<MemberReport>| who(members)[&ann] == online
        };
        assert!(is(true)(&watch.borrow_and_update()));
        let mesh = ann.client.mesh();
        mesh.set_connection_state(ConnectionState::Offline)
            .await
            .unwrap();
        let soon = Duration::from_secs(1);
        let gone = tokio::time::timeout(soon, watch.wait_for(is(false))).await;
        drop(gone.unwrap().unwrap());
        assert!(!sees(&at(&bob, key).await, &ann).await);
        mesh.set_connection_state(ConnectionState::Online)
            .await
            .unwrap();
        let soon = Duration::from_secs(30);
        let back = tokio::time::timeout(soon, watch.wait_for(is(true))).await;
        drop(back.unwrap().unwrap());

        // Who falls silent is missed after twenty seconds.
        village.network.crash(ann.device);
        village.network.isolate(ann.device);
        village.sleep(9).await;
        assert!(sees(&eves, &ann).await);
        village.sleep(12).await;
        assert!(!sees(&eves, &ann).await);

        // Who ends its client says so, too.
        bob.client.destroy().await.unwrap();
        village.sleep(1).await;
        assert!(!sees(&eves, &bob).await);
        assert!(sees(&eves, &eve).await);
        eve.client.destroy().await.unwrap();
        assert!(watch.changed().await.is_err() || watch.changed().await.is_err());
    });
}

#[test]
fn messages_reach_whoever_may_read_once_and_nobody_else() {
    run(2, |world| async move {
        let village = Village::new(world);
        let (ann, bob, eve) = (
            village.person("Ann").await,
            village.person("Bob").await,
            village.person("Eve").await,
        );
        let space = ann.client.echo().create_space(map! {}).await.unwrap();
        // Bob carries for others and cannot read.
        let bobs = join(&space, &bob, Role::Replicator).await;
        let eves = join(&space, &eve, Role::Reader).await;
        village.sleep(5).await;
        village.part(&ann, &eve).await;
        village.sleep(15).await;

        let mut heard = eves.listen("cursor").await.unwrap();
        let mut other = eves.listen("other").await.unwrap();
        let mut carried = bobs.listen("cursor").await.unwrap();
        let mut own = space.listen("cursor").await.unwrap();
        space.post_message("cursor", "Zeile 7").await.unwrap();
        space.post_message("other", [0xff; 3]).await.unwrap();
        let soon = Duration::from_secs(5);
        let message = tokio::time::timeout(soon, heard.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&*message.payload, "Zeile 7".as_bytes());
        assert_eq!(
            (message.device, message.identity),
            (ann.device, ann.identity)
        );
        let message = tokio::time::timeout(soon, other.next()).await.unwrap();
        assert_eq!(&*message.unwrap().payload, [0xff; 3]);
        // A reader may send; what is there twice on the way comes once.
        eves.post_message("cursor", "Zeile 8").await.unwrap();
        let message = tokio::time::timeout(soon, own.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(message.identity, eve.identity);
        let quiet = Duration::from_secs(30);
        assert!(tokio::time::timeout(quiet, own.next()).await.is_err());
        assert!(tokio::time::timeout(quiet, heard.next()).await.is_err());
        assert!(tokio::time::timeout(quiet, carried.next()).await.is_err());
        let refused = bobs.post_message("cursor", "x").await.unwrap_err();
        assert!(
            refused.to_string().contains("may not send messages"),
            "{refused}"
        );
        let large = vec![0; dxos_client::MESSAGE_BYTES_MAX];
        eves.post_message("cursor", &large).await.unwrap();
        let message = tokio::time::timeout(soon, own.next()).await.unwrap();
        assert_eq!(message.unwrap().payload.len(), large.len());

        // Who was removed hears nothing more.
        space.remove_member(eve.identity).await.unwrap();
        village.sleep(5).await;
        space.post_message("cursor", "nicht für Eve").await.unwrap();
        assert!(tokio::time::timeout(quiet, heard.next()).await.is_err());
        drop(eves.post_message("cursor", "von Eve").await);
        assert!(tokio::time::timeout(quiet, own.next()).await.is_err());
        for person in [ann, bob, eve] {
            person.client.destroy().await.unwrap();
        }
        // Those who listen are told that it is over.
        assert_eq!(own.next().await, None);
    });
}
