//! Spaces that are closed, opened again and deleted on one device.

use dxos_client::{ClientError, DatabaseError, EchoError, Filter, SpaceReason, SpaceState, map};

use crate::processes::Dx;
use crate::support::{Pair, apart, converge, join, start, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_space_is_neither_read_nor_replicated_until_it_is_opened() {
    let pair = Pair::meet().await;
    let (ann, space, theirs) = (&pair.ann, &pair.space, &pair.theirs);
    let note = space.db().add(("note", map! { "n" => 1 })).await.unwrap();
    converge(space, theirs).await;
    let mut live = space.db().query(Filter::all()).subscribe().await.unwrap();
    let mut watch = space.watch().await.unwrap();

    space.close().await.unwrap();
    space.close().await.unwrap();
    let closed = space.report().await.unwrap();
    assert_eq!(closed.state, SpaceState::Closed);
    assert_eq!(closed.reason, Some(SpaceReason::ClosedByUser));
    assert!(closed.objects > 0 && !space.is_open().await.unwrap());
    assert_eq!(watch.borrow_and_update().state, SpaceState::Closed);
    // What was followed ends, after what came before.
    within(async { while live.next().await.is_some() {} }).await;
    let refused = space.db().get(note).await.unwrap_err();
    assert_eq!(
        refused,
        DatabaseError::Client(EchoError::SpaceClosed { space: space.key() }.into())
    );
    let waited = space.wait_until_ready().await.unwrap_err();
    assert!(waited.to_string().contains("is closed"), "{waited}");
    within(theirs.wait_until(|report| report.peers.is_empty()))
        .await
        .unwrap();
    theirs.db().add(("note", map! { "n" => 2 })).await.unwrap();
    assert_eq!(space.report().await.unwrap().blocks, closed.blocks);
    // What concerns all spaces goes on.
    assert_eq!(ann.halo().contacts().await.unwrap().len(), 0);
    assert_eq!(ann.spaces().await.unwrap().len(), 1);

    let opened = space.open().await.unwrap();
    assert_eq!(opened.state, SpaceState::Ready);
    within(watch.wait_for(|report| report.state == SpaceState::Ready))
        .await
        .unwrap();
    converge(space, theirs).await;
    assert_eq!(space.db().query(Filter::all()).count().await.unwrap(), 2);
    let came = space.report().await.unwrap().transferred;
    assert!(
        came.received_blocks > 0 && came.received_bytes > 0,
        "{came:?}"
    );
    assert_eq!(
        space.wait_until_ready().await.unwrap().state,
        SpaceState::Ready
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_stays_closed_over_a_restart_and_is_written_in_order_after_it() {
    let (home, ann, _bob, space) = apart().await;
    space.db().add(("note", map! { "n" => 1 })).await.unwrap();
    let key = space.key();
    // Again and again, so that an end and a beginning meet.
    for n in 0..5 {
        space.close().await.unwrap();
        space.open().await.unwrap();
        space.db().add(("note", map! { "n" => n })).await.unwrap();
    }
    space.close().await.unwrap();
    ann.destroy().await.unwrap();
    drop(ann);
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.get_space(key).await.unwrap().unwrap();
    assert_eq!(space.report().await.unwrap().state, SpaceState::Closed);
    let mut all = ann.echo().query_spaces().await.unwrap();
    assert_eq!(all.next().await.unwrap().len(), 1);
    space.open().await.unwrap();
    assert_eq!(space.db().query(Filter::all()).count().await.unwrap(), 6);
    assert!(space.report().await.unwrap().forks.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_space_is_gone_from_this_device_and_can_be_joined_again() {
    let pair = Pair::meet().await;
    let bob = &pair.bob;
    let (space, theirs) = (&pair.space, &pair.theirs);
    for n in 0..20 {
        theirs.db().add(("note", map! { "n" => n })).await.unwrap();
    }
    converge(space, theirs).await;
    let before = bob.echo().usage().await.unwrap();
    let mut watch = theirs.watch().await.unwrap();
    theirs.delete().await.unwrap();
    let last = within(watch.wait_for(|report| report.state == SpaceState::Deleted)).await;
    assert_eq!(last.unwrap().reason, Some(SpaceReason::DeletedByUser));
    assert!(bob.spaces().await.unwrap().is_empty());
    assert_eq!(
        bob.get_space(space.key()).await.unwrap().map(|s| s.key()),
        None
    );
    let after = bob.echo().usage().await.unwrap();
    assert!(after.objects < before.objects && after.blocks < before.blocks);

    // It does not come back by itself: its identity knows of it.
    bob.destroy().await.unwrap();
    bob.initialize().await.unwrap();
    assert!(bob.spaces().await.unwrap().is_empty());
    assert_eq!(space.members().await.unwrap().len(), 2, "nobody was told");

    // An admission that the space has already leads back to it, with what was written there.
    let removed = bob.halo().identity().await.unwrap().unwrap().identity;
    space.remove_member(removed).await.unwrap();
    let theirs = join(space, bob).await;
    converge(space, &theirs).await;
    theirs.db().add(("note", map! { "n" => 99 })).await.unwrap();
    converge(space, &theirs).await;
    assert_eq!(space.db().query(Filter::all()).count().await.unwrap(), 21);
    assert!(space.report().await.unwrap().forks.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_space_of_the_identity_is_neither_closed_nor_deleted() {
    let (_home, ann, _bob, space) = apart().await;
    let key = ann.halo().halo_space().unwrap().unwrap();
    let own = ann.get_space(key).await.unwrap().unwrap();
    for refused in [own.close().await, own.delete().await] {
        let wanted = ClientError::IdentitySpace { space: own.key() };
        assert_eq!(refused, Err(wanted));
    }
    space.delete().await.unwrap();
    let again = space.delete().await.unwrap_err();
    assert!(matches!(
        again,
        ClientError::Echo(EchoError::UnknownSpace { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_or_has_left_is_told_why_nothing_comes_any_more() {
    let pair = Pair::meet().await;
    let (ann, bob) = (&pair.ann, &pair.bob);
    let (space, theirs) = (&pair.space, &pair.theirs);
    let by = ann.halo().identity().await.unwrap().unwrap().identity;
    let identity = bob.halo().identity().await.unwrap().unwrap().identity;
    space.remove_member(identity).await.unwrap();
    let told = within(theirs.wait_until(|report| report.state == SpaceState::Inactive)).await;
    assert_eq!(told.unwrap().reason, Some(SpaceReason::Removed { by }));
    assert!(theirs.wait_until_ready().await.unwrap().reason.is_some());
    assert!(theirs.db().query(Filter::all()).run().await.is_ok());
}

#[test]
fn spaces_are_closed_opened_and_deleted_on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("a"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    assert_eq!(dx.json(&["space", "close", "Garden"])["state"], "closed");
    let refused = dx.output(&["query", "Garden", "type:note"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("open it first"),
        "{text}"
    );
    let listed = dx.json(&["space", "list"]);
    assert_eq!(listed[0]["state"], "closed");
    assert_eq!(listed[0]["properties"]["name"], "Garden");
    assert_eq!(dx.json(&["space", "open", "Garden"])["state"], "ready");
    dx.json(&["space", "delete", "Garden", "--yes"]);
    assert_eq!(
        dx.json(&["space", "list"]).as_array().map(Vec::len),
        Some(0)
    );
}
