//! Erasures: what was deleted is gone on every device, and nothing else is.

use std::collections::BTreeMap;

use dxos_credentials::{Assertion, Role};
use dxos_document::{Op, Path, Text, Transaction, Value};
use dxos_keys::{ContentKeyId, SealedKey, SealingSecret};
use dxos_protocol::echo::{EchoError, ErasureState};
use dxos_store::{Direction, KeyRange, Read};

use super::super::apply::{Fresh, open_body};
use super::super::layout::{BLOCKS, TALLIES, kept_keys_key, split_block};
use super::super::purge::OF_SPACE;
use super::super::space::decode_row;
use super::{Net, Outcome, object};

impl Net {
    pub(super) fn try_request(&mut self, number: usize) -> Result<(), EchoError> {
        self.control(number, |space, now_ms, parts| {
            space.request_erasure(true, now_ms, parts)
        })
    }

    /// What an actor does about erasures from time to time; `true` when something was due.
    pub(super) fn follow_erasures(&mut self, number: usize) -> bool {
        let mut any = false;
        while self.replicas[number].space.is_erasure_due(true) {
            self.now_ms += 1;
            let replica = &mut self.replicas[number];
            let parts = (&replica.store as _, &mut self.rng as _);
            let (_, outcome) = replica.space.erase(true, self.now_ms, parts).unwrap();
            self.carry_out(number, outcome);
            any = true;
        }
        let space = &self.replicas[number].space;
        if space.erases() && space.has_blocks_to_drop() {
            self.try_trim(number, false).unwrap();
            any = true;
        }
        let replica = &mut self.replicas[number];
        while replica.space.tidy(&replica.store).unwrap() {}
        if let Some(outcome) = replica.space.destroy_keys(&replica.store).unwrap() {
            self.carry_out(number, outcome);
            any = true;
        }
        let replica = &mut self.replicas[number];
        if replica.space.has_traces() {
            let batch = replica.space.note_no_traces();
            let outcome = Outcome {
                batch,
                ..Outcome::default()
            };
            self.carry_out(number, outcome);
        }
        any | self.follow_sealing_key(number)
    }

    /// What HALO and an actor do about this device's encryption key.
    fn follow_sealing_key(&mut self, number: usize) -> bool {
        let mut any = false;
        self.now_ms += 1;
        let replica = &mut self.replicas[number];
        let parts = (&replica.store as _, &mut self.rng as _);
        if let Some(outcome) = replica.space.reseal(self.now_ms, parts).unwrap() {
            self.carry_out(number, outcome);
            any = true;
        }
        let replica = &mut self.replicas[number];
        let own = &mut replica.authority;
        if own.former.is_some() {
            if replica.space.resealed() == Some(own.sealing.sealing_key()) {
                own.former = None;
                any = true;
            }
        } else if replica.space.opens_destroyed() {
            let new = SealingSecret::generate(&mut self.rng);
            own.former = Some(std::mem::replace(&mut own.sealing, new));
            any = true;
        }
        let (own, store) = (own.clone(), replica.store.clone());
        replica.space.use_authority(own, &store).unwrap();
        any
    }

    /// How many of these blocks open with anything that a replica's disk and secrets give.
    pub(super) fn opens_ever(&self, number: usize, kept: &[Fresh]) -> usize {
        let replica = &self.replicas[number];
        let (space, own) = (&replica.space, &replica.authority);
        let info = self.key;
        let mut keys = BTreeMap::new();
        let mut open = |sealed: &SealedKey| {
            let former = own.former.iter();
            let secrets = [&own.sealing].into_iter().chain(former);
            for secret in secrets {
                if let Ok(key) = secret.open(info.as_bytes(), sealed) {
                    keys.insert(key.id(), key);
                }
            }
        };
        for block in space.membership.blocks() {
            if let Assertion::ContentKey { recipients, .. } = block.credential.assertion() {
                for (_, sealed) in recipients {
                    open(sealed);
                }
            }
        }
        let row = replica.store.get(TALLIES, &kept_keys_key(super::NUMBER));
        if let Some(row) = row.unwrap() {
            let stored: Vec<(ContentKeyId, SealedKey)> = decode_row("keys", &row).unwrap();
            for (_, sealed) in &stored {
                open(sealed);
            }
        }
        assert!(!keys.is_empty(), "what is written now can be read");
        let opened = kept
            .iter()
            .filter(|block| open_body(&keys, block).is_some());
        opened.count()
    }

    /// Lets time pass until nobody has anything to do for an erasure.
    pub(super) fn settle_erasures(&mut self) {
        for _ in 0..16 {
            self.settle_duties();
            let mut any = false;
            for number in 0..self.replicas.len() {
                any |= self.follow_erasures(number);
            }
            if !any {
                return;
            }
        }
        panic!("the replicas find ever more to erase");
    }

    pub(super) fn erasure_state(&self, number: usize) -> Option<ErasureState> {
        let report = self.replicas[number].space.report_erasure();
        report.map(|report| report.state)
    }

    fn is_erased(&self, number: usize) -> bool {
        self.erasure_state(number) == Some(ErasureState::Done)
    }

    /// All data blocks that a replica has, as somebody may have kept them.
    fn sealed_blocks(&self, number: usize) -> Vec<Fresh> {
        let replica = &self.replicas[number];
        let mut found = Vec::new();
        for (feed, state) in replica.space.dag.feeds() {
            let range = KeyRange::prefix(feed.as_bytes());
            let mut prev = dxos_keys::BlockHash::from_bytes([0; 32]);
            for (seq, row) in (0..).zip(replica.store.scan(BLOCKS, range, Direction::Forward)) {
                let (hash, block) = split_block(&row.unwrap().1).unwrap();
                found.push(Fresh {
                    descriptor: state.descriptor,
                    feed: *feed,
                    seq,
                    prev,
                    hash,
                    block,
                    past: dxos_feed::Timeframe::new(),
                });
                prev = hash;
            }
        }
        found
    }

    /// How many of these blocks open with the keys that a replica has in memory.
    pub(super) fn opens(&self, number: usize, kept: &[Fresh]) -> usize {
        let keys = &self.replicas[number].space.keys;
        let opened = kept.iter().filter(|block| open_body(keys, block).is_some());
        opened.count()
    }

    pub(super) fn holds(&self, number: usize, text: &str) -> bool {
        let replica = &self.replicas[number];
        OF_SPACE.into_iter().chain([BLOCKS]).any(|keyspace| {
            let rows = replica
                .store
                .scan(keyspace, KeyRange::all(), Direction::Forward);
            rows.map(Result::unwrap).any(|(_, value)| {
                value
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            })
        })
    }
}

fn note(number: u8, text: &str) -> Vec<Op> {
    Transaction::new()
        .create(object(number), "note", [("text", text)])
        .ops
}

fn delete(number: u8) -> Vec<Op> {
    Transaction::new().delete(object(number)).ops
}

fn set(number: u8, text: &str) -> Vec<Op> {
    Transaction::new().set(object(number), "text", text).ops
}

#[test]
fn what_was_deleted_is_gone_on_every_device_and_nothing_else_is() {
    let mut net = Net::of(1, &[Role::Admin, Role::Editor, Role::Reader]);
    for other in 1..4 {
        net.connect(0, other);
    }
    net.edit(0, note(1, "kept"));
    net.edit(0, note(2, "a secret"));
    net.edit(2, note(3, "another secret"));
    net.settle_duties();
    net.edit(1, set(2, "the secret as it was last"));
    net.edit(0, delete(2));
    net.edit(2, delete(3));
    net.settle_duties();
    let kept = net.sealed_blocks(0);
    let open = net.opens(0, &kept);
    assert!(open >= 6 && net.holds(3, "secret"));
    assert_eq!(net.opens_ever(3, &kept), open);
    net.try_request(0).unwrap();
    assert_eq!(net.erasure_state(0), Some(ErasureState::Acknowledging));
    net.settle_erasures();
    for number in 0..4 {
        assert!(net.is_erased(number), "replica {number}");
        assert!(!net.holds(number, "secret"), "replica {number}");
        assert_eq!(net.opens(number, &kept), 0, "replica {number}");
        assert_eq!(net.opens_ever(number, &kept), 0, "replica {number}");
        let objects = net.replicas[number].objects();
        assert_eq!(objects.len(), 1);
        assert_eq!(objects[0].get("text"), Some(&Value::from("kept")));
    }
    net.assert_same(&[0, 1, 2, 3]);
    // And all go on, also after they were opened again.
    for number in 0..4 {
        net.reopen(number, |_| {});
        assert!(net.is_erased(number));
    }
    for other in 1..4 {
        net.connect(0, other);
    }
    net.edit(2, note(4, "new"));
    net.edit(1, set(1, "kept and edited"));
    net.settle_erasures();
    net.assert_same(&[0, 1, 2, 3]);
}

#[test]
fn a_space_of_one_device_is_erased_at_once() {
    let mut net = Net::of(2, &[]);
    net.edit(0, note(1, "a secret"));
    net.edit(0, delete(1));
    net.try_request(0).unwrap();
    net.settle_erasures();
    assert!(net.is_erased(0) && !net.holds(0, "secret"));
    net.assert_same(&[0]);
    // Again, with what came since.
    net.edit(0, note(2, "a second secret"));
    net.edit(0, delete(2));
    net.try_request(0).unwrap();
    net.settle_erasures();
    assert!(net.is_erased(0) && !net.holds(0, "secret"));
    assert_eq!(net.replicas[0].space.list_epochs().len(), 2);
    net.assert_same(&[0]);
}

#[test]
fn what_is_below_a_deleted_object_goes_with_it() {
    let mut net = Net::of(3, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, note(1, "folder"));
    net.edit(0, note(2, "a secret within"));
    net.edit(0, note(3, "a secret further within"));
    net.transact(0, |tx| {
        tx.set_parent(object(2), Some(object(1)))?;
        tx.set_parent(object(3), Some(object(2)))
    });
    net.edit(0, delete(1));
    net.settle_duties();
    assert!(net.holds(1, "secret"));
    net.try_request(0).unwrap();
    net.settle_erasures();
    for number in 0..2 {
        assert!(net.is_erased(number) && !net.holds(number, "secret"));
    }
    net.edit(1, Transaction::new().restore(object(1)).ops);
    net.settle_duties();
    net.assert_same(&[0, 1]);
    let shown = net.replicas[0].objects();
    assert_eq!(shown.len(), 1, "an empty folder");
    assert!(shown[0].properties().is_empty());
}

#[test]
fn it_waits_for_a_device_that_is_away_and_loses_nothing_of_what_that_wrote() {
    let mut net = Net::of(4, &[Role::Editor, Role::Editor]);
    net.connect(0, 1);
    net.connect(0, 2);
    net.edit(0, note(1, "kept"));
    net.edit(0, note(2, "a secret"));
    net.settle_duties();
    net.disconnect(0, 2);
    net.edit(2, note(3, "written away"));
    net.edit(0, delete(2));
    net.try_request(0).unwrap();
    net.settle_erasures();
    let away = net.replicas[2].space.device();
    let waits_for = |net: &Net| net.replicas[0].space.report_erasure().unwrap().waits_for;
    assert_eq!(waits_for(&net), [away].into());
    // Everybody goes on meanwhile.
    net.edit(0, set(1, "one"));
    net.edit(1, note(4, "written meanwhile"));
    net.edit(2, set(1, "two"));
    net.settle_erasures();
    assert_eq!(net.erasure_state(1), Some(ErasureState::Acknowledging));
    // No epoch comes between that would keep what is to be destroyed.
    assert_eq!(net.try_epoch(0), Err(EchoError::ErasureUnderWay));
    net.connect(1, 2);
    net.settle_erasures();
    for number in 0..3 {
        assert!(net.is_erased(number) && !net.holds(number, "secret"));
        assert_eq!(net.replicas[number].objects().len(), 3);
    }
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn a_device_that_is_lost_holds_it_up_until_it_is_removed() {
    let mut net = Net::of(5, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, note(1, "a secret"));
    net.edit(0, delete(1));
    net.settle_duties();
    net.disconnect(0, 1);
    net.try_request(0).unwrap();
    net.settle_erasures();
    assert_eq!(net.erasure_state(0), Some(ErasureState::Acknowledging));
    let lost = net.replicas[1].space.identity();
    net.control(0, |space, now_ms, parts| {
        space.remove_member(lost, now_ms, parts)
    })
    .unwrap();
    net.settle_erasures();
    assert!(net.is_erased(0) && !net.holds(0, "secret"));
    net.assert_same(&[0]);
}

#[test]
fn who_joins_while_it_is_under_way_or_after_it_reads_what_is_left() {
    let mut net = Net::of(6, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, note(1, "kept"));
    net.edit(0, note(2, "a secret"));
    net.edit(0, delete(2));
    net.settle_duties();
    net.disconnect(0, 1);
    net.try_request(0).unwrap();
    let during = net.join(0, Role::Editor);
    net.connect(0, during);
    net.settle_erasures();
    net.edit(during, note(3, "of the new one"));
    net.connect(0, 1);
    net.settle_erasures();
    let after = net.join(0, Role::Reader);
    net.connect(1, after);
    net.settle_erasures();
    for number in 0..4 {
        assert!(net.is_erased(number), "replica {number}");
        assert!(!net.holds(number, "secret"), "replica {number}");
        assert_eq!(net.replicas[number].objects().len(), 2);
    }
    net.assert_same(&[0, 1, during, after]);
    assert!(net.replicas[after].space.missing_keys().is_empty());
}

#[test]
fn only_admins_ask_for_it_and_asking_again_changes_nothing() {
    let mut net = Net::of(7, &[Role::Editor]);
    assert!(matches!(
        net.try_request(1),
        Err(EchoError::NotPermitted { .. })
    ));
    net.edit(0, note(1, "a secret"));
    net.edit(0, delete(1));
    net.try_request(0).unwrap();
    let blocks = net.replicas[0].space.membership.blocks().count();
    net.try_request(0).unwrap();
    assert_eq!(net.replicas[0].space.membership.blocks().count(), blocks);
}

#[test]
fn two_admins_that_ask_at_once_come_to_the_same() {
    let mut net = Net::of(8, &[Role::Admin, Role::Editor]);
    for (one, two) in [(0, 1), (1, 2)] {
        net.connect(one, two);
    }
    net.edit(0, note(1, "a secret"));
    net.edit(2, note(2, "kept"));
    net.edit(0, delete(1));
    net.settle_duties();
    net.disconnect(0, 1);
    net.try_request(0).unwrap();
    net.edit(0, set(2, "edited here"));
    net.try_request(1).unwrap();
    net.edit(1, set(2, "edited there"));
    net.connect(0, 1);
    net.settle_erasures();
    for number in 0..3 {
        assert!(net.is_erased(number), "replica {number}");
        assert!(!net.holds(number, "secret"), "replica {number}");
    }
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn texts_and_lists_go_on_where_elements_were_erased() {
    let mut net = Net::of(9, &[Role::Editor]);
    net.connect(0, 1);
    let text = Value::Text(Text::new("public secret end"));
    let list = Value::from(vec![Value::from("first"), Value::from("a secret")]);
    let create = Transaction::new().create(object(1), "page", [("body", text), ("list", list)]);
    net.edit(0, create.ops);
    net.settle_duties();
    net.transact(1, |tx| {
        tx.text(object(1), "body")?.delete(7, 7)?;
        tx.list(object(1), "list")?.delete(1, 1)
    });
    net.settle_duties();
    net.try_request(0).unwrap();
    net.settle_erasures();
    for number in 0..2 {
        assert!(net.is_erased(number) && !net.holds(number, "secret"));
        net.transact(number, move |tx| {
            tx.text(object(1), "body")?
                .insert(7, &format!("{number} "))?;
            tx.list(object(1), "list")?.push_back("more")
        });
    }
    net.settle_duties();
    net.assert_same(&[0, 1]);
    let shown = net.replicas[1].objects();
    let body = shown[0].at(&Path::from("body"));
    assert!(
        matches!(body, Some(Value::Text(text)) if text.as_str().starts_with("public ")
            && text.as_str().ends_with("end"))
    );
}

#[test]
fn an_erasure_that_was_cut_off_at_any_time_goes_on() {
    for cut in 0..40 {
        let mut net = Net::of(10, &[Role::Admin, Role::Editor]);
        net.connect(0, 1);
        net.connect(1, 2);
        net.edit(0, note(1, "kept"));
        net.edit(2, note(2, "a secret"));
        net.settle_duties();
        net.edit(2, delete(2));
        net.settle_duties();
        net.try_request(1).unwrap();
        for round in 0..cut {
            for _ in 0..20 {
                net.step();
            }
            let number = round % 3;
            net.now_ms += 700;
            net.do_duties(number);
            net.follow_erasures(number);
        }
        for number in 0..3 {
            net.reopen(number, |_| {});
        }
        net.connect(0, 1);
        net.connect(1, 2);
        net.settle_erasures();
        for number in 0..3 {
            assert!(net.is_erased(number), "cut {cut}, replica {number}");
            assert!(!net.holds(number, "secret"), "cut {cut}");
        }
        net.assert_same(&[0, 1, 2]);
    }
}

#[test]
fn a_device_with_another_encryption_key_is_given_again_what_was_sealed_for_the_one_before() {
    let mut net = Net::of(12, &[Role::Admin, Role::Editor]);
    for other in 1..3 {
        net.connect(0, other);
    }
    net.edit(0, note(1, "kept"));
    net.edit(0, note(2, "a secret"));
    net.edit(0, delete(2));
    net.settle_duties();
    net.try_request(0).unwrap();
    net.settle_erasures();
    assert!(net.replicas[2].authority.former.is_none());
    let renewed = net.replicas[2].authority.sealing.sealing_key();
    assert_ne!(net.replicas[2].authority.chain.device().sealing, renewed);
    // Somebody that was not there makes another key, for the encryption key that it knows.
    net.disconnect(0, 1);
    net.disconnect(0, 2);
    net.replicas[2].authority.former = None;
    net.replicas[2].authority.sealing = SealingSecret::generate(&mut net.rng);
    let own = net.replicas[2].authority.clone();
    let keys = net.replicas[2].space.keys.clone();
    let store = net.replicas[2].store.clone();
    net.replicas[2].space.use_authority(own, &store).unwrap();
    drop(store);
    // They are in memory still, and are kept before the secret is gone.
    net.replicas[2].space.keys = keys;
    net.follow_sealing_key(2);
    net.control(1, |space, now_ms, (store, rng)| {
        let mut outcome = space.begin_control(now_ms, store)?;
        space.rotate_key(now_ms, (store, rng), &mut outcome)?;
        Ok(((), space.end_control(now_ms, store, outcome)?))
    })
    .unwrap();
    net.edit(1, note(3, "sealed with it"));
    net.connect(0, 1);
    net.connect(0, 2);
    net.settle_erasures();
    net.reopen(2, |_| {});
    net.connect(0, 2);
    net.settle_erasures();
    assert!(net.replicas[2].has(3));
    net.assert_same(&[0, 1, 2]);
}

#[test]
fn whoever_joins_with_another_encryption_key_than_its_chain_names_reads_all() {
    let mut net = Net::of(13, &[]);
    net.edit(0, note(1, "before"));
    let mut guest = super::authority(9);
    guest.sealing = SealingSecret::generate(&mut net.rng);
    let ticket = net.admit(0, &guest, Role::Editor);
    let joined = net.take_up(&guest, ticket);
    net.connect(0, joined);
    net.settle_erasures();
    net.edit(joined, note(2, "after"));
    net.settle_erasures();
    assert_eq!(net.replicas[joined].objects().len(), 2);
    net.reopen(joined, |_| {});
    net.assert_same(&[0, joined]);
}

#[test]
fn a_member_that_lies_about_what_it_knows_holds_it_up_until_it_is_removed() {
    let mut net = Net::of(14, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(0, note(1, "a secret"));
    net.edit(1, note(2, "kept"));
    net.edit(0, delete(1));
    net.settle_duties();
    net.disconnect(0, 1);
    net.try_request(0).unwrap();
    net.connect(0, 1);
    net.settle();
    let request = net.replicas[1].space.open_erasure().unwrap().request;
    let feed = *net.replicas[1].space.dag.feeds().next().unwrap().0;
    let space = net.key;
    net.control(1, |liar, now_ms, (store, _)| {
        let lie = Assertion::ErasureAcknowledged {
            space,
            request,
            known: [(feed, 1_000_000)].into(),
        };
        let mut outcome = liar.begin_control(now_ms, store)?;
        liar.issue(lie, now_ms, store, &mut outcome)?;
        Ok(((), liar.end_control(now_ms, store, outcome)?))
    })
    .unwrap();
    net.settle_erasures();
    let report = net.replicas[0].space.report_erasure().unwrap();
    assert_eq!(report.state, ErasureState::Requested);
    assert!(report.missing_blocks > 900_000);
    net.edit(1, note(3, "everything goes on"));
    net.settle_duties();
    assert!(net.replicas[0].has(3));
    let liar = net.replicas[1].space.identity();
    net.control(0, |space, now_ms, parts| {
        space.remove_member(liar, now_ms, parts)
    })
    .unwrap();
    net.ended.clear();
    net.settle_erasures();
    net.ended.clear();
    assert!(net.is_erased(0) && net.replicas[0].has(3));
    net.assert_same(&[0]);
}
