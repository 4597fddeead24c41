//! Epochs: snapshots, blocks that are dropped for them, and somebody who comes afterwards.

use dxos_client::{ClientError, EpochOptions};
use dxos_protocol::echo::EchoError;

use crate::{Violation, What, World};

impl World {
    /// Chooses whether this world has epochs. One that has throws nobody out, as an epoch settles
    /// what its issuer had of somebody whose removal it did not know of; and restores no disks, as
    /// nobody can show a fork any more where the blocks were dropped.
    pub(crate) fn choose_epochs(&mut self) {
        self.has_epochs = self.draw.percent(40);
    }

    /// The first peer, the only admin, creates an epoch, or somebody drops what one stands for.
    pub(crate) async fn step_epoch(&mut self, index: usize) -> Result<(), Violation> {
        if self.draw.percent(40) {
            self.create_epoch().await
        } else {
            self.trim(index).await
        }
    }

    async fn create_epoch(&mut self) -> Result<(), Violation> {
        let admin = self.peer(0)?;
        if admin.life.is_none() || admin.lacks_room() {
            return Ok(());
        }
        let Some(space) = admin.open_space().await? else {
            return Ok(());
        };
        let created = space.create_epoch(EpochOptions::default());
        admin.answered("create an epoch", created).await?;
        self.counts.epochs += 1;
        self.tell(What::CreatedEpoch, &[0]);
        Ok(())
    }

    async fn trim(&mut self, index: usize) -> Result<(), Violation> {
        let peer = self.peer(index)?;
        if peer.lacks_room() {
            return Ok(());
        }
        let Some(space) = peer.open_space().await? else {
            return Ok(());
        };
        let trimmed = async { Ok::<_, String>(space.trim(false).await) };
        match peer.answered("drop blocks", trimmed).await? {
            Ok(_) => {
                self.counts.trimmed += 1;
                self.tell(What::Trimmed, &[index]);
                Ok(())
            }
            Err(ClientError::Echo(EchoError::NoEpoch | EchoError::EpochLoading { .. })) => Ok(()),
            Err(error) => Err(Violation::Request {
                peer: index,
                action: "drop blocks",
                reason: error.to_string(),
            }),
        }
    }

    /// In a world with epochs somebody joins in the end, and loads a snapshot where the blocks
    /// before it are gone.
    pub(crate) async fn join_late(&mut self) -> Result<(), Violation> {
        if !self.has_epochs {
            return Ok(());
        }
        self.heal();
        self.peer_mut(0)?.free_disk();
        if self.peer(0)?.life.is_none() {
            self.start_and_check(0).await?;
        } else if !self.peer(0)?.online {
            self.toggle_online(0).await?;
        }
        let guest = self.add_peer();
        self.honest += 1;
        self.start(guest).await?;
        let peer = self.peer(guest)?;
        let (Some(life), Some(space)) = (&peer.life, self.peer(0)?.open_space().await?) else {
            return Ok(());
        };
        let halo = life.client.halo();
        let created = halo.create_identity("late");
        peer.answered("create an identity", created).await?;
        self.invite(guest, &space).await?;
        let peer = self.peer_mut(guest)?;
        peer.space = Some(space.key());
        peer.subscribe().await?;
        self.tell(What::Joined, &[guest]);
        self.flush(guest).await
    }
}
