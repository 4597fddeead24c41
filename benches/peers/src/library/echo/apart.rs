//! Two devices that were edited apart, over QUIC.

use std::time::Instant;

use anyhow::{Result, ensure};
use dxos_client::map;

use super::objects::{all, create};
use super::setup::{block_on, converge, introduce, join, online, start, traffic, transact};
use crate::figures::Figures;

/// The objects that the two share before.
const SHARED: usize = 1000;

/// From going online, connection and handshakes included, until both hold the same.
pub fn apart(edits: usize) -> Result<Figures> {
    block_on(async {
        let home = tempfile::tempdir()?;
        let ann = start(&home.path().join("ann"), true).await?;
        let ben = start(&home.path().join("ben"), true).await?;
        let space = ann.echo().create_space(map! {}).await?;
        let ids = create(&space, 0..SHARED).await?;
        let theirs = join(&space, &ben).await?;
        introduce(&ben, &space, &ann).await?;
        converge(&[&space, &theirs]).await?;
        online(&ben, false).await?;
        for (side, space) in [&space, &theirs].into_iter().enumerate() {
            for edit in 0..edits {
                let id = ids[edit * [7, 11][side] % SHARED];
                let title = format!("edit {edit} of side {side}");
                transact(space, move |tx| tx.set(id, "title", title)).await?;
            }
        }
        ensure!(
            space.state_hash().await? != theirs.state_hash().await?,
            "nothing was apart"
        );
        let begin = Instant::now();
        online(&ben, true).await?;
        converge(&[&space, &theirs]).await?;
        let took = begin.elapsed();
        ensure!(all(&theirs).await?.len() == SHARED, "objects are lost");
        let bytes = usize::try_from(traffic(&ben).await?)?;
        ann.destroy().await?;
        ben.destroy().await?;
        let mut figures = Figures::new();
        figures.count("sent bytes", bytes);
        figures.millis("sync ms", took);
        Ok(figures)
    })
}
