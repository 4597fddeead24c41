//! Profiles that cannot be opened: each a clear error, and nothing lost.

use std::fs;
use std::path::{Path, PathBuf};

use dxos_client::{BindError, ClientError, ClientOptions, ConfigError, NodeError, StoreError, map};

use crate::support::{options, start};

async fn refused(options: ClientOptions) -> ClientError {
    options.build().initialize().await.unwrap_err()
}

#[tokio::test]
async fn one_profile_is_for_one_client_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let client = start(home.path(), "Ann").await;
    let error = refused(options(home.path())).await;
    assert!(matches!(
        &error,
        ClientError::Node(NodeError::Store(StoreError::Locked { .. }))
    ));
    assert!(error.to_string().contains("in use"), "{error}");
    client.destroy().await.unwrap();
    start(home.path(), "Ann").await;
}

#[tokio::test]
async fn two_clients_at_one_port_are_told_so() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let address = &ann.mesh().network_status().await.unwrap().addresses[0];
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let taken = options(&home.path().join("b")).listen(([127, 0, 0, 1], port).into());
    let error = refused(taken).await;
    let bind = matches!(
        &error,
        ClientError::Node(NodeError::Bind(BindError::PortInUse { .. }))
    );
    assert!(bind, "{error}");
    // The profile is not left locked.
    start(&home.path().join("b"), "Bob").await;
}

#[tokio::test]
async fn a_wrong_or_missing_passphrase_opens_nothing() {
    let home = tempfile::tempdir().unwrap();
    let client = options(home.path()).passphrase("right").build();
    client.initialize().await.unwrap();
    let made = client.halo().create_identity("Ann").await.unwrap();
    client.destroy().await.unwrap();
    let error = refused(options(home.path()).passphrase("wrong")).await;
    assert!(
        matches!(&error, ClientError::Node(NodeError::Halo(_))),
        "{error}"
    );
    let client = options(home.path()).passphrase("right").build();
    client.initialize().await.unwrap();
    assert_eq!(client.halo().identity().await.unwrap(), Some(made));
}

#[tokio::test]
async fn a_lost_key_file_is_not_replaced_by_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    start(home.path(), "Ann").await.destroy().await.unwrap();
    let (key, away) = (home.path().join("key"), home.path().join("away"));
    fs::rename(&key, &away).unwrap();
    let error = refused(options(home.path())).await;
    assert!(error.to_string().contains("key"), "{error}");
    assert!(!key.exists());
    fs::rename(&away, &key).unwrap();
    start(home.path(), "Ann").await;
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_with_a_path_or_harmless() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("p");
    let client = start(&profile, "Ann").await;
    let space = client
        .echo()
        .create_space(map! { "name" => "Home" })
        .await
        .unwrap();
    for n in 0..50 {
        space.db().add(("task", map! { "n" => n })).await.unwrap();
    }
    let (key, hash) = (space.key(), space.state_hash().await.unwrap());
    client.destroy().await.unwrap();
    let store = profile.join("store");
    let mut all = Vec::new();
    files(&store, &mut all);
    let all: Vec<_> = all
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    // Opening a store may write to it: every try begins with all files as they were.
    let restore = || {
        fs::remove_dir_all(&store).unwrap();
        for (content, path) in &all {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    };
    let mut refusals = 0;
    for (whole, path) in all.iter().filter(|(whole, _)| whole.len() > 1) {
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x40;
        for damaged in [flipped, whole[..whole.len() / 2].to_vec()] {
            restore();
            fs::write(path, damaged).unwrap();
            let client = options(&profile).offline().build();
            match client.initialize().await {
                Err(error) => {
                    refusals += 1;
                    assert!(error.to_string().contains("store"), "{error}");
                }
                // What it shows is what was there, or nothing at all: never something else.
                Ok(()) => match client.echo().space(key).await {
                    Ok(space) => {
                        if let Ok(found) = space.state_hash().await {
                            assert_eq!(found, hash, "{}", path.display());
                        }
                    }
                    Err(_) => refusals += 1,
                },
            }
            drop(client.destroy().await);
        }
    }
    restore();
    assert!(refusals > 0, "no damage was noticed");
    let client = start(&profile, "Ann").await;
    let space = client.echo().space(key).await.unwrap();
    assert_eq!(space.state_hash().await.unwrap(), hash);
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("dx.yml");
    fs::write(&file, "network:\n  lisen: 127.0.0.1:0\n").unwrap();
    let error = refused(ClientOptions::new().config_file(&file)).await;
    assert!(
        matches!(&error, ClientError::Config(ConfigError::UnknownKey { .. })),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("dx.yml") && text.contains("network.lisen") && text.contains("listen"));
    let peers = options(home.path()).with(|config| config.network.peers = vec!["nobody".into()]);
    let error = refused(peers).await.to_string();
    assert!(
        error.contains("network.peers") && error.contains("nobody"),
        "{error}"
    );
}
