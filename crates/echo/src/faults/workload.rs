//! What the devices do, in order, while one of the calls of Ann's disk fails.

use std::collections::BTreeMap;

use dxos_actors::testing::World;
use dxos_credentials::Role;
use dxos_keys::{StateHash, Topic};
use dxos_protocol::echo::{
    CreateSpace, Durability, EchoError, Flush, GetManifest, GetSpace, JoinSpace, ListSpaces,
    Manifest, ReadBlocks, RemoveMember, RestoreBlocks, RestoreSpace, SpaceState,
};
use dxos_protocol::replicate::{
    CloseSession, OpenSession, Produce, Receive, SessionError, SessionId,
};
use dxos_store::{Batch, Durability as StoreDurability, Store as _};

use super::ann::{Ann, Edit, Fault};
use super::peer::{Peer, admit, ask, state_hash};
use crate::Echo;
use crate::core::layout::{SpaceNumber, TALLIES, derived_key};

/// What a run came to: how often each call of Ann's disk was made, and how often she was told of
/// a failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) failures: u32,
    pub(super) commits: u64,
    pub(super) reads: u64,
    pub(super) syncs: u64,
}

/// Replicates until both have nothing more to say.
async fn replicate_once(
    one: (&Echo, &Peer),
    two: (&Echo, &Peer),
    ann: &Ann<'_>,
    number: u64,
) -> Result<(), SessionError> {
    const QUIET: u32 = 3;
    let topic = Topic::of_space(&ann.space());
    let session = SessionId(number);
    let open = |device: &Peer| OpenSession {
        session,
        topic,
        device: device.authority.chain.device().device,
    };
    ask(one.0.open_session(), open(two.1)).await?;
    ask(two.0.open_session(), open(one.1)).await?;
    let mut quiet = 0;
    while quiet < QUIET {
        quiet += 1;
        for (from, to) in [(one.0, two.0), (two.0, one.0)] {
            let bytes_max = 65_536;
            let produced = ask(from.produce(), Produce { session, bytes_max }).await?;
            for message in produced.messages {
                quiet = 0;
                ask(to.receive(), Receive { session, message }).await?;
            }
        }
        ann.sleep(60).await;
    }
    Ok(())
}

/// Replicates until Ann and a peer show the same.
async fn replicate(ann: &mut Ann<'_>, other: &Peer, next_session: &mut u64) {
    let space = ann.space();
    for _ in 0..20 {
        *next_session += 1;
        let (echo, theirs) = (ann.peer.echo(), other.echo());
        let done = replicate_once((&echo, &ann.peer), (&theirs, other), ann, *next_session).await;
        for echo in [&echo, &theirs] {
            let session = SessionId(*next_session);
            echo.close_session()
                .ask(CloseSession { session })
                .await
                .unwrap();
        }
        drop(echo);
        match done {
            Err(SessionError::SpaceClosed { reason }) => ann.mend(&reason).await,
            // A session that Ann's space ended when it was opened again.
            Err(SessionError::Unknown) => ann.mend("it was opened again").await,
            Err(error @ (SessionError::Offence { .. } | SessionError::NotMember)) => {
                panic!("a fault of the disk looks like an offence: {error}")
            }
            Err(error) => panic!("{error}"),
            Ok(()) => {}
        }
        let ours = ann.until(async |echo| state_hash(echo, space).await).await;
        if ours == state_hash(&theirs, space).await.unwrap() {
            return;
        }
    }
    panic!("they never show the same");
}

/// Reads everything as an archive does, from the beginning if the past changes meanwhile.
async fn archive(ann: &mut Ann<'_>) -> RestoreBlocks {
    let space = ann.space();
    ann.until(async |echo| {
        let manifest: Manifest = ask(echo.manifest(), GetManifest { space }).await?;
        let mut runs = Vec::new();
        for mut rest in [manifest.control, manifest.data] {
            loop {
                let bytes_max = 4096;
                let read = ReadBlocks {
                    space,
                    rest,
                    bytes_max,
                };
                let (found, left) = ask(echo.read_blocks(), read).await?;
                if found.is_empty() {
                    break;
                }
                runs.extend(found);
                rest = left;
            }
        }
        Ok(RestoreBlocks {
            keys: manifest.keys,
            // There is no epoch.
            parts: Vec::new(),
            runs,
        })
    })
    .await
}

async fn create(ann: &mut Ann<'_>) {
    loop {
        let echo = ann.peer.echo();
        let properties = BTreeMap::from([("name".to_owned(), "notes".into())]);
        let created = ask(echo.create_space(), CreateSpace { properties }).await;
        let Err(error) = created else {
            ann.use_space(created.unwrap().space);
            return;
        };
        drop(echo);
        ann.mend(&error.to_string()).await;
        // It may have been created nevertheless, whole.
        let listed = ann.peer.echo().list_spaces().ask(ListSpaces).await.unwrap();
        if let Some(report) = listed.first() {
            assert_eq!(
                report.properties.get("name"),
                Some(&"notes".into()),
                "{report:?}"
            );
            ann.use_space(report.space);
            return;
        }
    }
}

async fn join(ann: &mut Ann<'_>, guest: &mut Peer, role: Role) {
    let space = ann.space();
    let ticket = loop {
        let echo = ann.peer.echo();
        let admitted = admit(&echo, space, guest, role).await;
        drop(echo);
        match admitted {
            Ok(ticket) => break ticket,
            Err(EchoError::AlreadyMember { .. }) => {
                let ask_again = dxos_protocol::echo::GetTicket { space };
                break ann
                    .until(async |echo| ask(echo.get_ticket(), ask_again).await)
                    .await;
            }
            Err(error) => ann.mend(&error.to_string()).await,
        }
    };
    // Whoever was let in is not to be forgotten.
    ann.flush().await;
    guest.start(ann.world).await.unwrap();
    ask(guest.echo().join_space(), JoinSpace { ticket })
        .await
        .unwrap();
}

/// Runs all of it; the largest transaction makes so many objects.
pub(super) async fn run(world: &World, objects: u16, fault: Option<Fault>) -> Ran {
    let ann = &mut Ann::new(world, fault);
    let next = &mut 0;
    ann.start().await;
    create(ann).await;

    ann.write(Edit::Tasks(0..1), Durability::Interval).await;
    ann.write(Edit::Tasks(1..3), Durability::Synced).await;
    ann.write(Edit::Word("<one>"), Durability::Interval).await;
    ann.write(Edit::Tasks(3..3 + objects), Durability::Interval)
        .await;
    ann.write(Edit::Schema, Durability::Interval).await;
    ann.check_index().await;
    ann.write(Edit::Title(1, 5), Durability::Synced).await;
    ann.check().await;

    let carol = with_others(ann, next).await;
    let hash = archived(ann, next).await;
    finish(ann, hash, &carol, next).await
}

/// Two members come, of whom one is removed and the other has an old backup.
async fn with_others(ann: &mut Ann<'_>, next: &mut u64) -> Peer {
    let (world, space) = (ann.world, ann.space());
    let mut bob = Peer::new(world, "bob");
    let mut carol = Peer::new(world, "carol");
    join(ann, &mut bob, Role::Editor).await;
    join(ann, &mut carol, Role::Admin).await;
    replicate(ann, &carol, next).await;
    replicate(ann, &bob, next).await;
    let theirs = bob.echo();
    let edit = Edit::Tasks(2_000..2_003);
    edit.write(&theirs, space, Durability::Interval)
        .await
        .unwrap();
    ask(theirs.flush(), Flush).await.unwrap();
    drop(theirs);
    ann.write(Edit::Word("<two>"), Durability::Interval).await;
    replicate(ann, &bob, next).await;
    replicate(ann, &carol, next).await;
    ann.check().await;

    // Ann has what Carol has not when Carol removes Bob: it is taken back.
    let gone = Edit::Tasks(2_100..2_102);
    gone.write(&bob.echo(), space, Durability::Interval)
        .await
        .unwrap();
    replicate(ann, &bob, next).await;
    let remove = RemoveMember {
        space,
        identity: bob.identity(),
    };
    ask(carol.echo().remove_member(), remove).await.unwrap();
    replicate(ann, &carol, next).await;
    let shows = ann.until(async |echo| gone.shows(echo, space).await).await;
    assert!(!shows, "what a removed member wrote shows");
    let kept = ann.until(async |echo| edit.shows(echo, space).await).await;
    assert!(kept, "what a member wrote before is gone");
    ann.check().await;
    bob.stop().await;

    // Carol's disk is that of a backup: she forks her feed, which is cut and written again.
    let before = carol.disk.snapshot();
    let one = Edit::Tasks(3_000..3_002);
    one.write(&carol.echo(), space, Durability::Interval)
        .await
        .unwrap();
    replicate(ann, &carol, next).await;
    carol.restart(world, |disk| disk.restore(&before)).await;
    let two = Edit::Tasks(3_100..3_102);
    two.write(&carol.echo(), space, Durability::Interval)
        .await
        .unwrap();
    replicate(ann, &carol, next).await;
    for edit in [&one, &two] {
        let shows = ann.until(async |echo| edit.shows(echo, space).await).await;
        assert!(shows, "{edit:?} was lost with a backup");
    }
    ann.check().await;

    carol
}

/// An archive holds everything, and nothing changes when it is taken in again. The hash of it
/// all.
async fn archived(ann: &mut Ann<'_>, next: &mut u64) -> StateHash {
    let (world, space) = (ann.world, ann.space());
    let blocks = archive(ann).await;
    let dave = &mut Peer::new(world, "dave");
    join(ann, dave, Role::Reader).await;
    let restore = RestoreSpace {
        space,
        blocks: blocks.clone(),
    };
    ask(dave.echo().restore_space(), restore.clone())
        .await
        .unwrap();
    ann.until(async |echo| ask(echo.restore_space(), restore.clone()).await)
        .await;
    replicate(ann, dave, next).await;
    ann.write(Edit::Title(2, 9), Durability::Interval).await;
    ann.flush().await;
    let hash = ann.until(async |echo| state_hash(echo, space).await).await;

    // Whatever way it is opened again, it is the same.
    ann.peer.stop().await;
    ann.start().await;
    hash
}

async fn finish(ann: &mut Ann<'_>, hash: StateHash, carol: &Peer, next: &mut u64) -> Ran {
    let space = ann.space();
    ann.forget_live();
    let again = ann.until(async |echo| state_hash(echo, space).await).await;
    assert_eq!(again, hash, "it is another space after it was closed");
    ann.check().await;
    ann.check_index().await;
    replicate(ann, carol, next).await;
    let (commits, syncs) = ann.peer.disk.counts();
    let ran = Ran {
        failures: ann.failures,
        commits,
        reads: ann.peer.disk.reads(),
        syncs,
    };

    // From here on nothing fails.
    ann.peer.disk.heal();
    ann.sleep(6_000).await;
    // What failed in the background, such as the sync before a receipt, shows now.
    ann.flush().await;
    ann.check().await;
    ann.fault = None;
    let hash = state_hash(&ann.peer.echo(), space).await.unwrap();
    ask(ann.peer.echo().flush(), Flush).await.unwrap();
    ann.peer.lose_power().await;
    ann.peer.start(ann.world).await.unwrap();
    ann.forget_live();
    assert_eq!(
        state_hash(&ann.peer.echo(), space).await.unwrap(),
        hash,
        "after a loss of power"
    );
    // The state made anew from the blocks is the one that was kept.
    ann.peer.stop().await;
    let store = ann.peer.store(ann.world).await;
    let mut batch = Batch::new();
    for number in 0..4 {
        batch.put(TALLIES, derived_key(SpaceNumber(number)), vec![0]);
    }
    store.commit(batch, StoreDurability::Synced).unwrap();
    drop(store);
    ann.peer.start(ann.world).await.unwrap();
    let report = ask(ann.peer.echo().get_space(), GetSpace { space })
        .await
        .unwrap();
    assert_eq!(report.state, SpaceState::Ready, "{report:?}");
    assert_eq!(
        state_hash(&ann.peer.echo(), space).await.unwrap(),
        hash,
        "made anew"
    );
    ann.check().await;
    ran
}
