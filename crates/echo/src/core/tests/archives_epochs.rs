//! Archives of spaces in which a device forked a feed and what is older is gone: dropped behind an
//! epoch, or erased.

use dxos_credentials::Role;
use dxos_document::Transaction;
use dxos_keys::StateHash;

use super::super::apply::Fresh;
use super::super::layout::{BLOCKS, BRANCHES};
use super::archives::Archive;
use super::{Net, authority, object, task};

/// Blocks that others built on a branch behind an epoch, of which older blocks are gone.
#[test]
fn branches_behind_an_epoch_come_out_of_an_archive_and_those_before_it_stay_away() {
    for (seed, first) in [(0, true), (1, false), (2, true), (3, false)] {
        let mut net = Net::of(seed, &[Role::Editor, Role::Editor, Role::Reader]);
        for other in 1..3 {
            net.connect(0, other);
        }
        net.edit(1, task(1, 1));
        net.settle_duties();
        let before = net.archive(0);
        if first {
            net.try_epoch(0).unwrap();
            net.settle_duties();
            net.try_trim(0, true).unwrap();
        }
        let image = net.image(1, true);
        for number in 0..3 {
            net.edit(1, task(50 + number, 1));
            net.settle();
            net.edit(0, task(100 + number, 1));
            net.settle();
        }
        net.restore(1, &image);
        net.edit(1, task(150, 1));
        net.connect(0, 1);
        net.settle_duties();
        let forked = net.archive(0);
        if !first {
            net.try_epoch(0).unwrap();
            net.settle_duties();
            net.try_trim(0, true).unwrap();
        }
        net.edit(2, task(151, 1));
        net.settle_duties();
        net.assert_same(&[0, 1, 2]);
        let archive = net.archive(0);
        assert!(!archive.blocks.parts.is_empty());
        let restored = net.restore_anew(&authority(4), archive);
        net.assert_has_all(restored, 0);
        // What the epoch stands for does not come back.
        let rows = net.data_blocks(restored);
        net.restore_into(restored, before);
        net.restore_into(restored, forked);
        net.assert_has_all(restored, 0);
        assert_eq!(net.data_blocks(restored), rows);
    }
}

#[test]
fn what_was_erased_does_not_come_back_by_the_branches_of_an_older_archive() {
    let mut net = Net::of(1, &[Role::Editor, Role::Editor]);
    for other in 1..3 {
        net.connect(0, other);
    }
    let note = |number: u8, text: &str| {
        let create = Transaction::new().create(object(number), "note", [("text", text)]);
        create.ops
    };
    net.edit(1, note(1, "kept"));
    net.settle_duties();
    let image = net.image(1, true);
    net.edit(1, note(2, "a secret"));
    net.settle_duties();
    net.restore(1, &image);
    net.edit(1, note(3, "another secret"));
    net.connect(0, 1);
    net.settle_duties();
    for number in [2, 3] {
        net.edit(0, Transaction::new().delete(object(number)).ops);
    }
    net.settle_duties();
    let old = net.archive(0);
    let kept = archived_blocks(&old);
    assert!(net.opens(2, &kept) >= 8 && net.rows(2, BRANCHES) > 0);
    net.try_request(0).unwrap();
    net.settle_erasures();
    let late = net.join(0, Role::Editor);
    net.connect(0, late);
    net.settle_erasures();
    for number in 0..4 {
        let before = net.hash_and_blocks(number);
        net.restore_into(number, old.clone());
        net.write_again_now(number);
        assert_eq!(net.hash_and_blocks(number), before, "replica {number}");
    }
    net.settle_erasures();
    for number in 0..4 {
        assert!(!net.holds(number, "secret"), "replica {number}");
        assert_eq!(net.opens(number, &kept), 0, "replica {number}");
        assert_eq!(net.opens_ever(number, &kept), 0, "replica {number}");
    }
    net.assert_same(&[0, 1, 2, late]);
}

impl Net {
    fn hash_and_blocks(&self, number: usize) -> (StateHash, [usize; 2]) {
        let rows = [BLOCKS, BRANCHES].map(|keyspace| self.rows(number, keyspace));
        (self.replicas[number].hash(), rows)
    }
}

fn archived_blocks(archive: &Archive) -> Vec<Fresh> {
    let mut found = Vec::new();
    for archived in &archive.blocks.runs {
        let run = archived.run.as_ref().unwrap();
        let (feed, mut prev) = (run.feed, archived.prev);
        for (seq, block) in (run.first..).zip(&run.blocks) {
            let hash = block.hash(&feed, seq, &prev);
            found.push(Fresh {
                descriptor: archived.descriptor,
                feed,
                seq,
                prev,
                hash,
                block: block.clone(),
                past: dxos_feed::Timeframe::new(),
            });
            prev = hash;
        }
    }
    found
}
