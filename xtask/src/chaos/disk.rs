//! A file system of its own for a profile, that can be filled and made read-only.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Room for what a round writes, and for the store's own files.
const SIZE: &str = "size=384m";

/// A file system in memory, gone when this is dropped.
pub(super) struct Disk {
    pub(super) path: PathBuf,
}

impl Disk {
    /// Mounts one; `None` where that is not possible.
    pub(super) fn mount(path: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(path);
        let mounted = command.stderr(Stdio::null()).status();
        let path = path.to_path_buf();
        Ok(mounted
            .is_ok_and(|status| status.success())
            .then_some(Self { path }))
    }

    /// Leaves no room on it.
    pub(super) fn fill(&self) -> Result<()> {
        let mut filler = File::create(self.filler()).context("cannot fill the disk")?;
        for length in [1 << 20, 1 << 12, 1] {
            let piece = vec![0xa5; length];
            while filler.write_all(&piece).is_ok() {}
        }
        Ok(())
    }

    /// Makes the room again.
    pub(super) fn clear(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("cannot make room on the disk")
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Lets nobody write to it, or everybody again. Nobody may have a file open to write.
    pub(super) fn set_read_only(&self, is_read_only: bool) -> Result<()> {
        let how = if is_read_only { "ro" } else { "rw" };
        let mut command = Command::new("mount");
        command
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.path);
        let status = command.status().context("cannot start mount")?;
        if !status.success() {
            bail!("cannot mount {} again as {how}", self.path.display());
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.path).status());
    }
}
