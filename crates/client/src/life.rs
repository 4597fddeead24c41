//! The life of a space on this device: opened, closed, waited for, archived, deleted.

use std::path::Path;
use std::time::Duration;

use dxos_keys::Topic;
use dxos_protocol::echo::{CloseSpace, DeleteSpace, EchoError, OpenSpace, SpaceReport, SpaceState};

use crate::{
    ArchiveContents, ArchiveError, ArchiveProtection, Client, ClientError, EchoProxy, Space,
    SpaceKey, SpacesWatch,
};

const ECHO: &str = "ECHO";
/// Much may have to be written, or removed.
const DEADLINE: Duration = Duration::from_secs(3600);

impl Space {
    /// Opens it, if it was closed: it is read, written and replicated again. One that is just
    /// being closed is waited for.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not on this device any more.
    pub async fn open(&self) -> Result<SpaceReport, ClientError> {
        loop {
            let mut watch = self.watch_any().await?;
            let open = OpenSpace { space: self.key() };
            let port = self.client().node()?.echo.open_space();
            let opened = port.with_deadline(DEADLINE).ask(open).await;
            match opened.map_err(ClientError::unanswered(ECHO))? {
                Err(EchoError::SpaceBusy { .. }) => {
                    // Whatever is done to it shows in its report when it is over.
                    drop(watch.changed().await);
                }
                opened => {
                    let report = opened?;
                    self.client().node()?.keeper.nudge();
                    return Ok(report);
                }
            }
        }
    }

    async fn watch_any(&self) -> Result<tokio::sync::watch::Receiver<SpaceReport>, ClientError> {
        let mut watch = self.watch().await?;
        watch.mark_unchanged();
        Ok(watch)
    }

    /// Closes it: it is neither read, written nor replicated, and takes no memory, until
    /// [`Space::open`]; also when the program is started again. Live queries on it end. Closing
    /// one that is closed does nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not on this device, [`ClientError::IdentitySpace`].
    pub async fn close(&self) -> Result<(), ClientError> {
        self.refuse_identity()?;
        let close = CloseSpace { space: self.key() };
        let port = self.client().node()?.echo.close_space();
        let closed = port.with_deadline(DEADLINE).ask(close).await;
        closed.map_err(ClientError::unanswered(ECHO))??;
        self.client().node()?.keeper.nudge();
        Ok(())
    }

    /// Whether it is open.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not on this device.
    pub async fn is_open(&self) -> Result<bool, ClientError> {
        Ok(self.report().await?.state != SpaceState::Closed)
    }

    /// Waits until its objects can be read, and written as far as the role allows: until it is
    /// [`SpaceState::Ready`], or [`SpaceState::Inactive`], in which it can be read. It needs
    /// nobody else to be online, but for a space that has never met another device.
    ///
    /// # Errors
    ///
    /// [`ClientError::SpaceNotReady`] when it is closed, deleted or cannot be read, with the
    /// reason.
    pub async fn wait_until_ready(&self) -> Result<SpaceReport, ClientError> {
        let settled = |report: &SpaceReport| {
            !matches!(
                report.state,
                SpaceState::ControlOnly | SpaceState::Initializing
            )
        };
        let report = self.wait_until(settled).await?;
        if report.state.is_readable() {
            return Ok(report);
        }
        Err(ClientError::SpaceNotReady {
            space: self.key(),
            state: report.state,
            reason: report.reason,
        })
    }

    /// Returns when everything that was acknowledged before is on the disk.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when the store fails.
    pub async fn flush(&self) -> Result<(), ClientError> {
        self.db().flush().await
    }

    /// Writes it into a new file, to be brought back by
    /// [`Serializer::deserialize_space`](crate::Serializer::deserialize_space).
    ///
    /// # Errors
    ///
    /// As for [`Serializer::serialize_space_to`](crate::Serializer::serialize_space_to).
    pub async fn archive(
        &self,
        protection: ArchiveProtection,
        path: &Path,
    ) -> Result<ArchiveContents, ArchiveError> {
        let serializer = self.client().create_serializer();
        serializer.serialize_space_to(self, protection, path).await
    }

    /// Deletes it on this device: its blocks, objects and keys, the invitations that this device
    /// hosts to it, and where its devices were met. Returns when all of it is removed; after a
    /// kill in the middle the rest is removed when the client is started again.
    ///
    /// Peers hear, for their [`Space::sync_status`], that this device stores nothing of it any
    /// more: all that are connected and, if none is, the first that comes; that is waited for, at
    /// most five seconds. They tell those that they meet. If nobody came, nobody is told, and what
    /// this device has signed before stands at the others, with the time when it did. A space that
    /// is closed is opened for that. The identity stays a member, and other devices keep what they
    /// have.
    /// See [`Space::leave`] to end that first. This device does not take the space up again by
    /// itself; an invitation or an archive brings it back.
    ///
    /// # Errors
    ///
    /// [`ClientError::Echo`] when it is not on this device or just being closed,
    /// [`ClientError::IdentitySpace`].
    pub async fn delete(&self) -> Result<(), ClientError> {
        self.refuse_identity()?;
        let node = self.client().node()?;
        let delete = DeleteSpace { space: self.key() };
        let port = node.echo.delete_space().with_deadline(DEADLINE);
        let deleted = port.ask(delete).await;
        deleted.map_err(ClientError::unanswered(ECHO))??;
        node.invitations.forget_space(self.key());
        let topic = Topic::of_space(&self.key());
        let forgotten = node.address_book.forget(&topic);
        forgotten.map_err(crate::NodeError::from)?;
        Ok(())
    }

    fn refuse_identity(&self) -> Result<(), ClientError> {
        let space = self.key();
        if self.client().node()?.keeper.keeps(&space)? {
            return Err(ClientError::IdentitySpace { space });
        }
        Ok(())
    }
}

impl EchoProxy {
    /// A space, if it is on this device, open or closed.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn get_space(&self, space: SpaceKey) -> Result<Option<Space>, ClientError> {
        match self.space(space).await {
            Ok(space) => Ok(Some(space)),
            Err(ClientError::Echo(EchoError::UnknownSpace { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows which spaces are on this device: at first all that there are, then all of them
    /// each time that one comes or goes.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotInitialized`].
    pub async fn query_spaces(&self) -> Result<SpacesWatch, ClientError> {
        self.watch_spaces().await
    }
}

impl Client {
    /// All spaces on this device; short for [`EchoProxy::spaces`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn spaces(&self) -> Result<Vec<Space>, ClientError> {
        self.echo().spaces().await
    }

    /// Creates a space; short for [`EchoProxy::create_space`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn create_space(&self, properties: dxos_document::Map) -> Result<Space, ClientError> {
        self.echo().create_space(properties).await
    }

    /// A space, if it is on this device; short for [`EchoProxy::get_space`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_space(&self, space: SpaceKey) -> Result<Option<Space>, ClientError> {
        self.echo().get_space(space).await
    }
}
