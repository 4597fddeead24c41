//! Migrations between versions of a type.

use dxos_client::{
    ConnectionState, Counter, EchoObject, Ref, Set, Space, Text, Timestamp, TypeName, Typed, Value,
    map,
};
use serde::{Deserialize, Serialize};

use crate::support::{Pair, converge, start, within};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Note", version = "1.0.0")]
struct Old {
    name: String,
    views: Counter,
    tags: Set<String>,
    due: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Note", version = "2.0.0")]
struct New {
    title: Text,
    hits: Counter,
    tags: Set<String>,
    lines: Vec<String>,
    due: Option<Timestamp>,
}

fn migrate(old: Old) -> New {
    New {
        lines: vec![old.name.clone(), String::new()],
        title: Text::new(old.name),
        hits: old.views,
        tags: old.tags,
        due: old.due.map(|seconds| Timestamp::from_ms(seconds * 1000)),
    }
}

fn old(name: &str) -> Old {
    Old {
        name: name.into(),
        views: Counter::new(5),
        tags: ["home".to_owned()].into(),
        due: Some(7),
    }
}

async fn notes(space: &Space) -> Vec<New> {
    let found = space.db().objects::<New>().order_by("title").run();
    let found = found.await.unwrap();
    assert_eq!(found.mismatched(), []);
    for note in &found {
        assert_eq!(note.object().type_name(), &New::type_name());
        assert_eq!(note.object().all_conflicts().count(), 0);
    }
    found.into_iter().map(Typed::into_value).collect()
}

#[tokio::test]
async fn two_devices_that_migrate_at_once_end_with_one_result() {
    let pair = Pair::meet().await;
    let db = pair.space.db();
    let mut keys = Vec::new();
    for name in ["a", "b", "c"] {
        keys.push(db.add(old(name)).await.unwrap());
    }
    db.remove(keys[2]).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    pair.connect(ConnectionState::Offline).await;
    for space in [&pair.space, &pair.theirs] {
        let migration = space.register_migration(migrate).await.unwrap();
        assert_eq!(migration.report().migrated, 3);
        let again = space.register_migration(migrate).await.unwrap();
        assert_eq!(again.report().migrated, 0);
    }
    pair.connect(ConnectionState::Online).await;
    converge(&pair.space, &pair.theirs).await;
    db.restore(keys[2]).await.unwrap();
    let expected = ["a", "b", "c"].map(|name| migrate(old(name)));
    assert_eq!(notes(&pair.space).await, expected);

    let key: Ref<New> = keys[0].of_type();
    let count = |note: &mut New| {
        note.hits += 1;
        note.lines.push("more".into());
        note.title.push_str("!");
    };
    pair.theirs.db().update(key, count).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    let note = db.get(key).await.unwrap().unwrap();
    assert_eq!((*note.hits, note.title.as_str()), (6, "a!"));
    assert_eq!(note.lines, ["a", "", "more"]);
}

#[tokio::test]
async fn what_arrives_later_in_the_old_version_is_migrated_as_it_arrives() {
    let pair = Pair::meet().await;
    let mut migration = pair.space.register_migration(migrate).await.unwrap();
    assert_eq!(migration.report().migrated, 0);
    let key = pair.theirs.db().add(old("late")).await.unwrap();
    let report = within(migration.wait_until(|report| report.migrated == 1)).await;
    assert_eq!(report.unwrap().failed.len(), 0);
    let mut live = pair.theirs.db().live(key.object()).await.unwrap();
    within(async {
        while live.get().unwrap().unwrap().type_name() != &New::type_name() {
            assert!(live.changed().await);
        }
    })
    .await;
    assert_eq!(notes(&pair.theirs).await, [migrate(old("late"))]);

    // It does not keep the client alive.
    drop((live, pair));
    let ended = within(migration.wait_until(|report| report.migrated > 1)).await;
    assert_eq!(ended, None);
}

#[tokio::test]
async fn an_object_that_cannot_be_migrated_is_named_and_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let db = space.db();
    let (from, to) = (TypeName::from("memo@1"), TypeName::from("memo@2"));
    let mut ids = Vec::new();
    for n in 0..70 {
        let memo = map! { "n" => n, "bad" => n == 66 };
        ids.push(db.add((from.clone(), memo)).await.unwrap());
    }
    let mut migration = space
        .register_dynamic_migration(from.clone(), to.clone(), |memo| {
            assert_eq!(memo.remove("bad"), Some(false.into()), "on purpose");
            let twice = memo.get("n").and_then(Value::as_int).unwrap() * 2;
            memo.insert("n".into(), twice.into());
        })
        .await
        .unwrap();
    let report = migration.report();
    assert_eq!(report.migrated, 69);
    assert_eq!(report.failed.keys().collect::<Vec<_>>(), [&ids[66]]);
    let first = db.get(ids[1]).await.unwrap().unwrap();
    assert_eq!((first.type_name(), first.get("n")), (&to, Some(&2.into())));
    assert_eq!(db.get(ids[66]).await.unwrap().unwrap().type_name(), &from);

    db.update(ids[66], |memo| {
        drop(memo.insert("bad".into(), false.into()));
    })
    .await
    .unwrap();
    let report = within(migration.wait_until(|report| report.migrated == 70)).await;
    assert_eq!(report.unwrap().failed.len(), 0);

    let same = space.register_dynamic_migration(to.clone(), to, |_| ());
    let same = same.await.unwrap_err().to_string();
    assert!(
        same.contains("memo@2 cannot be migrated to itself"),
        "{same}"
    );
}
