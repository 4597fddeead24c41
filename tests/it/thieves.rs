//! A device that is stolen turns against the others of its identity: what it did to them is undone
//! everywhere once it is revoked, also where others repeated it in good faith.

use dxos_client::{Client, ConnectionState, DeviceKey, RecoveryOptions, Space, map};

use crate::households::{another, arrived, note, titles};
use crate::support::{all_converge, join, options, start, until, within};

/// Ann with a phone, her first device, a laptop, and a tablet that is stolen; and Bob, in a space
/// of hers and in one of his.
struct Household {
    phone: Client,
    laptop: Client,
    tablet: Client,
    bob: Client,
    spaces: Vec<Shared>,
    home: tempfile::TempDir,
}

/// A space on the phone, the laptop, the tablet and at Bob's.
struct Shared {
    phone: Space,
    laptop: Space,
    tablet: Space,
    bob: Space,
}

fn key(client: &Client) -> DeviceKey {
    client.mesh().device().unwrap()
}

async fn revoked(space: &Space) {
    until(&[space], async || space.report().await.unwrap().revoked).await;
}

/// Waits until a space counts exactly these devices among those of all members.
async fn has(space: &Space, devices: &[&Client], lacks: &[&Client]) {
    let condition = async || {
        let members = space.members().await.unwrap();
        let known: Vec<_> = members.iter().flat_map(|member| &member.devices).collect();
        devices.iter().all(|device| known.contains(&&key(device)))
            && lacks.iter().all(|device| !known.contains(&&key(device)))
    };
    until(&[space], condition).await;
}

async fn halo(client: &Client) -> Space {
    let halo = client.halo().halo_space().unwrap().unwrap();
    client.echo().space(halo).await.unwrap()
}

impl Household {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let phone = start(&path("phone"), "Ann").await;
        let laptop = another(&phone, &path("laptop")).await;
        let tablet = another(&phone, &path("tablet")).await;
        let bob = start(&path("bob"), "Bob").await;
        let mut spaces = Vec::new();
        for (owner, guest) in [(&phone, &bob), (&bob, &phone)] {
            let space = owner.echo().create_space(map! {}).await.unwrap();
            join(&space, guest).await;
            note(&space, "1 before").await;
            let shared = Shared {
                phone: phone.echo().space(space.key()).await.unwrap(),
                laptop: arrived(&laptop, space.key()).await,
                tablet: arrived(&tablet, space.key()).await,
                bob: bob.echo().space(space.key()).await.unwrap(),
            };
            all_converge(&[&shared.phone, &shared.laptop, &shared.tablet, &shared.bob]).await;
            has(&shared.bob, &[&phone, &laptop, &tablet], &[]).await;
            spaces.push(shared);
        }
        Self {
            phone,
            laptop,
            tablet,
            bob,
            spaces,
            home,
        }
    }

    /// The phone is back in every space and the tablet out; what the phone wrote counts.
    async fn is_restored(&self, written: &[&str]) {
        for shared in &self.spaces {
            has(&shared.bob, &[&self.phone, &self.laptop], &[&self.tablet]).await;
            has(&shared.laptop, &[&self.phone], &[&self.tablet]).await;
            note(&shared.phone, "8 at last").await;
            note(&shared.bob, "9 at last").await;
            all_converge(&[&shared.phone, &shared.laptop, &shared.bob]).await;
            let mut expected = vec!["1 before"];
            expected.extend(written);
            expected.extend(["8 at last", "9 at last"]);
            assert_eq!(titles(&shared.bob).await, expected);
        }
        let devices = self.laptop.halo().devices().await.unwrap();
        let out: Vec<_> = devices.iter().filter(|device| device.revoked).collect();
        assert!(out.len() == 1 && out[0].device == key(&self.tablet));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_thief_revoked_and_others_repeated_is_undone_when_the_thief_is_revoked() {
    let household = Household::new().await;
    let Household {
        phone,
        laptop,
        tablet,
        spaces,
        ..
    } = &household;
    let offline = ConnectionState::Offline;
    phone.mesh().set_connection_state(offline).await.unwrap();
    tablet.halo().revoke_device(key(phone)).await.unwrap();
    for shared in spaces {
        has(&shared.laptop, &[laptop, tablet], &[phone]).await;
        has(&shared.bob, &[laptop, tablet], &[phone]).await;
        note(&shared.phone, "2 meanwhile").await;
    }
    // The tablet goes, too: what it wrote by then that nobody has seen does not count.
    tablet.mesh().set_connection_state(offline).await.unwrap();
    for shared in spaces {
        note(&shared.tablet, "3 by the thief").await;
    }
    // The owner notices at the phone, which has heard of nothing.
    phone.halo().revoke_device(key(tablet)).await.unwrap();
    let online = ConnectionState::Online;
    for client in [phone, tablet] {
        client.mesh().set_connection_state(online).await.unwrap();
    }
    household.is_restored(&["2 meanwhile"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_hears_of_its_revocation_by_a_thief_turns_the_thief_out() {
    let household = Household::new().await;
    let Household {
        phone,
        tablet,
        spaces,
        ..
    } = &household;
    tablet.halo().revoke_device(key(phone)).await.unwrap();
    revoked(&halo(phone).await).await;
    for shared in spaces {
        revoked(&shared.phone).await;
    }
    phone.halo().revoke_device(key(tablet)).await.unwrap();
    household.is_restored(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovered_device_takes_back_what_a_thief_did() {
    let household = Household::new().await;
    let Household {
        phone,
        laptop,
        tablet,
        bob,
        spaces,
        home,
    } = &household;
    let phrase = phone.halo().create_recovery_phrase().await.unwrap();
    let knows = async || {
        let devices = laptop.halo().devices().await.unwrap();
        devices.len() == 4
    };
    until(&[&halo(laptop).await], knows).await;
    for shared in spaces {
        let credentials = async |space: &Space| space.credentials().await.unwrap().len();
        let known = async || credentials(&shared.bob).await == credentials(&shared.phone).await;
        until(&[&shared.bob, &shared.phone], known).await;
    }
    tablet.halo().revoke_device(key(phone)).await.unwrap();
    revoked(&halo(phone).await).await;
    for shared in spaces {
        has(&shared.bob, &[laptop, tablet], &[phone]).await;
    }
    let recovered = options(&home.path().join("recovered")).build();
    recovered.initialize().await.unwrap();
    let status = bob.mesh().network_status().await.unwrap();
    let peers = RecoveryOptions::default().peer(key(bob), status.addresses);
    let peers = {
        let status = laptop.mesh().network_status().await.unwrap();
        peers.peer(key(laptop), status.addresses)
    };
    let own = recovered.halo();
    within(own.recover_identity(&phrase, &peers)).await.unwrap();
    let knows = async || {
        let devices = recovered.halo().devices().await.unwrap();
        let out = |device: &Client, revoked| {
            let mut devices = devices.iter();
            devices.any(|known| known.device == key(device) && known.revoked == revoked)
        };
        out(phone, true) && out(tablet, false) && out(laptop, false)
    };
    until(&[&halo(&recovered).await], knows).await;
    recovered.halo().revoke_device(key(tablet)).await.unwrap();
    recovered.halo().restore_device(key(phone)).await.unwrap();
    household.is_restored(&[]).await;
}
