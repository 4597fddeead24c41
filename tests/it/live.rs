//! Queries that are kept up to date.

use dxos_client::{ConnectionState, Filter, map};

use crate::support::{apart, converge, join, within};

#[tokio::test]
async fn differences_fold_to_what_a_query_finds() {
    let (_home, _ann, bob, space) = apart().await;
    let first = space.db().add(("task", map! { "n" => 0 })).await.unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let open = || theirs.db().query(Filter::type_name("task")).order_by("n");
    let mut live = open().subscribe().await.unwrap();
    assert_eq!(live.results().len(), 1);
    for n in 1..20 {
        space.db().add(("task", map! { "n" => n })).await.unwrap();
        theirs.db().add(("other", map! { "n" => n })).await.unwrap();
    }
    space.db().remove(first).await.unwrap();
    converge(&space, &theirs).await;
    let expected = open().run().await.unwrap();
    assert_eq!(expected.len(), 19);
    while live.results() != expected {
        within(live.next()).await.unwrap();
    }
}

#[tokio::test]
async fn both_values_of_a_conflict_can_be_read() {
    let (_home, ann, bob, space) = apart().await;
    let task = space.db().add(("task", map! { "n" => 0 })).await.unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    for client in [&ann, &bob] {
        let mesh = client.mesh();
        mesh.set_connection_state(ConnectionState::Offline)
            .await
            .unwrap();
    }
    for (replica, n) in [(&space, 1), (&theirs, 2)] {
        let change = move |p: &mut dxos_client::Map| drop(p.insert("n".into(), n.into()));
        replica.db().update(task, change).await.unwrap();
    }
    for client in [&ann, &bob] {
        let mesh = client.mesh();
        mesh.set_connection_state(ConnectionState::Online)
            .await
            .unwrap();
    }
    converge(&space, &theirs).await;
    let (a, b) = (
        space.db().get(task).await.unwrap().unwrap(),
        theirs.db().get(task).await.unwrap().unwrap(),
    );
    assert_eq!(a, b);
    assert_eq!(a.conflicts("n").len(), 1);
}
