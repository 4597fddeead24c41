//! Epochs over real disks and connections: a new member after a trim, a peer that was away across
//! two of them, an archive of what is left.

use std::collections::BTreeSet;
use std::io::Cursor;

use dxos_client::{
    ArchiveProtection, ClientError, EchoError, EpochOptions, EpochState, ErasureState, Filter,
    InvitationCode, InvitationOptions, RestoreAs, RestoreOptions, Space, Transaction, map,
};
use dxos_keys::ObjectId;

use crate::lost_laptop::serve;
use crate::processes::Dx;
use crate::support::{Pair, all_converge, converge, join, start, until, within};

async fn note(space: &Space, title: &str) -> ObjectId {
    let title = title.to_owned();
    let db = space.db();
    db.add(("note", map! { "title" => title })).await.unwrap()
}

async fn notes(space: &Space) -> usize {
    let found = space.db().query(Filter::type_name("note")).run();
    found.await.unwrap().len()
}

/// Edits one object many times: what an epoch is for.
async fn edit(space: &Space, object: ObjectId, times: u32) {
    for time in 0..times {
        let title = format!("draft {time} {}", "x".repeat(200));
        let db = space.db();
        db.update(object, |note| {
            drop(note.insert("title".into(), title.into()));
        })
        .await
        .unwrap();
    }
}

async fn is_current(space: &Space, number: u64) -> bool {
    let epochs = space.epochs().await.unwrap();
    epochs
        .first()
        .is_some_and(|epoch| epoch.number == number && epoch.state == EpochState::Current)
}

async fn becomes_current(space: &Space, number: u64) {
    within(async {
        while !is_current(space, number).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn tidied(space: &Space) {
    within(async {
        while space
            .epochs()
            .await
            .unwrap()
            .iter()
            .any(|epoch| epoch.is_tidying)
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_member_after_a_trim_gets_everything_and_loads_no_old_block() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let first = note(&space, "first").await;
    let early = space.timeframe().await.unwrap();
    edit(&space, first, 300).await;
    let before = space.report().await.unwrap().blocks;
    let epoch = space.create_epoch(EpochOptions::new()).await.unwrap();
    assert_eq!((epoch.number, epoch.state), (1, EpochState::Current));
    let stands_for = epoch.blocks.unwrap();
    assert!(stands_for > 300);
    assert_eq!(space.trim(false).await.unwrap(), stands_for);
    tidied(&space).await;
    assert!(space.report().await.unwrap().blocks <= before - 300);
    note(&space, "after").await;

    let bob = start(&home.path().join("b"), "Bob").await;
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    becomes_current(&theirs, 1).await;
    assert_eq!(notes(&theirs).await, 2);
    assert!(theirs.report().await.unwrap().blocks < 100);
    let gone = space.at(early).get(first).await;
    assert!(matches!(
        gone,
        Err(ClientError::Echo(EchoError::BeforeEpoch { number: 1 }))
    ));

    // After a restart both go on from there.
    for client in [ann, bob] {
        client.destroy().await.unwrap();
    }
    let ann = start(&home.path().join("a"), "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann.echo().space(space.key()).await.unwrap();
    let theirs = bob.echo().space(theirs.key()).await.unwrap();
    edit(&theirs, first, 3).await;
    note(&space, "later").await;
    until(&[&space, &theirs], async || {
        notes(&theirs).await == 3 && notes(&space).await == 3
    })
    .await;
    converge(&space, &theirs).await;
    for client in [ann, bob] {
        client.destroy().await.unwrap();
    }
}

#[tokio::test]
async fn a_trim_and_a_gc_make_the_disk_smaller_and_history_before_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let first = note(&space, "first").await;
    let early = space.timeframe().await.unwrap();
    edit(&space, first, 600).await;
    let with_history = ann.gc().await.unwrap().disk_bytes_after;
    space.create_epoch(EpochOptions::new()).await.unwrap();
    space.trim(false).await.unwrap();
    tidied(&space).await;
    let without = ann.gc().await.unwrap().disk_bytes_after;
    assert!(
        without + 600 * 200 < with_history,
        "{with_history} bytes, then {without}"
    );
    assert!(matches!(
        space.at(early).get(first).await,
        Err(ClientError::Echo(EchoError::BeforeEpoch { number: 1 }))
    ));
    ann.destroy().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_was_away_across_two_epochs_loses_nothing_and_gets_everything() {
    let pair = Pair::meet().await;
    let (space, theirs) = (&pair.space, &pair.theirs);
    let shared = note(space, "shared").await;
    converge(space, theirs).await;
    pair.connect(dxos_client::ConnectionState::Offline).await;
    note(theirs, "written away").await;
    for round in 1..=2 {
        edit(space, shared, 40).await;
        note(space, "at home").await;
        space.create_epoch(EpochOptions::new()).await.unwrap();
        space.trim(false).await.unwrap();
        assert!(is_current(space, round).await);
        note(theirs, "and again").await;
    }
    pair.connect(dxos_client::ConnectionState::Online).await;
    until(&[space, theirs], async || {
        notes(space).await == 6 && notes(theirs).await == 6
    })
    .await;
    all_converge(&[space, theirs]).await;
    becomes_current(theirs, 2).await;
}

#[tokio::test]
async fn by_policy_an_epoch_is_created_and_old_blocks_are_dropped() {
    let mut config = dxos_client::Config::default();
    config.storage.epoch_blocks = 50;
    dropped_by_policy(config).await;
    let mut config = dxos_client::Config::default();
    config.storage.epoch_age = std::time::Duration::from_secs(1);
    dropped_by_policy(config).await;
}

async fn dropped_by_policy(config: dxos_client::Config) {
    let home = tempfile::tempdir().unwrap();
    let client = dxos_client::ClientOptions::new()
        .config(config)
        .profile(home.path().join("a"))
        .offline()
        .build();
    client.initialize().await.unwrap();
    client.halo().create_identity("Ann").await.unwrap();
    let space = client.echo().create_space(map! {}).await.unwrap();
    let first = note(&space, "first").await;
    edit(&space, first, 60).await;
    within(async {
        while !space
            .epochs()
            .await
            .unwrap()
            .iter()
            .any(|epoch| epoch.is_trimmed)
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Blocks may go in several epochs, if there is one before all is written.
    within(async {
        while space.report().await.unwrap().blocks >= 50 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(notes(&space).await, 1);
    client.destroy().await.unwrap();
}

#[tokio::test]
async fn a_space_that_dropped_old_blocks_is_archived_and_restored_by_who_was_away() {
    let pair = Pair::meet().await;
    let (space, theirs) = (&pair.space, &pair.theirs);
    let shared = note(space, "shared").await;
    converge(space, theirs).await;
    pair.connect(dxos_client::ConnectionState::Offline).await;
    edit(space, shared, 20).await;
    note(space, "before").await;
    space.create_epoch(EpochOptions::new()).await.unwrap();
    space.trim(false).await.unwrap();
    tidied(space).await;
    note(space, "after").await;
    note(theirs, "written away").await;
    let serializer = pair.ann.create_serializer();
    let plain = ArchiveProtection::Plain;
    let archive = serializer.serialize_space(space, plain, Vec::new()).await;
    let archive = archive.unwrap().0;

    let restore = |restore_as| {
        let options = RestoreOptions {
            restore_as,
            passphrase: None,
        };
        let serializer = pair.bob.create_serializer();
        let archive = Cursor::new(archive.clone());
        async move {
            serializer
                .deserialize_space(archive, options)
                .await
                .unwrap()
        }
    };
    restore(RestoreAs::Same).await;
    assert!(is_current(theirs, 1).await);
    assert_eq!(notes(theirs).await, 4);
    // A second time changes nothing.
    let hash = theirs.state_hash().await.unwrap();
    restore(RestoreAs::Same).await;
    assert_eq!(theirs.state_hash().await.unwrap(), hash);
    let clone = restore(RestoreAs::Clone).await;
    assert_eq!(notes(&clone).await, 3);

    pair.connect(dxos_client::ConnectionState::Online).await;
    until(&[space, theirs], async || notes(space).await == 4).await;
    converge(space, theirs).await;
}

async fn erased(space: &Space) {
    within(async {
        loop {
            let report = space.erasure().await.unwrap();
            if report.is_some_and(|report| report.state == ErasureState::Done) {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Whether a text is in the files of a profile, as it is: objects are not sealed there.
fn is_in_files(directory: &std::path::Path, text: &str) -> bool {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(Result::unwrap).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_in_files(&path, text);
        }
        // A file may go while the store cleans up.
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn what_was_erased_is_in_no_file_of_any_device() {
    const SECRET: &str = "nobody-is-to-read-this";
    let pair = Pair::meet().await;
    let (space, theirs) = (&pair.space, &pair.theirs);
    note(space, "kept").await;
    let gone = note(space, SECRET).await;
    converge(space, theirs).await;
    space.flush().await.unwrap();
    theirs.flush().await.unwrap();
    let profiles = [&pair.ann, &pair.bob].map(|client| client.config().unwrap().profile);
    for profile in &profiles {
        assert!(
            is_in_files(profile, SECRET),
            "objects are stored as they are"
        );
    }
    space.db().remove(gone).await.unwrap();
    converge(space, theirs).await;
    let report = space.erase(EpochOptions::new()).await.unwrap();
    assert!(report.keys >= 1 && report.recovery_keys.is_empty());
    erased(space).await;
    erased(theirs).await;
    all_converge(&[space, theirs]).await;
    assert_eq!((notes(space).await, notes(theirs).await), (1, 1));
    // The files go as soon as nobody reads them any more.
    for profile in &profiles {
        within(async {
            while is_in_files(profile, SECRET) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    // And both go on.
    note(theirs, "after").await;
    until(&[space, theirs], async || notes(space).await == 2).await;
    all_converge(&[space, theirs]).await;
}

#[tokio::test]
async fn an_erasure_does_not_wait_for_spaces_that_are_closed() {
    let pair = Pair::meet().await;
    let (ann, bob) = (&pair.ann, &pair.bob);
    let drawer = ann.echo().create_space(map! {}).await.unwrap();
    note(&drawer, "in the drawer").await;
    let theirs = join(&drawer, bob).await;
    converge(&drawer, &theirs).await;
    drawer.close().await.unwrap();
    let gone = note(&pair.space, "secret").await;
    converge(&pair.space, &pair.theirs).await;
    pair.space.db().remove(gone).await.unwrap();
    pair.space.erase(EpochOptions::new()).await.unwrap();
    // Devices destroy the encryption key that opened what was erased, closed spaces or not.
    erased(&pair.space).await;
    erased(&pair.theirs).await;
    drawer.open().await.unwrap();
    assert_eq!(notes(&drawer).await, 1);
    // It goes on with the key that replaced the other one.
    note(&theirs, "put there later").await;
    until(&[&drawer, &theirs], async || notes(&drawer).await == 2).await;
    all_converge(&[&drawer, &theirs]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_ends_cleanly_in_the_middle_of_an_erasure() {
    const NOTES: u16 = 1_500;
    let home = tempfile::tempdir().unwrap();
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let mut many = Transaction::new();
    for number in 0..NOTES {
        let mut id = [7; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let id = ObjectId::from_bytes(id);
        many = many.create(id, "note", [("title", i64::from(number))]);
    }
    space.db().commit(many).await.unwrap();
    let gone = note(&space, "secret").await;
    space.db().remove(gone).await.unwrap();
    let ended = async {
        // Once it is asked for, it goes on by itself.
        until(&[&space], async || {
            !matches!(space.erasure().await, Ok(None))
        })
        .await;
        ann.destroy().await
    };
    // It was done before that, or not.
    let (_, ended) = tokio::join!(space.erase(EpochOptions::new()), ended);
    ended.unwrap();

    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().space(space.key()).await.unwrap();
    assert_eq!(notes(&space).await, usize::from(NOTES));
    erased(&space).await;
    assert_eq!(notes(&space).await, usize::from(NOTES));
    ann.destroy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invitations_with_a_code_outlive_the_key_that_an_erasure_replaces() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let ann = start(&path("ann"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let gone = note(&space, "secret").await;
    space.db().remove(gone).await.unwrap();
    let own = InvitationOptions::default().persistent(true);
    let mut made = Vec::new();
    for options in [own, InvitationOptions::delegated()] {
        let host = space.create_invitation(options).await.unwrap();
        let code = host.auth_code().unwrap().to_owned();
        made.push((host.invitation().to_string(), code));
    }
    space.erase(EpochOptions::new()).await.unwrap();
    erased(&space).await;
    ann.destroy().await.unwrap();

    let ann = start(&path("ann"), "Ann").await;
    let space = ann.echo().space(space.key()).await.unwrap();
    let open = space.invitations().await.unwrap();
    let codes = open.iter().filter_map(|open| open.code.as_ref());
    let codes: BTreeSet<_> = codes.map(InvitationCode::as_str).collect();
    let expected: BTreeSet<_> = made.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, expected, "{open:?}");
    for (guest, (text, code)) in ["bob", "carl"].into_iter().zip(&made) {
        let guest = start(&path(guest), guest).await;
        let echo = guest.echo();
        let flow = echo.accept_invitation(text.parse().unwrap()).await.unwrap();
        within(flow.authenticate(code)).await.unwrap();
        within(flow.joined()).await.unwrap();
    }
    assert_eq!(space.members().await.unwrap().len(), 3);
}

#[test]
fn an_erasure_tells_of_delegated_invitations_whose_codes_others_forget() {
    let home = tempfile::tempdir().unwrap();
    let ann = Dx::new(&home.path().join("ann"));
    ann.json(&["identity", "create", "Ann"]);
    ann.json(&["space", "create", "Garden"]);
    let text = |arguments: &[&str]| {
        let output = ann.output(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut serving = serve(&ann);
    let none = text(&["space", "epoch", "erase", "Garden", "--status"]);
    assert!(none.contains("nothing was erased yet"), "{none}");
    for kind in ["--delegated", "--persistent"] {
        ann.json(&["invitation", "create", "Garden", kind]);
    }
    let said = text(&["space", "epoch", "erase", "Garden"]);
    assert!(
        said.contains("\n1 delegated invitations have a code"),
        "{said}"
    );
    let json = ann.json(&["space", "epoch", "erase", "Garden", "--status"]);
    assert_eq!(json["delegated_with_code"], 1, "{json}");
    let open = ann.json(&["invitation", "list", "Garden"]);
    let open = open.as_array().unwrap();
    assert!(open.len() == 2 && open.iter().all(|open| open["code"].is_string()));
    serving.kill();
}
