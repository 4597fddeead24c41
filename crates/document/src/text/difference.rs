//! From one text to another by few replacements.

use similar::{Algorithm, DiffOp};

/// Beyond so many characters that differ on both sides together one replacement does.
const SEARCHED_MAX: usize = 20_000;

/// What to take out and put in, as position, how many to take out, what to put in. Positions are
/// those after the replacements before.
pub(crate) fn splices<'a>(old: &str, new: &'a str) -> Vec<(usize, usize, &'a str)> {
    let (before, after): (Vec<char>, Vec<(usize, char)>) =
        (old.chars().collect(), new.char_indices().collect());
    let same = |one: &char, two: &(usize, char)| *one == two.1;
    let front = before
        .iter()
        .zip(&after)
        .take_while(|(one, two)| same(one, two));
    let front = front.count();
    let back = before.iter().skip(front).rev();
    let back = back
        .zip(after.iter().skip(front).rev())
        .take_while(|(one, two)| same(one, two))
        .count();
    let byte = |place: usize| after.get(place).map_or(new.len(), |(byte, _)| *byte);
    let (old_end, new_end) = (before.len() - back, after.len() - back);
    let part = |from: usize, to: usize| new.get(byte(from)..byte(to)).unwrap_or_default();
    if front == old_end && front == new_end {
        return Vec::new();
    }
    if front == old_end || front == new_end || old_end + new_end - 2 * front > SEARCHED_MAX {
        return vec![(front, old_end - front, part(front, new_end))];
    }
    let one = before.get(front..old_end).unwrap_or_default();
    let two: Vec<char> = after
        .iter()
        .take(new_end)
        .skip(front)
        .map(|(_, character)| *character)
        .collect();
    let ops = similar::capture_diff_slices(Algorithm::Myers, one, &two);
    let mut at = front;
    let mut found = Vec::new();
    for op in ops {
        let new = op.new_range();
        if !matches!(op, DiffOp::Equal { .. }) {
            let insert = part(front + new.start, front + new.end);
            found.push((at, op.old_range().len(), insert));
        }
        // What comes before is as in the new text by now.
        at += new.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(old: &str, splices: &[(usize, usize, &str)]) -> String {
        let mut text: Vec<char> = old.chars().collect();
        for (at, delete, insert) in splices {
            text.splice(*at..at + delete, insert.chars());
        }
        text.into_iter().collect()
    }

    proptest! {
        #[test]
        fn splices_lead_from_one_to_the_other(old in "[ab€😀]{0,20}", new in "[ab€😀]{0,20}") {
            prop_assert_eq!(apply(&old, &splices(&old, &new)), new);
        }
    }

    #[test]
    fn only_what_differs_is_replaced() {
        assert_eq!(splices("same", "same"), []);
        assert_eq!(splices("a cat sat", "a cow sat"), [(3, 2, "ow")]);
        let two = splices("one two three", "One two Three");
        assert_eq!(two, [(0, 1, "O"), (8, 1, "T")]);
    }
}
