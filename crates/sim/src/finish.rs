//! Coming to rest, and what has to hold then.

use std::fmt::Write as _;
use std::time::Duration;

use dxos_client::{DeviceKey, Filter, Query, SpaceReport, SpaceState, StateHash};

use crate::peer::{Mark, Peer};
use crate::{Violation, World};

/// What a peer shows.
struct Shown {
    peer: usize,
    report: SpaceReport,
    hash: StateHash,
    members: usize,
    /// Devices that were thrown out and that it does not know to be out yet.
    outcasts: usize,
}

impl World {
    /// Heals everything, brings everyone back, and waits for one state. Tells how long it took.
    pub(crate) async fn come_to_rest(&mut self, patience: Duration) -> Result<Duration, Violation> {
        self.heal();
        for index in 0..self.peers.len() {
            self.peer_mut(index)?.free_disk();
            if self.peer(index)?.life.is_none() {
                self.start_and_check(index).await?;
            } else if !self.peer(index)?.online {
                self.toggle_online(index).await?;
            }
        }
        self.cast_all_out().await?;
        let began = self.around.clock.now();
        loop {
            let shown = self.show_all().await?;
            if self.is_one_state(&shown) && self.all_is_proven().await? {
                return Ok(self.around.clock.now() - began);
            }
            if self.around.clock.now() - began >= patience {
                return Err(Violation::Diverged {
                    within: patience,
                    details: details(&shown),
                });
            }
            self.sleep(Duration::from_millis(500)).await;
            for peer in &self.peers {
                peer.check()?;
            }
        }
    }

    /// Whether all show the same, whole, with everyone in it and nobody else. Blocks that an epoch
    /// stands for are dropped by some and kept by others.
    fn is_one_state(&self, shown: &[Shown]) -> bool {
        let Some(first) = shown.first() else {
            return false;
        };
        shown.len() == self.honest
            && shown.iter().all(|one| {
                one.report.state == SpaceState::Ready
                    && one.report.missing_blocks == 0
                    && (self.has_epochs || one.report.blocks == first.report.blocks)
                    && (one.members, one.outcasts) == (self.honest, 0)
                    && one.hash == first.hash
            })
    }

    /// What the honest ones show: those that can. One whose disk was full until now opens its
    /// space again in a while.
    async fn show_all(&self) -> Result<Vec<Shown>, Violation> {
        let mut all = Vec::new();
        for peer in self.peers.iter().take(self.honest) {
            match self.show(peer).await {
                Ok(shown) => all.extend(shown),
                Err(_) if peer.lacks_room() => {}
                Err(violation) => return Err(violation),
            }
        }
        Ok(all)
    }

    /// Whether each knows by receipts that all others have stored what it has.
    async fn all_is_proven(&self) -> Result<bool, Violation> {
        for peer in self.peers.iter().take(self.honest) {
            let Some(space) = peer.open_space().await? else {
                return Ok(false);
            };
            let status = peer.answered("tell who stored what", space.sync_status());
            if !status.await?.is_complete() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn show(&self, peer: &Peer) -> Result<Option<Shown>, Violation> {
        let Some(space) = peer.open_space().await? else {
            return Ok(None);
        };
        let hash = peer.answered("hash its state", space.state_hash()).await?;
        let members = peer.answered("list members", space.members()).await?;
        let report = peer.answered("report", space.report()).await?;
        let outcasts: Vec<DeviceKey> = self.outcast_devices();
        let devices = members.iter().flat_map(|member| &member.devices);
        Ok(Some(Shown {
            peer: peer.index,
            report,
            hash,
            outcasts: devices.filter(|device| outcasts.contains(device)).count(),
            members: members.len(),
        }))
    }

    /// Checks everything that has to hold once there is one state.
    pub(crate) async fn check_all(&mut self) -> Result<(), Violation> {
        self.check_outcasts().await?;
        let durable: Vec<Mark> = (self.peers.iter().take(self.honest))
            .flat_map(|peer| {
                let here = peer.durable.iter().chain(&peer.acknowledged);
                here.chain(&peer.elsewhere)
            })
            .copied()
            .collect();
        let mut hashes = Vec::new();
        for shown in self.show_all().await? {
            let peer = self.peer(shown.peer)?;
            peer.expect(&durable, "in the end").await?;
            let restored: Vec<_> = (self.peers.iter().filter(|peer| peer.restored))
                .map(|peer| peer.device)
                .collect();
            let mut forks = shown.report.forks.iter();
            if let Some(fork) = forks.find(|fork| !restored.contains(&fork.device)) {
                return Err(Violation::Forked {
                    peer: peer.index,
                    device: fork.device.short(),
                    seq: fork.seq,
                });
            }
            hashes.push(shown.hash);
        }
        self.check_logs(&durable).await?;
        for peer in self.peers.iter_mut().take(self.honest) {
            check_live(peer).await?;
        }
        for hash in &hashes {
            self.note(hash.as_bytes());
        }
        self.close_and_reopen(&hashes).await
    }

    /// Stops everyone, and looks at what each has on its disk.
    async fn close_and_reopen(&mut self, hashes: &[StateHash]) -> Result<(), Violation> {
        for peer in &mut self.peers {
            peer.check()?;
            peer.stop().await?;
        }
        for (index, before) in hashes.iter().enumerate() {
            self.start(index).await?;
            let peer = self.peer(index)?;
            if let Some(space) = peer.open_space().await? {
                let after = peer.answered("hash its state", space.state_hash()).await?;
                if after != *before {
                    return Err(Violation::Reopened { peer: index });
                }
            }
            self.peer_mut(index)?.stop().await?;
        }
        Ok(())
    }
}

fn details(shown: &[Shown]) -> String {
    let mut text = String::new();
    for one in shown {
        let Shown {
            peer,
            report,
            hash,
            members,
            outcasts,
        } = one;
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "\n  peer {peer}: {:?}, state {}, {} objects, {} blocks, {} missing, {members} members, {outcasts} outcasts, replicates with {}, {} forks",
            report.state,
            hash.short(),
            report.objects,
            report.blocks,
            report.missing_blocks,
            report.peers.len(),
            report.forks.len(),
        );
    }
    text
}

/// Lets a live query catch up, and compares it with a fresh one.
async fn check_live(peer: &mut Peer) -> Result<(), Violation> {
    let Some(db) = peer.database().await? else {
        return Ok(());
    };
    let Some(mut live) = peer.life.as_mut().and_then(|life| life.live.take()) else {
        return Ok(());
    };
    let quiet = Duration::from_secs(2);
    while let Ok(Some(_)) = tokio::time::timeout(quiet, live.next()).await {}
    let fresh = db.query(Query::new(Filter::And(Vec::new()))).run();
    let fresh = peer.answered("run a query", fresh).await?;
    if live.results() != fresh {
        return Err(Violation::LiveQuery {
            peer: peer.index,
            live: live.results().len(),
            fresh: fresh.len(),
        });
    }
    Ok(())
}
