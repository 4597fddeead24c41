//! A sequence in its canonical form, which is the same for all that hold the same elements, and
//! its bytes.

use dxos_keys::FeedId;

use super::births::{Births, Segment};
use super::tree::Tree;
use super::{Author, DELETED, FORKED, HAS_RIGHT, Id, LEFT, Run, Sequence};
use crate::codec::{DecodeError, Decoder, Encoder};

/// Authors by feed, elements in the fewest runs, the visible text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    authors: Vec<Author>,
    runs: Vec<Run>,
    text: String,
}

/// Beside the flags of a run: its id follows from those of the runs before.
const NEXT_ID: u8 = 16;
/// Its parent is the last element of the run before.
const PARENT_BEFORE: u8 = 32;
/// Its parent is the first element of the run after.
const PARENT_AFTER: u8 = 64;

impl Sequence {
    pub(crate) fn parts(&self) -> Parts {
        let mut order: Vec<(u32, &Author)> = (0..).zip(&self.authors).collect();
        order.retain(|(_, author)| author.next > 0);
        order.sort_by_key(|(_, author)| author.feed);
        let mut numbers = vec![u32::MAX; self.authors.len()];
        for (new, (old, _)) in (0..).zip(&order) {
            if let Some(number) = numbers.get_mut(*old as usize) {
                *number = new;
            }
        }
        let renumber = |id: Id| Id {
            author: numbers.get(id.author as usize).copied().unwrap_or(u32::MAX),
            n: id.n,
        };
        let mut runs = self.runs();
        for run in &mut runs {
            run.id = renumber(run.id);
            run.parent = renumber(run.parent);
        }
        Parts {
            authors: order
                .into_iter()
                .map(|(_, author)| author.clone())
                .collect(),
            runs,
            text: self.text(),
        }
    }
}

impl Parts {
    /// Writes it; `feed` writes a feed.
    pub(crate) fn encode(
        &self,
        to: &mut Encoder<'_>,
        feed: &dyn Fn(&FeedId, &mut Encoder<'_>),
        is_list: bool,
    ) {
        if !is_list {
            to.count(self.text.len());
            to.raw(self.text.as_bytes());
        }
        to.count(self.authors.len());
        for author in &self.authors {
            feed(&author.feed, to);
            let segments = author.births.segments();
            to.count(segments.len());
            let (mut n, mut seq) = (0, 0);
            for segment in segments {
                to.varint(u64::from(segment.n - n));
                to.varint((u64::from(segment.len) << 1) | u64::from(segment.each));
                to.varint(segment.seq - seq);
                (n, seq) = (segment.n + segment.len, segment.seq);
            }
        }
        to.count(self.runs.len());
        let mut next = vec![0_u32; self.authors.len()];
        let mut before: Option<&Run> = None;
        let mut runs = self.runs.iter().peekable();
        while let Some(run) = runs.next() {
            let expected = expected_id(before, &next);
            let mut head = run.flags & (DELETED | LEFT | HAS_RIGHT | FORKED);
            if expected == Some(run.id) {
                head |= NEXT_ID;
            }
            if before.map_or(Id::ROOT, Run::last) == run.parent {
                head |= PARENT_BEFORE;
            } else if runs.peek().is_some_and(|after| after.id == run.parent) {
                head |= PARENT_AFTER;
            }
            to.byte(head);
            to.varint(run.len.into());
            if head & NEXT_ID == 0 {
                put_id(run.id, &next, to);
            }
            if head & (PARENT_BEFORE | PARENT_AFTER) == 0 {
                put_id(run.parent, &next, to);
            }
            if let Some(next) = next.get_mut(run.id.author as usize) {
                *next = run.end().n;
            }
            before = Some(run);
        }
    }

    /// Reads what was written; `feed` reads a feed.
    pub(crate) fn decode(
        from: &mut Decoder<'_>,
        feed: &mut dyn FnMut(&mut Decoder<'_>) -> Result<FeedId, DecodeError>,
        is_list: bool,
    ) -> Result<Self, DecodeError> {
        const WHAT: &str = "a sequence";
        let malformed = || DecodeError::Malformed { what: WHAT };
        let text = if is_list {
            String::new()
        } else {
            from.string(WHAT)?
        };
        let count = from.count(WHAT)?;
        let mut authors: Vec<Author> = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let feed = feed(from)?;
            if authors.last().is_some_and(|last| last.feed >= feed) {
                return Err(malformed());
            }
            let count = from.count(WHAT)?;
            let mut segments = Vec::with_capacity(count.min(64));
            let (mut n, mut seq) = (0_u32, 0_u64);
            for _ in 0..count {
                let start = small(from)?.checked_add(n).ok_or_else(malformed)?;
                let tagged = from.varint(WHAT)?;
                let len = u32::try_from(tagged >> 1).map_err(|_| malformed())?;
                seq = from.varint(WHAT)?.checked_add(seq).ok_or_else(malformed)?;
                segments.push(Segment {
                    n: start,
                    len,
                    seq,
                    each: tagged & 1 == 1,
                });
                n = start.checked_add(len).ok_or_else(malformed)?;
            }
            let births = Births::from_segments(segments).ok_or_else(malformed)?;
            if n == 0 {
                return Err(malformed());
            }
            authors.push(Author {
                feed,
                next: n,
                births,
            });
        }
        let count = from.count(WHAT)?;
        let mut runs: Vec<Run> = Vec::with_capacity(count.min(1024));
        let mut next = vec![0_u32; authors.len()];
        let mut parent_is_next = false;
        for _ in 0..count {
            let head = from.byte(WHAT)?;
            let len = small(from)?;
            let id = if head & NEXT_ID == 0 {
                get_id(from, &next)?
            } else {
                expected_id(runs.last(), &next).ok_or_else(malformed)?
            };
            if parent_is_next && let Some(before) = runs.last_mut() {
                before.parent = id;
            }
            parent_is_next = head & PARENT_AFTER != 0;
            let parent = if head & PARENT_BEFORE != 0 {
                runs.last().map_or(Id::ROOT, Run::last)
            } else if parent_is_next {
                Id::ROOT
            } else {
                get_id(from, &next)?
            };
            let end = id.n.checked_add(len).ok_or_else(malformed)?;
            let author = authors.get(id.author as usize).ok_or_else(malformed)?;
            let is_known = parent == Id::ROOT || (parent.author as usize) < authors.len();
            if len == 0 || end > author.next || head & 128 != 0 || !is_known {
                return Err(malformed());
            }
            if let Some(next) = next.get_mut(id.author as usize) {
                *next = end;
            }
            runs.push(Run {
                id,
                parent,
                len,
                flags: head & (DELETED | LEFT | HAS_RIGHT | FORKED),
            });
        }
        if parent_is_next {
            return Err(malformed());
        }
        Ok(Self {
            authors,
            runs,
            text,
        })
    }

    /// Reads past the authors and runs of what was written, which follow the text.
    pub(crate) fn skip(from: &mut Decoder<'_>) -> Result<(), DecodeError> {
        const WHAT: &str = "a sequence";
        for _ in 0..from.count(WHAT)? {
            from.varint(WHAT)?;
            for _ in 0..from.count(WHAT)? {
                for _ in 0..3 {
                    from.varint(WHAT)?;
                }
            }
        }
        for _ in 0..from.count(WHAT)? {
            let head = from.byte(WHAT)?;
            from.varint(WHAT)?;
            let ids = [NEXT_ID, PARENT_BEFORE | PARENT_AFTER];
            for _ in ids
                .into_iter()
                .filter(|is_left_out| head & is_left_out == 0)
            {
                if from.varint(WHAT)? > 0 {
                    from.signed(WHAT)?;
                }
            }
        }
        Ok(())
    }

    /// The sequence of these parts, `None` when text and runs do not fit together.
    pub(crate) fn into_sequence(self, is_list: bool) -> Option<Sequence> {
        let text = (!is_list).then_some(self.text.as_str());
        let tree = Tree::build(self.runs, text)?;
        Some(Sequence {
            authors: self.authors,
            tree,
            index: None,
        })
    }
}

/// The id that a run most often has: that after what its author was last seen to have, or after
/// the run before.
fn expected_id(before: Option<&Run>, next: &[u32]) -> Option<Id> {
    let author = before.map_or(0, |run| run.id.author);
    let n = *next.get(author as usize)?;
    Some(Id { author, n })
}

fn put_id(id: Id, next: &[u32], to: &mut Encoder<'_>) {
    if id == Id::ROOT {
        to.byte(0);
        return;
    }
    let base = next.get(id.author as usize).copied().unwrap_or(0);
    to.varint(u64::from(id.author) + 1);
    to.signed(i64::from(id.n) - i64::from(base));
}

fn get_id(from: &mut Decoder<'_>, next: &[u32]) -> Result<Id, DecodeError> {
    const WHAT: &str = "an element of a sequence";
    let malformed = || DecodeError::Malformed { what: WHAT };
    let Some(author) = small(from)?.checked_sub(1) else {
        return Ok(Id::ROOT);
    };
    let base = next.get(author as usize).copied().ok_or_else(malformed)?;
    let n = from.signed(WHAT)?.checked_add(base.into());
    let n = n
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(malformed)?;
    Ok(Id { author, n })
}

fn small(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    const WHAT: &str = "a sequence";
    u32::try_from(from.varint(WHAT)?).map_err(|_| DecodeError::Malformed { what: WHAT })
}
