//! Typed objects between two clients.

mod schemas;

use dxos_client::{
    ClientError, ConnectionState, Counter, DatabaseError, EchoError, EchoObject, Expand, Filter,
    JsonSchema, Map, Ref, Set, Text, Timestamp, Transaction, Tx, TypeSchema, Value, map,
};
use serde::{Deserialize, Serialize};

use crate::support::{Pair, converge, start, within};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Person", version = "0.1.0")]
struct Person {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Place {
    city: String,
    street: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Task", version = "0.1.0")]
struct Task {
    title: String,
    done: bool,
    due: Option<Timestamp>,
    #[serde(default)]
    views: Counter,
    #[serde(default)]
    tags: Set<String>,
    place: Option<Place>,
    owner: Option<Ref<Person>>,
}

fn task(title: &str) -> Task {
    Task {
        title: title.into(),
        done: false,
        due: Some(Timestamp::from_ms(5)),
        views: Counter::default(),
        tags: ["home".to_owned()].into(),
        place: Some(Place {
            city: "Riga".into(),
            street: None,
        }),
        owner: None,
    }
}

/// The same type as a later program has it.
mod later {
    use super::{Deserialize, EchoObject, JsonSchema, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(super) struct Place {
        pub(super) city: String,
        pub(super) floor: u8,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
    #[echo(type = "example.com/type/Task", version = "0.2.0")]
    pub(super) struct Task {
        pub(super) title: String,
        pub(super) done: bool,
        pub(super) colour: String,
        pub(super) place: Place,
    }
}

/// Named after its package and itself.
#[derive(Serialize, Deserialize, EchoObject)]
struct Wide {
    numbers: Vec<u64>,
}

#[tokio::test]
async fn a_struct_is_added_read_changed_removed_and_restored() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let ann = db.add(Person { name: "Ann".into() }).await.unwrap();
    let mut mine = task("Water");
    mine.owner = Some(ann);
    let key = db.add(mine.clone()).await.unwrap();
    assert_eq!(*db.get(key).await.unwrap().unwrap(), mine);

    converge(&pair.space, &pair.theirs).await;
    let read = theirs.get(key).await.unwrap().unwrap();
    assert_eq!(*read, mine);
    let owner = theirs.get(read.owner.unwrap()).await.unwrap().unwrap();
    assert_eq!(owner.name, "Ann");
    let count = theirs.update(key, |task| {
        task.done = true;
        task.views += 3;
        task.tags.len()
    });
    assert_eq!(count.await.unwrap(), 1);
    converge(&pair.space, &pair.theirs).await;
    assert!(db.get(key).await.unwrap().unwrap().done);

    db.remove(key).await.unwrap();
    assert!(db.get(key).await.unwrap().unwrap().is_deleted());
    assert!(db.objects::<Task>().run().await.unwrap().is_empty());
    db.restore(key).await.unwrap();
    assert_eq!(db.objects::<Task>().run().await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_what_changed_is_written_so_concurrent_changes_all_count() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let key = db.add(task("Water")).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    pair.connect(ConnectionState::Offline).await;
    db.update(key, |task| {
        task.title = "Water the plants".into();
        task.views += 2;
        task.tags.insert("green".into());
        task.place.as_mut().unwrap().street = Some("Main".into());
    })
    .await
    .unwrap();
    theirs
        .update(key, |task| {
            task.done = true;
            task.due = None;
            task.views += 5;
            task.tags.remove("home");
            task.place.as_mut().unwrap().city = "Oslo".into();
        })
        .await
        .unwrap();
    pair.connect(ConnectionState::Online).await;
    converge(&pair.space, &pair.theirs).await;
    for replica in [&db, &theirs] {
        let merged = replica.get(key).await.unwrap().unwrap();
        assert_eq!(merged.object().all_conflicts().count(), 0);
        let expected = Task {
            title: "Water the plants".into(),
            done: true,
            due: None,
            views: Counter::new(7),
            tags: ["green".to_owned()].into(),
            place: Some(Place {
                city: "Oslo".into(),
                street: Some("Main".into()),
            }),
            owner: None,
        };
        assert_eq!(merged.into_value(), expected);
    }
}

#[tokio::test]
async fn what_a_newer_program_wrote_survives_a_change_by_an_older_one() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let newer = later::Task {
        title: "Paint".into(),
        done: false,
        colour: "red".into(),
        place: later::Place {
            city: "Riga".into(),
            floor: 3,
        },
    };
    let key = db.add(newer.clone()).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    let older: Ref<Task> = key.of_type();
    theirs
        .update(older, |task| {
            task.done = true;
            task.place.as_mut().unwrap().city = "Oslo".into();
        })
        .await
        .unwrap();
    converge(&pair.space, &pair.theirs).await;
    let read = db.get(key).await.unwrap().unwrap();
    assert_eq!(read.object().type_name(), "example.com/type/Task@0.2.0");
    let expected = later::Task {
        done: true,
        place: later::Place {
            city: "Oslo".into(),
            floor: 3,
        },
        ..newer
    };
    assert_eq!(read.into_value(), expected);
}

/// A page, in a program whose texts merge and in one that knows only strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Page", version = "0.2.0")]
struct Page {
    body: Text,
    lines: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Page", version = "0.1.0")]
struct PlainPage {
    body: String,
    lines: Vec<String>,
}

#[tokio::test]
async fn texts_and_lists_of_structs_merge() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let page = Page {
        body: "Hello world".into(),
        lines: vec!["a".into(), "b".into()],
    };
    let key = db.add(page).await.unwrap();
    let bold = |tx: &mut Tx<'_>, key: Ref<Page>| {
        let mut body = tx.text(key.object(), "body")?;
        body.mark((6, 11), "bold", true, Expand::Both)
    };
    db.transaction(move |tx| bold(tx, key)).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    pair.connect(ConnectionState::Offline).await;
    db.update(key, |page| {
        page.body.set("Hello, world");
        page.lines.insert(0, "first".into());
    })
    .await
    .unwrap();
    let plain: Ref<PlainPage> = key.of_type();
    theirs
        .update(plain, |page| {
            page.body.push('!');
            page.lines.push("last".into());
        })
        .await
        .unwrap();
    pair.connect(ConnectionState::Online).await;
    converge(&pair.space, &pair.theirs).await;
    let page = db.get(key).await.unwrap().unwrap();
    assert_eq!(page.body.as_str(), "Hello, world!");
    assert_eq!(page.lines, ["first", "a", "b", "last"]);
    let spans = page.body.spans();
    assert_eq!((spans.len(), spans[0].from), (1, 7));
}

#[tokio::test]
async fn a_live_object_follows_what_others_write() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let key = db.add(task("Water")).await.unwrap();
    let mut live = theirs.live(key).await.unwrap();
    within(async {
        while live.get().unwrap().is_none() {
            assert!(live.changed().await);
        }
        db.update(key, |task| task.title = "Feed".into())
            .await
            .unwrap();
        while live.get().unwrap().unwrap().title != "Feed" {
            assert!(live.changed().await);
        }
    })
    .await;
    live.update(|task| task.done = true).await.unwrap();
    assert!(live.get().unwrap().unwrap().done);
    theirs.remove(key).await.unwrap();
    assert!(live.get().unwrap().unwrap().is_deleted());

    // Without a struct it is the same.
    let mut dynamic = theirs.live(key.object()).await.unwrap();
    let rename = |task: &mut Map| drop(task.insert("title".into(), "Sing".into()));
    dynamic.update(rename).await.unwrap();
    let shown = dynamic.get().unwrap().unwrap();
    assert_eq!(shown.get("title"), Some(&"Sing".into()));
}

#[tokio::test]
async fn a_query_gives_structs_and_tells_of_what_does_not_fit() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let open = || {
        let tasks = theirs.objects::<Task>().order_by("title");
        tasks.filter(Filter::eq("done", false))
    };
    let mut live = open().subscribe().await.unwrap();
    let first = db.add(task("b")).await.unwrap();
    db.add(task("a")).await.unwrap();
    // Of a version that has no schema here, so nothing holds it back.
    let broken = map! { "title" => "0", "done" => false, "due" => "soon" };
    let broken = db
        .add(("example.com/type/Task@0.0.9", broken))
        .await
        .unwrap();
    converge(&pair.space, &pair.theirs).await;
    within(async {
        while live.results().len() != 2 || live.results().mismatched().is_empty() {
            live.next().await.unwrap();
        }
    })
    .await;
    let titles: Vec<_> = live.results().iter().map(|task| &task.title[..]).collect();
    assert_eq!(titles, ["a", "b"]);
    let error = theirs.get(Ref::<Task>::new(broken)).await.unwrap_err();
    let DatabaseError::Mismatch(error) = error else {
        panic!("{error}");
    };
    assert_eq!(live.results().mismatched(), std::slice::from_ref(&error));
    assert_eq!((error.object, &error.error.pointer()[..]), (broken, "/due"));
    assert!(
        error
            .to_string()
            .contains("/due: \"soon\" is not a timestamp")
    );

    db.update(first, |task| task.title = "0".into())
        .await
        .unwrap();
    db.remove(broken).await.unwrap();
    within(async {
        while live.results()[0].title != "0" || !live.results().mismatched().is_empty() {
            live.next().await.unwrap();
        }
    })
    .await;
    assert_eq!(*live.results(), open().run().await.unwrap());
}

#[tokio::test]
async fn errors_of_typed_objects_say_what_and_where() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let other = ann.echo().create_space(map! {}).await.unwrap();
    let db = space.db();

    let wide = Wide {
        numbers: vec![1, u64::MAX],
    };
    let error = db.add(wide).await.unwrap_err().to_string();
    assert!(error.contains("dxos-tests/Wide@0.1.0"), "{error}");
    assert!(error.contains("/numbers/1"), "{error}");

    let nowhere = Ref::<Task>::new(db.new_id().unwrap());
    assert!(db.get(nowhere).await.unwrap().is_none());
    let missing = db.update(nowhere, |task| task.done = true).await;
    assert!(matches!(missing, Err(DatabaseError::NotFound { .. })));

    let person = db.add(Person { name: "Ann".into() }).await.unwrap();
    let taken = db.get(person.of_type::<Task>()).await.unwrap_err();
    assert!(taken.to_string().contains("of another type"), "{taken}");

    let far = Ref::<Person>::across(other.key(), person.object());
    let refused = db.get(far).await.unwrap_err();
    assert!(
        matches!(refused, DatabaseError::OtherSpace { .. }),
        "{refused}"
    );
    let near = Ref::<Person>::across(space.key(), person.object());
    assert_eq!(db.get(near).await.unwrap().unwrap().name, "Ann");
}

#[tokio::test]
async fn structs_take_part_in_transactions() {
    use dxos_client::{ObjectError, TypedTx as _};

    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let db = space.db();
    let key = db
        .transaction(|tx| {
            let owner = tx.create(Person { name: "Ann".into() })?;
            let key = tx.create(Task {
                owner: Some(owner),
                ..task("Water")
            })?;
            tx.change(key, |task| task.views += 1)?;
            let read = tx.read(key)?.unwrap();
            tx.change(owner, move |person| person.name = read.title.clone())?;
            Ok::<_, ObjectError>(key)
        })
        .await
        .unwrap();
    let read = db.get(key).await.unwrap().unwrap();
    assert_eq!(read.views, Counter::new(1));
    let owner = db.get(read.owner.unwrap()).await.unwrap().unwrap();
    assert_eq!(owner.name, "Water");
    let stored = db.get(key.object()).await.unwrap().unwrap();
    assert_eq!(stored.get("views"), Some(&Value::Counter(1)));
}
