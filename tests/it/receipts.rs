//! Who has stored what, as their receipts prove it: over the network, over restarts, and not more
//! than is so after a backup was restored.

use std::fs;

use dxos_client::{Client, ConnectionState, DeviceSync, Space, SyncStatus, map};

use crate::forks::copy;
use crate::support::{apart, join, start, until, within};

async fn write(space: &Space, title: &str) -> dxos_client::ObjectId {
    let title = title.to_owned();
    let db = space.db();
    db.add(("note", map! { "title" => title })).await.unwrap()
}

async fn status(space: &Space) -> SyncStatus {
    space.sync_status().await.unwrap()
}

async fn of(space: &Space, client: &Client) -> DeviceSync {
    let device = client.mesh().device().unwrap();
    let mut devices = status(space).await.devices.into_iter();
    devices.find(|of| of.device == device).unwrap()
}

fn missing(status: &SyncStatus, client: &Client) -> u64 {
    let device = client.mesh().device().unwrap();
    let mut devices = status.devices.iter();
    devices.find(|of| of.device == device).unwrap().missing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_prove_what_others_have_stored_and_never_more() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let ann = start(&path("ann"), "Ann").await;
    let bob = start(&path("bob"), "Bob").await;
    let carl = start(&path("carl"), "Carl").await;
    let at_ann = ann.echo().create_space(map! {}).await.unwrap();
    let key = at_ann.key();
    let at_bob = join(&at_ann, &bob).await;
    let at_carl = join(&at_ann, &carl).await;
    let first = write(&at_bob, "first").await;
    let all = [&at_ann, &at_bob, &at_carl];
    until(&all, async || {
        for space in all {
            if !status(space).await.is_complete() {
                return false;
            }
        }
        true
    })
    .await;

    // Bob is away: what is written meanwhile is proven of Carl and not of Bob.
    let mut watch = at_ann.watch_sync_status(None).await.unwrap();
    assert!(within(watch.next()).await.unwrap().unwrap().is_complete());
    bob.destroy().await.unwrap();
    fs::create_dir_all(path("backup")).unwrap();
    copy(&path("bob"), &path("backup"));
    let second = write(&at_ann, "second").await;
    loop {
        let status = within(watch.next()).await.unwrap().unwrap();
        if missing(&status, &carl) == 0 && missing(&status, &ann) == 0 {
            let bob = status.devices.iter().find(|of| of.missing > 0).unwrap();
            assert_eq!((bob.missing, bob.missing_ranges.len()), (1, 1));
            break;
        }
    }
    let of_first = at_ann.object_sync_status(first).await.unwrap();
    assert!(of_first.is_complete(), "{of_first:?}");
    let of_second = at_ann.object_sync_status(second).await.unwrap();
    assert!(!of_second.is_complete());

    // He comes back, and all is well; then his disk is restored from the backup.
    let bob = start(&path("bob"), "Bob").await;
    let at_bob = bob.echo().space(key).await.unwrap();
    until(&[&at_ann], async || status(&at_ann).await.is_complete()).await;
    bob.destroy().await.unwrap();
    fs::remove_dir_all(path("bob")).unwrap();
    copy(&path("backup"), &path("bob"));
    drop(at_bob);
    let third = write(&at_ann, "third").await;
    let bob = start(&path("bob"), "Bob").await;
    let at_bob = bob.echo().space(key).await.unwrap();
    until(&[&at_ann, &at_bob, &at_carl], async || {
        status(&at_ann).await.is_complete() && status(&at_bob).await.is_complete()
    })
    .await;
    for object in [first, second, third] {
        assert!(at_bob.db().get(object).await.unwrap().is_some());
    }

    // A restart forgets nothing of that.
    until(&[&at_carl], async || status(&at_carl).await.is_complete()).await;
    let mesh = carl.mesh();
    mesh.set_connection_state(ConnectionState::Offline)
        .await
        .unwrap();
    carl.destroy().await.unwrap();
    let carl = start(&path("carl"), "Carl").await;
    let at_carl = carl.echo().space(key).await.unwrap();
    assert!(status(&at_carl).await.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_hear_of_a_deletion_before_anything_is_deleted() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let ann = start(&path("ann"), "Ann").await;
    let bob = start(&path("bob"), "Bob").await;
    let carl = start(&path("carl"), "Carl").await;
    let at_ann = ann.echo().create_space(map! {}).await.unwrap();
    let at_bob = join(&at_ann, &bob).await;
    let at_carl = join(&at_ann, &carl).await;
    let note = write(&at_bob, "first").await;
    let all = [&at_ann, &at_bob, &at_carl];
    until(&all, async || {
        for space in all {
            if !status(space).await.is_complete() {
                return false;
            }
        }
        true
    })
    .await;
    let device = bob.mesh().device().unwrap();
    let of = |status: SyncStatus| {
        let found = status.devices.into_iter().find(|of| of.device == device);
        found.unwrap()
    };
    let before = of(status(&at_carl).await);
    assert!(before.has_signed_all() && before.signed_at_ms.is_some());

    at_bob.delete().await.unwrap();
    // Whom he was connected to knows it by now; others hear it from them.
    let told = [of(status(&at_ann).await), of(status(&at_carl).await)];
    assert!(told.iter().any(|of| of.withdrawn), "{told:?}");
    until(&[&at_ann, &at_carl], async || {
        of(status(&at_ann).await).withdrawn && of(status(&at_carl).await).withdrawn
    })
    .await;
    for space in [&at_ann, &at_carl] {
        let status = space.object_sync_status(note).await.unwrap();
        assert!(!status.is_complete());
        assert_eq!(of(status).stored, 0);
    }
    // It is on the readers' disks.
    carl.destroy().await.unwrap();
    let carl = start(&path("carl"), "Carl").await;
    let at_carl = carl.echo().space(at_ann.key()).await.unwrap();
    let at_carls = status(&at_carl).await;
    assert!(of(at_carls.clone()).withdrawn, "{at_carls:#?}");

    // He joins once more, with the same device.
    let identity = bob.halo().identity().await.unwrap().unwrap().identity;
    at_ann.remove_member(identity).await.unwrap();
    let at_bob = join(&at_ann, &bob).await;
    until(&[&at_ann, &at_bob, &at_carl], async || {
        status(&at_ann).await.is_complete() && status(&at_carl).await.is_complete()
    })
    .await;
    assert!(at_bob.db().get(note).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_hear_of_the_deletion_of_a_space_that_is_closed_or_was_just_opened() {
    let (home, _ann, bob, at_ann) = apart().await;
    let key = at_ann.key();
    let at_bob = join(&at_ann, &bob).await;
    write(&at_bob, "first").await;
    until(&[&at_ann], async || status(&at_ann).await.is_complete()).await;

    at_bob.close().await.unwrap();
    at_bob.delete().await.unwrap();
    assert!(bob.get_space(key).await.unwrap().is_none());
    assert!(of(&at_ann, &bob).await.withdrawn);

    // He joins once more, and starts his client to delete it at once, as a command does.
    let identity = bob.halo().identity().await.unwrap().unwrap().identity;
    at_ann.remove_member(identity).await.unwrap();
    let at_bob = join(&at_ann, &bob).await;
    until(&[&at_ann, &at_bob], async || {
        status(&at_ann).await.is_complete()
    })
    .await;
    bob.destroy().await.unwrap();
    let bob = start(&home.path().join("b"), "Bob").await;
    let at_bob = bob.echo().space(key).await.unwrap();
    at_bob.delete().await.unwrap();
    assert!(of(&at_ann, &bob).await.withdrawn);
    assert!(bob.get_space(key).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_stands_with_its_time_when_nobody_was_there_to_hear_of_the_deletion() {
    let (home, ann, bob, at_ann) = apart().await;
    let key = at_ann.key();
    let at_bob = join(&at_ann, &bob).await;
    write(&at_bob, "first").await;
    until(&[&at_ann], async || status(&at_ann).await.is_complete()).await;
    ann.destroy().await.unwrap();
    at_bob.close().await.unwrap();
    within(at_bob.delete()).await.unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let at_ann = ann.echo().space(key).await.unwrap();
    let bobs = of(&at_ann, &bob).await;
    assert!(bobs.has_signed_all() && !bobs.withdrawn, "{bobs:?}");
    // What he is said to have had, he had then.
    assert!(bobs.signed_at_ms.is_some());
}
