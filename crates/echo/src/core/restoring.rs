//! Spaces that are brought back from an archive, and are not all here yet.
//!
//! A mark is written in the batch that makes the space, and taken away, synced, after the last of
//! the archive was. A space that has it at the start was cut off in between: a clone is removed,
//! as it is nothing but what had come; what is a replica of a space of others is not, and says
//! that it is to be restored again.

use dxos_protocol::echo::EchoError;
use dxos_store::{Batch, Read};
use serde::{Deserialize, Serialize};

use super::layout::{SpaceNumber, TALLIES, restoring_key};
use super::space::{Outcome, Space, decode_row, encode_row, store_failed};

/// How a space is brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Restoring {
    /// As a new space with the same objects.
    Clone,
    /// As the same space.
    Same,
}

/// How a space that has the mark came by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// Before it was opened.
    CutOff,
    /// Just now.
    UnderWay,
}

impl Restoring {
    /// What the store says of a space.
    pub(crate) fn stored(number: SpaceNumber, store: &dyn Read) -> Result<Option<Self>, EchoError> {
        let row = store.get(TALLIES, &restoring_key(number));
        let row = row.map_err(|error| store_failed(&error))?;
        row.map(|row| decode_row("mark of a restore", &row))
            .transpose()
    }
}

impl Space {
    /// Notes that the space is not all here before [`Space::end_restore`].
    pub(crate) fn begin_restore(
        &mut self,
        restoring: Restoring,
        batch: &mut Batch,
    ) -> Result<(), EchoError> {
        self.unfinished = Some(Unfinished::UnderWay);
        let key = restoring_key(self.record.number);
        batch.put(TALLIES, key, encode_row(&restoring)?);
        Ok(())
    }

    /// All of it is here.
    pub(crate) fn end_restore(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        if self.unfinished.take().is_some() {
            // What was written before is on the disk with it.
            outcome.synced = true;
            outcome
                .batch
                .delete(TALLIES, restoring_key(self.record.number));
        }
        outcome
    }

    /// Looks for the mark when the space is opened.
    pub(super) fn open_restore(&mut self, store: &dyn Read) -> Result<(), EchoError> {
        let stored = Restoring::stored(self.record.number, store)?;
        self.unfinished = stored.map(|_| Unfinished::CutOff);
        Ok(())
    }
}
