//! A profile that is copied and run twice forks its feeds: everybody cuts them, everybody is told,
//! honest edits cross, and nothing that the user of either copy wrote is lost.

use std::fs;
use std::path::Path;

use dxos_client::{Client, ConnectionState, Filter, ObjectId, Space, Value, map};

use crate::support::{all_converge, converge, join, start, until, within};

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

async fn set(client: &Client, state: ConnectionState) {
    client.mesh().set_connection_state(state).await.unwrap();
}

async fn write(space: &Space, title: &str) -> ObjectId {
    let title = title.to_owned();
    space
        .db()
        .add(("note", map! { "title" => title }))
        .await
        .unwrap()
}

async fn titles(space: &Space) -> Vec<String> {
    let notes = space
        .db()
        .query(Filter::type_name("note"))
        .order_by("title");
    let notes = notes.run().await.unwrap();
    let titles = notes
        .iter()
        .map(|note| note.get("title").unwrap().as_str().unwrap().to_owned());
    titles.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_profile_forks_and_every_replica_cuts_reports_and_agrees() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let ann = start(&path("ann"), "Ann").await;
    let carl = start(&path("carl"), "Carl").await;
    let bob = start(&path("bob"), "Bob").await;
    let at_ann = ann
        .echo()
        .create_space(map! { "name" => "Home" })
        .await
        .unwrap();
    let key = at_ann.key();
    let at_carl = join(&at_ann, &carl).await;
    let at_bob = join(&at_ann, &bob).await;
    let first = write(&at_bob, "0 before").await;
    at_bob
        .db()
        .update(first, |note| {
            drop(note.insert("n".into(), Value::Counter(0)));
        })
        .await
        .unwrap();
    all_converge(&[&at_ann, &at_carl, &at_bob]).await;
    let device = bob.mesh().device().unwrap();
    bob.destroy().await.unwrap();
    copy(&path("bob"), &path("clone"));

    // The original meets Ann only, and its copy Carl only; each writes something else at the
    // same places of the same feed.
    set(&carl, ConnectionState::Offline).await;
    let bob = start(&path("bob"), "Bob").await;
    let at_bob = bob.echo().space(key).await.unwrap();
    write(&at_bob, "1 original").await;
    count(&at_bob, first, 1).await;
    converge(&at_ann, &at_bob).await;
    write(&at_ann, "2 Ann").await;
    converge(&at_ann, &at_bob).await;
    set(&ann, ConnectionState::Offline).await;
    set(&bob, ConnectionState::Offline).await;

    set(&carl, ConnectionState::Online).await;
    let clone = start(&path("clone"), "Bob").await;
    assert_eq!(clone.mesh().device().unwrap(), device);
    let at_clone = clone.echo().space(key).await.unwrap();
    let addresses = carl.mesh().network_status().await.unwrap().addresses;
    let carls = carl.mesh().device().unwrap();
    clone.mesh().add_peer(key, carls, addresses).await.unwrap();
    write(&at_clone, "3 copy").await;
    count(&at_clone, first, 10).await;
    converge(&at_carl, &at_clone).await;
    write(&at_carl, "4 Carl").await;
    converge(&at_carl, &at_clone).await;
    for space in [&at_ann, &at_bob, &at_carl, &at_clone] {
        assert_eq!(space.report().await.unwrap().forks, []);
    }

    // Now they all meet.
    let mut told = Vec::new();
    for space in [&at_ann, &at_bob, &at_carl, &at_clone] {
        told.push((space, space.forks().await.unwrap()));
    }
    for client in [&ann, &bob] {
        set(client, ConnectionState::Online).await;
    }
    let mut proofs = Vec::new();
    for (space, forks) in &mut told {
        let fork = within(forks.next()).await.unwrap();
        assert_eq!(fork.device, device);
        assert_eq!(
            (fork.proof.feed(), fork.proof.verify()),
            (fork.feed, Ok(()))
        );
        proofs.push((space.key(), fork.feed, fork.seq));
    }
    assert!(proofs.iter().all(|proof| *proof == proofs[0]));

    // Honest edits go on, those of both copies as well.
    let all = [&at_ann, &at_bob, &at_carl, &at_clone];
    for (space, title) in all
        .into_iter()
        .zip(["5 Ann", "6 original", "7 Carl", "8 copy"])
    {
        write(space, title).await;
    }
    let wanted = [
        "0 before",
        "1 original",
        "2 Ann",
        "3 copy",
        "4 Carl",
        "5 Ann",
        "6 original",
        "7 Carl",
        "8 copy",
    ];
    until(&all, async || {
        for space in all {
            if titles(space).await != wanted {
                return false;
            }
        }
        true
    })
    .await;
    all_converge(&all).await;
    for space in all {
        let report = space.report().await.unwrap();
        assert_eq!(report.forks.len(), 1);
        // Each counted once.
        let note = space.db().get(first).await.unwrap().unwrap();
        assert_eq!(note.get("n"), Some(&Value::Counter(11)));
    }

    // It is all there again after a restart.
    let hash = at_clone.state_hash().await.unwrap();
    clone.destroy().await.unwrap();
    let clone = start(&path("clone"), "Bob").await;
    let at_clone = clone.echo().space(key).await.unwrap();
    assert_eq!(at_clone.state_hash().await.unwrap(), hash);
    assert_eq!(titles(&at_clone).await, wanted);
}

async fn count(space: &Space, object: ObjectId, by: i64) {
    let db = space.db();
    let counted = db.transaction(move |tx| tx.increment(object, "n", by));
    counted.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_that_writes_before_it_meets_anybody_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let ann = start(&path("ann"), "Ann").await;
    let bob = start(&path("bob"), "Bob").await;
    let at_ann = ann
        .echo()
        .create_space(map! { "name" => "Home" })
        .await
        .unwrap();
    let key = at_ann.key();
    let at_bob = join(&at_ann, &bob).await;
    let first = write(&at_bob, "0 before").await;
    at_bob
        .db()
        .update(first, |note| {
            drop(note.insert("n".into(), Value::Counter(0)));
        })
        .await
        .unwrap();
    converge(&at_ann, &at_bob).await;
    bob.destroy().await.unwrap();
    copy(&path("bob"), &path("backup"));

    let bob = start(&path("bob"), "Bob").await;
    let at_bob = bob.echo().space(key).await.unwrap();
    for round in 0..5 {
        write(&at_bob, &format!("1 lost {round}")).await;
        count(&at_bob, first, 1).await;
        converge(&at_ann, &at_bob).await;
        write(&at_ann, &format!("2 Ann {round}")).await;
        converge(&at_ann, &at_bob).await;
    }
    bob.destroy().await.unwrap();
    set(&ann, ConnectionState::Offline).await;

    // Twice: what was written after the first time is lost as well.
    for round in 0..2 {
        fs::remove_dir_all(path("bob")).unwrap();
        copy(&path("backup"), &path("bob"));
        let bob = start(&path("bob"), "Bob").await;
        let at_bob = bob.echo().space(key).await.unwrap();
        write(&at_bob, &format!("3 new {round}")).await;
        count(&at_bob, first, 100).await;
        set(&ann, ConnectionState::Online).await;
        let mut wanted = vec!["0 before".to_owned()];
        wanted.extend((0..5).map(|round| format!("1 lost {round}")));
        wanted.extend((0..5).map(|round| format!("2 Ann {round}")));
        wanted.extend((0..=round).map(|round| format!("3 new {round}")));
        until(&[&at_ann, &at_bob], async || {
            titles(&at_ann).await == wanted && titles(&at_bob).await == wanted
        })
        .await;
        converge(&at_ann, &at_bob).await;
        for space in [&at_ann, &at_bob] {
            let note = space.db().get(first).await.unwrap().unwrap();
            assert_eq!(note.get("n"), Some(&Value::Counter(5 + 100 * (round + 1))));
        }
        bob.destroy().await.unwrap();
        set(&ann, ConnectionState::Offline).await;
    }
}
