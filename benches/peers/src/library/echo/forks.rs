//! A profile is copied and both copies write: the fork of a real device.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, ensure};
use dxos_client::{Client, Filter, Space, SpaceKey, map};

use super::setup::{block_on, converge, introduce, join, online, start, string, within};
use crate::forks::{Outcome, outcome};

const KEYS: &str = "keys";

async fn set(space: &Space, key: &str, value: &str) -> Result<()> {
    space
        .db()
        .add((KEYS, map! { "key" => key, "value" => value }))
        .await?;
    Ok(())
}

async fn contents(space: &Space) -> Result<BTreeMap<String, String>> {
    let found = space.db().query(Filter::type_name(KEYS)).run().await?;
    let entry = |object| Some((string(object, "key")?, string(object, "value")?));
    Ok(found.iter().filter_map(entry).collect())
}

/// A copy of the device goes online beside one peer alone, and writes before it hears anything.
async fn write_and_tell(
    profile: &Path,
    key: SpaceKey,
    value: &str,
    (peer, theirs): (&Client, &Space),
) -> Result<()> {
    let copy = start(profile, true).await?;
    let space = copy.echo().space(key).await?;
    set(&space, "forked", value).await?;
    introduce(&copy, &space, peer).await?;
    online(peer, true).await?;
    online(&copy, true).await?;
    within("telling a peer", async {
        let mut changes = theirs.watch().await?;
        loop {
            changes.borrow_and_update();
            if contents(theirs).await?.contains_key("forked") {
                return anyhow::Ok(());
            }
            changes.changed().await?;
        }
    })
    .await??;
    online(peer, false).await?;
    Ok(copy.destroy().await?)
}

/// The experiment.
pub fn forks() -> Result<Outcome> {
    block_on(async {
        let home = tempfile::tempdir()?;
        let path = |name: &str| home.path().join(name);
        let ann = start(&path("ann"), true).await?;
        let ben = start(&path("ben"), true).await?;
        let cleo = start(&path("cleo"), true).await?;
        let forker = start(&path("forker"), true).await?;
        let space = ann.echo().create_space(map! {}).await?;
        let key = space.key();
        let theirs = [join(&space, &ben).await?, join(&space, &cleo).await?];
        let forked = join(&space, &forker).await?;
        set(&forked, "before", "fork").await?;
        let spaces = [&space, &theirs[0], &theirs[1]];
        converge(&[&space, &theirs[0], &theirs[1], &forked]).await?;

        // The copy is made of a profile that was closed cleanly, and stays offline at first.
        online(&forker, false).await?;
        forker.destroy().await?;
        copy(&path("forker"), &path("copy"))?;
        let clients = [&ann, &ben, &cleo];
        for client in clients {
            online(client, false).await?;
        }
        write_and_tell(&path("forker"), key, "left", (&ann, spaces[0])).await?;
        write_and_tell(&path("copy"), key, "right", (&ben, spaces[1])).await?;
        let (left, right) = (contents(spaces[0]).await?, contents(spaces[1]).await?);
        ensure!(
            left.get("forked") != right.get("forked"),
            "there is no fork"
        );

        for client in clients {
            for (space, other) in spaces.iter().zip(clients) {
                if client.mesh().device()? != other.mesh().device()? {
                    introduce(client, space, other).await?;
                }
            }
        }
        let mut errors = Vec::new();
        for time in ["first", "second"] {
            for (space, name) in spaces.iter().zip(["ann", "ben", "cleo"]) {
                if let Err(error) = set(space, &format!("{name}, {time}"), "honest").await {
                    errors.push(format!("{error:#}"));
                }
            }
            for client in clients {
                online(client, true).await?;
            }
            if let Err(error) = converge(&spaces).await {
                errors.push(format!("{error:#}"));
            }
        }
        let mut held = Vec::new();
        let mut told = BTreeSet::new();
        for space in spaces {
            held.push(contents(space).await?);
            let forks = space.report().await?.forks;
            told.insert(forks.len());
        }
        let reported = match (told.first(), told.last()) {
            (Some(1), Some(1)) => "on each replica, with the proof".to_owned(),
            _ => format!("{told:?} times"),
        };
        for client in [ann, ben, cleo] {
            client.destroy().await?;
        }
        Ok(outcome(&held, errors, reported))
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
