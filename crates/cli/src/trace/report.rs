//! What a replay found out.

use std::time::Duration;

use dxos_client::StateHash;
use serde::Serialize;

use super::file::{Kind, Trace};
use crate::output::table;

/// Characters shown where a text differs.
const EXCERPT: usize = 24;

/// The replay of a trace. Its names are stable.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) file: String,
    pub(crate) kind: Kind,
    /// Whether every replica ended with the text of the trace, and all with the same state.
    pub(crate) matches: bool,
    pub(crate) agents: usize,
    pub(crate) transactions: usize,
    pub(crate) edits: u64,
    /// Edits that became one transaction, at most.
    pub(crate) coalesce: u32,
    /// Characters of the text in the end.
    pub(crate) characters: usize,
    pub(crate) figures: Figures,
    pub(crate) replicas: Vec<Replica>,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// Until the last edit was applied where it was made.
    pub(crate) applied_ms: f64,
    /// Until the last edit was on the disk.
    pub(crate) durable_ms: f64,
    pub(crate) edits_per_s: f64,
    pub(crate) durable_edits_per_s: f64,
    /// From a closed profile to a text that was read from it.
    pub(crate) reload_ms: Option<f64>,
    /// From an empty second peer that was just admitted to the same text there; of several
    /// orders of delivery the slowest.
    pub(crate) merge_ms: f64,
    /// Blocks that hold the trace.
    pub(crate) blocks: u64,
    /// Bytes sent so that one peer receives everything.
    pub(crate) sent_bytes: u64,
    /// Bytes of the files of one closed profile.
    pub(crate) file_bytes: u64,
    /// Bytes of blocks in the store, before it compresses them.
    pub(crate) block_bytes: u64,
    /// Bytes of the state made from them, before the store compresses it.
    pub(crate) state_bytes: u64,
}

/// What a replay led to.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) figures: Figures,
    pub(crate) replicas: Vec<Replica>,
    /// Whether replicas that hold the same have the same state.
    pub(crate) converged: bool,
}

/// One replica in the end.
#[derive(Debug, Serialize)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) matches: bool,
    pub(crate) state_hash: StateHash,
    pub(crate) difference: Option<Difference>,
}

/// Where a text first differs from what it should be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// In Unicode scalar values.
    pub(crate) position: usize,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Difference {
    /// `None` when the texts are the same.
    pub(crate) fn between(expected: &str, found: &str) -> Option<Self> {
        if expected == found {
            return None;
        }
        let both = expected.chars().zip(found.chars());
        let position = both.take_while(|(one, other)| one == other).count();
        let excerpt = |text: &str| text.chars().skip(position).take(EXCERPT).collect();
        Some(Self {
            position,
            expected: excerpt(expected),
            found: excerpt(found),
        })
    }
}

impl Replica {
    pub(crate) fn new(
        name: impl Into<String>,
        state_hash: StateHash,
        expected: &str,
        found: &str,
    ) -> Self {
        let difference = Difference::between(expected, found);
        Self {
            name: name.into(),
            matches: difference.is_none(),
            state_hash,
            difference,
        }
    }
}

impl Figures {
    /// Notes how long the replay took.
    pub(crate) fn replayed(&mut self, edits: u64, applied: Duration, durable: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let rate = |taken: Duration| edits as f64 / taken.as_secs_f64().max(1e-9);
        (self.applied_ms, self.durable_ms) = (ms(applied), ms(durable));
        (self.edits_per_s, self.durable_edits_per_s) = (rate(applied), rate(durable));
    }
}

pub(crate) fn ms(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1000.0
}

impl Report {
    pub(crate) fn new(
        file: String,
        (trace, agents, coalesce): (&Trace, usize, u32),
        replayed: Replayed,
    ) -> Self {
        let Replayed {
            figures,
            replicas,
            converged,
        } = replayed;
        Self {
            file,
            kind: trace.kind(),
            matches: converged && replicas.iter().all(|replica| replica.matches),
            agents,
            transactions: trace.transactions.len(),
            edits: trace.edits(),
            coalesce,
            characters: trace.end.chars().count(),
            figures,
            replicas,
        }
    }

    pub(crate) fn text(&self) -> String {
        let Figures {
            applied_ms,
            durable_ms,
            edits_per_s,
            durable_edits_per_s,
            reload_ms,
            merge_ms,
            blocks,
            sent_bytes,
            file_bytes,
            block_bytes,
            state_bytes,
        } = &self.figures;
        let mut rows = vec![
            (
                "applied",
                format!("{applied_ms:.1} ms, {edits_per_s:.0} edits/s"),
            ),
            (
                "on the disk",
                format!("{durable_ms:.1} ms, {durable_edits_per_s:.0} edits/s"),
            ),
            ("merged at a peer", format!("{merge_ms:.1} ms")),
            ("blocks", blocks.to_string()),
            ("sent to a peer", format!("{sent_bytes} bytes")),
            ("stored as blocks", format!("{block_bytes} bytes")),
            ("stored as state", format!("{state_bytes} bytes")),
            ("files of a profile", format!("{file_bytes} bytes")),
        ];
        if let Some(reload_ms) = reload_ms {
            rows.insert(2, ("read again from disk", format!("{reload_ms:.1} ms")));
        }
        let rows = rows
            .into_iter()
            .map(|(name, figure)| vec![name.to_owned(), figure]);
        let replicas = self.replicas.iter().map(|replica| {
            let text = match &replica.difference {
                None => "as recorded".to_owned(),
                Some(at) => format!(
                    "differs from character {} on: {:?} where {:?} was expected",
                    at.position, at.found, at.expected
                ),
            };
            vec![replica.name.clone(), text, replica.state_hash.short()]
        });
        let verdict = if self.matches {
            "every replica ends as the trace does"
        } else {
            "NOT EVERY REPLICA ENDS AS THE TRACE DOES"
        };
        format!(
            "{} edits in {} transactions by {} authors, {} characters in the end\n\n{}\n\n{}\n\n{verdict}",
            self.edits,
            self.transactions,
            self.agents,
            self.characters,
            table(&["what", "figure"], rows),
            table(&["replica", "text", "state"], replicas),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_by_characters() {
        assert_eq!(Difference::between("a😀b", "a😀b"), None);
        for (expected, found, position) in [("a😀b", "a😀c", 2), ("a😀", "a", 1), ("", "x", 0)]
        {
            let difference = Difference::between(expected, found).unwrap();
            assert_eq!(difference.position, position);
            assert_ne!(difference.expected, difference.found);
        }
    }
}
