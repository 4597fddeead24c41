//! Marks on ranges of a text (after Litt, Lim, Kleppmann and van Hardenberg, "Peritext: A CRDT
//! for Collaborative Rich Text Editing", 2022): a mark is anchored to characters, so it moves
//! with them, and of all marks of one name on a character the latest shows.

use std::collections::BTreeMap;

use super::{Anchor, Span};
use crate::context::OpId;
use crate::{Key, Value};

/// An operation, and which of its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MarkId {
    pub(crate) op: OpId,
    pub(crate) ordinal: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) from: Anchor,
    pub(crate) to: Anchor,
    pub(crate) name: Key,
    pub(crate) value: Value,
}

/// What shows of marks whose ranges are known, in the order of their ids.
pub(crate) fn resolve<'a>(
    marks: impl Iterator<Item = (usize, usize, &'a Key, &'a Value)>,
) -> Vec<Span> {
    // For each name the borders of the pieces into which its marks cut the text.
    let mut by_name: BTreeMap<&Key, BTreeMap<usize, &Value>> = BTreeMap::new();
    for (from, to, name, value) in marks {
        if from >= to {
            continue;
        }
        let pieces = by_name.entry(name).or_default();
        // What shows after the range goes on as before it.
        let after = pieces.range(..=to).next_back().map(|(_, value)| *value);
        let inner: Vec<usize> = pieces.range(from..to).map(|(at, _)| *at).collect();
        for at in inner {
            pieces.remove(&at);
        }
        pieces.insert(from, value);
        pieces.insert(to, after.unwrap_or(&Value::Null));
    }
    let mut spans = Vec::new();
    for (name, pieces) in by_name {
        let mut pieces = pieces.into_iter().peekable();
        while let Some((from, value)) = pieces.next() {
            while pieces.next_if(|(_, next)| *next == value).is_some() {}
            if let Some((to, _)) = pieces.peek()
                && !value.is_null()
            {
                spans.push(Span {
                    from,
                    to: *to,
                    name: name.clone(),
                    value: value.clone(),
                });
            }
        }
    }
    spans.sort();
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn on_every_character_the_latest_mark_shows(
            marks in proptest::collection::vec((0_usize..12, 0_usize..12, 0_u8..2, 0_i64..3), 0..12),
        ) {
            let marks: Vec<_> = marks
                .into_iter()
                .map(|(from, to, name, value)| {
                    let mark = Mark {
                        from: Anchor::Start,
                        to: Anchor::End,
                        name: Key::from(["bold", "link"][usize::from(name)]),
                        value: if value == 0 { Value::Null } else { Value::Int(value) },
                    };
                    (from, to, mark)
                })
                .collect();
            let ranges = marks.iter();
            let spans = resolve(ranges.map(|(from, to, mark)| (*from, *to, &mark.name, &mark.value)));
            for character in 0..12 {
                for name in ["bold", "link"] {
                    let expected = marks
                        .iter()
                        .rev()
                        .find(|(from, to, mark)| {
                            (*from..*to).contains(&character) && mark.name == name
                        })
                        .map_or(&Value::Null, |(_, _, mark)| &mark.value);
                    let shown: Vec<_> = spans
                        .iter()
                        .filter(|span| span.name == name && (span.from..span.to).contains(&character))
                        .collect();
                    prop_assert!(shown.len() <= 1);
                    let found = shown.first().map_or(&Value::Null, |span| &span.value);
                    prop_assert_eq!(found, expected);
                }
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[0] < pair[1]);
            }
        }
    }
}
