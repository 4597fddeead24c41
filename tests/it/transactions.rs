//! Transactions: one block for any number of objects, all or nothing on every replica.

use std::convert::Infallible;
use std::process::{Child, Command, Stdio};

use dxos_client::{
    ClientError, Durability, EchoError, Filter, Map, Space, Transaction, TransactionError, TxError,
    Value, map,
};

use crate::support::{PATIENCE, apart, converge, join, start, within};

const OBJECTS: i64 = 500;

/// What a transaction must not change when it fails.
async fn trace(space: &Space) -> (dxos_client::StateHash, u64, u64) {
    let report = space.report().await.unwrap();
    let hash = space.state_hash().await.unwrap();
    (hash, report.blocks, report.objects)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_objects_are_one_block_and_arrive_at_once() {
    let (_home, _ann, bob, space) = apart().await;
    let db = space.db();
    let account = space
        .db()
        .add(("account", map! { "sum" => 0 }))
        .await
        .unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let mut live = theirs.db().query(Filter::all()).subscribe().await.unwrap();
    assert_eq!(live.results().len(), 1);

    let before = space.report().await.unwrap().blocks;
    let made = db.transaction(move |tx| {
        let mut made = Vec::new();
        for n in 0..OBJECTS {
            made.push(tx.add("entry", map! { "n" => n })?);
            // It reads what it wrote itself.
            let sum = tx.existing(account)?.get("sum").and_then(Value::as_int);
            tx.set(account, "sum", sum.unwrap_or_default() + n)?;
        }
        Ok::<_, TxError>(made)
    });
    let made = made.await.unwrap();
    assert_eq!(space.report().await.unwrap().blocks, before + 1);
    let sum = OBJECTS * (OBJECTS - 1) / 2;

    let change = within(live.next()).await.unwrap();
    assert_eq!(change.added.len(), made.len());
    assert_eq!(live.results().len(), made.len() + 1);
    let shown = live.results().iter().find(|object| object.id() == account);
    assert_eq!(shown.unwrap().get("sum"), Some(&sum.into()));
    converge(&space, &theirs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_or_panics_or_only_reads_leaves_no_trace() {
    let (_home, _ann, bob, space) = apart().await;
    let db = space.db();
    let old = db.add(("task", map! { "n" => 1 })).await.unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    for replica in [&space, &theirs] {
        let db = replica.db();
        let mut live = db.query(Filter::all()).subscribe().await.unwrap();
        let before = trace(replica).await;

        let change = move |tx: &mut dxos_client::Tx<'_>| {
            tx.add("task", map! { "n" => 2 })?;
            tx.set(old, "n", 3)?;
            tx.set(old, "more.below", "x")?;
            tx.remove(old)
        };
        let failed = db.transaction(move |tx| {
            change(tx).unwrap();
            Err::<(), _>("no")
        });
        assert_eq!(failed.await, Err(TransactionError::Aborted("no")));
        assert_eq!(trace(replica).await, before);

        let panicked = db.transaction(move |tx| {
            change(tx).unwrap();
            assert!(tx.is_empty(), "a mistake in the code of the transaction");
            Ok::<(), Infallible>(())
        });
        let panicked = panicked.await.unwrap_err();
        assert_eq!(
            panicked,
            TransactionError::Client(ClientError::Echo(EchoError::TransactionPanicked))
        );
        assert_eq!(trace(replica).await, before);

        let read = db.transaction(move |tx| tx.existing(old)).await.unwrap();
        assert_eq!(read.get("n"), Some(&1.into()));
        assert_eq!(trace(replica).await, before);

        // The next one sees nothing of them, and live queries heard of nothing.
        let next = db.transaction(move |tx| {
            let found = tx.existing(old)?;
            assert_eq!((found.is_deleted(), found.get("more")), (false, None));
            tx.set(old, "last", true)
        });
        next.await.unwrap();
        let change = within(live.next()).await.unwrap();
        assert_eq!((change.added.len(), change.updated.len()), (0, 1));
        assert_eq!(live.results().len(), 1);
        db.transaction(move |tx| tx.unset(old, "last"))
            .await
            .unwrap();
        converge(&space, &theirs).await;
    }
    // Sessions went on all the while.
    assert_eq!(space.report().await.unwrap().peers.len(), 1);
}

#[tokio::test]
async fn one_beyond_the_limits_is_refused_with_the_reason_and_leaves_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let db = space.db();
    let old = db.add(("task", map! { "n" => 1 })).await.unwrap();
    let before = trace(&space).await;

    let reason = |error: TransactionError<TxError>| match error {
        TransactionError::Client(ClientError::Echo(EchoError::InvalidTransaction { reason })) => {
            reason
        }
        other => panic!("{other}"),
    };
    let many = db.transaction(move |tx| (0..=65_536).try_for_each(|n| tx.set(old, "n", n)));
    let text = reason(many.await.unwrap_err());
    assert!(text.contains("65536") && text.contains("split"), "{text}");
    assert_eq!(trace(&space).await, before);

    let large = db.transaction(move |tx| {
        (0..80).try_for_each(|n| tx.set(old, format!("p{n}"), "x".repeat(1 << 18)))
    });
    let text = reason(large.await.unwrap_err());
    assert!(text.contains("one block"), "{text}");
    assert_eq!(trace(&space).await, before);

    let deep = (0..100).fold(Value::Null, |value, _| Value::map([("x", value)]));
    let deep = db.transaction(move |tx| tx.set(old, "n", deep));
    assert!(matches!(deep.await, Err(TransactionError::Aborted(_))));
    assert_eq!(trace(&space).await, before);
    let empty = db.commit(Transaction::new()).await;
    assert!(matches!(
        empty,
        Err(ClientError::Echo(EchoError::InvalidTransaction { .. }))
    ));
    db.transaction(move |tx| tx.set(old, "n", 2)).await.unwrap();
}

#[tokio::test]
async fn the_first_of_a_process_that_fails_leaves_a_profile_that_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let db = space.db();
    let old = db.add(("task", map! { "n" => 1 })).await.unwrap();
    let (key, before) = (space.key(), trace(&space).await);
    ann.destroy().await.unwrap();
    for _ in 0..2 {
        let ann = start(home.path(), "Ann").await;
        let space = ann.echo().space(key).await.unwrap();
        let db = space.db();
        let failed = db.transaction(move |tx| {
            tx.set(old, "n", 2).unwrap();
            Err::<(), _>(())
        });
        assert_eq!(failed.await, Err(TransactionError::Aborted(())));
        assert_eq!(trace(&space).await.0, before.0);
        // Without a goodbye, as when the process is killed.
        drop((space, ann));
    }
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().space(key).await.unwrap();
    let db = space.db();
    assert_eq!(trace(&space).await.0, before.0);
    db.transaction(move |tx| tx.set(old, "n", 3)).await.unwrap();
    assert_eq!(space.report().await.unwrap().forks, []);
}

const CHILD: &str = "DXOS_TEST_TRANSACTIONS_OF";

/// Writes transactions of two objects each, without end, when another test asks for it.
#[tokio::test]
async fn a_writer_that_another_test_kills() {
    let Some(profile) = std::env::var_os(CHILD) else {
        return;
    };
    let ann = start(std::path::Path::new(&profile), "Ann").await;
    let spaces = ann.echo().spaces().await.unwrap();
    let space = spaces.into_iter().next().unwrap();
    let db = space.db();
    for n in 0_i64.. {
        let pair = db.transaction_with(Durability::Interval, move |tx| {
            let pair = tx.new_id().to_string();
            let half = |left: bool| -> Map {
                map! { "pair" => pair.clone(), "n" => n, "left" => left, "fill" => "x".repeat(300) }
            };
            tx.add("half", half(true))?;
            tx.add("half", half(false))
        });
        pair.await.unwrap();
        println!("wrote {n}");
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_kill_leaves_all_of_a_transaction_or_nothing() {
    use std::io::{BufRead as _, BufReader};
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ann = start(home.path(), "Ann").await;
        ann.echo().create_space(map! {}).await.unwrap();
        ann.destroy().await.unwrap();
    });
    let mut acknowledged = 0;
    for round in 1..=4_usize {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "transactions::a_writer_that_another_test_kills",
                "--nocapture",
            ])
            .env(CHILD, home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut wrote = 0;
        // Every round ends elsewhere.
        while wrote < round * 37 {
            let line = lines.next().expect("the writer ended").unwrap();
            wrote += usize::from(line.contains("wrote"));
        }
        drop(child);
        wrote += lines
            .filter(|line| line.as_ref().is_ok_and(|l| l.contains("wrote")))
            .count();
        acknowledged += wrote;
    }
    runtime.block_on(async {
        let ann = start(home.path(), "Ann").await;
        let space = ann.echo().spaces().await.unwrap().remove(0);
        let halves = space
            .db()
            .query(Filter::type_name("half"))
            .run()
            .await
            .unwrap();
        let mut pairs = std::collections::BTreeMap::<String, usize>::new();
        for half in &halves {
            let pair = half.get("pair").unwrap().as_str().unwrap().to_owned();
            *pairs.entry(pair).or_default() += 1;
        }
        assert!(
            pairs.values().all(|halves| *halves == 2),
            "half of a transaction"
        );
        assert!(
            pairs.len() >= acknowledged,
            "{} of {acknowledged}",
            pairs.len()
        );
        let patience = tokio::time::timeout(PATIENCE, space.state_hash());
        patience.await.unwrap().unwrap();
    });
}
