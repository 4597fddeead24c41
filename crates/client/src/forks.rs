//! Forks, as they are found.

use std::collections::BTreeMap;

use dxos_protocol::echo::{ForkReport, SpaceReport};
use tokio::sync::watch;

use crate::{ClientError, FeedId, Space};

impl Space {
    /// The feeds that their devices forked: those known already, then each as it is found.
    ///
    /// A device forks a feed when it signs two different blocks for one place of it: because its
    /// profile was copied, or restored from a backup, or because it lies. Every replica cuts the
    /// feed there. A device whose own feed was cut writes again, in a new feed, what it had
    /// written behind the cut itself.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn forks(&self) -> Result<Forks, ClientError> {
        Ok(Forks {
            reports: self.watch().await?,
            told: BTreeMap::new(),
            looked: false,
        })
    }
}

/// Forks, as they are found. See [`Space::forks`].
#[derive(Debug)]
pub struct Forks {
    reports: watch::Receiver<SpaceReport>,
    /// Where each feed was cut when it was told of.
    told: BTreeMap<FeedId, u64>,
    looked: bool,
}

impl Forks {
    /// Waits for the next fork; `None` when the space is closed. A feed for which a proof of an
    /// earlier place is found comes again.
    pub async fn next(&mut self) -> Option<ForkReport> {
        loop {
            if self.looked {
                self.reports.changed().await.ok()?;
            }
            self.looked = true;
            let found = {
                let report = self.reports.borrow_and_update();
                let new = report.forks.iter().find(|fork| {
                    let told = self.told.get(&fork.feed);
                    told.is_none_or(|told| fork.seq < *told)
                });
                new.cloned()
            };
            if let Some(fork) = found {
                self.told.insert(fork.feed, fork.seq);
                // There may be more in the same report.
                self.looked = false;
                return Some(fork);
            }
        }
    }
}
