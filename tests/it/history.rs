//! Who changed what, how things were, what differs.

use dxos_client::{
    ChangeKind, ClientError, ConnectionState, Durability, EchoError, Filter, Map, Space, Timeframe,
    map,
};

use crate::support::{apart, converge, join, start};

async fn assign(space: &Space, object: dxos_client::ObjectId, key: &'static str, value: &str) {
    let value = value.to_owned();
    let change = move |p: &mut Map| drop(p.insert(key.into(), value.into()));
    space.db().update(object, change).await.unwrap();
}

async fn online(clients: [&dxos_client::Client; 2], state: ConnectionState) {
    for client in clients {
        client.mesh().set_connection_state(state).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loser_of_a_conflict_has_an_author_and_a_time() {
    let (_home, ann, bob, space) = apart().await;
    let task = space
        .db()
        .add(("task", map! { "title" => "?" }))
        .await
        .unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    assert!(
        space
            .db()
            .conflicts(task, "title")
            .await
            .unwrap()
            .is_empty()
    );

    online([&ann, &bob], ConnectionState::Offline).await;
    assign(&space, task, "title", "from Ann").await;
    assign(&theirs, task, "title", "from Bob").await;
    online([&ann, &bob], ConnectionState::Online).await;
    converge(&space, &theirs).await;

    let shown = space.db().get(task).await.unwrap().unwrap();
    for replica in [&space, &theirs] {
        let losers = replica.db().conflicts(task, "title").await.unwrap();
        let [loser] = &losers[..] else {
            panic!("{losers:?}");
        };
        let (client, name) = match loser.value.as_str() {
            Some("from Ann") => (&ann, "Ann"),
            Some("from Bob") => (&bob, "Bob"),
            other => panic!("{other:?}"),
        };
        assert_ne!(shown.get("title"), Some(&loser.value));
        let identity = client.halo().identity().await.unwrap().unwrap();
        assert_eq!(loser.author.display_name.as_deref(), Some(name));
        assert_eq!(loser.author.identity, Some(identity.identity));
        let devices = replica.members().await.unwrap();
        let device = devices.iter().find(|m| m.identity == identity.identity);
        assert_eq!(device.unwrap().devices, [loser.author.device]);
        assert!(loser.time_ms > 1_600_000_000_000);
    }
    // Whoever has seen both and assigns again ends it.
    assign(&space, task, "title", "both").await;
    assert!(space.db().all_conflicts(task).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_tells_who_did_what_page_by_page_on_every_replica() {
    let (_home, _ann, bob, space) = apart().await;
    let task = space.db().add(("task", map! { "n" => 0 })).await.unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    for n in 1..=7_i64 {
        let replica = if n % 2 == 0 { &space } else { &theirs };
        let db = replica.db();
        let change = db.transaction(move |tx| {
            tx.set(task, "n", n)?;
            tx.add("other", map! { "n" => n })
        });
        change.await.unwrap();
        converge(&space, &theirs).await;
    }
    theirs.db().remove(task).await.unwrap();
    converge(&space, &theirs).await;

    for replica in [&space, &theirs] {
        let mut history = replica.db().history(task);
        let mut all = Vec::new();
        loop {
            let page = history.next(3).await.unwrap();
            assert!(page.entries.len() <= 3);
            if page.entries.is_empty() {
                break;
            }
            all.extend(page.entries);
        }
        assert_eq!(all.len(), 9);
        assert_eq!(all[0].changes[0].kind, ChangeKind::Deleted);
        for (entry, n) in all[1..8].iter().zip((1..=7_i64).rev()) {
            // Of the other object nothing shows here.
            let [change] = &entry.changes[..] else {
                panic!("{entry:?}");
            };
            assert_eq!(change.kind, ChangeKind::Assigned(n.into()));
            assert_eq!(change.path, Some("n".into()));
            let name = if n % 2 == 0 { "Ann" } else { "Bob" };
            assert_eq!(entry.author.display_name.as_deref(), Some(name));
        }
        assert!(matches!(all[8].changes[0].kind, ChangeKind::Created { .. }));
        let order = |entry: &dxos_client::HistoryEntry| entry.committed.lamport;
        assert!(all.is_sorted_by(|newer, older| order(newer) > order(older)));
        // It is data.
        let json = serde_json::to_string(&all).unwrap();
        let again: Vec<dxos_client::HistoryEntry> = serde_json::from_str(&json).unwrap();
        assert_eq!(again, all);

        let page = replica.history().next(1).await.unwrap();
        assert_eq!(page.entries[0], all[0]);
        let mut rest = replica.history().before(page.next.unwrap());
        let rest = rest.next(100).await.unwrap();
        assert_eq!(rest.entries[0].changes.len(), 2);
        assert_eq!(rest.next, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_can_be_read_as_it_was_and_compared() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann
        .echo()
        .create_space(map! { "name" => "Home" })
        .await
        .unwrap();
    let nothing = space.timeframe().await.unwrap();
    let made = map! { "title" => "Write", "at" => dxos_client::Value::map([("city", "Riga")]) };
    let task = space.db().add(("task", made)).await.unwrap();
    let gone = space
        .db()
        .add(("task", map! { "title" => "Old" }))
        .await
        .unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let first = space.timeframe().await.unwrap();
    let then = space.db().get(task).await.unwrap();

    assign(&theirs, task, "title", "Read").await;
    let db = theirs.db();
    let more = db.transaction(move |tx| {
        tx.set(task, "at.street", "Brīvības iela")?;
        tx.remove(gone)?;
        tx.add("task", map! { "title" => "New" })
    });
    let new = more.await.unwrap();
    converge(&space, &theirs).await;
    let second = space.timeframe().await.unwrap();
    assign(&space, task, "title", "Rest").await;

    for replica in [&space, &theirs] {
        assert_eq!(replica.at(nothing.clone()).get(task).await.unwrap(), None);
        assert_eq!(replica.at(first.clone()).get(task).await.unwrap(), then);
        let past = replica.at(second.clone());
        let shown = past.get(task).await.unwrap().unwrap();
        assert_eq!(shown.get("title"), Some(&"Read".into()));
        assert!(past.get(gone).await.unwrap().unwrap().is_deleted());
        let tasks = past.query(Filter::type_name("task")).await.unwrap();
        assert_eq!(tasks.len(), 2);
        let tasks = replica.at(first.clone());
        let tasks = tasks.query(Filter::eq("title", "Old")).await.unwrap();
        assert_eq!(tasks[0].id(), gone);

        let found = replica.diff(&first, &second).await.unwrap();
        assert_eq!(found.len(), 3);
        assert!(found.is_sorted_by_key(|difference| difference.object));
        for difference in &found {
            let (before, after) = (&difference.before, &difference.after);
            if difference.object == task {
                let paths = difference.properties.iter();
                let paths: Vec<_> = paths.map(|p| p.path.to_string()).collect();
                assert_eq!(paths, ["at.street", "title"]);
                let title = &difference.properties[1];
                assert_eq!(title.before, Some("Write".into()));
                assert_eq!(title.after, Some("Read".into()));
            } else if difference.object == gone {
                assert!(before.is_some() && after.is_none());
            } else {
                assert_eq!(difference.object, new);
                assert!(before.is_none() && after.is_some());
            }
        }
        let back = replica.diff(&second, &first).await.unwrap();
        assert_eq!(back.len(), 3);
        assert_eq!(replica.diff(&first, &first).await.unwrap(), []);
    }

    // The past of one replica before it has reached another.
    online([&ann, &bob], ConnectionState::Offline).await;
    assign(&space, task, "title", "unseen").await;
    let ahead = space.timeframe().await.unwrap();
    let error = theirs.at(ahead.clone()).get(task).await.unwrap_err();
    assert!(matches!(
        error,
        ClientError::Echo(EchoError::TimeframeAhead { missing: 1.. })
    ));
    assert!(matches!(
        theirs.diff(&first, &ahead).await,
        Err(ClientError::Echo(EchoError::TimeframeAhead { .. }))
    ));
    // Effects without their causes do not show.
    let mut torn = second.clone();
    for (feed, count) in &nothing.dots {
        torn.dots.insert(*feed, *count);
    }
    let without = space.at(torn).get(task).await.unwrap();
    assert_eq!(without, None);
    assert_eq!(
        space.at(Timeframe::new()).query(Filter::all()).await,
        Ok(vec![])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_undone_and_done_again_where_it_still_shows() {
    let (_home, _ann, bob, space) = apart().await;
    let db = space.db();
    let task = db.add(("task", map! { "a" => 1, "b" => 1 })).await.unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let written = db.transaction_committed(Durability::Interval, move |tx| {
        tx.set(task, "a", 2)?;
        tx.set(task, "b", 2)?;
        tx.add("task", map! {})
    });
    let (made, committed) = written.await.unwrap();
    let committed = committed.unwrap();
    converge(&space, &theirs).await;
    assign(&theirs, task, "b", "theirs").await;
    converge(&space, &theirs).await;

    let refused = theirs.db().undo(&committed).await.unwrap_err();
    assert!(matches!(
        refused,
        ClientError::Echo(EchoError::OthersTransaction { .. })
    ));
    let undone = db.undo(&committed).await.unwrap();
    assert_eq!((undone.undone.len(), undone.kept.len()), (2, 1));
    assert_eq!(undone.kept[0].path, Some("b".into()));
    converge(&space, &theirs).await;
    for replica in [&space, &theirs] {
        let shown = replica.db().get(task).await.unwrap().unwrap();
        assert_eq!(shown.get("a"), Some(&1.into()));
        assert_eq!(shown.get("b"), Some(&"theirs".into()));
        let made = replica.db().get(made).await.unwrap().unwrap();
        assert!(made.is_deleted());
    }
    // Undoing that is doing it again; with the right words anybody may.
    let again = undone.committed.unwrap();
    theirs.db().undo_any(&again).await.unwrap();
    converge(&space, &theirs).await;
    let shown = db.get(task).await.unwrap().unwrap();
    assert_eq!(shown.get("a"), Some(&2.into()));
    assert!(!db.get(made).await.unwrap().unwrap().is_deleted());
}
