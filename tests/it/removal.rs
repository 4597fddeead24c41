//! A member that is removed while its device is away.

use dxos_client::{ConnectionState, Departure, map};

use crate::households::{note, titles};
use crate::support::{all_converge, join, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_removed_while_away_is_told_reads_nothing_new_and_writes_nothing_that_counts() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let ann = start(&path("ann"), "Ann").await;
    let bob = start(&path("bob"), "Bob").await;
    let carl = start(&path("carl"), "Carl").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let at_bob = join(&space, &bob).await;
    let at_carl = join(&space, &carl).await;
    note(&at_bob, "1 by Bob, seen by all").await;
    all_converge(&[&space, &at_bob, &at_carl]).await;

    let offline = ConnectionState::Offline;
    bob.mesh().set_connection_state(offline).await.unwrap();
    // Nobody has this one, and then it is too late.
    note(&at_bob, "2 by Bob, seen by nobody").await;
    let who = bob.halo().identity().await.unwrap().unwrap().identity;
    space.remove_member(who).await.unwrap();
    until(&[&at_carl], async || {
        at_carl.members().await.unwrap().len() == 2
    })
    .await;
    note(&space, "3 by Ann, without Bob").await;
    note(&at_carl, "4 by Carl, without Bob").await;
    all_converge(&[&space, &at_carl]).await;

    let online = ConnectionState::Online;
    bob.mesh().set_connection_state(online).await.unwrap();
    let told = async || at_bob.report().await.unwrap().departure.is_some();
    until(&[&at_bob], told).await;
    let departure = at_bob.report().await.unwrap().departure;
    assert!(
        matches!(departure, Some(Departure::Removed { .. })),
        "{departure:?}"
    );
    let kept = titles(&at_bob).await;
    assert!(
        kept.iter().all(|title| title.contains("by Bob")),
        "{kept:?}"
    );
    let refused = at_bob.db().add(("note", map! {})).await.unwrap_err();
    assert!(refused.to_string().contains("may not write"), "{refused}");

    // The others go on without what nobody had seen.
    note(&space, "5 at last").await;
    all_converge(&[&space, &at_carl]).await;
    let expected = [
        "1 by Bob, seen by all",
        "3 by Ann, without Bob",
        "4 by Carl, without Bob",
        "5 at last",
    ];
    assert_eq!(titles(&space).await, expected);
    assert_eq!(titles(&at_carl).await, expected);
}
