//! Writing to queues.

use dxos_document::{Retention, Value, queue_item_id};
use dxos_protocol::echo::{Appended, EchoError};
use dxos_store::Read;
use rand_core::CryptoRng;

use super::super::space::{Outcome, Space};

impl Space {
    /// Appends items to a queue, all of them as one block.
    pub(crate) fn append_items(
        &mut self,
        queue: &str,
        items: Vec<Value>,
        now_ms: u64,
        parts: (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Result<Appended, EchoError>, Outcome), EchoError> {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        if count == 0 {
            let reason = "it appends no items".to_owned();
            return Ok((
                Err(EchoError::InvalidTransaction { reason }),
                Outcome::default(),
            ));
        }
        let mut nonce = [0; 16];
        let (transacted, outcome) = self.run(
            |tx| {
                nonce = tx.append(queue, items).map_err(|error| invalid(&error))?;
                Ok(())
            },
            now_ms,
            parts,
        )?;
        let device = self.device();
        let appended = transacted.and_then(|committed| {
            let committed = committed.ok_or_else(|| invalid(&"it does nothing"))?;
            let ids = (0..count).map(|number| queue_item_id(&device, &nonce, number));
            Ok(Appended {
                committed,
                ids: ids.collect(),
            })
        });
        Ok((appended, outcome))
    }

    /// Says how much a queue is to hold.
    pub(crate) fn set_retention(
        &mut self,
        queue: &str,
        retention: Retention,
        now_ms: u64,
        parts: (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Result<(), EchoError>, Outcome), EchoError> {
        let work = |tx: &mut dxos_document::Tx<'_>| {
            tx.retain(queue, retention).map_err(|error| invalid(&error))
        };
        let (transacted, outcome) = self.run(work, now_ms, parts)?;
        Ok((transacted.map(|_| ()), outcome))
    }
}

fn invalid(error: &dyn std::fmt::Display) -> EchoError {
    EchoError::InvalidTransaction {
        reason: error.to_string(),
    }
}
