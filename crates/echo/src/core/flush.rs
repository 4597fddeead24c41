//! What is derived on its way to the store.

use bytes::Bytes;
use dxos_protocol::echo::EchoError;
use dxos_store::{BATCH_BYTES_MAX, Batch};

use super::index::Indexes;
use super::layout::{self, DERIVED, DERIVED_VERSION, TALLIES, Tally, in_space};
use super::space::{Space, encode_row, is_visible};

impl Space {
    /// Writes what is derived: object states and counts.
    pub(super) fn flush(&mut self, batch: &mut Batch) -> Result<(), EchoError> {
        let number = self.record.number;
        let mut all = std::mem::take(&mut self.touched);
        for (object, touched) in &mut all {
            let state = self.cache.peek(object);
            self.indexes.note_schema(state);
            let rows = self.indexes.rows_after(*object, state, touched);
            Indexes::put(number, &touched.rows, &rows, batch);
            touched.rows = rows;
            self.indexes
                .put_words(number, *object, state, touched, batch)?;
            let visible = state.is_some_and(is_visible);
            match (touched.was_visible, visible) {
                (false, true) => self.tally.objects += 1,
                (true, false) => self.tally.objects = self.tally.objects.saturating_sub(1),
                _ => {}
            }
            self.put_moves(*object, state, &touched.moves, batch)?;
        }
        self.touched = all;
        self.cache.flush(number, batch);
        self.indexes.flush(number, batch)?;
        self.queues.flush(number, batch)?;
        let tally = self.tally_to_store();
        if self.stored_tally != Some(tally) {
            self.put_tally(tally, batch)?;
            self.stored_tally = Some(tally);
        }
        if !self.derived_stored {
            let key = layout::derived_key(self.record.number);
            batch.put(TALLIES, key, vec![DERIVED_VERSION]);
            self.derived_stored = true;
        }
        if let Some(verified) = self.verified.take() {
            verified.put(self.record.number, batch)?;
        }
        Ok(())
    }

    /// What makes the state stale is stored with the mark that has it made anew: the program may
    /// end before that is done.
    const fn tally_to_store(&self) -> Tally {
        let mut tally = self.tally;
        tally.rebuilding |= self.stale;
        tally
    }

    fn put_tally(&self, tally: Tally, batch: &mut Batch) -> Result<(), EchoError> {
        batch.put(
            TALLIES,
            in_space(self.record.number, b""),
            encode_row(&tally)?,
        );
        Ok(())
    }

    /// Splits a batch that is larger than a store takes: what is derived goes into batches of
    /// its own, under the mark that has it made anew when not all of them are written.
    pub(crate) fn parts(&self, batch: Batch) -> Result<Vec<Batch>, EchoError> {
        if batch.bytes() <= BATCH_BYTES_MAX {
            return Ok(vec![batch]);
        }
        let mark = Tally {
            rebuilding: true,
            ..self.tally
        };
        let mut parts = vec![Batch::new()];
        if let Some(first) = parts.last_mut() {
            self.put_tally(mark, first)?;
        }
        let tally = in_space(self.record.number, b"");
        let (derived, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .filter(|write| write.keyspace != TALLIES || write.key != tally[..])
            .partition(|write| DERIVED.contains(&write.keyspace));
        // A feed must never say that it is longer than its blocks: those come first.
        let (blocks, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|write| write.keyspace == layout::BLOCKS);
        let writes = blocks.into_iter().chain(others).chain(derived);
        for write in writes {
            let bytes = write.key.len() + write.value.as_ref().map_or(0, Bytes::len);
            match parts.last_mut() {
                Some(part) if part.bytes() + bytes <= BATCH_BYTES_MAX => {
                    part.push(write);
                }
                _ => {
                    let mut part = Batch::new();
                    part.push(write);
                    parts.push(part);
                }
            }
        }
        let mut last = Batch::new();
        self.put_tally(self.tally_to_store(), &mut last)?;
        parts.push(last);
        Ok(parts)
    }
}
