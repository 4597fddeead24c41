//! Queues over real disks and connections, and from the command line.

use std::collections::BTreeSet;

use dxos_client::{
    ClientError, ConnectionState, Durability, EchoError, EpochOptions, Queue, QueueCursor,
    QueueItemId, QueueSubscription, Retention, from_value,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::archives::{archived, cloned, offline, restored};
use crate::processes::Dx;
use crate::support::{Pair, all_converge, converge, join, options, start, within};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Message {
    text: String,
    reply_to: Option<u32>,
}

fn message(text: &str) -> Message {
    Message {
        text: text.to_owned(),
        reply_to: None,
    }
}

async fn texts(queue: &Queue) -> Vec<String> {
    let items = queue.latest(1000).await.unwrap();
    let texts = items.iter().rev().map(|item| {
        let message: Message = from_value(&item.value).unwrap();
        message.text
    });
    texts.collect()
}

/// Reads until so many items have come, each once.
async fn take(subscription: &mut QueueSubscription, count: usize) -> (Vec<String>, QueueCursor) {
    let (mut ids, mut texts) = (BTreeSet::<QueueItemId>::new(), Vec::new());
    let mut next = QueueCursor::START;
    while texts.len() < count {
        let page = within(subscription.next()).await.unwrap().unwrap();
        assert_eq!(page.taken_back, []);
        for item in page.items {
            assert!(ids.insert(item.id));
            texts.push(from_value::<Message>(&item.value).unwrap().text);
        }
        next = page.next;
    }
    (texts, next)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_append_while_apart_come_to_one_order_and_miss_nothing() {
    let pair = Pair::meet().await;
    let (ours, theirs) = (pair.space.queue("chat"), pair.theirs.queue("chat"));
    let (mut at_ann, mut at_bob) = (
        ours.subscribe(QueueCursor::START),
        theirs.subscribe(QueueCursor::START),
    );
    ours.append([message("one"), message("two")]).await.unwrap();
    assert_eq!(take(&mut at_bob, 2).await.0, ["one", "two"]);
    let (_, read) = take(&mut at_ann, 2).await;

    pair.connect(ConnectionState::Offline).await;
    let appended = theirs.append([message("three")]).await.unwrap();
    ours.append([message("four")]).await.unwrap();
    ours.append_with([message("five")], Durability::Synced)
        .await
        .unwrap();
    take(&mut at_ann, 2).await;
    pair.connect(ConnectionState::Online).await;
    converge(&pair.space, &pair.theirs).await;
    // What was written first stands first, and comes last to whoever had read on.
    assert_eq!(take(&mut at_ann, 1).await.0, ["three"]);
    assert_eq!(texts(&ours).await, texts(&theirs).await);
    assert_eq!(texts(&ours).await.len(), 5);
    let page = ours.read(read, 100).await.unwrap();
    assert_eq!(page.items.len(), 3);
    let last = page.items.last().unwrap();
    assert_eq!(last.id, appended.ids[0]);
    assert_eq!(last.author.display_name.as_deref(), Some("Bob"));
    let elsewhere = theirs.read(read, 100).await;
    assert!(matches!(
        elsewhere,
        Err(ClientError::Echo(EchoError::UnknownCursor { .. }))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_goes_on_after_a_restart_and_a_new_member_gets_what_is_retained() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("a");
    let ann = start(&profile, "Ann").await;
    let space = ann.echo().create_space(dxos_client::map! {}).await.unwrap();
    let log = space.queue("log");
    let numbers = |from: u32, until: u32| (from..until).map(|n| message(&n.to_string()));
    log.append(numbers(0, 100)).await.unwrap();
    let page = log.read(QueueCursor::START, 40).await.unwrap();
    assert_eq!(page.items.len(), 40);
    let kept = page.next.to_string();
    ann.destroy().await.unwrap();

    let ann = options(&profile).build();
    ann.initialize().await.unwrap();
    let space = ann.echo().space(space.key()).await.unwrap();
    let log = space.queue("log");
    let mut subscription = log.subscribe(kept.parse().unwrap());
    log.append(numbers(100, 110)).await.unwrap();
    let (texts_read, _) = take(&mut subscription, 70).await;
    let wanted: Vec<_> = (40..110).map(|n: u32| n.to_string()).collect();
    assert_eq!(texts_read, wanted);

    let retention = Retention {
        items_max: Some(30),
        ..Retention::ALL
    };
    log.set_retention(retention).await.unwrap();
    let report = log.report().await.unwrap().unwrap();
    assert_eq!((report.items, report.retention), (30, retention));
    space.create_epoch(EpochOptions::new()).await.unwrap();
    space.trim(true).await.unwrap();
    let bob = start(&home.path().join("b"), "Bob").await;
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let wanted: Vec<_> = (80..110).map(|n: u32| n.to_string()).collect();
    assert_eq!(texts(&theirs.queue("log")).await, wanted);
    theirs.queue("log").append(numbers(110, 111)).await.unwrap();
    all_converge(&[&space, &theirs]).await;
    assert_eq!(log.len().await.unwrap(), 30);
    assert_eq!(texts(&log).await, texts(&theirs.queue("log")).await);
    assert_eq!(space.queues().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().create_space(dxos_client::map! {}).await.unwrap();
    let refused = |queue: Queue, item: String| async move {
        let error = queue.append([item]).await.unwrap_err();
        error.to_string()
    };
    let large = refused(space.queue("log"), "x".repeat(300_000)).await;
    assert!(large.contains("at most 262144 are allowed"), "{large}");
    let unnamed = refused(space.queue(""), String::new()).await;
    assert!(unnamed.contains("the name of a queue"), "{unnamed}");
    let none = space.queue("log").append(Vec::<String>::new()).await;
    assert!(none.is_err());
    assert!(space.queues().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_archive_brings_queues_back_in_the_same_space_and_in_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let ann = offline(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(dxos_client::map! {}).await.unwrap();
    let log = space.queue("log");
    let numbers = (0..200_u32).map(|n| message(&format!("{n} {}", "x".repeat(5_000))));
    log.append(numbers.clone().take(80)).await.unwrap();
    log.append(numbers.skip(80).take(120)).await.unwrap();
    let retention = Retention {
        items_max: Some(150),
        ..Retention::ALL
    };
    log.set_retention(retention).await.unwrap();
    let wanted = texts(&log).await;
    assert_eq!(wanted.len(), 150);
    for has_epoch in [false, true] {
        if has_epoch {
            space.create_epoch(EpochOptions::new()).await.unwrap();
            space.trim(true).await.unwrap();
        }
        let archive = archived(&ann, &space).await;
        let copy = cloned(&ann, &archive).await.unwrap();
        assert_ne!(copy.key(), space.key());
        let copied = copy.queue("log");
        assert_eq!(texts(&copied).await, wanted);
        assert_eq!(copied.report().await.unwrap().unwrap().retention, retention);
        // The same space on a device that had nothing of it.
        space.delete().await.unwrap();
        let back = restored(&ann, &archive).await.unwrap();
        assert_eq!(back.key(), space.key());
        assert_eq!(texts(&back.queue("log")).await, wanted);
    }
}

#[test]
fn the_command_line_appends_reads_and_follows() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("ann"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Home"]);
    let appended = dx.json(&["queue", "append", "Home", "log", "hello", "{\"n\":1}", "2"]);
    assert_eq!(appended["ids"].as_array().unwrap().len(), 3);
    let read = dx.json(&["queue", "read", "Home", "log", "--limit", "2"]);
    let values = |items: &serde_json::Value| -> Vec<serde_json::Value> {
        let items = items.as_array().unwrap();
        items.iter().map(|item| item["value"].clone()).collect()
    };
    assert_eq!(values(&read["items"]), [json!("hello"), json!({ "n": 1 })]);
    assert_eq!(read["items"][0]["author"]["display_name"], "Ann");
    let next = read["next"].as_str().unwrap();
    let rest = dx.json(&["queue", "read", "Home", "log", "--from", next]);
    assert_eq!(values(&rest["items"]), [json!(2)]);
    let latest = dx.json(&["queue", "read", "Home", "log", "--latest", "--limit", "1"]);
    assert_eq!(values(&latest), [json!(2)]);
    let held = dx.json(&["queue", "retain", "Home", "log", "--items", "2"]);
    assert_eq!(held["itemsMax"], 2);
    let list = dx.json(&["queue", "list", "Home"]);
    assert_eq!(
        (&list[0]["name"], &list[0]["items"]),
        (&json!("log"), &json!(2))
    );
    let followed = dx.output(&[
        "--offline",
        "queue",
        "follow",
        "Home",
        "log",
        "--from",
        next,
        "--count",
        "1",
    ]);
    assert!(followed.status.success(), "{followed:?}");
    assert_eq!(String::from_utf8(followed.stdout).unwrap(), "Ann: 2\n");
    let wrong = dx.output(&["queue", "read", "Home", "log", "--from", "nowhere"]);
    assert!(!wrong.status.success());
}
