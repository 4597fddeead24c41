//! Schemas of typed objects, which travel with the space.

use super::*;

/// The text of the error that a write ends with when it does not fit a schema.
fn violation(error: DatabaseError) -> String {
    let DatabaseError::Client(ClientError::Echo(EchoError::SchemaViolated { violation, .. })) =
        error
    else {
        panic!("{error}");
    };
    violation
}

#[tokio::test]
async fn schemas_travel_with_the_space_and_guard_what_is_written_without_a_struct() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    assert_eq!(db.schemas().await.unwrap(), []);
    let key = db.add(task("Water")).await.unwrap();
    db.add(Person { name: "Ann".into() }).await.unwrap();
    converge(&pair.space, &pair.theirs).await;

    let schemas = theirs.schemas().await.unwrap();
    let names: Vec<_> = schemas.iter().map(TypeSchema::type_name).collect();
    assert_eq!(names, [&Person::type_name(), &Task::type_name()]);
    let schema = theirs.schema(Task::type_name()).await.unwrap().unwrap();
    assert_eq!(schema, TypeSchema::of::<Task>());
    assert_eq!(
        theirs.schema("example.com/type/Task@9").await.unwrap(),
        None
    );

    // Bob's program has no struct for it.
    let due = |task: &mut Map| drop(task.insert("due".into(), "x".into()));
    let refused = theirs.update(key.object(), due).await.unwrap_err();
    assert!(refused.to_string().contains("example.com/type/Task@0.1.0"));
    assert_eq!(violation(refused), "/due: \"x\" is not a timestamp");
    let untitled = (Task::type_name(), map! { "done" => false });
    let refused = theirs.add(untitled).await.unwrap_err();
    assert_eq!(violation(refused), "/title: it is missing");
    let object = key.object();
    let refused = theirs
        .commit(Transaction::new().set(object, "place.city", 5))
        .await;
    assert_eq!(
        violation(refused.unwrap_err().into()),
        "/place/city: 5 is not a string"
    );
    assert_eq!(*theirs.get(key).await.unwrap().unwrap(), task("Water"));

    let done = |task: &mut Map| drop(task.insert("done".into(), true.into()));
    theirs.update(object, done).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    assert!(db.get(key).await.unwrap().unwrap().done);
}

#[tokio::test]
async fn schemas_written_at_once_are_one() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    pair.connect(ConnectionState::Offline).await;
    db.add(task("Ann's")).await.unwrap();
    theirs.add(task("Bob's")).await.unwrap();
    pair.connect(ConnectionState::Online).await;
    converge(&pair.space, &pair.theirs).await;
    let all = db.query(Filter::type_exact(TypeSchema::TYPE)).run();
    let all = all.await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].all_conflicts().count(), 0);
}

#[tokio::test]
async fn what_others_wrote_off_a_schema_arrives_and_does_not_block_other_changes() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let schema = |kind: &str| {
        let schema = serde_json::json!({ "properties": { "n": { "type": kind } } });
        TypeSchema::new("note@1", schema).unwrap()
    };
    db.put_schema(schema("integer")).await.unwrap();
    let note = db.add(("note@1", map! { "n" => 1 })).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    pair.connect(ConnectionState::Offline).await;
    // Bob replaces the schema and writes what Ann's does not allow.
    theirs.put_schema(schema("string")).await.unwrap();
    let text = |note: &mut Map| drop(note.insert("n".into(), "one".into()));
    theirs.update(note, text).await.unwrap();
    db.update(note, |note| drop(note.insert("m".into(), 2.into())))
        .await
        .unwrap();
    db.put_schema(schema("integer")).await.unwrap();
    db.put_schema(schema("boolean")).await.unwrap();
    pair.connect(ConnectionState::Online).await;
    converge(&pair.space, &pair.theirs).await;

    assert_eq!(
        db.get(note).await.unwrap().unwrap().get("n"),
        Some(&"one".into())
    );
    assert_eq!(db.schemas().await.unwrap(), theirs.schemas().await.unwrap());
    db.put_schema(schema("boolean")).await.unwrap();
    let more = |note: &mut Map| drop(note.insert("m".into(), 3.into()));
    db.update(note, more).await.unwrap();
    let worse = |note: &mut Map| drop(note.insert("n".into(), "two".into()));
    let refused = db.update(note, worse).await.unwrap_err();
    assert_eq!(violation(refused), "/n: \"two\" is not true or false");
}

/// What has to belong to somebody who is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Account", version = "0.1.0")]
struct Account {
    name: String,
    #[echo(required)]
    owner: Option<Ref<Person>>,
    #[echo(required)]
    #[serde(default)]
    readers: Set<Ref<Person>>,
    accountant: Option<Ref<Person>>,
}

#[tokio::test]
async fn a_required_reference_refers_to_an_object_that_exists() {
    let pair = Pair::meet().await;
    let (db, theirs) = (pair.space.db(), pair.theirs.db());
    let person = |name: &str| Person { name: name.into() };
    let (ann, bob) = (
        db.add(person("Ann")).await.unwrap(),
        db.add(person("Bob")).await.unwrap(),
    );
    let account = |owner, readers| Account {
        name: "cash".into(),
        owner,
        readers,
        // This one is weak: anything will do.
        accountant: Some(Ref::new(dxos_client::ObjectId::from_bytes([9; 16]))),
    };
    let refused = |error: DatabaseError, place: &str, target: Ref<Person>| {
        let text = error.to_string();
        let id = target.object().to_string();
        assert!(text.contains(place) && text.contains(&id), "{text}");
    };
    let cash = db.add(account(Some(ann), [bob].into())).await.unwrap();

    // One that never was.
    let nobody = Ref::new(dxos_client::ObjectId::from_bytes([7; 16]));
    let error = db.add(account(Some(nobody), Set::default())).await;
    refused(error.unwrap_err(), "/owner", nobody);
    let error = db.update(cash, move |cash| cash.readers = [nobody].into());
    refused(error.await.unwrap_err(), "/readers", nobody);

    // One that is deleted, and what is written with it is not there either.
    db.remove(bob).await.unwrap();
    let error = db.update(cash, move |cash| {
        cash.name = "money".into();
        cash.owner = Some(bob);
    });
    refused(error.await.unwrap_err(), "/owner", bob);
    // What was referred to before and is not written again does not stand in the way.
    db.update(cash, |cash| cash.name = "money".into())
        .await
        .unwrap();

    // Somebody who knows the type from its schema alone is held to it too.
    converge(&pair.space, &pair.theirs).await;
    let error = theirs.update(cash.object(), move |cash| {
        drop(cash.insert("owner".into(), nobody.into()));
    });
    refused(error.await.unwrap_err(), "/owner", nobody);

    // Deleted elsewhere at the same time, it dangles, on both sides, and nothing else happens.
    theirs.remove(ann.object()).await.unwrap();
    converge(&pair.space, &pair.theirs).await;
    for db in [&db, &theirs] {
        let dangling = db.dangling().await.unwrap();
        let owner = dangling.iter().find(|one| one.path == "owner".into());
        assert_eq!(owner.unwrap().target, ann.object());
    }
}
