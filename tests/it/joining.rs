//! Invitations between two clients: what goes well and all that does not.

use std::time::Duration;

use dxos_client::{
    Authentication, ClientError, DatabaseError, EchoError, InvitationError, InvitationOptions,
    InvitationState, ParseInvitationError, Refusal, Role, Space, map,
};

use crate::support::{apart, converge, join, start, within};

#[tokio::test]
async fn three_wrong_codes_end_an_invitation_also_over_several_connections() {
    let (_home, _ann, bob, space) = apart().await;
    let host = space
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let right = host.auth_code().unwrap().to_owned();
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };

    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    let nonsense = within(flow.authenticate("12345")).await;
    assert_eq!(nonsense, Err(InvitationError::BadCode));
    let status = within(flow.authenticate(wrong)).await.unwrap();
    assert_eq!(status.state, InvitationState::ReadyForAuthentication);
    assert_eq!(status.attempts_left, Some(2));
    flow.cancel();
    within(flow.joined()).await.unwrap_err();

    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    let status = within(flow.authenticate(wrong)).await.unwrap();
    assert_eq!(status.attempts_left, Some(1));
    let third = within(flow.authenticate(wrong)).await;
    assert_eq!(
        third,
        Err(InvitationError::Refused(Refusal::TooManyAttempts))
    );
    within(host.finished()).await.unwrap_err();

    let late = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    let late = within(late.authenticate(&right)).await;
    assert!(matches!(late, Err(InvitationError::Refused(_))), "{late:?}");
    assert_eq!(space.members().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_single_use_admits_one_and_many_uses_admit_many() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let eve = start(&home.path().join("c"), "Eve").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let open = || InvitationOptions::default().authentication(Authentication::None);
    let once = space.create_invitation(open()).await.unwrap();
    let flow = bob
        .echo()
        .accept_invitation(once.invitation().clone())
        .await
        .unwrap();
    within(flow.joined()).await.unwrap();
    let again = bob
        .echo()
        .accept_invitation(once.invitation().clone())
        .await
        .unwrap_err();
    let joined = InvitationError::AlreadyJoined { space: space.key() };
    assert_eq!(again, ClientError::Invitation(joined));
    let flow = eve
        .echo()
        .accept_invitation(once.invitation().clone())
        .await
        .unwrap();
    let refused = within(flow.joined()).await.unwrap_err();
    let used = InvitationError::Refused(Refusal::Unknown);
    assert_eq!(refused, ClientError::Invitation(used));

    let many = space
        .create_invitation(open().multi_use(true))
        .await
        .unwrap();
    let flow = eve
        .echo()
        .accept_invitation(many.invitation().clone())
        .await
        .unwrap();
    within(flow.joined()).await.unwrap();
    assert_eq!(space.members().await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_ends_early_says_why_on_both_sides() {
    let (_home, ann, bob, space) = apart().await;
    let ready = |status: &dxos_client::InvitationStatus| {
        status.state == InvitationState::ReadyForAuthentication
    };

    // The host cancels while the guest looks for the code.
    let host = space
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    drop(within(flow.watch().wait_for(ready)).await.unwrap());
    host.cancel();
    within(flow.joined()).await.unwrap_err();
    assert_eq!(flow.status().state, InvitationState::Cancelled);
    assert_eq!(host.status().state, InvitationState::Cancelled);
    let own = within(host.finished()).await;
    assert_eq!(own, Err(InvitationError::Cancelled));

    // The guest takes too long.
    let soon = InvitationOptions::default().timeout(Duration::from_millis(300));
    let host = space.create_invitation(soon).await.unwrap();
    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    within(flow.joined()).await.unwrap_err();
    assert_eq!(flow.status().state, InvitationState::Timeout);

    // The invitation's time is over.
    let short = InvitationOptions::default().lifetime(Duration::from_millis(1));
    let host = space.create_invitation(short).await.unwrap();
    let expired = |status: &dxos_client::InvitationStatus| status.state.is_final();
    drop(within(host.watch().wait_for(expired)).await.unwrap());
    assert_eq!(host.status().state, InvitationState::Expired);
    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    within(flow.joined()).await.unwrap_err();
    assert_eq!(flow.status().state, InvitationState::Expired);

    // The host goes away while the guest looks for the code.
    let host = space
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    drop(within(flow.watch().wait_for(ready)).await.unwrap());
    ann.destroy().await.unwrap();
    let gone = within(flow.joined()).await.unwrap_err();
    assert!(matches!(gone, ClientError::Invitation(_)), "{gone}");
    assert!(bob.echo().spaces().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_garbled_invitation_is_found_out_before_anything_is_dialed() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let host = space
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let text = host.invitation().to_string();
    let parse = |text: &str| text.parse::<dxos_client::Invitation>();
    assert_eq!(parse(&text).as_ref(), Ok(host.invitation()));
    assert_eq!(
        parse(&text[..text.len() - 1]),
        Err(ParseInvitationError::Garbled)
    );
    assert_eq!(parse("hello"), Err(ParseInvitationError::Prefix));
    assert_eq!(parse(""), Err(ParseInvitationError::Prefix));
}

#[tokio::test]
async fn a_reader_reads_and_what_it_would_write_is_refused() {
    let (_home, _ann, bob, space) = apart().await;
    space
        .db()
        .add(("task", map! { "title" => "read me" }))
        .await
        .unwrap();
    let options = InvitationOptions::default()
        .role(Role::Reader)
        .authentication(Authentication::None);
    let host = space.create_invitation(options).await.unwrap();
    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await
        .unwrap();
    let theirs = within(flow.joined()).await.unwrap();
    converge(&space, &theirs).await;
    assert_eq!(
        theirs.report().await.unwrap().objects,
        space.report().await.unwrap().objects
    );
    let refused = theirs.db().add(("task", map! {})).await.unwrap_err();
    assert!(
        matches!(
            refused,
            DatabaseError::Client(ClientError::Echo(EchoError::NotPermitted { .. }))
        ),
        "{refused}"
    );
    let refused = theirs
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, ClientError::Echo(EchoError::NotPermitted { .. })),
        "{refused}"
    );
}

#[tokio::test]
async fn a_device_that_was_just_admitted_writes_while_its_host_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    let ann = start(&path, "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let theirs = join(&space, &bob).await;
    let key = space.key();
    ann.destroy().await.unwrap();
    let task = theirs
        .db()
        .add(("task", map! { "title" => "alone" }))
        .await
        .unwrap();
    let ann = start(&path, "Ann").await;
    let space = ann.echo().space(key).await.unwrap();
    converge(&space, &theirs).await;
    assert!(space.db().get(task).await.unwrap().is_some());
}

#[tokio::test]
async fn three_clients_replicate_through_the_one_in_the_middle() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let eve = start(&home.path().join("c"), "Eve").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    // Bob and Eve know Ann's address only.
    let (bobs, eves) = (join(&space, &bob).await, join(&space, &eve).await);
    let task = bobs
        .db()
        .add(("task", map! { "title" => "from Bob" }))
        .await
        .unwrap();
    converge(&bobs, &eves).await;
    assert!(eves.db().get(task).await.unwrap().is_some());
    converge(&space, &eves).await;
}

#[tokio::test]
async fn who_watches_the_spaces_hears_of_those_that_are_created_and_joined() {
    let (_home, ann, bob, space) = apart().await;
    let mut seen = bob.echo().watch_spaces().await.unwrap();
    assert!(within(seen.next()).await.unwrap().is_empty());
    let joined = join(&space, &bob).await;
    let spaces = within(seen.next()).await.unwrap();
    assert_eq!(
        spaces.iter().map(Space::key).collect::<Vec<_>>(),
        [joined.key()]
    );
    bob.echo().create_space(map! {}).await.unwrap();
    assert_eq!(within(seen.next()).await.unwrap().len(), 2);
    bob.destroy().await.unwrap();
    within(seen.next()).await.unwrap_err();
    ann.destroy().await.unwrap();
}
