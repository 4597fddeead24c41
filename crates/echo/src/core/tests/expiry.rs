//! Items of queues that become too old while nobody appends.

use dxos_credentials::Role;
use dxos_document::{Retention, Value};

use super::Net;

const LOG: &str = "log";

impl Net {
    fn log(&mut self, by: usize, item: i64) {
        self.control(by, |space, now_ms, parts| {
            let (appended, outcome) =
                space.append_items(LOG, vec![Value::from(item)], now_ms, parts)?;
            appended.map(|_| ((), outcome))
        })
        .unwrap();
    }

    fn keep_for(&mut self, by: usize, age_max_ms: u64) {
        let retention = Retention {
            age_max_ms: Some(age_max_ms),
            ..Retention::ALL
        };
        self.control(by, |space, now_ms, parts| {
            let (set, outcome) = space.set_retention(LOG, retention, now_ms, parts)?;
            set.map(|()| ((), outcome))
        })
        .unwrap();
    }

    /// What the actor does from time to time. Says whether something was written.
    fn expire(&mut self, number: usize, wait_ms: u64) -> bool {
        self.now_ms += wait_ms;
        let before = self.blocks(number);
        let replica = &mut self.replicas[number];
        let parts = (&replica.store as _, &mut self.rng as _);
        let outcome = replica.space.expire_items(self.now_ms, parts).unwrap();
        if let Some(outcome) = outcome {
            self.carry_out(number, outcome);
        }
        self.blocks(number) != before
    }

    fn blocks(&self, number: usize) -> u64 {
        let replica = &self.replicas[number];
        replica.space.report(&replica.store).blocks
    }

    fn items(&self, number: usize) -> u64 {
        let replica = &self.replicas[number];
        let reports = replica.space.queues(Some(LOG), &replica.store).unwrap();
        reports[0].items
    }
}

#[test]
fn items_that_become_too_old_while_nobody_appends_go_once_for_all() {
    let mut net = Net::of(1, &[Role::Editor, Role::Reader]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.keep_for(0, 100_000);
    net.log(0, 1);
    net.log(1, 2);
    net.settle();
    // Nothing is too old, and nothing is written.
    for number in 0..3 {
        assert!(!net.expire(number, 30_000));
    }
    net.log(1, 3);
    net.settle();
    net.now_ms += 60_000;
    // One of the two that may write goes first; the reader never does.
    let wrote: Vec<_> = (0..3).map(|number| net.expire(number, 0)).collect();
    assert!(!wrote[2] && wrote[0] != wrote[1], "{wrote:?}");
    net.settle();
    for number in 0..3 {
        assert_eq!(net.items(number), 1);
    }
    // The other one finds it done, however long it waits.
    for wait_ms in [2_000, 2_000, 5_000] {
        for number in 0..3 {
            assert!(!net.expire(number, wait_ms));
        }
    }
    net.assert_same(&[0, 1, 2]);
    net.now_ms += 120_000;
    while !net.expire(1, 5_000) {}
    net.settle();
    net.assert_same(&[0, 1, 2]);
    assert_eq!(net.items(2), 0);
    net.log(0, 4);
    net.settle();
    assert_eq!(net.items(1), 1);
}

#[test]
fn a_space_that_is_opened_drops_what_became_too_old_meanwhile() {
    let mut net = Net::new(2);
    net.keep_for(0, 1_000);
    for item in 0..3 {
        net.log(0, item);
    }
    assert!(!net.expire(0, 0));
    net.reopen(0, |_| {});
    assert!(net.expire(0, 5_000));
    assert_eq!(net.items(0), 0);
    // There is nothing more, and nothing more is written.
    assert!(!net.expire(0, 5_000) && !net.expire(0, 90_000));
}
