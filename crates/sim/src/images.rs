//! Backups of disks, and putting them back.

use dxos_client::Value;
use dxos_store::CrashPlan;

use crate::peer::{Image, Mark, Sight};
use crate::{Violation, What, World};

impl World {
    /// Whose disk is restored: one that throws nobody out, as it would not know of that any more.
    fn forgetful(&self) -> Option<usize> {
        let last = self.honest.checked_sub(1)?;
        (last > 0 && !self.throws_out(last)).then_some(last)
    }

    /// Makes a backup of a disk, while its client is closed or in the middle of its work.
    pub(crate) async fn make_image(&mut self) -> Result<(), Violation> {
        let Some(index) = self.forgetful() else {
            return Ok(());
        };
        let peer = self.peer(index)?;
        if peer.life.is_none() || peer.space.is_none() || peer.lacks_room() {
            return Ok(());
        }
        let quiet = self.draw.percent(60);
        let peer = self.peer_mut(index)?;
        if quiet {
            peer.stop().await?;
        }
        peer.image = Some(Image {
            snapshot: peer.disk.snapshot(),
            holds: peer
                .durable
                .iter()
                .chain(&peer.acknowledged)
                .copied()
                .collect(),
        });
        self.counts.images += 1;
        self.tell(What::Imaged, &[index]);
        if quiet {
            self.start_and_check(index).await?;
        }
        Ok(())
    }

    /// Puts a backup back onto a disk. What others have on their disks of what was written since
    /// must not be lost.
    pub(crate) async fn restore_image(&mut self) -> Result<(), Violation> {
        let Some(index) = self.forgetful() else {
            return Ok(());
        };
        let Some(image) = self.peer(index)?.image.clone() else {
            return Ok(());
        };
        let elsewhere = self.known_elsewhere(index, &image.holds).await?;
        let around = self.around.clone();
        let peer = self.peer_mut(index)?;
        peer.crash(CrashPlan::kill(), &around).await?;
        peer.free_disk();
        let before = self.before_restore(index).await?;
        let peer = self.peer_mut(index)?;
        peer.before = before;
        peer.disk.restore(&image.snapshot);
        peer.restored = true;
        peer.acknowledged.clear();
        peer.durable = image.holds;
        peer.elsewhere = elsewhere;
        self.counts.restored += 1;
        self.counts.edits_elsewhere += self.peer(index)?.elsewhere.len() as u64;
        self.tell(What::Restored, &[index]);
        Ok(())
    }

    /// What a peer wrote that is not in its image, and that others have on their disks.
    async fn known_elsewhere(
        &mut self,
        index: usize,
        holds: &[Mark],
    ) -> Result<Vec<Mark>, Violation> {
        let peer = self.peer(index)?;
        let written = peer.durable.iter().chain(&peer.acknowledged);
        let written = written.chain(&peer.elsewhere);
        let mut wanted: Vec<Mark> = written
            .filter(|mark| !holds.contains(mark))
            .copied()
            .collect();
        wanted.sort_by_key(|mark| mark.number);
        wanted.dedup();
        let mut found = Vec::new();
        for other in self.running() {
            if other == index || self.peer(other)?.lacks_room() {
                continue;
            }
            self.flush(other).await?;
            let peer = self.peer(other)?;
            let Some(db) = peer.database().await? else {
                continue;
            };
            for mark in &wanted {
                let Sight::Clear(Some(object)) = peer.see(&db, mark.object).await? else {
                    continue;
                };
                if let Some(Value::Set(set)) = object.get("marks")
                    && set.contains(&Value::Int(mark.number))
                {
                    found.push(*mark);
                }
            }
        }
        found.sort_by_key(|mark| mark.number);
        found.dedup();
        Ok(found)
    }
}
