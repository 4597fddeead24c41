//! From one list of values to another by few changes.

use similar::{Algorithm, DiffOp};

use crate::Value;

/// Beyond so many items that differ on both sides together they are replaced as a whole.
const SEARCHED_MAX: usize = 10_000;

/// One change to a list; positions are those after the changes before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change<'a> {
    Delete {
        at: usize,
        len: usize,
    },
    Insert {
        at: usize,
        values: &'a [Value],
    },
    Move {
        from: usize,
        to: usize,
    },
    /// An item that holds something else now.
    Update {
        at: usize,
        old: &'a Value,
        new: &'a Value,
    },
}

/// What leads from `old` to `new`. Where as many items were taken out as put in they are taken to
/// be the same ones, changed; one that was taken out and put in elsewhere was moved.
pub(crate) fn changes<'a>(old: &'a [Value], new: &'a [Value]) -> Vec<Change<'a>> {
    let front = old
        .iter()
        .zip(new)
        .take_while(|(one, two)| one == two)
        .count();
    let back = old
        .iter()
        .skip(front)
        .rev()
        .zip(new.iter().skip(front).rev());
    let back = back.take_while(|(one, two)| one == two).count();
    let one = old.get(front..old.len() - back).unwrap_or_default();
    let two = new.get(front..new.len() - back).unwrap_or_default();
    if one.is_empty() && two.is_empty() {
        return Vec::new();
    }
    if let Some(change) = single_move(one, two, front) {
        return vec![change];
    }
    if one.len() + two.len() > SEARCHED_MAX {
        let delete = Change::Delete {
            at: front,
            len: one.len(),
        };
        return vec![
            delete,
            Change::Insert {
                at: front,
                values: two,
            },
        ];
    }
    let keys = |values: &'a [Value]| values.iter().collect::<Vec<_>>();
    let ops = similar::capture_diff_slices(Algorithm::Myers, &keys(one), &keys(two));
    let mut found = Vec::new();
    let mut next = front;
    for op in ops {
        let (before, after) = (op.old_range(), op.new_range());
        let at = next;
        // What comes before is as in the new list by then.
        next += after.len();
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let common = before.len().min(after.len());
        let pairs = one.get(before.clone()).unwrap_or_default().iter();
        let pairs = pairs.zip(two.get(after.clone()).unwrap_or_default());
        for (place, (old, new)) in pairs.enumerate() {
            found.push(Change::Update {
                at: at + place,
                old,
                new,
            });
        }
        if before.len() > common {
            found.push(Change::Delete {
                at: at + common,
                len: before.len() - common,
            });
        }
        if after.len() > common {
            let values = two.get(after.start + common..after.end).unwrap_or_default();
            found.push(Change::Insert {
                at: at + common,
                values,
            });
        }
    }
    found
}

/// The one move that leads from `one` to `two`, if there is one.
fn single_move<'a>(one: &[Value], two: &[Value], front: usize) -> Option<Change<'a>> {
    let end = one.len().checked_sub(1)?;
    if one.len() != two.len() || end == 0 {
        return None;
    }
    if one.first() == two.last() && one.get(1..) == two.get(..end) {
        return Some(Change::Move {
            from: front,
            to: front + end,
        });
    }
    (one.last() == two.first() && one.get(..end) == two.get(1..)).then_some(Change::Move {
        from: front + end,
        to: front,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(numbers: &[i64]) -> Vec<Value> {
        numbers.iter().copied().map(Value::Int).collect()
    }

    fn apply(old: &[Value], changes: &[Change<'_>]) -> Vec<Value> {
        let mut list = old.to_vec();
        for change in changes {
            match change {
                Change::Delete { at, len } => drop(list.drain(*at..at + len)),
                Change::Insert { at, values } => {
                    drop(list.splice(*at..*at, values.iter().cloned()));
                }
                Change::Move { from, to } => {
                    let item = list.remove(*from);
                    list.insert(*to, item);
                }
                Change::Update { at, old, new } => {
                    assert_eq!(&list[*at], *old);
                    list[*at] = (*new).clone();
                }
            }
        }
        list
    }

    proptest! {
        #[test]
        fn changes_lead_from_one_to_the_other(
            old in proptest::collection::vec(0_i64..5, 0..10),
            new in proptest::collection::vec(0_i64..5, 0..10),
        ) {
            let (old, new) = (values(&old), values(&new));
            prop_assert_eq!(apply(&old, &changes(&old, &new)), new);
        }
    }

    #[test]
    fn a_moved_item_is_moved() {
        let (old, new) = (values(&[1, 2, 3, 4]), values(&[1, 3, 4, 2]));
        assert_eq!(changes(&old, &new), [Change::Move { from: 1, to: 3 }]);
        assert_eq!(changes(&new, &old), [Change::Move { from: 3, to: 1 }]);
    }
}
