//! Identities whose devices are all lost, and phrases that were stolen.

use dxos_client::{
    Client, ClientError, DeviceKind, HaloError, RecoverError, RecoveryOptions, RecoveryPhrase,
    Role, Space, map,
};

use crate::support::{all_converge, apart, converge, join, options, start, until, within};

/// Asks this client alone.
async fn from(peer: &Client) -> RecoveryOptions {
    let status = peer.mesh().network_status().await.unwrap();
    RecoveryOptions::default().peer(peer.mesh().device().unwrap(), status.addresses)
}

async fn fresh(profile: &std::path::Path) -> Client {
    let client = options(profile).build();
    client.initialize().await.unwrap();
    client
}

async fn note(space: &Space, title: &str) {
    let title = title.to_owned();
    let db = space.db();
    db.add(("note", map! { "title" => title })).await.unwrap();
}

async fn count(space: &Space) -> u64 {
    let notes = space.db().query(dxos_client::Filter::type_name("note"));
    notes.run().await.unwrap().len() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_devices_lost_the_phrase_brings_everything_back_from_a_peer() {
    let (home, ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    note(&space, "written before the loss").await;
    let phrase = ann.halo().create_recovery_phrase().await.unwrap();
    let words = phrase.reveal();
    converge(&space, &theirs).await;
    let known = async || {
        let members = theirs.credentials().await.unwrap();
        members
            .iter()
            .filter(|credential| credential.counts)
            .count()
            == space.credentials().await.unwrap().len()
    };
    until(&[&space, &theirs], known).await;
    let before = ann.halo().identity().await.unwrap().unwrap();
    ann.reset(dxos_client::Confirm::WipeProfile).await.unwrap();

    let phone = fresh(&home.path().join("phone")).await;
    let phrase = RecoveryPhrase::parse(&words.to_uppercase()).unwrap();
    let after = within(phone.halo().recover_identity(&phrase, &from(&bob).await)).await;
    let after = after.unwrap();
    assert_eq!(after.identity, before.identity);
    assert_eq!(after.profile, before.profile);
    assert_ne!(after.device, before.device);

    // The space is there, with what was in it, and the role that Ann had.
    let back = phone.echo().space(space.key()).await.unwrap();
    all_converge(&[&back, &theirs]).await;
    let role = async || back.report().await.unwrap().role == Some(Role::Admin);
    until(&[&back], role).await;
    assert_eq!(count(&back).await, 1);
    note(&back, "written after").await;
    until(&[&theirs], async || count(&theirs).await == 2).await;

    // The lost device and the phrase are seen, and turned out.
    let devices = phone.halo().devices().await.unwrap();
    assert_eq!(devices.len(), 3, "{devices:?}");
    let this = devices.iter().find(|device| device.current).unwrap();
    assert!(this.recovered && this.device == after.device);
    phone.halo().revoke_device(before.device).await.unwrap();
    let used = devices
        .iter()
        .find(|device| device.kind == DeviceKind::RecoveryPhrase)
        .unwrap();
    phone.halo().revoke_device(used.device).await.unwrap();
    let turned_out = async || {
        let members = theirs.members().await.unwrap();
        let ann = members
            .iter()
            .find(|member| member.identity == after.identity);
        ann.unwrap().devices == [after.device]
    };
    until(&[&theirs], turned_out).await;
    // A restart finds the same; the phrase is not good any more.
    phone.destroy().await.unwrap();
    phone.initialize().await.unwrap();
    let back = phone.echo().space(space.key()).await.unwrap();
    assert_eq!(count(&back).await, 2);
    let thief = fresh(&home.path().join("thief")).await;
    let quick = from(&bob).await.patience(std::time::Duration::from_secs(2));
    let refused = thief.halo().recover_identity(&phrase, &quick).await;
    assert!(
        matches!(
            refused,
            Err(ClientError::Recover(RecoverError::NobodyKnows { asked: 1 }))
        ),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_phrase_is_noticed_and_what_was_done_with_it_is_undone() {
    let (home, ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    let phrase = ann.halo().create_recovery_phrase().await.unwrap();
    let knows = async || {
        let credentials = theirs.credentials().await.unwrap();
        credentials.len() == space.credentials().await.unwrap().len()
    };
    until(&[&space, &theirs], knows).await;
    let thief = fresh(&home.path().join("thief")).await;
    let (halo, peers) = (thief.halo(), from(&bob).await);
    let stolen = within(halo.recover_identity(&phrase, &peers))
        .await
        .unwrap();
    let at_thief = thief.echo().space(space.key()).await.unwrap();
    until(&[&at_thief], async || {
        at_thief.report().await.unwrap().role.is_some()
    })
    .await;

    // Ann's own device sees a device that it did not add.
    let seen = async || {
        let devices = ann.halo().devices().await.unwrap();
        devices
            .iter()
            .any(|device| device.device == stolen.device && device.recovered)
    };
    until(&[&space], seen).await;
    for device in ann.halo().devices().await.unwrap() {
        if !device.current {
            ann.halo().revoke_device(device.device).await.unwrap();
        }
    }
    until(&[&at_thief], async || {
        at_thief.report().await.unwrap().revoked
    })
    .await;
    note(&space, "not for the thief").await;
    until(&[&theirs], async || count(&theirs).await == 1).await;
    assert_eq!(count(&at_thief).await, 0);
    let refused = at_thief.db().add(("note", map! { "title" => "x" })).await;
    drop(refused);
    note(&theirs, "goes on").await;
    until(&[&space], async || count(&space).await == 2).await;
    assert_eq!(count(&theirs).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phrase_that_nobody_knows_and_a_profile_that_has_an_identity_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let phrase = ann.halo().create_recovery_phrase().await.unwrap();
    let refused = ann
        .halo()
        .recover_identity(&phrase, &RecoveryOptions::default())
        .await;
    assert!(matches!(
        refused,
        Err(ClientError::Halo(HaloError::IdentityExists { .. }))
    ));
    let bob = start(&home.path().join("b"), "Bob").await;
    let phone = fresh(&home.path().join("phone")).await;
    let quick = from(&bob)
        .await
        .patience(std::time::Duration::from_millis(500));
    let refused = phone.halo().recover_identity(&phrase, &quick).await;
    assert!(matches!(
        refused,
        Err(ClientError::Recover(RecoverError::NobodyKnows { .. }))
    ));
    assert!(phone.halo().identity().await.unwrap().is_none());
    // It can still become somebody else.
    phone.halo().create_identity("Carl").await.unwrap();
}
