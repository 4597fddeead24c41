//! Two clients, one space: the whole path.

use dxos_client::{ConnectionState, Filter, map};

use crate::support::{converge, join, start};

#[tokio::test]
async fn two_peers_write_apart_meet_again_restart_and_agree() {
    let home = tempfile::tempdir().unwrap();
    let (path_a, path_b) = (home.path().join("a"), home.path().join("b"));
    let (ann, bob) = (start(&path_a, "Ann").await, start(&path_b, "Bob").await);
    let space = ann
        .echo()
        .create_space(map! { "name" => "Küche" })
        .await
        .unwrap();
    let task = space
        .db()
        .add(("task", map! { "title" => "Water", "done" => false }))
        .await
        .unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let members = theirs.members().await.unwrap();
    let names: std::collections::BTreeSet<_> = members
        .iter()
        .filter_map(|member| member.profile.display_name.as_deref())
        .collect();
    assert_eq!(names, ["Ann", "Bob"].into());
    assert_eq!(
        theirs
            .db()
            .get(task)
            .await
            .unwrap()
            .unwrap()
            .type_name()
            .to_string(),
        "task"
    );

    for client in [&ann, &bob] {
        client
            .mesh()
            .set_connection_state(ConnectionState::Offline)
            .await
            .unwrap();
    }
    space
        .db()
        .update(task, |p| drop(p.insert("title".into(), "Water A".into())))
        .await
        .unwrap();
    theirs
        .db()
        .update(task, |p| drop(p.insert("done".into(), true.into())))
        .await
        .unwrap();
    theirs
        .db()
        .add(("task", map! { "title" => "Näht" }))
        .await
        .unwrap();
    assert_ne!(
        space.state_hash().await.unwrap(),
        theirs.state_hash().await.unwrap()
    );
    for client in [&ann, &bob] {
        client
            .mesh()
            .set_connection_state(ConnectionState::Online)
            .await
            .unwrap();
    }
    converge(&space, &theirs).await;
    let merged = space.db().get(task).await.unwrap().unwrap();
    assert_eq!(merged.get("title"), Some(&"Water A".into()));
    assert_eq!(merged.get("done"), Some(&true.into()));
    let hash = space.state_hash().await.unwrap();

    ann.destroy().await.unwrap();
    bob.destroy().await.unwrap();
    let (ann, bob) = (start(&path_a, "Ann").await, start(&path_b, "Bob").await);
    let (space, theirs) = (
        ann.echo().space(space.key()).await.unwrap(),
        bob.echo().space(space.key()).await.unwrap(),
    );
    assert_eq!(space.state_hash().await.unwrap(), hash);
    assert_eq!(theirs.state_hash().await.unwrap(), hash);
    // They find each other again without a server, and go on.
    theirs
        .db()
        .add(("task", map! { "title" => "after the restart" }))
        .await
        .unwrap();
    converge(&space, &theirs).await;
    let found = space
        .db()
        .query(Filter::type_name("task"))
        .run()
        .await
        .unwrap();
    assert_eq!(found.len(), 3);
    ann.destroy().await.unwrap();
    bob.destroy().await.unwrap();
}
