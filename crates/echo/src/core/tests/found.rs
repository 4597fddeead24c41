//! Reading what a query finds bit by bit.

use dxos_document::{Object, Query, Transaction};

use super::Replica;
use super::indexes::filled;

impl Replica {
    /// Reads what a query finds by ids, with so many bytes for its order at once, and tells how
    /// many objects were looked at to find them. `None` when pages are as good.
    pub(super) fn read_by_ids(&self, bytes: usize, query: &Query) -> Option<(Vec<Object>, u64)> {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let mut query = query.clone();
        loop {
            let space = &self.space;
            let ids = space.find_ids_within(bytes, &query, &self.store).unwrap()?;
            looked_at += ids.looked_at;
            let read = space.read_found(&query, &ids.objects, &self.store).unwrap();
            assert_eq!(read.len(), ids.objects.len());
            found.extend(read);
            query.limit = query.limit.map(|limit| limit - ids.objects.len());
            if ids.next.is_none() || query.limit == Some(0) {
                return Some((found, looked_at));
            }
            query.after = ids.next;
        }
    }
}

#[test]
fn what_is_read_bit_by_bit_in_an_order_without_an_index_is_looked_at_once() {
    let mut net = filled(1_000);
    let replica = &mut net.replicas[0];
    let order: Query = "type:task order:-number".parse().unwrap();
    let all = replica.space.query(&order, &replica.store).unwrap();
    let (found, looked_at) = replica.read_by_ids(1 << 20, &order).unwrap();
    assert_eq!(found, all);
    // The schema and the properties of the space are objects too.
    assert!(looked_at <= 1_002, "{looked_at}");
    // What does not fit into memory is looked at once more for each part.
    let (found, looked_at) = replica.read_by_ids(60_000, &order).unwrap();
    assert_eq!(found, all);
    assert!((2_000..5_000).contains(&looked_at), "{looked_at}");
    replica.build_all();
    // In pages nothing is read twice, nor when there is no order.
    for paged in ["type:task order:-number", "type:task", "even:1"] {
        assert_eq!(
            replica.read_by_ids(1, &paged.parse().unwrap()),
            None,
            "{paged}"
        );
    }
    let by_two = "type:task order:even,-number".parse().unwrap();
    let (_, looked_at) = replica.read_by_ids(1 << 20, &by_two).unwrap();
    assert!(looked_at <= 1_002, "{looked_at}");
}

#[test]
fn what_changes_between_two_parts_is_read_as_it_is_then() {
    let mut net = filled(10);
    let query: Query = "type:task number>=5 order:number".parse().unwrap();
    let replica = &net.replicas[0];
    let found = replica.space.find_ids(&query, &replica.store).unwrap();
    let ids = found.unwrap().objects;
    assert_eq!(ids.len(), 5);
    let mut edit = Transaction::new();
    edit = edit.set(ids[0], "number", 100).set(ids[1], "number", 1);
    net.edit(0, edit.delete(ids[2]).ops);
    let replica = &net.replicas[0];
    let read = replica.space.read_found(&query, &ids, &replica.store);
    let read: Vec<_> = read.unwrap().iter().map(Object::id).collect();
    assert_eq!(read, [ids[0], ids[3], ids[4]]);
}
