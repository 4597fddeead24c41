//! Random histories with epochs, trims, erasures, late writers, removals and losses of power: all
//! come to the same as one that keeps every block until something is erased.

use dxos_credentials::Role;
use dxos_document::{Op, Text, Transaction, Value};
use dxos_store::CrashPlan;
use proptest::prelude::*;

use super::converge::ops;
use super::{Net, object};

/// Keeps every block.
const KEEPER: usize = 3;

#[derive(Clone, Debug)]
enum Act {
    Edit(usize, Vec<Op>),
    Count(usize),
    Type(usize, usize, String),
    Epoch(usize),
    Trim(usize),
    Erase(usize),
    Follow(usize),
    Link(usize, usize),
    Remove,
    Crash(usize, usize),
    Reopen(usize),
    Join,
    Duties,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..4_usize, ops()).prop_map(|(by, ops)| Act::Edit(by, ops)),
        3 => (0..4_usize).prop_map(Act::Count),
        4 => (0..4_usize, 0..40_usize, "[a-z]{1,4}").prop_map(|(by, at, text)| Act::Type(by, at, text)),
        3 => (0..2_usize).prop_map(Act::Epoch),
        3 => (0..3_usize).prop_map(Act::Trim),
        1 => (0..2_usize).prop_map(Act::Erase),
        3 => (0..4_usize).prop_map(Act::Follow),
        5 => (0..4_usize, 1..4_usize).prop_map(|(one, by)| Act::Link(one, (one + by) % 4)),
        1 => Just(Act::Remove),
        1 => (0..3_usize, 0..6_usize).prop_map(|(of, survivors)| Act::Crash(of, survivors)),
        1 => (0..3_usize).prop_map(Act::Reopen),
        1 => Just(Act::Join),
        4 => Just(Act::Duties),
    ]
}

impl Net {
    pub(super) fn may_write(&self, number: usize) -> bool {
        let space = &self.replicas[number].space;
        let role = space.role();
        role.is_some_and(|role| role.allows(dxos_credentials::Right::Write))
            && !space.membership.is_revoked(&space.device())
    }

    /// Has everybody meet everybody, those who are thrown out too, and returns those who may
    /// write then, all connected and with every key that they are due.
    pub(super) fn bring_together(&mut self) -> Vec<usize> {
        let all = 0..self.replicas.len();
        let pairs = all
            .clone()
            .flat_map(|one| (0..one).map(move |two| (one, two)));
        let pairs: Vec<_> = pairs.collect();
        for (one, two) in &pairs {
            self.disconnect(*one, *two);
        }
        for (one, two) in &pairs {
            self.meet(*one, *two);
        }
        self.settle_duties();
        // What crossed a removal is told by another meeting.
        let members: Vec<_> = all.filter(|number| self.may_write(*number)).collect();
        for (one, two) in pairs {
            if members.contains(&one) && members.contains(&two) {
                self.disconnect(one, two);
                assert!(self.meet(one, two), "{one} and {two} are members");
            }
        }
        self.settle_duties();
        for number in &members {
            let missing = self.replicas[*number].space.missing_keys();
            assert!(missing.is_empty(), "{number} lacks {missing:?}");
        }
        members
    }

    fn type_text(&mut self, by: usize, at: usize, text: String) {
        self.transact(by, move |tx| {
            if tx.get(object(77))?.is_none_or(|page| page.is_deleted()) {
                return Ok(());
            }
            let mut body = tx.text(object(77), "body")?;
            let at = at.min(body.len());
            body.insert(at, &text)
        });
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Edit(by, ops) if self.may_write(by) => self.edit(by, ops),
            Act::Count(by) if self.may_write(by) => {
                let (object, path) = (object(78), "count".into());
                self.edit(
                    by,
                    vec![Op::Increment {
                        object,
                        path,
                        by: 1,
                    }],
                );
            }
            Act::Type(by, at, text) if self.may_write(by) => self.type_text(by, at, text),
            Act::Epoch(by) => drop(self.try_epoch(by)),
            Act::Trim(by) => drop(self.try_trim(by, false)),
            Act::Erase(by) => drop(self.try_request(by)),
            Act::Follow(by) => _ = self.follow_erasures(by),
            Act::Link(one, two) => {
                if self.links.contains_key(&(one, two)) {
                    self.disconnect(one, two);
                } else {
                    self.meet(one, two);
                }
            }
            Act::Remove => {
                let editor = self.replicas[2].space.identity();
                drop(self.control(1, |space, now_ms, parts| {
                    space.remove_member(editor, now_ms, parts)
                }));
            }
            Act::Crash(of, survivors) => self.reopen(of, |disk| {
                disk.crash(CrashPlan::power_loss(survivors));
            }),
            Act::Reopen(of) => self.reopen(of, |_| {}),
            Act::Join if self.replicas.len() < 6 && self.may_write(0) => {
                let joined = self.join(0, Role::Editor);
                self.meet(0, joined);
            }
            Act::Duties => self.settle_duties(),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_come_to_the_same_as_one_that_keeps_every_block(
        seed: u64,
        acts in prop::collection::vec((act(), 0..12_usize), 1..40),
    ) {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor, Role::Editor]);
        let body = Value::Text(Text::new("abc"));
        net.edit(0, Transaction::new().create(object(77), "page", [("body", body)]).ops);
        net.edit(0, Transaction::new().create(object(78), "count", [("count", 0)]).ops);
        for other in 1..4 {
            net.connect(0, other);
        }
        net.settle_duties();
        let may_lose = |act: &Act| matches!(act, Act::Remove | Act::Crash(..));
        let loses = acts.iter().any(|(act, _)| may_lose(act));
        let mut counted = 0;
        for (act, steps) in acts {
            counted += i64::from(matches!(act, Act::Count(by) if net.may_write(by)));
            net.act(act);
            for _ in 0..steps {
                net.step();
            }
        }
        let members = net.bring_together();
        net.settle_erasures();
        net.ended.clear();
        prop_assert!(members.contains(&KEEPER));
        let states: Vec<_> = members.iter().map(|number| net.epoch_state(*number)).collect();
        prop_assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", states);
        net.assert_same(&members);
        if !loses {
            let objects = net.replicas[members[0]].objects();
            let count = objects.iter().find(|found| found.id() == object(78)).unwrap();
            prop_assert_eq!(count.get("count"), Some(&Value::Int(counted)), "nothing is lost");
        }
    }
}
