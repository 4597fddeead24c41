//! Making the space and bringing everyone into it.

use std::time::Duration;

use dxos_client::{
    Client, ClientError, Invitation, InvitationError, InvitationHost, InvitationOptions, Space, map,
};

use crate::{Violation, What, World};

/// How often a guest tries before the world counts as broken.
const ATTEMPTS_MAX: u64 = 40;
/// How long one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(240);

/// An invitation that was used.
#[derive(Debug)]
pub(crate) struct Used {
    by: usize,
    invitation: Invitation,
    code: String,
    /// Keeps it hosted: it must refuse because it was used, not because nobody is there.
    host: InvitationHost,
}

impl World {
    /// Starts all peers with an identity each, lets the first make a space, and invites the
    /// others one by one over the network as it is.
    pub(crate) async fn gather(&mut self) -> Result<(), Violation> {
        for index in 0..self.peers.len() {
            self.start(index).await?;
            let peer = self.peer(index)?;
            let Some(life) = &peer.life else { continue };
            let (halo, name) = (life.client.halo(), format!("peer {index}"));
            peer.answered("create an identity", halo.create_identity(name.as_str()))
                .await?;
        }
        let first = self.peer(0)?;
        let Some(life) = &first.life else {
            return Ok(());
        };
        let echo = life.client.echo();
        let created = echo.create_space(map! { "name" => "simulated" });
        let space = first.answered("create a space", created).await?;
        let first = self.peer_mut(0)?;
        first.space = Some(space.key());
        first.subscribe().await?;
        // What is made is on the disk before anything crashes.
        self.flush(0).await?;
        let mut used: Option<Used> = None;
        for guest in 1..self.peers.len() {
            if let Some(used) = &used {
                self.try_used(guest, used).await?;
            }
            used = Some(self.invite(guest, &space).await?);
            let peer = self.peer_mut(guest)?;
            peer.space = Some(space.key());
            peer.subscribe().await?;
            self.tell(What::Joined, &[guest]);
            self.flush(guest).await?;
        }
        drop(used.map(|used| used.host));
        self.choose_epochs();
        if self.has_epochs {
            return Ok(());
        }
        self.gather_outcasts().await
    }

    fn client(&self, index: usize) -> Result<Client, Violation> {
        let peer = self.peer(index)?;
        let life = peer.life.as_ref().ok_or_else(|| Violation::Life {
            peer: index,
            action: "used",
            reason: "it does not run".to_owned(),
        })?;
        Ok(life.client.clone())
    }

    pub(crate) async fn invite(&mut self, guest: usize, space: &Space) -> Result<Used, Violation> {
        let client = self.client(guest)?;
        let mut host = None;
        let mut reason = String::new();
        for _ in 0..ATTEMPTS_MAX {
            self.counts.invitation_attempts += 1;
            let hosting: InvitationHost = match host.take() {
                Some(hosting) => hosting,
                None => {
                    let made = space.create_invitation(InvitationOptions::default());
                    self.peer(0)?.answered("create an invitation", made).await?
                }
            };
            // The text is what one person sends to another.
            let text = hosting.invitation().to_string();
            let invitation: Invitation = text.parse().map_err(|error| Violation::Request {
                peer: guest,
                action: "read an invitation",
                reason: format!("{error}"),
            })?;
            let code = hosting.auth_code().unwrap_or_default().to_owned();
            let joining = accept(&client, invitation.clone(), &code);
            let joined = if self.draw.percent(30) {
                let after = self.draw.millis(0, 2_000);
                let (a, b) = (self.peer(0)?.device, self.peer(guest)?.device);
                let breaking = async {
                    self.around.clock.sleep(after).await;
                    self.around.network.drop_connections(a, b)
                };
                let (joined, broken) = tokio::join!(joining, breaking);
                self.counts.drops_forced += u64::from(broken > 0);
                joined
            } else {
                joining.await
            };
            match joined {
                Ok(_) => {
                    return Ok(Used {
                        by: guest,
                        invitation,
                        code,
                        host: hosting,
                    });
                }
                Err(error) => {
                    reason = error.to_string();
                    let over =
                        matches!(error, ClientError::Invitation(InvitationError::Refused(_)));
                    host = (!over).then_some(hosting);
                }
            }
            self.sleep(Duration::from_secs(2)).await;
        }
        Err(Violation::NotJoined {
            peer: guest,
            attempts: ATTEMPTS_MAX,
            reason,
        })
    }

    /// Tries an invitation that somebody else has used: it must not work.
    async fn try_used(&mut self, guest: usize, used: &Used) -> Result<(), Violation> {
        let client = self.client(guest)?;
        let joined = accept(&client, used.invitation.clone(), &used.code).await;
        if joined.is_ok() {
            return Err(Violation::InvitationReused {
                peer: guest,
                first: used.by,
            });
        }
        self.counts.reuses_refused += 1;
        Ok(())
    }
}

async fn accept(client: &Client, invitation: Invitation, code: &str) -> Result<Space, ClientError> {
    let flow = client.echo().accept_invitation(invitation).await?;
    let joining = async {
        flow.authenticate(code).await?;
        flow.joined().await
    };
    match tokio::time::timeout(TRY_TIMEOUT, joining).await {
        Ok(joined) => joined,
        Err(_) => {
            flow.cancel();
            Err(InvitationError::Timeout.into())
        }
    }
}
