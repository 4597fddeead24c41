//! What an operation says of a sequence, from where its writer stood: what the writer cannot have
//! seen counts for nothing, on every replica alike.

use dxos_keys::FeedId;

use super::{Id, Insertion, PROVISIONAL, Sequence, Side};
use crate::context::Seen;
use crate::{ElementId, Place};

/// Puts in what the writer inserted, with the numbers from `start` on; gives the first.
pub(crate) fn insert(
    sequence: &mut Sequence,
    (start, len): (u32, u32),
    at: Place,
    text: &str,
    seen: &Seen<'_>,
) -> Option<Id> {
    start.checked_add(len).filter(|end| *end <= PROVISIONAL)?;
    let (parent, side) = parent(sequence, at, seen);
    let stamp = seen.context.stamp;
    let author = sequence.author(stamp.feed);
    let insertion = Insertion {
        id: Id { author, n: start },
        len,
        parent,
        side,
    };
    sequence
        .integrate(insertion, text, stamp.seq)
        .then_some(insertion.id)
}

/// Of a range of one feed's elements what the writer had seen: the first, and the number after
/// the last.
pub(crate) fn range(
    sequence: &Sequence,
    first: ElementId,
    len: u32,
    seen: &Seen<'_>,
) -> Option<(Id, u32)> {
    let author = sequence.find_author(&first.feed)?;
    let end = end(sequence, author, &first.feed, seen).min(first.n.saturating_add(len));
    let id = Id { author, n: first.n };
    (first.n < end).then_some((id, end))
}

/// An element, if the writer had seen it.
pub(crate) fn find(sequence: &Sequence, element: ElementId, seen: &Seen<'_>) -> Option<Id> {
    let id = Id {
        author: sequence.find_author(&element.feed)?,
        n: element.n,
    };
    let own = seen.context.stamp.feed;
    let seq = sequence.birth(id)?;
    (element.feed == own || seq < seen.context.past.get(&element.feed)).then_some(id)
}

/// The parent that `at` means. One that does not count any more, because its writer was removed
/// or forked its feed, is replaced by the nearest that the same feed inserted before.
fn parent(sequence: &Sequence, at: Place, seen: &Seen<'_>) -> (Id, Side) {
    let root = (Id::ROOT, Side::Right);
    let Some(element) = at.element() else {
        return root;
    };
    if let Some(id) = find(sequence, element, seen) {
        let before = matches!(at, Place::Before(_));
        return (id, if before { Side::Left } else { Side::Right });
    }
    let nearest = sequence.find_author(&element.feed).and_then(|author| {
        let bound = end(sequence, author, &element.feed, seen).min(element.n);
        let n = sequence.last_below(author, bound)?;
        Some((Id { author, n }, Side::Right))
    });
    nearest.unwrap_or(root)
}

/// The number of the first element of an author that the writer had not seen.
fn end(sequence: &Sequence, author: u32, feed: &FeedId, seen: &Seen<'_>) -> u32 {
    if *feed == seen.context.stamp.feed {
        sequence.next(author)
    } else {
        sequence.born_before(author, seen.context.past.get(feed))
    }
}
