//! Profiles that cannot be opened: a clear error, and nothing is lost.

use std::fs;
use std::path::Path;

use dxos_client::{Client, map};

use crate::support::{options, start, within};

/// Why a client does not come up; it must not by then hold the profile.
async fn refusal(client: &Client) -> String {
    within(client.initialize()).await.unwrap_err().to_string()
}

async fn made(path: &Path) {
    let client = start(path, "Ann").await;
    client.echo().create_space(map! {}).await.unwrap();
    client.destroy().await.unwrap();
}

#[tokio::test]
async fn a_profile_belongs_to_one_client() {
    let home = tempfile::tempdir().unwrap();
    let first = start(home.path(), "Ann").await;
    let second = options(home.path()).build();
    let error = refusal(&second).await;
    assert!(error.contains("is in use"), "{error}");
    first.destroy().await.unwrap();
    within(second.initialize()).await.unwrap();
}

#[tokio::test]
async fn a_lost_key_file_is_missed_and_may_be_put_back() {
    let home = tempfile::tempdir().unwrap();
    made(home.path()).await;
    let (key, away) = (home.path().join("key"), home.path().join("away"));
    fs::rename(&key, &away).unwrap();
    let client = options(home.path()).build();
    let error = refusal(&client).await;
    assert!(error.contains("missing"), "{error}");
    fs::rename(&away, &key).unwrap();
    within(client.initialize()).await.unwrap();
    assert_eq!(client.echo().spaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_passphrase_is_asked_for_and_checked() {
    let home = tempfile::tempdir().unwrap();
    let client = options(home.path()).passphrase("right").build();
    client.initialize().await.unwrap();
    client.halo().create_identity(None).await.unwrap();
    client.destroy().await.unwrap();
    let error = refusal(&options(home.path()).passphrase("wrong").build()).await;
    assert!(error.contains("passphrase"), "{error}");
    within(client.initialize()).await.unwrap();
    assert!(client.halo().identity().await.unwrap().is_some());
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let client = options(&home.path().join("a")).listen(address).build();
    let error = refusal(&client).await;
    assert!(error.contains(&address.port().to_string()), "{error}");
    drop(taken);
    within(client.initialize()).await.unwrap();
}

fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

#[tokio::test]
async fn a_damaged_profile_never_panics() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a");
    made(&path).await;
    let mut found = Vec::new();
    files(&path.join("store"), &mut found);
    let mut told = 0;
    for file in found {
        let before = fs::read(&file).unwrap();
        if before.is_empty() {
            continue;
        }
        fs::write(&file, &before[..before.len() / 2]).unwrap();
        let client = options(&path).offline().build();
        // A cut file may be one that is not needed.
        if let Err(error) = within(client.initialize()).await {
            told += 1;
            assert!(error.to_string().contains("store"), "{error}");
        } else {
            drop(client.to_json().await);
        }
        drop(client.destroy().await);
        // Only the first cut is of the whole profile; later ones come on top.
    }
    assert!(told > 0);
}

#[tokio::test]
async fn a_bad_configuration_names_file_and_key() {
    let home = tempfile::tempdir().unwrap();
    for (name, text, key) in [
        ("a.toml", "[network]\nlisten = 7\n", "network.listen"),
        (
            "b.yml",
            "storage:\n  cache_mib: many\n",
            "storage.cache_mib",
        ),
        ("c.toml", "[network]\nlissten = \"x\"\n", "lissten"),
    ] {
        let file = home.path().join(name);
        fs::write(&file, text).unwrap();
        let client = dxos_client::ClientOptions::new()
            .config_file(&file)
            .profile(home.path().join("p"))
            .build();
        let error = refusal(&client).await;
        assert!(error.contains(name) && error.contains(key), "{error}");
    }
    assert!(!home.path().join("p").exists());
}
