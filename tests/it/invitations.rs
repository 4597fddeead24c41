//! Invitations in all their kinds, over real connections and restarts.

mod delegated;

use dxos_client::{
    Authentication, Client, ClientError, InvitationError, InvitationFlow, InvitationHost,
    InvitationOptions, InvitationProof, InvitationState, InvitationType, Profile, Refusal, Role,
    Space, map,
};

use crate::support::{apart, converge, join, start, until, within};

async fn accept(client: &Client, host: &InvitationHost) -> InvitationFlow {
    let invitation = host.invitation().to_string().parse().unwrap();
    client.echo().accept_invitation(invitation).await.unwrap()
}

/// Joins with whatever the invitation asks for.
async fn use_it(client: &Client, host: &InvitationHost) -> Result<Space, ClientError> {
    let flow = accept(client, host).await;
    if let Some(code) = host.auth_code() {
        within(flow.authenticate(code)).await?;
    }
    within(flow.joined()).await
}

fn refused(refusal: Refusal) -> ClientError {
    ClientError::Invitation(InvitationError::Refused(refusal))
}

#[tokio::test]
async fn a_persistent_invitation_survives_a_restart_with_its_code_and_its_attempts() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    let ann = start(&path, "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let key = space.key();
    let host = space
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let (id, text) = (host.id(), host.invitation().to_string());
    let code = host.auth_code().unwrap().to_owned();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let flow = accept(&bob, &host).await;
    let status = within(flow.authenticate(wrong)).await.unwrap();
    assert_eq!(status.attempts_left, Some(2));
    ann.destroy().await.unwrap();
    within(flow.joined()).await.unwrap_err();

    let ann = start(&path, "Ann").await;
    let space = ann.echo().space(key).await.unwrap();
    let open = space.invitations().await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].id, id);
    assert_eq!(open[0].code.as_ref().unwrap().as_str(), code);
    let host = space.invitation(id).await.unwrap().unwrap();
    assert_eq!(host.auth_code(), Some(code.as_str()));
    let flow = bob.echo().accept_invitation(text.parse().unwrap()).await;
    let flow = flow.unwrap();
    let status = within(flow.authenticate(wrong)).await.unwrap();
    assert_eq!(status.attempts_left, Some(1));
    within(flow.authenticate(&code)).await.unwrap();
    let theirs = within(flow.joined()).await.unwrap();
    converge(&space, &theirs).await;
    assert!(space.invitations().await.unwrap().is_empty());
    ann.destroy().await.unwrap();

    // Used is used, also after another restart.
    let ann = start(&path, "Ann").await;
    let space = ann.echo().space(key).await.unwrap();
    assert!(space.invitations().await.unwrap().is_empty());
    let eve = start(&home.path().join("c"), "Eve").await;
    let flow = eve.echo().accept_invitation(text.parse().unwrap()).await;
    let flow = flow.unwrap();
    within(flow.authenticate(&code)).await.unwrap_err();
    assert_eq!(
        within(flow.joined()).await.unwrap_err(),
        refused(Refusal::Unknown)
    );
}

#[tokio::test]
async fn an_invitation_that_is_not_persistent_ends_with_its_client() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    let ann = start(&path, "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let key = space.key();
    let options = InvitationOptions::default().persistent(false);
    let host = space.create_invitation(options).await.unwrap();
    ann.destroy().await.unwrap();
    assert_eq!(host.status().state, InvitationState::Cancelled);
    let ann = start(&path, "Ann").await;
    let space = ann.echo().space(key).await.unwrap();
    assert!(space.invitations().await.unwrap().is_empty());
    let late = use_it(&bob, &host).await.unwrap_err();
    assert_eq!(late, refused(Refusal::Unknown));
}

#[tokio::test]
async fn digits_of_a_code_are_nowhere_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    let ann = start(&path, "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let mut codes = Vec::new();
    for options in [
        InvitationOptions::default(),
        InvitationOptions::delegated(),
        InvitationOptions::default().authentication(Authentication::KnownPublicKey),
    ] {
        let host = space.create_invitation(options).await.unwrap();
        codes.extend(host.auth_code().map(str::to_owned));
    }
    ann.destroy().await.unwrap();
    assert_eq!(codes.len(), 2);
    let mut files = vec![path];
    let mut read = 0;
    while let Some(file) = files.pop() {
        if file.is_dir() {
            files.extend(
                std::fs::read_dir(&file)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        read += bytes.len();
        for code in &codes {
            let found = bytes.windows(6).any(|part| part == code.as_bytes());
            assert!(!found, "{} has the code", file.display());
        }
    }
    assert!(read > 1000, "nothing was read");
}

#[tokio::test]
async fn a_key_in_the_text_or_a_known_identity_admits_its_guest_and_nobody_else() {
    let (_home, ann, bob, space) = apart().await;
    let eve_home = tempfile::tempdir().unwrap();
    let eve = start(eve_home.path(), "Eve").await;
    let identity = bob.halo().identity().await.unwrap().unwrap().identity;

    // Eve has the text for Bob; her own client sees at once that it is not for her.
    let named = InvitationOptions::default().for_identity(identity);
    let host = space.create_invitation(named).await.unwrap();
    assert_eq!(host.auth_code(), None);
    let mut invitation = host.invitation().clone();
    let told = eve.echo().accept_invitation(invitation.clone()).await;
    let not_invited = InvitationError::NotInvited { identity };
    assert_eq!(told.unwrap_err(), ClientError::Invitation(not_invited));
    // A client that lies to itself is refused by the host.
    let own = eve.halo().identity().await.unwrap().unwrap().identity;
    invitation.proof = InvitationProof::Identity(own);
    let flow = eve.echo().accept_invitation(invitation).await.unwrap();
    let told = within(flow.joined()).await.unwrap_err();
    assert_eq!(told, refused(Refusal::NotInvited));
    let theirs = within(use_it(&bob, &host)).await.unwrap();
    converge(&space, &theirs).await;

    // The key stands in the text. Without it, or with another, nothing comes of it.
    let keyed = InvitationOptions::default().authentication(Authentication::KnownPublicKey);
    let host = space.create_invitation(keyed.clone()).await.unwrap();
    let other = space.create_invitation(keyed).await.unwrap();
    let mut without = host.invitation().clone();
    without.proof = other.invitation().proof.clone();
    let flow = eve.echo().accept_invitation(without.clone()).await.unwrap();
    let told = within(flow.joined()).await.unwrap_err();
    assert_eq!(told, refused(Refusal::NotInvited));
    without.proof = InvitationProof::None;
    let flow = eve.echo().accept_invitation(without).await.unwrap();
    let told = within(flow.joined()).await.unwrap_err();
    assert_eq!(told, ClientError::Invitation(InvitationError::Downgrade));
    within(use_it(&eve, &host)).await.unwrap();
    drop(ann);
}

#[tokio::test]
async fn open_invitations_are_listed_watched_and_cancelled() {
    let (_home, _ann, bob, space) = apart().await;
    let mut watch = space.watch_invitations().await.unwrap();
    assert!(within(watch.next()).await.unwrap().is_empty());
    let options = InvitationOptions::default()
        .role(Role::Reader)
        .history(false)
        .target("Garden");
    let host = space.create_invitation(options).await.unwrap();
    let listed = within(watch.next()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, host.id());
    assert_eq!((listed[0].role, listed[0].history), (Role::Reader, false));
    let shown = listed[0].invitation.as_ref().unwrap();
    assert_eq!(shown.to_string(), host.invitation().to_string());
    assert_eq!(shown.target.as_deref(), Some("Garden"));
    let delegated = space
        .create_invitation(InvitationOptions::delegated())
        .await
        .unwrap();
    let listed = within(watch.next()).await.unwrap();
    assert_eq!(listed.len(), 2);

    space.cancel_invitation(host.id()).await.unwrap();
    assert_eq!(host.status().state, InvitationState::Cancelled);
    space.cancel_invitation(delegated.id()).await.unwrap();
    until(&[&space], async || {
        space.invitations().await.unwrap().is_empty()
    })
    .await;
    let unknown = space.cancel_invitation(host.id()).await.unwrap_err();
    let invitation = host.id();
    let unknown_invitation = InvitationError::UnknownInvitation { invitation };
    assert_eq!(unknown, ClientError::Invitation(unknown_invitation));
    for ended in [&host, &delegated] {
        let late = use_it(&bob, ended).await.unwrap_err();
        assert_eq!(late, refused(Refusal::Cancelled));
    }
}

#[tokio::test]
async fn options_that_do_not_fit_together_are_refused() {
    let (_home, ann, _bob, space) = apart().await;
    let identity = ann.halo().identity().await.unwrap().unwrap().identity;
    let mut both = InvitationOptions::default().for_identity(identity);
    both.authentication = Authentication::SharedSecret;
    let mute = InvitationOptions::default().target("a\u{202e}b");
    for options in [both, mute] {
        let refused = space.create_invitation(options).await.unwrap_err();
        let bad = matches!(
            refused,
            ClientError::Invitation(InvitationError::BadOptions { .. })
        );
        assert!(bad, "{refused}");
    }
}

#[tokio::test]
async fn a_guest_without_history_reads_only_what_comes_after() {
    let (_home, _ann, bob, space) = apart().await;
    let before = space.db().add(("note", map! { "text" => "old" })).await;
    let before = before.unwrap();
    let options = InvitationOptions::default().history(false);
    let host = space.create_invitation(options).await.unwrap();
    let theirs = use_it(&bob, &host).await.unwrap();
    let after = space.db().add(("note", map! { "text" => "new" })).await;
    let after = after.unwrap();
    until(&[&theirs], async || {
        theirs.db().get(after).await.unwrap().is_some()
    })
    .await;
    assert!(theirs.db().get(before).await.unwrap().is_none());
}

#[tokio::test]
async fn a_device_joins_an_identity_with_a_code_and_has_its_spaces() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! { "name" => "Garden" }).await;
    let space = space.unwrap();
    let task = space.db().add(("task", map! { "title" => "dig" })).await;
    let task = task.unwrap();
    let phone = crate::support::options(&home.path().join("p")).build();
    phone.initialize().await.unwrap();

    let host = ann
        .halo()
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let code = host.auth_code().unwrap().to_owned();
    let text = host.invitation().to_link();
    assert_eq!(ann.halo().invitations().await.unwrap().len(), 1);
    // Not with an identity of one's own, and not as a space.
    let eve = start(&home.path().join("e"), "Eve").await;
    let refused = eve.halo().join(text.parse().unwrap(), "eve's").await;
    let has_one = matches!(
        refused.unwrap_err(),
        ClientError::Invitation(InvitationError::HasIdentity { .. })
    );
    assert!(has_one);
    let refused = eve.echo().join(text.parse().unwrap()).await.unwrap_err();
    let wrong = InvitationError::WrongKind { device: true };
    assert_eq!(refused, ClientError::Invitation(wrong));

    let flow = phone
        .halo()
        .join(text.parse().unwrap(), "Ann's phone")
        .await;
    let flow = flow.unwrap();
    within(flow.authenticate(&code)).await.unwrap();
    let identity = within(flow.adopted()).await.unwrap();
    let own = ann.halo().identity().await.unwrap().unwrap();
    assert_eq!(identity, own.identity);
    let status = within(host.finished()).await.unwrap();
    assert_eq!(status.device, Some(phone.mesh().device().unwrap()));
    assert!(ann.halo().invitations().await.unwrap().is_empty());
    let named = phone.halo().identity().await.unwrap().unwrap();
    assert_eq!(named.profile.display_name.as_deref(), Some("Ann"));
    // Without another invitation the space comes along.
    let mut network = phone.mesh().watch_network_status().unwrap();
    let theirs = within(async {
        loop {
            network.borrow_and_update();
            if let Ok(theirs) = phone.echo().space(space.key()).await {
                return theirs;
            }
            // Its swarm is joined when it is taken up.
            network.changed().await.unwrap();
        }
    })
    .await;
    converge(&space, &theirs).await;
    assert!(theirs.db().get(task).await.unwrap().is_some());
    // One device, one invitation.
    let tablet = crate::support::options(&home.path().join("t")).build();
    tablet.initialize().await.unwrap();
    let flow = tablet.halo().join(text.parse().unwrap(), "tablet").await;
    let flow = flow.unwrap();
    within(flow.authenticate(&code)).await.unwrap_err();
    assert!(tablet.halo().identity().await.unwrap().is_none());
}

#[tokio::test]
async fn a_space_whose_members_fill_more_than_a_frame_can_be_joined() {
    let (_home, ann, bob, space) = apart().await;
    // Each of them stays in the control feed for good.
    for n in 0..300 {
        let mut profile = Profile::named("Ann");
        profile.avatar = Some(format!("{n}{}", "x".repeat(4000)));
        ann.halo().update_profile(profile).await.unwrap();
    }
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let members = theirs.members().await.unwrap();
    let anns = members.iter().find(|m| m.profile.avatar.is_some()).unwrap();
    assert!(anns.profile.avatar.as_ref().unwrap().starts_with("299x"));
}
