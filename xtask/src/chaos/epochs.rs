//! Rounds of epochs and erasures: what they stand for goes while processes are killed.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::check;
use super::rounds::{SPACE, World};

/// How often peers meet until an erasure is done.
const MEETINGS_MAX: u32 = 24;
/// How long they have at first; later ones are longer, as the snapshot of many objects takes
/// longer than this and begins again when it is cut off.
const MEETING: Duration = Duration::from_secs(2);

impl World {
    /// A peer is killed while it creates an epoch, and while it drops what that stands for.
    pub(super) fn epoch(&mut self) -> Result<String> {
        let before = check::scan(&self.ann, SPACE)?;
        let create = ["space", "epoch", "create", SPACE];
        let instant = self.draw.instant();
        let creating = self.ann.spawn(&create)?;
        thread::sleep(instant);
        creating.kill()?;
        ensure!(
            check::queries(&self.ann, SPACE, &mut self.draw)? == before,
            "an epoch that was cut off changed objects"
        );
        let ended = self.ann.end(&create)?;
        if !ended.success {
            ensure!(
                ended.text.contains("erasure is under way"),
                "no epoch: {}",
                ended.text
            );
            return Ok(format!("killed after {instant:?}, an erasure is under way"));
        }
        let trim = ["space", "epoch", "trim", SPACE];
        let later = self.draw.instant();
        let trimming = self.ann.spawn(&trim)?;
        thread::sleep(later);
        trimming.kill()?;
        ensure!(
            check::queries(&self.ann, SPACE, &mut self.draw)? == before,
            "what was dropped changed objects"
        );
        self.ann.json(&trim)?;
        let epochs = self.ann.json(&["space", "epoch", "list", SPACE])?;
        // A process that has just begun looks whether something is left; trimming waited for that.
        ensure!(epochs[0]["is_trimmed"] == true, "blocks are left: {epochs}");
        ensure!(
            check::queries(&self.ann, SPACE, &mut self.draw)? == before,
            "what was dropped changed objects in the end"
        );
        Ok(format!("killed after {instant:?} and after {later:?}"))
    }

    /// Peers are killed while they erase what was deleted.
    pub(super) fn erase(&mut self) -> Result<String> {
        let before = check::scan(&self.ann, SPACE)?;
        let erase = ["space", "epoch", "erase", SPACE];
        let instant = self.draw.instant();
        let erasing = self.ann.spawn(&erase)?;
        thread::sleep(instant);
        erasing.kill()?;
        // It may have been killed before it asked.
        let asked = self.ann.spawn(&erase)?;
        thread::sleep(MEETING);
        asked.kill()?;
        let (first, second) = (self.draw.instant(), self.draw.instant());
        self.meet(first, second)?;
        for peer in [&self.ann, &self.bob] {
            check::queries(peer, SPACE, &mut self.draw)?;
        }
        for meeting in 0..MEETINGS_MAX {
            let status = |dx: &super::dx::Dx| -> Result<bool> {
                let status = dx.json(&["space", "epoch", "erase", SPACE, "--status"])?;
                Ok(status["state"] == "done")
            };
            if status(&self.ann)? && status(&self.bob)? {
                let after = check::queries(&self.ann, SPACE, &mut self.draw)?;
                ensure!(before.is_subset(&after), "what was not deleted is gone");
                return Ok(format!(
                    "killed after {instant:?}, {first:?} and {second:?}; done after {meeting} more meetings"
                ));
            }
            let long = MEETING * (1 + meeting / 4);
            self.meet(long, long)?;
        }
        bail!("an erasure is never done")
    }

    /// Lets the peers run for a while, one longer than the other, and kills both.
    fn meet(&self, one: Duration, other: Duration) -> Result<()> {
        let (ann, bob) = (self.ann.spawn(&["serve"])?, self.bob.spawn(&["serve"])?);
        thread::sleep(one);
        ann.kill().context("one")?;
        thread::sleep(other.saturating_sub(one));
        bob.kill().context("the other")?;
        Ok(())
    }
}
