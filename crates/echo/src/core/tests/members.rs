use dxos_credentials::Role;
use dxos_document::Limits;
use dxos_document::Transaction;
use dxos_protocol::auth::Judgement;
use dxos_protocol::echo::EchoError;

use super::super::body;
use super::{Net, object, rng, task};
use crate::core::Outcome;

#[test]
fn a_member_that_the_peer_does_not_know_is_let_in_by_its_evidence() {
    let mut net = Net::of(1, &[Role::Admin]);
    let new = net.join(1, Role::Editor);
    assert_eq!(net.judge(0, new, false), Judgement::NeedMore);
    assert_eq!(net.judge(0, new, true), Judgement::Admitted);
    assert_eq!(net.judge(0, new, false), Judgement::Admitted);
    net.connect(0, new);
    net.edit(new, task(7, 1));
    net.settle();
    assert!(net.replicas[0].has(7));
    net.assert_same(&[0, new]);
}

#[test]
fn who_was_not_admitted_is_refused() {
    let mut net = Net::of(1, &[Role::Editor]);
    let mut other = Net::new(2);
    // A member of another space with the same devices shows what it has.
    other.join(0, Role::Editor);
    let stranger = other.join(0, Role::Editor);
    let from = &other.replicas[stranger];
    let evidence = from
        .space
        .evidence(true, None, &from.store)
        .unwrap()
        .evidence;
    let device = from.space.device();
    let host = &mut net.replicas[0];
    let (judgement, _) = host
        .space
        .judge_evidence(&device, &evidence, 5, &host.store);
    assert_eq!(judgement, Judgement::Refused);
}

#[test]
fn feeds_of_a_member_that_was_unknown_are_asked_for_again_once_it_is_known() {
    for seed in 0..20 {
        let mut net = Net::of(seed, &[Role::Admin, Role::Editor]);
        let new = net.join(1, Role::Editor);
        net.edit(new, task(7, 1));
        net.connect(1, new);
        net.settle();
        // 2 knows the new one's feeds by name before it knows who admitted it.
        net.connect(1, 2);
        net.connect(0, 2);
        net.settle();
        assert!(net.replicas[2].has(7), "seed {seed}");
        net.assert_same(&[0, 1, 2, new]);
    }
}

#[test]
fn a_block_of_a_reader_does_not_count() {
    let mut net = Net::of(1, &[Role::Reader]);
    let reader = &mut net.replicas[1];
    let refused = reader
        .space
        .commit(task(1, 1), 5, (&reader.store, &mut rng(9)));
    assert!(matches!(refused, Err(EchoError::NotPermitted { .. })));
    // One that does not ask.
    let key = reader.space.keys.values().next().unwrap().clone();
    let transaction = Transaction::from(task(1, 1));
    let plain = transaction.encode(&Limits::default()).unwrap();
    let mut outcome = Outcome::default();
    reader.space.begin_write(5, &mut outcome).unwrap();
    let written = reader
        .space
        .append_data(5, &mut outcome, |context| body::seal(&key, context, &plain));
    written.unwrap();
    net.carry_out(1, outcome);
    net.edit(0, task(2, 1));
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
    assert!(net.replicas[0].has(2) && net.replicas[1].has(2));
    assert!(!net.replicas[0].has(1) && !net.replicas[1].has(1));
}

#[test]
fn a_device_that_takes_up_its_space_again_goes_on_in_new_feeds() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.edit(1, task(1, 1));
    net.connect(0, 1);
    net.settle();
    let ticket = {
        let host = &net.replicas[0];
        host.space.ticket(&host.store, &Outcome::default()).unwrap()
    };
    // Its disk is lost; its keys are not.
    net.reopen(1, |disk| {
        let empty = dxos_store::MemDisk::new().snapshot();
        disk.restore(&empty);
    });
    let replica = &mut net.replicas[1];
    let outcome = replica.space.take_up(ticket, 9, &replica.store).unwrap();
    net.carry_out(1, outcome);
    net.edit(1, Transaction::new().set(object(2), "title", 1_i64).ops);
    net.edit(1, task(3, 1));
    net.connect(0, 1);
    net.settle();
    net.assert_same(&[0, 1]);
    assert!(net.replicas[1].has(1) && net.replicas[0].has(3));
    assert_eq!(net.replicas[0].forks(), 0);
}
