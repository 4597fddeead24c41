//! Restores that are cut off in the middle: nothing that is not whole passes for a space.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::mpsc;

use dxos_client::{
    ArchiveError, Client, Filter, RestoreAs, RestoreOptions, SpaceReason, SpaceState, Transaction,
    map,
};
use dxos_keys::ObjectId;
use tokio::sync::Notify;

use crate::archives::{archived, cloned, offline, restored};
use crate::support::{start, within};

const NOTES: u16 = 2_500;

/// An archive that, when it is read to be used, stops before its end, and fails once it is told
/// to go on.
struct Stopping<'a> {
    archive: Cursor<Vec<u8>>,
    passes: u8,
    /// How many bytes of it can be used.
    end: u64,
    reached: &'a Notify,
    go_on: mpsc::Receiver<()>,
}

impl Read for Stopping<'static> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.passes < 2 {
            return self.archive.read(buffer);
        }
        let left = usize::try_from(self.end - self.archive.position()).unwrap();
        if left == 0 {
            self.reached.notify_one();
            // Nobody tells it: it goes on when whoever could is gone.
            let _ = self.go_on.recv();
            return Err(std::io::Error::other("the disk was taken away"));
        }
        let room = left.min(buffer.len());
        self.archive.read(&mut buffer[..room])
    }
}

impl Seek for Stopping<'static> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        if let SeekFrom::Start(_) = to {
            self.passes += 1;
        }
        self.archive.seek(to)
    }
}

/// What a restore uses of an archive comes first, and then what a clone uses.
fn stopping(
    archive: &[u8],
    restore_as: RestoreAs,
) -> (Stopping<'static>, &'static Notify, mpsc::Sender<()>) {
    // One for each restore of a test.
    let reached: &'static Notify = Box::leak(Box::default());
    let (sender, go_on) = mpsc::channel();
    let tenths = match restore_as {
        RestoreAs::Clone => 9,
        _ => 4,
    };
    let stopping = Stopping {
        archive: Cursor::new(archive.to_vec()),
        passes: 0,
        end: archive.len() as u64 * tenths / 10,
        reached,
        go_on,
    };
    (stopping, reached, sender)
}

/// Begins a restore, and gives it up in the middle. What holds it is returned.
async fn give_up(client: &Client, archive: &[u8], restore_as: RestoreAs) -> mpsc::Sender<()> {
    let (archive, reached, go_on) = stopping(archive, restore_as);
    let options = RestoreOptions {
        restore_as,
        passphrase: None,
    };
    let serializer = client.create_serializer();
    tokio::select! {
        biased;
        () = reached.notified() => {}
        ended = serializer.deserialize_space(archive, options) => panic!("{ended:?}"),
    }
    go_on
}

/// A space with many notes, and what an archive of it holds.
async fn write(client: &Client) -> Vec<u8> {
    let space = client.echo().create_space(map! {}).await.unwrap();
    for first in (0..NOTES).step_by(500) {
        let mut many = Transaction::new();
        for number in first..first + 500 {
            let mut id = [7; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            let words = (0..25_u32).map(|word| {
                let seed = u32::from(number).wrapping_mul(25) + word;
                format!("{:08x}", seed.wrapping_mul(2_654_435_761))
            });
            let title: String = words.collect();
            many = many.create(ObjectId::from_bytes(id), "note", [("title", title)]);
        }
        space.db().commit(many).await.unwrap();
    }
    let archive = archived(client, &space).await;
    space.delete().await.unwrap();
    archive
}

async fn notes(space: &dxos_client::Space) -> usize {
    let query = space.db().query(Filter::type_name("note"));
    query.run().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_that_fails_in_the_middle_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let ann = offline(home.path(), "Ann").await;
    let archive = write(&ann).await;
    let (stopping, _, go_on) = stopping(&archive, RestoreAs::Clone);
    drop(go_on);
    let options = RestoreOptions {
        restore_as: RestoreAs::Clone,
        passphrase: None,
    };
    let serializer = ann.create_serializer();
    let failed = within(serializer.deserialize_space(stopping, options)).await;
    assert!(matches!(failed, Err(ArchiveError::Io { .. })), "{failed:?}");
    assert_eq!(ann.spaces().await.unwrap().len(), 0);
    let whole = cloned(&ann, &archive).await.unwrap();
    assert_eq!(whole.report().await.unwrap().state, SpaceState::Ready);
    assert_eq!(notes(&whole).await, usize::from(NOTES));
    ann.destroy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_that_is_cut_off_is_removed_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let ann = offline(home.path(), "Ann").await;
    let archive = write(&ann).await;
    let held = within(give_up(&ann, &archive, RestoreAs::Clone)).await;
    let reports = ann.echo().reports().await.unwrap();
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert!(report.objects < u64::from(NOTES), "{report:?}");
    assert_eq!(report.state, SpaceState::Initializing);
    assert_eq!(report.reason, Some(SpaceReason::Restoring));
    drop(held);
    ann.destroy().await.unwrap();

    let ann = start(home.path(), "Ann").await;
    assert_eq!(ann.spaces().await.unwrap().len(), 0);
    assert!(ann.doctor(false).await.unwrap().spaces.len() < 2);
    let whole = cloned(&ann, &archive).await.unwrap();
    ann.destroy().await.unwrap();

    // One that was made to its end stays.
    let ann = start(home.path(), "Ann").await;
    let whole = ann.echo().space(whole.key()).await.unwrap();
    assert_eq!(whole.report().await.unwrap().state, SpaceState::Ready);
    assert_eq!(notes(&whole).await, usize::from(NOTES));
    ann.destroy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_cut_off_says_so_until_it_is_run_again() {
    let home = tempfile::tempdir().unwrap();
    let ann = offline(home.path(), "Ann").await;
    let archive = write(&ann).await;
    let held = within(give_up(&ann, &archive, RestoreAs::Same)).await;
    let reports = ann.echo().reports().await.unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].state, SpaceState::Initializing);
    drop(held);
    ann.destroy().await.unwrap();

    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().space(reports[0].space).await.unwrap();
    let report = space.report().await.unwrap();
    assert_eq!(report.state, SpaceState::Error);
    assert_eq!(report.reason, Some(SpaceReason::Restoring));
    let checked = ann.doctor(false).await.unwrap();
    let findings = checked.spaces.iter().flat_map(|space| &space.findings);
    let kinds: Vec<_> = findings.map(|finding| finding.kind.to_string()).collect();
    assert_eq!(kinds, ["restore"]);
    restored(&ann, &archive).await.unwrap();
    assert_eq!(space.report().await.unwrap().state, SpaceState::Ready);
    assert_eq!(notes(&space).await, usize::from(NOTES));
    ann.destroy().await.unwrap();

    let ann = start(home.path(), "Ann").await;
    assert!(ann.doctor(false).await.unwrap().is_whole());
    ann.destroy().await.unwrap();
}
