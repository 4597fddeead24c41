//! Epochs of a space: snapshots that stand for what was written before them.

use std::time::Duration;

use dxos_protocol::echo::{
    CreateEpoch, EpochReport, EraseSpace, ErasureReport, GetErasure, ListEpochs, TrimSpace,
};

use crate::{ClientError, Space};

const ECHO: &str = "ECHO";
/// Every object is read and written for a snapshot.
const DEADLINE: Duration = Duration::from_secs(600);

/// What an epoch is to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpochOptions {
    /// Let members who were let in without the history read the state as it is now. Whoever may
    /// read the space can read the snapshot of an epoch; without this it is refused while there
    /// are such members.
    pub share_state: bool,
}

impl EpochOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self { share_state: false }
    }

    /// Sets [`EpochOptions::share_state`].
    #[must_use]
    pub const fn share_state(mut self) -> Self {
        self.share_state = true;
        self
    }
}

impl Space {
    /// Signs a snapshot of the space as it is on this device. From then on it stands for what was
    /// written before: new members load it and what came later, and each device may drop the
    /// blocks before it ([`Space::trim`]). Devices that were away and write late lose nothing.
    /// Admins may.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the role does not allow it, keys are missing here, an earlier
    /// epoch is still loading, or there are members who may not read the history: see
    /// [`EpochOptions::share_state`].
    pub async fn create_epoch(&self, options: EpochOptions) -> Result<EpochReport, ClientError> {
        let create = CreateEpoch {
            space: self.key(),
            share_state: options.share_state,
        };
        let port = self.client().node()?.echo.create_epoch();
        let created = port.with_deadline(DEADLINE).ask(create).await;
        Ok(created.map_err(ClientError::unanswered(ECHO))??)
    }

    /// The epochs that count, the latest first.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn epochs(&self) -> Result<Vec<EpochReport>, ClientError> {
        let list = ListEpochs { space: self.key() };
        let port = self.client().node()?.echo.list_epochs();
        let listed = port.ask(list).await;
        Ok(listed.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Drops the blocks that the current epoch stands for from this device, and returns how many
    /// these are. They are deleted bit by bit, while the space goes on. What was before the epoch
    /// cannot be read here any more: history, the past, and undoing what was done before.
    ///
    /// That is refused while devices of admins are not known to know of the epoch: each of them
    /// could still remove the admin who created it, as of before it. `force` does it all the
    /// same; should the epoch then not count, this device goes on with it, and others do not.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when there is no epoch, it is still loading, or may be contested.
    pub async fn trim(&self, force: bool) -> Result<u64, ClientError> {
        let space = self.key();
        let port = self.client().node()?.echo.trim();
        let trimmed = port.ask(TrimSpace { space, force }).await;
        Ok(trimmed.map_err(ClientError::unanswered(ECHO))??)
    }

    /// Has everything that was deleted by now destroyed on every device, together with the content
    /// keys that it was sealed with: an admin signs an epoch that leaves it out, each device drops
    /// the blocks before it and then these keys. Admins may.
    ///
    /// First every device that may write has to say that it seals nothing more with these keys. So
    /// this returns at once, and the rest is done as devices come online; [`Space::erasure`] tells
    /// how far it is and for which devices it waits. A device that is lost has to be revoked. What
    /// is written meanwhile is not lost. Objects below a deleted one are deleted with it; one that
    /// is restored later is empty. Of a space of one device it is done within seconds.
    ///
    /// Devices replace the keys that codes of delegated invitations are sealed for. One that was
    /// made before with a code goes on at the devices that made it or hosted a guest for it; others
    /// know its code no more ([`Space::invitations`] lists it without), and no guest can use it
    /// there. Make it again if they are to host it.
    ///
    /// It does not reach what somebody copied: archives, backups of a profile, and blocks that
    /// were kept by who has a recovery phrase ([`ErasureReport::recovery_keys`]).
    ///
    /// # Errors
    ///
    /// As for [`Space::create_epoch`].
    pub async fn erase(&self, options: EpochOptions) -> Result<ErasureReport, ClientError> {
        let erase = EraseSpace {
            space: self.key(),
            share_state: options.share_state,
        };
        let port = self.client().node()?.echo.erase();
        let erased = port.with_deadline(DEADLINE).ask(erase).await;
        Ok(erased.map_err(ClientError::unanswered(ECHO))??)
    }

    /// How far the erasure is that was asked for last, by whomever; `None` when there was none.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the space is gone.
    pub async fn erasure(&self) -> Result<Option<ErasureReport>, ClientError> {
        let get = GetErasure { space: self.key() };
        let port = self.client().node()?.echo.erasure();
        let found = port.ask(get).await;
        Ok(found.map_err(ClientError::unanswered(ECHO))??)
    }
}
