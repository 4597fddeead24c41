//! What goes wrong.

use dxos_client::DeviceKey;
use dxos_store::{CrashPlan, StoreError};
use dxos_transport::mem::LinkConfig;

use crate::peer::Peer;
use crate::world::link;
use crate::{Violation, What, World};

impl World {
    fn devices(&self) -> Vec<DeviceKey> {
        self.peers.iter().map(|peer| peer.device).collect()
    }

    fn numbers(&self, devices: &[DeviceKey]) -> Vec<usize> {
        let is_one = |peer: &&Peer| devices.contains(&peer.device);
        self.peers.iter().filter(is_one).map(|p| p.index).collect()
    }

    fn pair(&mut self) -> Option<(DeviceKey, DeviceKey)> {
        let mut devices = self.devices();
        if devices.len() < 2 {
            return None;
        }
        let a = devices.remove(self.draw.index(devices.len()));
        let b = self.draw.pick(&devices)?;
        Some((a, b))
    }

    /// Cuts some peers off from the others.
    pub(crate) fn partition(&mut self) {
        let devices = self.devices();
        let at = self.draw.index(devices.len());
        if self.draw.percent(40) {
            if let Some(device) = devices.get(at) {
                self.around.network.isolate(*device);
                self.counts.partitions += 1;
                self.tell(What::Partitioned, &[at]);
            }
        } else {
            let (some, others): (Vec<_>, Vec<_>) =
                devices.into_iter().partition(|_| self.draw.percent(50));
            if !some.is_empty() && !others.is_empty() {
                self.around.network.partition(&some, &others);
                self.counts.partitions += 1;
                let some = self.numbers(&some);
                self.tell(What::Partitioned, &some);
            }
        }
    }

    pub(crate) fn change_link(&mut self) {
        if let Some((a, b)) = self.pair() {
            let config = link(&mut self.draw);
            self.around.network.set_link(a, b, config);
            self.counts.link_changes += 1;
            let both = self.numbers(&[a, b]);
            self.tell(What::LinkChanged, &both);
        }
    }

    pub(crate) fn drop_connections(&mut self) {
        if let Some((a, b)) = self.pair() {
            let dropped = self.around.network.drop_connections(a, b);
            self.counts.drops_forced += dropped as u64;
            let both = self.numbers(&[a, b]);
            self.tell(What::Dropped, &both);
        }
    }

    /// Ends partitions.
    pub(crate) fn mend(&mut self) {
        self.around.network.heal_all();
        self.tell(What::Healed, &[]);
    }

    /// Ends all faults of the network but that it takes its time.
    pub(crate) fn heal(&mut self) {
        self.mend();
        let devices = self.devices();
        for (at, a) in devices.iter().enumerate() {
            for b in devices.iter().skip(at + 1) {
                let config = LinkConfig {
                    latency: self.draw.millis(0, 50),
                    ..LinkConfig::default()
                };
                self.around.network.set_link(*a, *b, config);
            }
        }
    }

    /// Lets a disk become full after a few more writes, or frees one that is.
    pub(crate) fn fill_disk(&mut self, index: usize) -> Result<(), Violation> {
        let commits = self.draw.below(4);
        let peer = self.peer_mut(index)?;
        if peer.disk_full {
            peer.free_disk();
            self.tell(What::DiskFreed, &[index]);
        } else {
            peer.disk_full = true;
            let full = StoreError::Full {
                path: "a simulated disk".into(),
            };
            peer.disk.fail_after(commits, full);
            self.counts.disks_full += 1;
            self.tell(What::DiskFull, &[index]);
        }
        Ok(())
    }

    /// Sets a wall clock to another time, up to about a day away.
    pub(crate) fn set_clock(&mut self, index: usize) -> Result<(), Violation> {
        let skew_ms = self.draw.small().saturating_mul(8_000_000);
        self.peer_mut(index)?.clock.set_skew_ms(skew_ms);
        self.counts.clocks_set += 1;
        self.tell(What::ClockSet, &[index]);
        Ok(())
    }

    pub(crate) async fn toggle_online(&mut self, index: usize) -> Result<(), Violation> {
        let peer = self.peer_mut(index)?;
        let online = !peer.online;
        peer.set_online(online).await?;
        self.counts.went_offline += u64::from(!online);
        let what = if online { What::Online } else { What::Offline };
        self.tell(what, &[index]);
        Ok(())
    }

    pub(crate) async fn restart(&mut self, index: usize) -> Result<(), Violation> {
        let peer = self.peer_mut(index)?;
        peer.free_disk();
        peer.stop().await?;
        self.counts.clean_restarts += 1;
        self.tell(What::Stopped, &[index]);
        let pause = self.draw.millis(0, 3_000);
        self.sleep(pause).await;
        self.start_and_check(index).await
    }

    /// Crashes a peer, perhaps while it writes.
    pub(crate) async fn crash(&mut self, index: usize) -> Result<(), Violation> {
        if self.draw.percent(40) {
            // Nothing of this has been synced by the clock when it crashes.
            for _ in 0..self.draw.between(1, 4) {
                self.edit(index).await?;
            }
        }
        if self.draw.percent(50) {
            self.write_and_stop_watching(index).await?;
        }
        let power = self.draw.percent(60);
        let plan = if power {
            let unsynced = self.peer(index)?.disk.unsynced();
            let plan = CrashPlan::power_loss(self.draw.index(unsynced + 1));
            if self.draw.percent(30) {
                plan.torn()
            } else {
                plan
            }
        } else {
            CrashPlan::kill()
        };
        let around = self.around.clone();
        let peer = self.peer_mut(index)?;
        let report = peer.crash(plan, &around).await?;
        peer.free_disk();
        if power {
            // What was not synced may be gone, and need not be: nothing is known of it.
            peer.acknowledged.clear();
            self.counts.power_losses += 1;
            self.counts.batches_lost += report.lost as u64;
            self.tell(What::PowerLost, &[index]);
            self.look_at_crashed(index).await?;
        } else {
            self.counts.kills += 1;
            self.tell(What::Killed, &[index]);
        }
        Ok(())
    }

    /// Begins to write, and goes on after a few turns whether or not it was acknowledged.
    async fn write_and_stop_watching(&mut self, index: usize) -> Result<(), Violation> {
        let Some(db) = self.peer(index)?.database().await? else {
            return Ok(());
        };
        let edit = self.draw_edit(index, &db).await?;
        let work = crate::edits::work(edit.transaction.clone(), edit.touches.clone(), &edit.marks);
        let durability = edit.durability;
        let writing =
            tokio::task::spawn_local(async move { db.transaction_with(durability, work).await });
        for _ in 0..self.draw.below(6) {
            tokio::task::yield_now().await;
        }
        self.counts.crashes_in_write += 1;
        if writing.is_finished() {
            if let Ok(Ok(())) = writing.await {
                self.acknowledged(index, edit)?;
            }
        } else {
            writing.abort();
        }
        Ok(())
    }

    /// Starts a peer again and looks whether what was acknowledged is there.
    pub(crate) async fn start_and_check(&mut self, index: usize) -> Result<(), Violation> {
        self.start(index).await?;
        let peer = self.peer(index)?;
        let mut checked = peer
            .expect(
                &peer.durable,
                "after a restart, although it was on the disk",
            )
            .await?;
        checked += peer
            .expect(&peer.acknowledged, "after a kill, although it was written")
            .await?;
        self.counts.edits_checked += checked;
        Ok(())
    }
}
