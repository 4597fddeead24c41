//! Which block each element came with: what its author's elements are numbered by grows with the
//! blocks, so that a few segments say it for all.

/// Elements in a row. Either all came with one block, or each came with the block after that of
/// the one before, as when somebody types and every key is a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) n: u32,
    pub(crate) len: u32,
    pub(crate) seq: u64,
    pub(crate) each: bool,
}

impl Segment {
    const fn last_seq(&self) -> u64 {
        if self.each {
            self.seq.saturating_add(self.len as u64 - 1)
        } else {
            self.seq
        }
    }
}

/// The segments of one author, in the order of both numbers and blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Births {
    segments: Vec<Segment>,
}

impl Births {
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Adds `len` elements from `n` on, which come after all that are there.
    pub(crate) fn add(&mut self, n: u32, len: u32, seq: u64) {
        if len == 0 {
            return;
        }
        if let Some(last) = self.segments.last_mut()
            && last.n + last.len == n
        {
            if last.last_seq() == seq {
                if !last.each {
                    last.len += len;
                    return;
                }
                // The last of a row turns out to have company in its block.
                last.len -= 1;
                // One alone is no row: equal births are equal, however they came to be.
                last.each = last.len > 1;
                self.segments.push(Segment {
                    n: n - 1,
                    len: len + 1,
                    seq,
                    each: false,
                });
                return;
            }
            if len == 1
                && (last.each || last.len == 1)
                && last.last_seq().checked_add(1) == Some(seq)
            {
                last.each = true;
                last.len += 1;
                return;
            }
        }
        self.segments.push(Segment {
            n,
            len,
            seq,
            each: false,
        });
    }

    /// The block of element `n`.
    pub(crate) fn of(&self, n: u32) -> Option<u64> {
        let place = self.segments.partition_point(|segment| segment.n <= n);
        let segment = self.segments.get(place.checked_sub(1)?)?;
        let offset = n - segment.n;
        (offset < segment.len).then(|| {
            if segment.each {
                segment.seq + u64::from(offset)
            } else {
                segment.seq
            }
        })
    }

    /// The number of the first element from `n` on.
    pub(crate) fn next_from(&self, n: u32) -> Option<u32> {
        let place = self
            .segments
            .partition_point(|segment| segment.n + segment.len <= n);
        Some(self.segments.get(place)?.n.max(n))
    }

    /// The number of the last element below `end`.
    pub(crate) fn last_below(&self, end: u32) -> Option<u32> {
        let place = self.segments.partition_point(|segment| segment.n < end);
        let segment = self.segments.get(place.checked_sub(1)?)?;
        Some((segment.n + segment.len).min(end) - 1)
    }

    /// The number of the first element that came with block `seq` or later; `next` if there is
    /// none.
    pub(crate) fn before(&self, seq: u64, next: u32) -> u32 {
        let place = self
            .segments
            .partition_point(|segment| segment.last_seq() < seq);
        let Some(segment) = self.segments.get(place) else {
            return next;
        };
        if segment.each && segment.seq < seq {
            segment.n + u32::try_from(seq - segment.seq).unwrap_or(u32::MAX)
        } else {
            segment.n
        }
    }

    /// Builds from segments; `None` when they contradict one another.
    pub(crate) fn from_segments(segments: Vec<Segment>) -> Option<Self> {
        let mut after: Option<(u64, u64)> = None;
        for segment in &segments {
            let end = u64::from(segment.n) + u64::from(segment.len);
            if segment.len == 0 || end > u64::from(u32::MAX) {
                return None;
            }
            if let Some((n, seq)) = after
                && (u64::from(segment.n) < n || segment.seq <= seq)
            {
                return None;
            }
            segment.seq.checked_add(u64::from(segment.len))?;
            after = Some((end, segment.last_seq()));
        }
        Some(Self { segments })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn births_say_what_was_added(steps in proptest::collection::vec((1_u32..4, 0_u64..3), 0..40)) {
            let mut births = Births::default();
            let (mut n, mut seq) = (0, 5);
            let mut expected = Vec::new();
            for (len, later) in steps {
                seq += later;
                births.add(n, len, seq);
                expected.extend(std::iter::repeat_n(seq, len as usize));
                n += len;
            }
            for (n, seq) in (0..).zip(&expected) {
                prop_assert_eq!(births.of(n), Some(*seq));
            }
            prop_assert_eq!(births.of(n), None);
            for seq in 0..seq + 3 {
                let before = expected.iter().filter(|born| **born < seq).count();
                prop_assert_eq!(births.before(seq, n) as usize, before);
            }
            let mut one_by_one = Births::default();
            for (n, seq) in (0..).zip(&expected) {
                one_by_one.add(n, 1, *seq);
            }
            prop_assert_eq!(&one_by_one, &births);
            let again = Births::from_segments(births.segments().to_vec());
            prop_assert_eq!(again, Some(births));
        }
    }
}
