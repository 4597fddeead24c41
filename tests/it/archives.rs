//! Spaces as archives: restored to a device that lost them, cloned, and refused when they are not
//! what was written.

use std::fs::File;
use std::io::Cursor;

use dxos_client::{
    ArchiveError, ArchiveProtection, Client, ClientError, Filter, ForeignKey, Meta, Object,
    RecoveryOptions, RecoveryPhrase, RestoreAs, RestoreOptions, Role, Space, Value, map,
};
use dxos_keys::ObjectId;

use crate::processes::Dx;
use crate::support::{all_converge, apart, converge, join, options, start, until, within};

async fn note(space: &Space, title: &str) -> ObjectId {
    let title = title.to_owned();
    let db = space.db();
    db.add(("note", map! { "title" => title })).await.unwrap()
}

async fn titles(space: &Space) -> Vec<String> {
    let notes = space.db().query(Filter::type_name("note")).run();
    let title = |note: &Object| note.get("title").unwrap().as_str().unwrap().to_owned();
    let mut titles: Vec<_> = notes.await.unwrap().iter().map(title).collect();
    titles.sort();
    titles
}

pub(crate) async fn archived(client: &Client, space: &Space) -> Vec<u8> {
    let serializer = client.create_serializer();
    let written = serializer.serialize_space(space, ArchiveProtection::Plain, Vec::new());
    written.await.unwrap().0
}

pub(crate) async fn restored(client: &Client, archive: &[u8]) -> Result<Space, ArchiveError> {
    let archive = Cursor::new(archive.to_vec());
    let serializer = client.create_serializer();
    let options = RestoreOptions::default();
    serializer.deserialize_space(archive, options).await
}

pub(crate) async fn cloned(client: &Client, archive: &[u8]) -> Result<Space, ArchiveError> {
    let archive = Cursor::new(archive.to_vec());
    let options = RestoreOptions {
        restore_as: RestoreAs::Clone,
        passphrase: None,
    };
    let serializer = client.create_serializer();
    serializer.deserialize_space(archive, options).await
}

pub(crate) async fn offline(profile: &std::path::Path, name: &str) -> Client {
    let client = options(profile).offline().build();
    client.initialize().await.unwrap();
    client.halo().create_identity(name).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_lost_everything_takes_its_space_from_an_archive_and_forks_nothing() {
    let (home, ann, bob, space) = apart().await;
    let theirs = join(&space, &bob).await;
    note(&space, "one").await;
    let phrase = ann.halo().create_recovery_phrase().await.unwrap().reveal();
    converge(&space, &theirs).await;
    let credentials = async || {
        theirs.credentials().await.unwrap().len() == space.credentials().await.unwrap().len()
    };
    until(&[&space, &theirs], credentials).await;
    let archive = archived(&ann, &space).await;
    // What comes after the archive is with Bob alone.
    note(&space, "two").await;
    converge(&space, &theirs).await;
    ann.reset(dxos_client::Confirm::WipeProfile).await.unwrap();

    let phone = options(&home.path().join("phone")).build();
    phone.initialize().await.unwrap();
    let phrase = RecoveryPhrase::parse(&phrase).unwrap();
    let addresses = bob.mesh().network_status().await.unwrap().addresses;
    let from = RecoveryOptions::default().peer(bob.mesh().device().unwrap(), addresses);
    within(phone.halo().recover_identity(&phrase, &from))
        .await
        .unwrap();
    let back = within(restored(&phone, &archive)).await.unwrap();
    assert_eq!(back.key(), space.key());
    note(&back, "three").await;
    all_converge(&[&back, &theirs]).await;
    until(&[&back], async || titles(&back).await.len() == 3).await;
    assert_eq!(titles(&back).await, ["one", "three", "two"]);
    until(&[&theirs], async || titles(&theirs).await.len() == 3).await;
    // Again it changes nothing.
    let hash = back.state_hash().await.unwrap();
    let blocks = back.report().await.unwrap().blocks;
    restored(&phone, &archive).await.unwrap();
    assert_eq!(back.state_hash().await.unwrap(), hash);
    let report = back.report().await.unwrap();
    assert!(report.blocks >= blocks && report.forks.is_empty());
    assert!(theirs.report().await.unwrap().forks.is_empty());
}

/// A directory that was copied before and is put back: the same device, without the space.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_device_goes_on_in_new_feeds_after_a_restore() {
    let home = tempfile::tempdir().unwrap();
    let (profile, backup) = (home.path().join("a"), home.path().join("backup"));
    let ann = start(&profile, "Ann").await;
    ann.destroy().await.unwrap();
    copy(&profile, &backup);
    ann.initialize().await.unwrap();
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let theirs = join(&space, &bob).await;
    note(&space, "in the archive").await;
    let archive = archived(&ann, &space).await;
    note(&space, "after it").await;
    converge(&space, &theirs).await;
    ann.destroy().await.unwrap();
    std::fs::remove_dir_all(&profile).unwrap();
    std::fs::rename(&backup, &profile).unwrap();

    let ann = options(&profile).offline().build();
    ann.initialize().await.unwrap();
    assert!(ann.echo().space(space.key()).await.is_err());
    let back = restored(&ann, &archive).await.unwrap();
    assert_eq!(titles(&back).await, ["in the archive"]);
    note(&back, "before it met anybody").await;
    ann.destroy().await.unwrap();
    let ann = start(&profile, "Ann").await;
    let back = ann.echo().space(space.key()).await.unwrap();
    assert_eq!(back.report().await.unwrap().role, Some(Role::Admin));
    until(&[&back], async || titles(&back).await.len() == 3).await;
    converge(&back, &theirs).await;
    assert_eq!(titles(&theirs).await.len(), 3);
    for space in [&back, &theirs] {
        assert!(space.report().await.unwrap().forks.is_empty());
    }
}

/// What others wrote names blocks of a branch that counts no more: these are in the archive, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_with_a_cut_branch_comes_out_of_an_archive_where_no_peer_is() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let carl = start(&path("carl"), "Carl").await;
    carl.destroy().await.unwrap();
    copy(&path("carl"), &path("early"));
    let (ann, bob) = (
        start(&path("ann"), "Ann").await,
        start(&path("bob"), "Bob").await,
    );
    let carl = start(&path("carl"), "Carl").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let (bobs, carls) = (join(&space, &bob).await, join(&space, &carl).await);
    note(&bobs, "before").await;
    all_converge(&[&space, &bobs, &carls]).await;
    carl.destroy().await.unwrap();
    bob.destroy().await.unwrap();
    copy(&path("bob"), &path("copy"));

    let bob = start(&path("bob"), "Bob").await;
    let bobs = bob.echo().space(space.key()).await.unwrap();
    note(&bobs, "by the original").await;
    converge(&space, &bobs).await;
    note(&space, "built on that").await;
    bob.destroy().await.unwrap();
    // The copy writes before it meets anybody.
    let bob = options(&path("copy")).offline().build();
    bob.initialize().await.unwrap();
    let bobs = bob.echo().space(space.key()).await.unwrap();
    note(&bobs, "by the copy").await;
    bob.destroy().await.unwrap();
    let bob = start(&path("copy"), "Bob").await;
    let bobs = bob.echo().space(space.key()).await.unwrap();
    until(&[&space, &bobs], async || {
        titles(&space).await.len() == 4 && titles(&bobs).await.len() == 4
    })
    .await;
    converge(&space, &bobs).await;
    assert_eq!(space.report().await.unwrap().forks.len(), 1);

    let archive = archived(&ann, &space).await;
    let carl = options(&path("early")).offline().build();
    carl.initialize().await.unwrap();
    let back = restored(&carl, &archive).await.unwrap();
    converge(&space, &back).await;
    assert_eq!(
        titles(&back).await,
        ["before", "built on that", "by the copy", "by the original"]
    );
    assert_eq!(back.report().await.unwrap().forks.len(), 1);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_has_the_objects_as_they_were_and_nobody_elses_membership() {
    let home = tempfile::tempdir().unwrap();
    let ann = offline(&home.path().join("a"), "Ann").await;
    let properties = map! { "name" => "Garden" };
    let space = ann.echo().create_space(properties).await.unwrap();
    let db = space.db();
    let parent = note(&space, "Ελλάδα").await;
    let mut meta = Meta::default();
    meta.tags.insert("green".to_owned());
    meta.keys.insert(ForeignKey::new("csv", "7"));
    meta.parent = Some(parent);
    let properties = map! {
        "title" => "child",
        "list" => Value::List(vec![1.into(), "two".into()]),
        "count" => Value::Counter(3),
        "about" => Value::Reference(parent.into()),
        dxos_client::Key::from("@meta") => meta.to_value(),
    };
    let child = db.add(("note", properties)).await.unwrap();
    let gone = note(&space, "deleted").await;
    db.remove(gone).await.unwrap();
    let archive = archived(&ann, &space).await;

    // A stranger to the space may clone it, and not restore it.
    let eve = offline(&home.path().join("e"), "Eve").await;
    let refused = restored(&eve, &archive).await;
    assert!(
        matches!(refused, Err(ArchiveError::Client(ClientError::Echo(_)))),
        "{refused:?}"
    );
    assert!(eve.echo().spaces().await.unwrap().is_empty());
    let copy = cloned(&eve, &archive).await.unwrap();
    assert_ne!(copy.key(), space.key());
    let report = copy.report().await.unwrap();
    assert_eq!(report.role, Some(Role::Admin));
    assert_eq!(report.properties.get("name"), Some(&"Garden".into()));
    assert_eq!(copy.members().await.unwrap().len(), 1);
    assert_eq!(titles(&copy).await, ["child", "Ελλάδα"]);
    for id in [parent, child] {
        let (before, after) = (db.get(id).await.unwrap(), copy.db().get(id).await.unwrap());
        let (before, after) = (before.unwrap(), after.unwrap());
        assert_eq!(after.properties(), before.properties());
        assert_eq!(after.meta(), before.meta());
        assert_eq!(after.type_name(), before.type_name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_cannot_read_all_archives_and_restores_what_it_can() {
    let (home, ann, bob, space) = apart().await;
    note(&space, "before Bob").await;
    let mut terms = dxos_client::InvitationOptions::default();
    terms = terms.history(false);
    let host = space.create_invitation(terms).await.unwrap();
    let code = host.auth_code().unwrap().to_owned();
    let invitation = host.invitation().to_string().parse().unwrap();
    let flow = bob.echo().accept_invitation(invitation).await.unwrap();
    within(flow.authenticate(&code)).await.unwrap();
    let theirs = within(flow.joined()).await.unwrap();
    within(host.finished()).await.unwrap();
    note(&space, "after Bob").await;
    until(&[&theirs], async || titles(&theirs).await == ["after Bob"]).await;
    let blocks =
        async || theirs.report().await.unwrap().blocks == space.report().await.unwrap().blocks;
    until(&[&space, &theirs], blocks).await;
    let archive = archived(&bob, &theirs).await;
    assert_eq!(
        titles(&cloned(&bob, &archive).await.unwrap()).await,
        ["after Bob"]
    );
    // Ann has the keys of the rest: what she reads stays what it was.
    restored(&ann, &archive).await.unwrap();
    assert_eq!(titles(&space).await, ["after Bob", "before Bob"]);
    // Her archive gives Bob what was written before him, also after a restart.
    let archive = archived(&ann, &space).await;
    restored(&bob, &archive).await.unwrap();
    assert_eq!(titles(&theirs).await, ["after Bob", "before Bob"]);
    converge(&space, &theirs).await;
    bob.destroy().await.unwrap();
    bob.initialize().await.unwrap();
    let theirs = bob.echo().space(space.key()).await.unwrap();
    assert_eq!(titles(&theirs).await, ["after Bob", "before Bob"]);
    drop(home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cut_or_altered_is_refused_and_nothing_of_it_is_there() {
    let home = tempfile::tempdir().unwrap();
    let ann = offline(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    for number in 0..30 {
        note(&space, &format!("{number}")).await;
    }
    let archive = archived(&ann, &space).await;
    let eve = offline(&home.path().join("e"), "Eve").await;
    let lengths = [1, 7, 8, 9, 10, 12, 14, archive.len() / 2];
    let from_end = [1, 31, 32, 33, 36, 40].map(|less| archive.len() - less);
    for length in lengths.into_iter().chain(from_end) {
        let refused = cloned(&eve, &archive[..length]).await;
        assert_eq!(
            refused.unwrap_err(),
            ArchiveError::Truncated,
            "cut at {length}"
        );
    }
    assert_eq!(cloned(&eve, b"").await.unwrap_err(), ArchiveError::Empty);
    for at in (10..archive.len()).step_by(archive.len() / 40) {
        let mut altered = archive.clone();
        altered[at] ^= 1;
        assert!(cloned(&eve, &altered).await.is_err(), "altered at {at}");
    }
    assert!(eve.echo().spaces().await.unwrap().is_empty());
}

#[test]
fn dx_writes_an_encrypted_archive_for_its_user_alone_and_restores_it() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (file, phrase, wrong) = (path("garden.dxa"), path("phrase"), path("wrong"));
    std::fs::write(&phrase, "correct horse\n").unwrap();
    std::fs::write(&wrong, "wrong\n").unwrap();
    let dx = Dx::new(&home.path().join("a"));
    let run = |dx: &Dx, arguments: &[&str]| {
        let output = dx.output(arguments);
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let good = |dx: &Dx, arguments: &[&str]| {
        let (good, text) = run(dx, arguments);
        assert!(good, "{arguments:?}: {text}");
        text
    };
    good(&dx, &["identity", "create", "Ann"]);
    good(&dx, &["space", "create", "Garden"]);
    let csv = path("notes.csv");
    std::fs::write(&csv, "title\nroses\ntulips\n").unwrap();
    good(&dx, &["import", "Garden", &csv, "--type", "note"]);
    // Without a passphrase it has to be said that it is to be readable.
    assert!(!run(&dx, &["archive", "Garden", &file]).0);
    let archive = ["archive", "Garden", &file, "--passphrase-file", &phrase];
    let text = good(&dx, &archive);
    assert!(text.contains("2 objects"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let (_, text) = run(&dx, &archive);
    assert!(text.contains("exists already"), "{text}");
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(5).any(|window| window == b"roses"));

    let other = Dx::new(&home.path().join("b"));
    good(&other, &["identity", "create", "Bob"]);
    let clone = |passphrase: &[&str]| {
        run(
            &other,
            &[&["restore", &file, "--as-clone"], passphrase].concat(),
        )
    };
    let (done, text) = clone(&[]);
    assert!(!done && text.contains("encrypted"), "{text}");
    let (done, text) = clone(&["--passphrase-file", &wrong]);
    assert!(!done && text.contains("wrong passphrase"), "{text}");
    let (done, text) = clone(&["--passphrase-file", &phrase]);
    assert!(done && text.contains("Garden"), "{text}");
    let text = good(&other, &["query", "Garden", "type:note"]);
    assert!(text.contains("roses") && text.contains("tulips"), "{text}");
    // Ann still has the space: a restore finds it whole.
    let text = good(&dx, &["restore", &file, "--passphrase-file", &phrase]);
    assert!(text.contains("Garden"), "{text}");
    assert!(File::open(path("garden.dxa.partial")).is_err());
}
