//! Objects that refer to one another, over two clients.

use dxos_client::{
    Client, ConnectionState, Deleted, Filter, ForeignKey, LiveQuery, Object, ObjectId,
    ResolveError, Space, Value, map,
};

use crate::support::{apart, converge, join, start, within};

fn ids(objects: &[Object]) -> Vec<ObjectId> {
    objects.iter().map(Object::id).collect()
}

fn sorted<const N: usize>(mut ids: [ObjectId; N]) -> Vec<ObjectId> {
    ids.sort();
    ids.to_vec()
}

/// Waits until a live query shows these objects.
async fn shows(live: &mut LiveQuery, expected: &[ObjectId]) {
    while ids(live.results()) != expected {
        within(live.next()).await.unwrap();
    }
}

async fn add(space: &Space, name: &str) -> ObjectId {
    space
        .db()
        .add(("person", map! { "name" => name }))
        .await
        .unwrap()
}

#[tokio::test]
async fn references_are_found_both_ways_as_they_change() {
    let (_home, _ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    let (one, two) = (add(&space, "one").await, add(&space, "two").await);
    let members: Vec<Value> = vec![one.into()];
    let properties = map! { "lead" => one, "members" => members };
    let team = space.db().add(("team", properties)).await.unwrap();
    converge(&space, &theirs).await;

    let db = theirs.db();
    assert_eq!(ids(&db.references_to(one).run().await.unwrap()), [team]);
    assert_eq!(ids(&db.references_from(team).run().await.unwrap()), [one]);
    let mut to_two = db.references_to(two).subscribe().await.unwrap();
    let mut from_team = db.references_from(team).subscribe().await.unwrap();
    let led = db.query(Filter::referenced_by_at(team, "lead"));
    let mut led = led.subscribe().await.unwrap();
    assert!(to_two.results().is_empty());

    let change = move |team: &mut dxos_client::Map| {
        team.insert("members".into(), vec![two.into()].into());
    };
    space.db().update(team, change).await.unwrap();
    shows(&mut to_two, &[team]).await;
    shows(&mut from_team, &sorted([one, two])).await;
    space
        .db()
        .update(team, |team| drop(team.remove("lead")))
        .await
        .unwrap();
    shows(&mut from_team, &[two]).await;
    shows(&mut led, &[]).await;
}

#[tokio::test]
async fn tags_and_keys_follow_an_object_and_are_queried() {
    let (_home, _ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    let one = add(&space, "one").await;
    converge(&space, &theirs).await;
    let mut urgent = theirs.db().query(Filter::tag("urgent"));
    urgent = urgent.order_by("name");
    let mut urgent = urgent.subscribe().await.unwrap();
    space.db().tag(one, "urgent").await.unwrap();
    shows(&mut urgent, &[one]).await;
    assert!(urgent.results()[0].has_tag("urgent"));
    theirs.db().untag(one, "urgent").await.unwrap();
    shows(&mut urgent, &[]).await;

    let key = ForeignKey::new("x.org", "1");
    space.db().add_key(one, key.clone()).await.unwrap();
    converge(&space, &theirs).await;
    let found = theirs.db().query(Filter::foreign_key("x.org", "1"));
    assert_eq!(ids(&found.run().await.unwrap()), [one]);
    theirs.db().remove_key(one, key).await.unwrap();
    let missing = theirs.db().new_id().unwrap();
    let refused = theirs.db().tag(missing, "urgent").await.unwrap_err();
    assert!(refused.to_string().contains(&missing.to_string()));
    let mine = map! { "@meta" => "mine" };
    let refused = space.db().add(("task", mine)).await.unwrap_err();
    assert!(
        refused.to_string().contains("@meta is reserved"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_import_that_two_devices_run_at_once_makes_each_object_once() {
    let (_home, ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    // One was made by hand, and its key noted later.
    let by_hand = add(&space, "row 3").await;
    let third = ForeignKey::new("x.org", "3");
    space.db().add_key(by_hand, third.clone()).await.unwrap();
    converge(&space, &theirs).await;
    for client in [&ann, &bob] {
        let offline = ConnectionState::Offline;
        client.mesh().set_connection_state(offline).await.unwrap();
    }
    let rows = || {
        (0..150).map(|n| {
            let key = ForeignKey::new("x.org", n.to_string());
            (key, map! { "name" => format!("row {n}"), "n" => n })
        })
    };
    let ours = space.db().import("row", rows()).await.unwrap();
    assert_eq!(theirs.db().import("row", rows()).await.unwrap(), ours);
    assert_eq!(ours[3], by_hand);
    for client in [&ann, &bob] {
        let online = ConnectionState::Online;
        client.mesh().set_connection_state(online).await.unwrap();
    }
    converge(&space, &theirs).await;
    let all = theirs.db().query(Filter::all()).run().await.unwrap();
    assert_eq!(all.len(), 150);
    assert_eq!(
        all.iter().filter(|row| row.keys().count() == 1).count(),
        150
    );
    // Again: nothing is written, and what others added stays.
    space
        .db()
        .update(ours[0], |row| drop(row.insert("mine".into(), 1.into())))
        .await
        .unwrap();
    space.db().remove(ours[1]).await.unwrap();
    let before = space.report().await.unwrap().blocks;
    assert_eq!(space.db().import("row", rows()).await.unwrap(), ours);
    assert_eq!(space.report().await.unwrap().blocks, before);
    let first = space.db().get(ours[0]).await.unwrap().unwrap();
    assert_eq!(first.get("mine"), Some(&1.into()));
    assert!(space.db().get(ours[1]).await.unwrap().unwrap().is_deleted());
}

/// Takes two clients off the network, or back.
async fn connect(clients: [&Client; 2], state: ConnectionState) {
    for client in clients {
        client.mesh().set_connection_state(state).await.unwrap();
    }
}

#[tokio::test]
async fn folders_that_two_put_into_each_other_make_no_ring() {
    let (_home, ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    let (one, two) = (add(&space, "one").await, add(&space, "two").await);
    let leaf = add(&space, "leaf").await;
    converge(&space, &theirs).await;
    let mut leaves = theirs.db().children(two).subscribe().await.unwrap();
    space.db().set_parent(leaf, Some(two)).await.unwrap();
    shows(&mut leaves, &[leaf]).await;

    connect([&ann, &bob], ConnectionState::Offline).await;
    space.db().set_parent(one, Some(two)).await.unwrap();
    theirs.db().set_parent(two, Some(one)).await.unwrap();
    connect([&ann, &bob], ConnectionState::Online).await;
    converge(&space, &theirs).await;
    let mut roots = Vec::new();
    for replica in [&space, &theirs] {
        let top = replica.db().query(Filter::has_parent().not()).run().await;
        let top = ids(&top.unwrap());
        assert_eq!(top.len(), 1);
        roots.push(top[0]);
    }
    assert_eq!(roots[0], roots[1]);
    let (root, below) = if roots[0] == one {
        (one, two)
    } else {
        (two, one)
    };
    let refused = theirs.db().set_parent(root, Some(below)).await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot become a child"),
        "{refused}"
    );
    let parent = theirs.db().parent(below).await.unwrap();
    assert_eq!(parent.map(|parent| parent.id()), Some(root));
    // Whoever moves next has their way.
    theirs.db().set_parent(below, None).await.unwrap();
    theirs.db().set_parent(root, Some(below)).await.unwrap();
    converge(&space, &theirs).await;
    let children = space.db().children(below).run().await.unwrap();
    assert!(ids(&children).contains(&root));
}

#[tokio::test]
async fn what_is_in_a_deleted_folder_is_hidden_and_comes_back_with_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    let ann = start(&path, "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let db = space.db();
    let (folder, inner) = (add(&space, "folder").await, add(&space, "inner").await);
    let leaf = add(&space, "leaf").await;
    db.set_parent(inner, Some(folder)).await.unwrap();
    db.set_parent(leaf, Some(inner)).await.unwrap();
    let mut all = db
        .query(Filter::type_name("person"))
        .subscribe()
        .await
        .unwrap();
    assert_eq!(all.results().len(), 3);
    db.remove(folder).await.unwrap();
    shows(&mut all, &[]).await;
    let hidden = db.get(leaf).await.unwrap().unwrap();
    assert!(hidden.is_hidden() && !hidden.is_deleted());
    assert_eq!(hidden.to_json()["hidden"], true);
    assert!(db.children(inner).run().await.unwrap().is_empty());
    let even_so = db.children(inner).deleted(Deleted::Include);
    assert_eq!(ids(&even_so.run().await.unwrap()), [leaf]);
    let refused = db.set_parent(leaf, Some(folder)).await.unwrap_err();
    assert!(
        refused.to_string().contains("@meta.parent refers to"),
        "{refused}"
    );
    // The same after a restart.
    let key = space.key();
    ann.destroy().await.unwrap();
    let ann = start(&path, "Ann").await;
    let db = ann.echo().space(key).await.unwrap().db();
    assert!(db.query(Filter::all()).run().await.unwrap().is_empty());
    db.restore(folder).await.unwrap();
    let shown = db.query(Filter::all()).run().await.unwrap();
    assert_eq!(ids(&shown), sorted([folder, inner, leaf]));
}

#[tokio::test]
async fn relations_lead_both_ways_and_dangle_when_an_end_goes() {
    let (_home, _ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    let (one, two) = (add(&space, "one").await, add(&space, "two").await);
    let three = add(&space, "three").await;
    converge(&space, &theirs).await;
    let mut of_two = theirs.db().relations_of(two).subscribe().await.unwrap();
    let db = space.db();
    let knows = map! { "since" => 1999 };
    let first = db.relate("knows@1", one, two, knows).await.unwrap();
    shows(&mut of_two, &[first]).await;
    let relation = of_two.results()[0].clone();
    let ends = relation.relation().unwrap();
    assert_eq!((ends.source.object(), ends.target.object()), (one, two));
    assert_eq!(relation.get("since"), Some(&1999.into()));
    assert_eq!(relation.to_json()["meta"]["source"], one.to_string());

    let second = db.relate("knows@1", two, three, map! {}).await.unwrap();
    db.relate("other", two, one, map! {}).await.unwrap();
    converge(&space, &theirs).await;
    let db = theirs.db();
    let from = db.related_from(two, "knows").await.unwrap();
    let to = db.related_to(two, "knows").await.unwrap();
    assert_eq!((ids(&from), ids(&to)), (vec![three], vec![one]));

    db.remove(three).await.unwrap();
    assert!(db.related_from(two, "knows").await.unwrap().is_empty());
    let dangling = db.dangling().await.unwrap();
    assert_eq!(dangling.len(), 1);
    assert_eq!((dangling[0].object, dangling[0].target), (second, three));
    assert_eq!(dangling[0].path.to_string(), "@meta.target");
    let refused = db.relate("knows@1", one, three, map! {}).await.unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("@meta.target") && text.contains(&three.to_string()),
        "{text}"
    );
    db.restore(three).await.unwrap();
    assert!(db.dangling().await.unwrap().is_empty());
    assert_eq!(ids(&db.related_from(two, "knows").await.unwrap()), [three]);
}

#[tokio::test]
async fn a_required_reference_is_checked_where_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let (one, two) = (add(&space, "one").await, add(&space, "two").await);
    let db = space.db();
    let refer = || db.transaction(move |tx| tx.set_required(one, "owner", two));
    refer().await.unwrap();
    db.remove(two).await.unwrap();
    let text = refer().await.unwrap_err().to_string();
    assert!(
        text.contains("owner refers to") && text.contains(&two.to_string()),
        "{text}"
    );
    // In one transaction what it does itself counts.
    let within = db.transaction(move |tx| {
        tx.restore(two)?;
        tx.set_required(one, "owner", two)
    });
    within.await.unwrap();
    // One that is not required is written, and shows as dangling.
    let gone = db.new_id().unwrap();
    let change = move |one: &mut dxos_client::Map| drop(one.insert("weak".into(), gone.into()));
    db.update(one, change).await.unwrap();
    let dangling = db.dangling().await.unwrap();
    assert_eq!(
        (dangling[0].path.to_string(), dangling[0].target),
        ("weak".to_owned(), gone)
    );
}

#[tokio::test]
async fn a_reference_leads_into_another_space() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let shared = ann.echo().create_space(map! {}).await.unwrap();
    let private = ann.echo().create_space(map! {}).await.unwrap();
    let secret = add(&private, "secret").await;
    let across = private.reference_to(secret);
    let note = map! { "about" => across.clone() };
    let note = shared.db().add(("note", note)).await.unwrap();
    let theirs = join(&shared, &bob).await;
    converge(&shared, &theirs).await;

    let found = ann.resolve(&across).await.unwrap();
    assert_eq!(found.get("name"), Some(&"secret".into()));
    assert_eq!(shared.resolve(&across).await.unwrap(), found);
    // The one who is in one of the spaces only sees where it leads.
    let seen = theirs.db().get(note).await.unwrap().unwrap();
    assert_eq!(seen.get("about"), Some(&across.clone().into()));
    let error = theirs.resolve(&across).await.unwrap_err();
    let (space, object) = (private.key(), secret);
    assert_eq!(error, ResolveError::UnknownSpace { space, object });
    assert!(shared.db().dangling().await.unwrap().is_empty());
    assert_eq!(
        ids(&theirs.db().references_to(across).run().await.unwrap()),
        [note]
    );

    let missing = shared.db().new_id().unwrap();
    let error = ann
        .resolve(&shared.reference_to(missing))
        .await
        .unwrap_err();
    let (space, object) = (shared.key(), missing);
    assert_eq!(error, ResolveError::NotHere { space, object });
    let error = ann.resolve(&note.into()).await.unwrap_err();
    assert_eq!(error, ResolveError::NoSpace { object: note });
    assert_eq!(shared.resolve(&note.into()).await.unwrap().id(), note);
}
