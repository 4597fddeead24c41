//! Queries with limits.

use dxos_document::{Filter, Query, Transaction};
use dxos_keys::ObjectId;

use super::Net;

/// More than a query with an order keeps beyond its limit.
const OBJECTS: u32 = 2500;

fn id(number: u32) -> ObjectId {
    let mut bytes = [0; 16];
    // Ids in another order than numbers.
    bytes[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn filled() -> Net {
    let mut net = Net::new(1);
    let all = (0..OBJECTS).fold(Transaction::new(), |all, number| {
        all.create(id(number), "task", [("number", i64::from(number))])
    });
    net.edit(0, all.ops);
    net
}

#[test]
fn a_limit_cuts_the_answer_and_changes_nothing_else() {
    let net = filled();
    let replica = &net.replicas[0];
    let tasks = Query::new(Filter::type_name("task"));
    for query in [
        tasks.clone(),
        tasks.clone().order_by("number"),
        tasks.descending("number"),
    ] {
        let all = replica.space.query(&query, &replica.store).unwrap();
        assert_eq!(all.len(), OBJECTS as usize);
        for limit in [0, 1, 50, 3000] {
            let some = query.clone().limit(limit);
            let found = replica.space.query(&some, &replica.store).unwrap();
            assert_eq!(found, all[..limit.min(all.len())], "{some:?}");
        }
    }
}

#[test]
fn what_the_limit_of_a_live_query_hid_moves_up() {
    let mut net = filled();
    let query = Query::new(Filter::type_name("task")).limit(2);
    let replica = &mut net.replicas[0];
    let mut live = replica
        .space
        .subscribe(query.clone(), &replica.store)
        .unwrap();
    let first = live.initial[0].id();
    net.edit(0, Transaction::new().delete(first).ops);
    live.changes.try_recv().unwrap().fold(&mut live.initial);
    let replica = &net.replicas[0];
    let again = replica.space.query(&query, &replica.store).unwrap();
    assert_eq!(live.initial, again);
    assert_eq!(again.len(), 2);
}
