//! What a host keeps over a restart: which session tokens hold, and its port. The file is for
//! this user alone and holds no token.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::HostError;
use crate::tokens::Standing;

const FILE: &str = "host.json";
/// A longer file is not ours.
const BYTES_MAX: u64 = 64 * 1024;

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    pub(crate) port: Option<u16>,
    pub(crate) tokens: Vec<Standing>,
}

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct Memory(PathBuf);

impl Memory {
    pub(crate) fn of_profile(profile: &Path) -> Self {
        Self(profile.join(FILE))
    }

    /// The directory in which the file is.
    pub(crate) fn directory(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new("."))
    }

    /// What was kept; nothing when there is no such file, or it cannot be read: then everybody
    /// has to show a new token.
    pub(crate) fn read(&self) -> Kept {
        let kept = fs::metadata(&self.0)
            .ok()
            .filter(|about| about.is_file() && about.len() <= BYTES_MAX)
            .and_then(|_| fs::read(&self.0).ok());
        let Some(kept) = kept else {
            return Kept::default();
        };
        serde_json::from_slice(&kept).unwrap_or_else(|error| {
            tracing::warn!(file = %self.0.display(), %error, "not read; open the console anew");
            Kept::default()
        })
    }

    /// Keeps it, all or nothing.
    pub(crate) fn write(&self, kept: &Kept) -> Result<(), HostError> {
        let failed = |error: std::io::Error| HostError::Memory {
            path: self.0.clone(),
            reason: error.to_string(),
        };
        let bytes = serde_json::to_vec(kept).map_err(|error| failed(error.into()))?;
        let part = self.0.with_extension("json.part");
        // One that a crash has left behind may have another mode.
        drop(fs::remove_file(&part));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&part, &self.0).map_err(failed)
    }

    /// Forgets everything.
    pub(crate) fn remove(&self) {
        drop(fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_is_for_this_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::of_profile(directory.path());
        assert_eq!(memory.read().port, None);
        let kept = Kept {
            port: Some(4711),
            tokens: Vec::new(),
        };
        memory.write(&kept).unwrap();
        memory.write(&kept).unwrap();
        assert_eq!(memory.read().port, Some(4711));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(directory.path().join(FILE))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        memory.remove();
        assert_eq!(memory.read().port, None);
    }

    #[test]
    fn a_file_that_is_something_else_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::of_profile(directory.path());
        fs::write(directory.path().join(FILE), b"{\"port\": \"x\"").unwrap();
        assert_eq!(memory.read().port, None);
        fs::write(directory.path().join(FILE), vec![b' '; 100_000]).unwrap();
        assert_eq!(memory.read().port, None);
    }
}
