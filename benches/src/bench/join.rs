//! From the moment that an invitation is made to the moment that the guest has the space with all
//! its objects, or the device its identity; the code typed at once, over loopback QUIC.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dxos_client::{Client, ClientOptions, Config, InvitationOptions, Space, map};

use crate::setup::{fill, join, start, within};
use crate::{Figure, Latencies};

/// Guests that are not counted: the first of everything settles.
const WARM: usize = 2;
/// Objects that the space holds: what has to arrive is not what is measured.
const OBJECTS: usize = 100;

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let guests = (size / 5000).clamp(4, 20) + WARM;
    let home = tempfile::tempdir()?;
    let host = start(&home.path().join("host"), true).await?;
    let space = host.echo().create_space(map! {}).await?;
    fill(&space, OBJECTS).await?;
    let (mut members, mut devices) = (Latencies::new(), Latencies::new());
    for number in 0..guests {
        let guest = start(&home.path().join(format!("guest-{number}")), true).await?;
        let begin = Instant::now();
        let theirs = join(&space, &guest).await?;
        within("the objects", arrived(&theirs)).await??;
        let joined = begin.elapsed();
        guest.destroy().await?;

        let device = nobody(&home.path().join(format!("device-{number}"))).await?;
        let begin = Instant::now();
        become_device(&host, &device).await?;
        let became = begin.elapsed();
        device.destroy().await?;
        if number >= WARM {
            members.record(joined);
            devices.record(became);
        }
    }
    host.destroy().await?;
    let mut figures = members.figures("invited to space with 100 objects", Duration::ZERO);
    figures.extend(devices.figures("invited to device of the identity", Duration::ZERO));
    Ok(figures)
}

/// A client without an identity.
async fn nobody(profile: &std::path::Path) -> Result<Client> {
    let client = ClientOptions::new()
        .config(Config::default())
        .profile(profile)
        .listen(([127, 0, 0, 1], 0).into())
        .build();
    client.initialize().await?;
    Ok(client)
}

/// Waits until all objects of the space are there.
async fn arrived(space: &Space) -> Result<()> {
    let mut report = space.watch().await?;
    while report.borrow_and_update().objects < OBJECTS as u64 {
        report.changed().await.context("the space is gone")?;
    }
    Ok(())
}

/// `device` becomes a device of the identity of `host`.
async fn become_device(host: &Client, device: &Client) -> Result<()> {
    let invited = host
        .halo()
        .create_invitation(InvitationOptions::default())
        .await?;
    let code = invited.auth_code().context("the invitation has no code")?;
    let invitation = invited.invitation().clone();
    let flow = device.halo().accept_invitation(invitation, "bench").await?;
    within("authentication", flow.authenticate(code)).await??;
    within("joining", flow.adopted()).await??;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guests_and_devices_are_timed() {
        let figures = run(100).await.unwrap();
        assert_eq!(figures.len(), 8);
        assert!(figures.iter().all(|figure| figure.value > 0.0));
    }
}
