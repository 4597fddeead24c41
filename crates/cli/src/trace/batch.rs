//! The edits of a trace, and how many of them become one transaction.

use dxos_client::{ObjectId, Tx, TxError};

use super::file::Patch;

/// About how many bytes the insertions of one transaction may have; a block holds 768 KiB.
const INSERTED_BYTES_MAX: usize = 256 * 1024;

/// Characters taken out and put in, by a transaction of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The number of the transaction in the trace.
    pub(crate) transaction: usize,
    at: usize,
    delete: usize,
    insert: String,
}

/// Why a transaction of the trace cannot be applied.
#[derive(Clone, Debug, thiserror::Error)]
#[error("transaction {transaction} of the trace cannot be applied: {reason}")]
pub(crate) struct ApplyError {
    transaction: usize,
    reason: TxError,
}

impl Edit {
    /// The edits of a patch: one, or several of a very long insertion.
    pub(crate) fn of(transaction: usize, patch: &Patch) -> impl Iterator<Item = Self> {
        let Patch(at, delete, insert) = patch;
        let (mut at, mut delete) = (*at as usize, *delete as usize);
        let mut rest: &str = insert;
        let mut first = true;
        std::iter::from_fn(move || {
            if rest.is_empty() && !first {
                return None;
            }
            first = false;
            let (piece, after) = split(rest);
            rest = after;
            let edit = Self {
                transaction,
                at,
                delete: std::mem::take(&mut delete),
                insert: piece.to_owned(),
            };
            at = at.saturating_add(piece.chars().count());
            Some(edit)
        })
    }
}

/// As much of the beginning of a text as one insertion may have, and the rest.
fn split(text: &str) -> (&str, &str) {
    let mut boundary = INSERTED_BYTES_MAX.min(text.len());
    while !text.is_char_boundary(boundary) {
        boundary -= 1;
    }
    text.split_at(boundary)
}

/// Makes transactions of edits that follow each other.
#[derive(Debug)]
pub(crate) struct Batches<I: Iterator<Item = Edit>> {
    edits: std::iter::Peekable<I>,
    count_max: usize,
}

impl<I: Iterator<Item = Edit>> Batches<I> {
    /// Of at most `count_max` edits each.
    pub(crate) fn new(edits: impl IntoIterator<IntoIter = I>, count_max: u32) -> Self {
        Self {
            edits: edits.into_iter().peekable(),
            count_max: count_max as usize,
        }
    }
}

impl<I: Iterator<Item = Edit>> Iterator for Batches<I> {
    type Item = Vec<Edit>;

    fn next(&mut self) -> Option<Vec<Edit>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(edit) = self.edits.next_if(|edit| {
            batch.is_empty()
                || batch.len() < self.count_max && bytes + edit.insert.len() <= INSERTED_BYTES_MAX
        }) {
            bytes += edit.insert.len();
            batch.push(edit);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

/// Two halves of edits that are too much for one transaction; `None` when they are as small as
/// can be.
pub(crate) fn halves(mut edits: Vec<Edit>) -> Option<(Vec<Edit>, Vec<Edit>)> {
    if edits.len() > 1 {
        let second = edits.split_off(edits.len() / 2);
        return Some((edits, second));
    }
    let mut edit = edits.pop().filter(|edit| edit.delete > 1)?;
    let first = Edit {
        delete: edit.delete / 2,
        insert: String::new(),
        ..edit
    };
    edit.delete -= first.delete;
    Some((vec![first], vec![edit]))
}

/// The property that holds the text.
pub(crate) const BODY: &str = "body";

/// Applies edits to the text of a document.
pub(crate) fn apply(tx: &mut Tx<'_>, document: ObjectId, edits: &[Edit]) -> Result<(), ApplyError> {
    let failed = |transaction| {
        move |reason| ApplyError {
            transaction,
            reason,
        }
    };
    let Some(first) = edits.first() else {
        return Ok(());
    };
    let mut body = tx.text(document, BODY).map_err(failed(first.transaction))?;
    for edit in edits {
        body.splice(edit.at, edit.delete, &edit.insert)
            .map_err(failed(edit.transaction))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(count: u32, insert: &str) -> Vec<Edit> {
        let patches = (0..count).map(|at| Patch(at, 3, insert.into()));
        patches
            .enumerate()
            .flat_map(|(number, patch)| Edit::of(number, &patch).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn batches_are_bounded_in_number_and_bytes_and_lose_nothing() {
        for (count, insert, max) in [(0, "", 1), (7, "x", 1), (7, "x", 3), (9, "é", 100)] {
            let batches: Vec<_> = Batches::new(edits(count, insert), max).collect();
            assert!(
                batches
                    .iter()
                    .all(|b| b.len() <= max as usize && !b.is_empty())
            );
            assert_eq!(batches.concat(), edits(count, insert));
        }
        let large = "水".repeat(INSERTED_BYTES_MAX);
        for batch in Batches::new(edits(3, &large), 100) {
            let bytes: usize = batch.iter().map(|edit| edit.insert.len()).sum();
            assert!(bytes <= INSERTED_BYTES_MAX);
        }
    }

    #[test]
    fn a_long_insertion_goes_in_piece_by_piece_and_takes_out_once() {
        let large = "水".repeat(INSERTED_BYTES_MAX);
        let pieces = edits(1, &large);
        assert_eq!(pieces.iter().map(|e| e.delete).sum::<usize>(), 3);
        let mut text: Vec<char> = Vec::new();
        for piece in &pieces {
            text.splice(piece.at..piece.at, piece.insert.chars());
        }
        assert_eq!(text.into_iter().collect::<String>(), large);
    }

    #[test]
    fn halves_end_with_single_deletions() {
        let mut left = vec![edits(2, "x")];
        let mut smallest = 0;
        while let Some(edits) = left.pop() {
            match halves(edits) {
                Some((one, two)) => left.extend([one, two]),
                None => smallest += 1,
            }
        }
        assert_eq!(smallest, 6);
    }
}
