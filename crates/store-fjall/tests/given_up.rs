//! A keyspace whose files cannot be opened, and whose rows can be made anew: it is told apart,
//! given up only if that is asked for, and wherever it is cut off, the next open goes on with it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use dxos_store::{Batch, Direction, Durability, KeyRange, Keyspace, Read, Store, StoreError};
use dxos_store_fjall::{FjallOptions, FjallStore, Replaceable};

use self::support::{copy, files};

const BLOCKS: Keyspace = Keyspace::new("blocks");
const INDEX: Keyspace = Keyspace::new("index");
const OBJECTS: Keyspace = Keyspace::new("objects");
const ROWS: u32 = 400;

/// With `blocks` beyond repair, `objects` made from them, and `index` from what is not asked.
fn options(give_up: bool) -> FjallOptions {
    FjallOptions {
        journal_bytes: 1 << 20,
        replaceable: vec![
            Replaceable {
                keyspace: INDEX,
                from: Vec::new(),
            },
            Replaceable {
                keyspace: OBJECTS,
                from: vec![BLOCKS],
            },
        ],
        give_up,
        ..FjallOptions::default()
    }
}

fn open(path: &Path, give_up: bool) -> Result<FjallStore, StoreError> {
    FjallStore::open(path, options(give_up))
}

fn fill(store: &FjallStore) {
    for n in 0..ROWS {
        let mut batch = Batch::new();
        for keyspace in [BLOCKS, OBJECTS, INDEX] {
            batch.put(keyspace, n.to_be_bytes().to_vec(), vec![7; 300]);
        }
        store.commit(batch, Durability::Buffered).unwrap();
    }
    store.sync().unwrap();
}

/// A closed store. Keyspaces have the numbers 2 to 4 in the order in which they were written to.
fn make(home: &Path) -> PathBuf {
    let path = home.join("whole");
    let store = open(&path, false).unwrap();
    fill(&store);
    store.close().unwrap();
    path
}

fn tree(store: &Path, keyspace: Keyspace) -> PathBuf {
    let all = [BLOCKS, OBJECTS, INDEX];
    let number = all.iter().position(|other| *other == keyspace).unwrap() + 2;
    store.join("db/keyspaces").join(number.to_string())
}

fn note(store: &Path) -> PathBuf {
    store.join("db/given-up")
}

/// All tables of a store, and whether something is noted. Lists of tables that are not current
/// any more may go.
fn content(store: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = files(store).into_iter();
    let is_told = |file: &PathBuf| {
        file.parent()
            .is_some_and(|tables| tables.ends_with("tables"))
            || file.to_string_lossy().contains("given-up")
    };
    all.filter(is_told)
        .map(|file| (file.clone(), fs::read(file).unwrap()))
        .collect()
}

fn remove_tables(tree: &Path) {
    for file in files(&tree.join("tables")) {
        fs::remove_file(file).unwrap();
    }
}

/// The rows of a keyspace, or that they cannot all be read.
fn count(store: &FjallStore, keyspace: Keyspace) -> Result<u32, StoreError> {
    let mut all = store.scan(keyspace, KeyRange::all(), Direction::Forward);
    all.try_fold(0, |count, row| row.map(|_| count + 1))
}

/// Gone, cut at many lengths, and with one byte changed at many places.
fn variants(good: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut variants = vec![None];
    for length in [0, 1, good.len() / 3, good.len() / 2, good.len() - 1] {
        variants.push(Some(good[..length].to_vec()));
    }
    let step = (good.len() / 11).max(1);
    let tail = good.len().saturating_sub(400);
    let places = (0..good.len())
        .step_by(step)
        .chain((tail..good.len()).step_by(37));
    for (round, at) in places.enumerate() {
        let mut bad = good.to_vec();
        bad[at] ^= [0xff, 0x01, 0x80, 0x10][round % 4];
        variants.push(Some(bad));
    }
    variants
}

#[test]
fn whatever_file_of_a_replaceable_keyspace_is_damaged_it_is_told_and_then_given_up() {
    let home = tempfile::tempdir().unwrap();
    let whole = make(home.path());
    let path = home.path().join("copy");
    let (mut lost, mut opened) = (0, 0);
    for keyspace in [OBJECTS, INDEX] {
        for file in files(&tree(&whole, keyspace)) {
            let good = fs::read(&file).unwrap();
            let name = file.strip_prefix(&whole).unwrap();
            for bad in variants(&good) {
                copy(&whole, &path);
                match bad {
                    None => fs::remove_file(path.join(name)).unwrap(),
                    Some(bad) => fs::write(path.join(name), bad).unwrap(),
                }
                match open(&path, false) {
                    Ok(store) => {
                        // Within what is read later, or what is not read at all.
                        assert_eq!(store.given_up().unwrap(), []);
                        assert!(
                            count(&store, keyspace).is_err_and(|error| error.is_damage())
                                || count(&store, keyspace).unwrap() == ROWS
                        );
                        opened += 1;
                        continue;
                    }
                    Err(StoreError::Replaceable { keyspaces, .. }) => {
                        assert_eq!(keyspaces, [keyspace]);
                    }
                    Err(error) => panic!("{}: {error:?}", name.display()),
                }
                assert!(!note(&path).exists(), "nothing is done unasked");
                let store = open(&path, true).unwrap();
                assert_eq!(store.given_up().unwrap(), [keyspace]);
                for other in [BLOCKS, OBJECTS, INDEX] {
                    let expected = if other == keyspace { 0 } else { ROWS };
                    assert_eq!(count(&store, other).unwrap(), expected);
                }
                lost += 1;
                if lost % 8 != 1 {
                    continue;
                }
                store.forget_given_up().unwrap();
                fill(&store);
                store.close().unwrap();
                let store = open(&path, true).unwrap();
                assert_eq!(store.given_up().unwrap(), []);
                assert_eq!(count(&store, keyspace).unwrap(), ROWS);
            }
        }
    }
    assert!(lost > 50 && opened > 10, "{lost} {opened}");
}

#[test]
fn what_nothing_replaces_is_not_touched() {
    let home = tempfile::tempdir().unwrap();
    let whole = make(home.path());
    let path = home.path().join("copy");
    // Also when something else could be given up.
    for also in [false, true] {
        for file in files(&tree(&whole, BLOCKS)) {
            let good = fs::read(&file).unwrap();
            for bad in [&good[..0], &good[..good.len() - 1]] {
                copy(&whole, &path);
                fs::write(path.join(file.strip_prefix(&whole).unwrap()), bad).unwrap();
                if also {
                    remove_tables(&tree(&path, INDEX));
                }
                let before = content(&path);
                let error = match open(&path, true) {
                    Err(error) => error,
                    // A list that is not the current one.
                    Ok(store) => {
                        assert_eq!(count(&store, BLOCKS).unwrap(), ROWS);
                        continue;
                    }
                };
                assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
                assert!(error.to_string().contains("keyspaces/2"), "{error}");
                assert_eq!(content(&path), before);
            }
        }
    }
}

#[test]
fn a_keyspace_is_not_given_up_when_what_it_is_made_from_cannot_be_read() {
    let home = tempfile::tempdir().unwrap();
    let path = make(home.path());
    let blocks = files(&tree(&path, BLOCKS).join("tables")).pop().unwrap();
    let mut bytes = fs::read(&blocks).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    fs::write(&blocks, bytes).unwrap();
    let store = open(&path, true).unwrap();
    assert!(count(&store, BLOCKS).is_err(), "it opens all the same");
    store.close().unwrap();
    let copied = home.path().join("copy");
    copy(&path, &copied);

    remove_tables(&tree(&path, OBJECTS));
    let before = content(&path);
    let error = open(&path, true).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
    assert!(
        text.contains("keyspaces/2") && text.contains("objects"),
        "{text}"
    );
    assert_eq!(content(&path), before);

    // The index takes nothing of that.
    remove_tables(&tree(&copied, INDEX));
    let store = open(&copied, true).unwrap();
    assert_eq!(store.given_up().unwrap(), [INDEX]);
    assert_eq!(count(&store, OBJECTS).unwrap(), ROWS);
}

#[test]
fn rows_that_only_the_journal_has_do_not_come_back_into_what_was_given_up() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let store = open(&path, false).unwrap();
    fill(&store);
    store.close().unwrap();
    let store = open(&path, false).unwrap();
    for n in 0..20_u8 {
        let mut batch = Batch::new();
        for keyspace in [BLOCKS, OBJECTS, INDEX] {
            batch.put(keyspace, vec![n], "late");
        }
        store.commit(batch, Durability::Synced).unwrap();
    }
    // As it is after a kill.
    let killed = home.path().join("killed");
    copy(&path, &killed);
    drop(store);
    assert!(fs::metadata(killed.join("db/0.jnl")).unwrap().len() > 0);
    remove_tables(&tree(&killed, OBJECTS));
    remove_tables(&tree(&killed, INDEX));
    let error = open(&killed, false).unwrap_err();
    let told = "keyspaces objects, index of the store";
    assert!(error.to_string().contains(told), "{error}");
    for _ in 0..2 {
        let store = open(&killed, true).unwrap();
        assert_eq!(store.given_up().unwrap(), [OBJECTS, INDEX]);
        assert_eq!(count(&store, OBJECTS).unwrap(), 0);
        assert_eq!(count(&store, INDEX).unwrap(), 0);
        assert_eq!(count(&store, BLOCKS).unwrap(), ROWS + 20);
    }
}

/// What a kill leaves behind the note, made by hand.
type Step = (&'static str, fn(&Path));

#[test]
fn wherever_giving_up_is_cut_off_the_next_open_goes_on_with_it() {
    let home = tempfile::tempdir().unwrap();
    let whole = make(home.path());
    let damaged = home.path().join("damaged");
    copy(&whole, &damaged);
    fs::write(tree(&damaged, INDEX).join("current"), "").unwrap();
    let done = home.path().join("done");
    copy(&damaged, &done);
    drop(open(&done, true).unwrap());
    assert!(note(&done).exists());
    let steps: [Step; 6] = [
        ("nothing but the note", |_| {}),
        ("some of the files are deleted", |path| {
            remove_tables(&tree(path, INDEX));
        }),
        ("all are", |path| {
            fs::remove_dir_all(tree(path, INDEX)).unwrap();
        }),
        ("the new tree has begun", |path| {
            fs::remove_dir_all(tree(path, INDEX)).unwrap();
            fs::create_dir_all(tree(path, INDEX).join("tables")).unwrap();
        }),
        ("the new tree has no current list yet", |path| {
            let tree = tree(path, INDEX);
            fs::remove_dir_all(&tree).unwrap();
            fs::create_dir_all(tree.join("tables")).unwrap();
            fs::write(tree.join("v0"), "half").unwrap();
        }),
        ("it is a file", |path| {
            fs::remove_dir_all(tree(path, INDEX)).unwrap();
            fs::write(tree(path, INDEX), "").unwrap();
        }),
    ];
    let path = home.path().join("copy");
    for (what, step) in steps {
        copy(&damaged, &path);
        fs::copy(note(&done), note(&path)).unwrap();
        step(&path);
        // Also without being asked for again.
        for give_up in [false, true] {
            let again = home.path().join("again");
            copy(&path, &again);
            let store = open(&again, give_up).unwrap();
            assert_eq!(store.given_up().unwrap(), [INDEX], "{what}");
            assert_eq!(count(&store, INDEX).unwrap(), 0, "{what}");
            assert_eq!(count(&store, OBJECTS).unwrap(), ROWS, "{what}");
        }
    }

    // Before the note is there in full, nothing was done.
    copy(&damaged, &path);
    fs::copy(note(&done), path.join("db/given-up.new")).unwrap();
    let error = open(&path, false).unwrap_err();
    assert!(matches!(error, StoreError::Replaceable { .. }), "{error:?}");

    // What was written before anybody noted what is to be made anew does not count.
    let store = open(&done, false).unwrap();
    fill(&store);
    store.close().unwrap();
    let store = open(&done, false).unwrap();
    assert_eq!(store.given_up().unwrap(), [INDEX]);
    assert_eq!(count(&store, INDEX).unwrap(), 0);
    store.forget_given_up().unwrap();
    fill(&store);
    drop(store);
    let store = open(&done, false).unwrap();
    assert_eq!(store.given_up().unwrap(), []);
    assert_eq!(count(&store, INDEX).unwrap(), ROWS);
}

#[test]
fn who_cannot_make_it_anew_does_not_get_a_store_that_lacks_rows() {
    let home = tempfile::tempdir().unwrap();
    let path = make(home.path());
    remove_tables(&tree(&path, INDEX));
    let error = FjallStore::open(&path, FjallOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    drop(open(&path, true).unwrap());
    let error = FjallStore::open(&path, FjallOptions::default()).unwrap_err();
    assert!(error.to_string().contains("index was given up"), "{error}");

    let noted = fs::read(note(&path)).unwrap();
    for at in 0..noted.len() {
        let mut bad = noted.clone();
        bad[at] ^= 1;
        for bad in [&bad[..], &noted[..at]] {
            fs::write(note(&path), bad).unwrap();
            let error = open(&path, true).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        }
    }
    fs::write(note(&path), noted).unwrap();
    assert_eq!(open(&path, false).unwrap().given_up().unwrap(), [INDEX]);
}
