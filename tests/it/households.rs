//! Identities with several devices: each gets every space, and one that is lost gets nothing new.

use std::path::Path;

use dxos_client::{
    Client, ClientError, Confirm, Departure, Filter, HaloError, InvitationOptions, Space, SpaceKey,
    Value, map,
};

use crate::support::{all_converge, join, options, start, until, within};

/// Another device of the identity of `host`, in a profile of its own.
pub(crate) async fn another(host: &Client, profile: &Path) -> Client {
    let device = options(profile).build();
    device.initialize().await.unwrap();
    let invitation = host
        .halo()
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let code = invitation.auth_code().unwrap().to_owned();
    let flow = device
        .halo()
        .accept_invitation(invitation.invitation().clone(), "Phone 📱")
        .await
        .unwrap();
    within(flow.authenticate(&code)).await.unwrap();
    let adopted = within(flow.adopted()).await.unwrap();
    let identity = host.halo().identity().await.unwrap().unwrap();
    assert_eq!(adopted, identity.identity);
    device
}

/// The space on a device that nobody invited to it, once it is there.
pub(crate) async fn arrived(device: &Client, key: SpaceKey) -> Space {
    let halo = device.halo().halo_space().unwrap().unwrap();
    let halo = device.echo().space(halo).await.unwrap();
    until(&[&halo], async || device.echo().space(key).await.is_ok()).await;
    let space = device.echo().space(key).await.unwrap();
    until(&[&space], async || {
        space.report().await.unwrap().role.is_some()
    })
    .await;
    space
}

pub(crate) async fn note(space: &Space, title: &str) {
    let title = title.to_owned();
    let db = space.db();
    // The key may still be on its way to a device that has just come.
    until(&[space], async || {
        let title = title.clone();
        db.add(("note", map! { "title" => title })).await.is_ok()
    })
    .await;
}

pub(crate) async fn titles(space: &Space) -> Vec<String> {
    let notes = space
        .db()
        .query(Filter::type_name("note"))
        .order_by("title");
    let notes = notes.run().await.unwrap();
    let title =
        |note: &dxos_client::Object| note.get("title").and_then(Value::as_str).map(str::to_owned);
    notes.iter().filter_map(title).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_identities_with_two_devices_each_share_a_space() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let mut first = Vec::new();
    let mut second = Vec::new();
    for name in ["ann", "bob", "carl"] {
        let laptop = start(&path(name), name).await;
        second.push(another(&laptop, &path(&format!("{name}2"))).await);
        first.push(laptop);
    }
    let space = first[0]
        .echo()
        .create_space(map! { "name" => "Garden" })
        .await
        .unwrap();
    let mut spaces = vec![space.clone()];
    for guest in &first[1..] {
        spaces.push(join(&space, guest).await);
    }
    for device in &second {
        spaces.push(arrived(device, space.key()).await);
    }
    for (number, space) in spaces.iter().enumerate() {
        note(space, &format!("{number} – ёлка 🎄")).await;
    }
    let all: Vec<&Space> = spaces.iter().collect();
    all_converge(&all).await;
    for space in &spaces {
        assert_eq!(titles(space).await.len(), 6);
        let members = space.members().await.unwrap();
        assert_eq!(members.len(), 3);
        assert!(
            members.iter().all(|member| member.devices.len() == 2),
            "{members:?}"
        );
    }

    // What one device says of the identity, others are shown.
    second[1].halo().update_profile("Боб").await.unwrap();
    let renamed = async || {
        let members = space.members().await.unwrap();
        let mut names = members
            .iter()
            .filter_map(|member| member.profile.display_name.as_deref());
        names.any(|name| name == "Боб")
    };
    until(&[&space], renamed).await;
    let devices = second[1].halo().devices().await.unwrap();
    let laptop = devices.iter().find(|device| !device.current).unwrap();
    let halo = second[1].halo();
    halo.rename_device(laptop.device, "Laptop").await.unwrap();
    let halo = first[1].halo().halo_space().unwrap().unwrap();
    let halo = first[1].echo().space(halo).await.unwrap();
    let named = async || {
        let devices = first[1].halo().devices().await.unwrap();
        devices
            .iter()
            .any(|device| device.current && device.name.as_deref() == Some("Laptop"))
    };
    until(&[&halo], named).await;
    let contacts = second[2].halo().contacts().await.unwrap();
    assert_eq!(contacts.len(), 2);

    // A removed member is gone with both devices.
    let carl = first[2].halo().identity().await.unwrap().unwrap();
    space.remove_member(carl.identity).await.unwrap();
    for gone in [&spaces[2], &spaces[5]] {
        let told = async || {
            let departure = gone.report().await.unwrap().departure;
            matches!(departure, Some(Departure::Removed { .. }))
        };
        until(&[gone], told).await;
    }
    note(&space, "7 without Carl").await;
    let stay = [&spaces[0], &spaces[1], &spaces[3], &spaces[4]];
    all_converge(&stay).await;
    assert_eq!(titles(stay[3]).await.len(), 7);
    for gone in [&spaces[2], &spaces[5]] {
        assert_eq!(titles(gone).await.len(), 6);
        let refused = gone.db().add(("note", map! { "title" => "x" })).await;
        assert!(refused.unwrap_err().to_string().contains("may not write"));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_profile_gets_nothing_new_and_writes_nothing_that_counts() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let laptop = start(&path("laptop"), "Ann").await;
    let phone = another(&laptop, &path("phone")).await;
    let bob = start(&path("bob"), "Bob").await;
    // A space of Ann's, and one in which she is an editor: there Bob's device changes the key.
    let mut kept = Vec::new();
    for (owner, guest) in [(&laptop, &bob), (&bob, &laptop)] {
        let space = owner.echo().create_space(map! {}).await.unwrap();
        let theirs = join(&space, guest).await;
        note(&space, "1 before the loss").await;
        let at_phone = arrived(&phone, space.key()).await;
        all_converge(&[&space, &theirs, &at_phone]).await;
        let at_bob = bob.echo().space(space.key()).await.unwrap();
        // The phone has heard of Bob from the laptop, and has met him.
        let met = async || {
            let peers = at_phone.report().await.unwrap().peers;
            peers.contains(&bob.mesh().device().unwrap())
        };
        until(&[&at_phone], met).await;
        kept.push((at_phone, at_bob));
    }
    let stolen = laptop.mesh().device().unwrap();
    laptop.destroy().await.unwrap();
    copy(&path("laptop"), &path("thief"));

    // The thief writes before anybody knows, with nobody in reach.
    let thief = options(&path("thief")).offline().build();
    thief.initialize().await.unwrap();
    for (at_phone, _) in &kept {
        let space = thief.echo().space(at_phone.key()).await.unwrap();
        note(&space, "2 by the thief").await;
    }
    thief.destroy().await.unwrap();

    phone.halo().revoke_device(stolen).await.unwrap();
    for (at_phone, at_bob) in &kept {
        let gone = async || {
            let members = at_bob.members().await.unwrap();
            members
                .iter()
                .all(|member| !member.devices.contains(&stolen))
        };
        until(&[at_bob], gone).await;
        note(at_phone, "3 after the loss").await;
        note(at_bob, "4 after the loss").await;
        all_converge(&[at_phone, at_bob]).await;
    }

    // Then it goes online.
    let thief = options(&path("thief")).build();
    thief.initialize().await.unwrap();
    for (at_phone, at_bob) in &kept {
        let space = thief.echo().space(at_phone.key()).await.unwrap();
        until(&[&space], async || space.report().await.unwrap().revoked).await;
        assert_eq!(titles(&space).await[0], "1 before the loss");
        assert!(titles(&space).await.len() <= 2, "nothing new");
        drop(
            space
                .db()
                .add(("note", map! { "title" => "5 by the thief" }))
                .await,
        );
        note(at_phone, "6 goes on").await;
        all_converge(&[at_phone, at_bob]).await;
        for honest in [at_phone, at_bob] {
            let shown = titles(honest).await;
            assert!(
                shown.iter().all(|title| !title.contains("thief")),
                "{shown:?}"
            );
            assert_eq!(shown.len(), 4);
        }
    }
    // It cannot make a phrase either, or take another device in.
    let halo = thief.halo().halo_space().unwrap().unwrap();
    let halo = thief.echo().space(halo).await.unwrap();
    until(&[&halo], async || halo.report().await.unwrap().revoked).await;
    let phrase = thief.halo().create_recovery_phrase().await;
    assert!(
        matches!(
            phrase,
            Err(ClientError::Halo(HaloError::NotAuthorized { .. }))
        ),
        "a phrase that is good for nothing"
    );
    thief.reset(Confirm::WipeProfile).await.unwrap();
}
