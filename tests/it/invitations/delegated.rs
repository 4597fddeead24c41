//! Invitations that any admin may host.

use dxos_client::InvitationId;

use super::*;

/// Accepts a delegated invitation at one of its hosts and at no other.
async fn at_host(client: &Client, host: &Client, delegated: &InvitationHost) -> InvitationFlow {
    let mut invitation = delegated.invitation().clone();
    invitation.hosts = vec![dxos_client::HostAddress {
        device: host.mesh().device().unwrap(),
        addresses: host.mesh().network_status().await.unwrap().addresses,
    }];
    invitation.invitation_type = InvitationType::Interactive;
    client.echo().accept_invitation(invitation).await.unwrap()
}

/// Waits until a member has heard of an invitation that it may host.
async fn hosted(space: &Space, id: InvitationId) {
    until(&[space], async || {
        let open = space.invitations().await.unwrap();
        open.iter().any(|open| open.id == id)
    })
    .await;
}

#[tokio::test]
async fn a_delegated_invitation_is_hosted_by_another_admin_while_its_maker_is_away() {
    let (_home, ann, bob, space) = apart().await;
    let eve_home = tempfile::tempdir().unwrap();
    let eve = start(eve_home.path(), "Eve").await;
    let admin = InvitationOptions::default().role(Role::Admin);
    let host = space.create_invitation(admin).await.unwrap();
    let bobs = use_it(&bob, &host).await.unwrap();
    converge(&space, &bobs).await;

    let delegated = space
        .create_invitation(InvitationOptions::delegated())
        .await
        .unwrap();
    let (id, code) = (delegated.id(), delegated.auth_code().unwrap().to_owned());
    hosted(&bobs, id).await;
    // Bob may show it too, code and all; Ann is gone.
    let shown = bobs.invitation(id).await.unwrap().unwrap();
    assert_eq!(shown.auth_code(), Some(code.as_str()));
    assert_eq!(
        shown.invitation().invitation_type,
        InvitationType::Delegated
    );
    let text = shown.invitation().to_string();
    ann.destroy().await.unwrap();
    let flow = eve.echo().accept_invitation(text.parse().unwrap()).await;
    let flow = flow.unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let status = within(flow.authenticate(wrong)).await.unwrap();
    assert_eq!(status.attempts_left, Some(2));
    within(flow.authenticate(&code)).await.unwrap();
    let theirs = within(flow.joined()).await.unwrap();
    converge(&bobs, &theirs).await;
    assert!(bobs.invitations().await.unwrap().is_empty());
}

#[tokio::test]
async fn three_wrong_codes_at_one_host_end_a_delegated_invitation_at_all() {
    let (_home, ann, bob, space) = apart().await;
    let eve_home = tempfile::tempdir().unwrap();
    let eve = start(eve_home.path(), "Eve").await;
    let admin = InvitationOptions::default().role(Role::Admin);
    let host = space.create_invitation(admin).await.unwrap();
    let bobs = use_it(&bob, &host).await.unwrap();
    let delegated = space
        .create_invitation(InvitationOptions::delegated())
        .await
        .unwrap();
    let id = delegated.id();
    hosted(&bobs, id).await;
    let code = delegated.auth_code().unwrap().to_owned();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let flow = at_host(&eve, &ann, &delegated).await;
    for left in [2, 1] {
        let status = within(flow.authenticate(wrong)).await.unwrap();
        assert_eq!(status.attempts_left, Some(left));
    }
    let third = within(flow.authenticate(wrong)).await.unwrap_err();
    assert_eq!(third, InvitationError::Refused(Refusal::TooManyAttempts));
    until(&[&bobs], async || {
        bobs.invitations().await.unwrap().is_empty()
    })
    .await;
    // Bob does not host it any more either.
    let flow = at_host(&eve, &bob, &delegated).await;
    let late = within(flow.authenticate(&code)).await.unwrap_err();
    assert_eq!(late, InvitationError::Refused(Refusal::Unknown));
}

#[tokio::test]
async fn of_two_hosts_that_race_one_guest_stays_and_the_other_is_told() {
    let (_home, ann, bob, space) = apart().await;
    let guests = tempfile::tempdir().unwrap();
    let eve = start(&guests.path().join("e"), "Eve").await;
    let dan = start(&guests.path().join("d"), "Dan").await;
    let admin = InvitationOptions::default().role(Role::Admin);
    let host = space.create_invitation(admin).await.unwrap();
    let bobs = use_it(&bob, &host).await.unwrap();
    converge(&space, &bobs).await;
    let options = InvitationOptions::delegated().authentication(Authentication::None);
    let delegated = space.create_invitation(options).await.unwrap();
    let id = delegated.id();
    hosted(&bobs, id).await;
    // Ann and Bob are parted: the network between them is down, that to the guests is not.
    let mut at_ann = delegated.invitation().clone();
    let mut at_bob = bobs
        .invitation(id)
        .await
        .unwrap()
        .unwrap()
        .invitation()
        .clone();
    for (invitation, client) in [(&mut at_ann, &ann), (&mut at_bob, &bob)] {
        let device = client.mesh().device().unwrap();
        invitation.hosts.retain(|host| host.device == device);
        assert_eq!(invitation.hosts.len(), 1);
    }
    let key = space.key();
    let eves = {
        let offline = dxos_client::ConnectionState::Offline;
        bob.mesh().set_connection_state(offline).await.unwrap();
        let flow = eve.echo().accept_invitation(at_ann).await.unwrap();
        let eves = within(flow.joined()).await.unwrap();
        ann.mesh().set_connection_state(offline).await.unwrap();
        eve.mesh().set_connection_state(offline).await.unwrap();
        eves
    };
    let online = dxos_client::ConnectionState::Online;
    bob.mesh().set_connection_state(online).await.unwrap();
    let dans_flow = dan.echo().accept_invitation(at_bob).await.unwrap();
    let dans = within(dans_flow.joined()).await.unwrap();
    let lost = dans.db().add(("note", map! { "text" => "of Dan" })).await;
    let lost = lost.unwrap();
    until(&[&bobs], async || {
        bobs.db().get(lost).await.unwrap().is_some()
    })
    .await;

    // They meet again. Ann is senior: her guest stays.
    for client in [&ann, &eve] {
        client.mesh().set_connection_state(online).await.unwrap();
    }
    let mut watch = dans_flow.watch();
    let told = within(watch.wait_for(|status| status.state == InvitationState::Error)).await;
    let told = told.unwrap().error.clone();
    assert_eq!(
        told,
        Some(InvitationError::AdmittedAnother { invitation: id })
    );
    let report = dans.report().await.unwrap();
    let departure = dxos_client::Departure::InvitationLost { invitation: id };
    assert_eq!(report.departure, Some(departure));
    converge(&space, &bobs).await;
    converge(&space, &eves).await;
    for replica in [&space, &bobs, &eves] {
        let members = replica.members().await.unwrap();
        assert_eq!(members.len(), 3);
        assert!(replica.db().get(lost).await.unwrap().is_none());
    }
    // A new invitation lets Dan in after all.
    let again = join(&space, &dan).await;
    assert_eq!(again.key(), key);
}
