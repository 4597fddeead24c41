//! What protects the secrets of a profile at rest: locked, unlocked, and changed.

use std::fs;
use std::path::{Path, PathBuf};

use dxos_client::{
    Client, ClientError, ClientOptions, KeyringError, KeyringProtection, NewProtection, NodeError,
    OpenHaloError, ProtectionKind, Status, map,
};

use crate::support::{options, start};

fn is_wrong_key(error: &ClientError) -> bool {
    let wrong = OpenHaloError::Keyring(KeyringError::WrongKey);
    *error == ClientError::Node(NodeError::Halo(wrong))
}

/// Opens a profile that was made before with these options, and returns who it is.
async fn identity_of(options: ClientOptions) -> Result<dxos_client::IdentityKey, ClientError> {
    let client = options.build();
    client.initialize().await?;
    let identity = client.halo().identity().await?.unwrap().identity;
    client.destroy().await?;
    Ok(identity)
}

#[tokio::test]
async fn a_client_is_locked_and_unlocked_with_its_passphrase() {
    let home = tempfile::tempdir().unwrap();
    let client = options(home.path()).passphrase("right").build();
    let mut status = client.watch_status();
    client.initialize().await.unwrap();
    let made = client.halo().create_identity("Ann").await.unwrap();
    client.echo().create_space(map! {}).await.unwrap();
    assert_eq!(*status.borrow_and_update(), Status::Active);

    client.lock().await.unwrap();
    assert_eq!(*status.borrow_and_update(), Status::Locked);
    assert!(client.to_string().contains("locked"), "{client}");
    let locked = client.halo().identity().await.unwrap_err();
    assert_eq!(locked, ClientError::Locked);
    // What was given in the options is gone as well.
    let refused = client.initialize().await.unwrap_err();
    assert_eq!(refused, ClientError::Node(NodeError::NoPassphrase));

    // Whatever is wrong about it, it is told the same way, and another may be tried at once.
    for wrong in ["Right", "righ", "right ", "something else"] {
        let error = client.unlock(wrong).await.unwrap_err();
        assert!(is_wrong_key(&error), "{error}");
        assert_eq!(client.status(), Status::Locked);
    }
    client.unlock("right").await.unwrap();
    assert_eq!(*status.borrow_and_update(), Status::Active);
    assert_eq!(client.halo().identity().await.unwrap(), Some(made));
    assert_eq!(client.echo().spaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_profile_can_be_made_by_unlocking_it() {
    let home = tempfile::tempdir().unwrap();
    let client = options(home.path()).build();
    client.unlock("right").await.unwrap();
    client.halo().create_identity("Ann").await.unwrap();
    client.destroy().await.unwrap();
    assert!(!home.path().join("key").exists());
    let told = identity_of(options(home.path())).await.unwrap_err();
    assert_eq!(told, ClientError::Node(NodeError::NoPassphrase));
    let file =
        options(home.path()).with(|config| config.keyring.protection = KeyringProtection::KeyFile);
    let told = identity_of(file).await.unwrap_err();
    let other = ClientError::Node(NodeError::OtherProtection {
        configured: KeyringProtection::KeyFile,
        found: ProtectionKind::Passphrase,
        how: "set it to passphrase, and give the passphrase in code or in DX_PASSPHRASE",
    });
    assert_eq!(told, other);
    let opened = identity_of(options(home.path()).passphrase("right")).await;
    opened.unwrap();
}

#[tokio::test]
async fn protection_is_changed_while_the_client_runs() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    let client = start(home.path(), "Ann").await;
    let ann = client.halo().identity().await.unwrap().unwrap().identity;
    let first = fs::read(&key).unwrap();

    // Another key.
    let halo = client.halo();
    halo.change_protection(NewProtection::KeyFile)
        .await
        .unwrap();
    assert_ne!(fs::read(&key).unwrap(), first);
    // Everything goes on meanwhile.
    client.echo().create_space(map! {}).await.unwrap();

    // A passphrase: the file goes, and the client knows.
    halo.change_protection(NewProtection::passphrase("one"))
        .await
        .unwrap();
    assert!(!key.exists());
    client.destroy().await.unwrap();
    let refused = client.initialize().await.unwrap_err();
    assert_eq!(refused, ClientError::Node(NodeError::NoPassphrase));
    client.unlock("one").await.unwrap();

    // Another passphrase.
    halo.change_protection(NewProtection::passphrase("two"))
        .await
        .unwrap();
    client.destroy().await.unwrap();
    let old = identity_of(options(home.path()).passphrase("one")).await;
    assert!(is_wrong_key(&old.unwrap_err()));
    let new = identity_of(options(home.path()).passphrase("two")).await;
    assert_eq!(new, Ok(ann));

    // An empty one is none; nothing has changed.
    client.unlock("two").await.unwrap();
    let empty = halo.change_protection(NewProtection::passphrase("")).await;
    assert_eq!(empty, Err(ClientError::Node(NodeError::NoPassphrase)));
    // Nothing at all, and back to a file.
    halo.change_protection(NewProtection::None).await.unwrap();
    halo.change_protection(NewProtection::KeyFile)
        .await
        .unwrap();
    client.destroy().await.unwrap();
    assert_eq!(identity_of(options(home.path())).await, Ok(ann));
}

#[tokio::test]
async fn without_a_keychain_the_error_names_what_else_there_is() {
    let home = tempfile::tempdir().unwrap();
    let keychain =
        options(home.path()).with(|config| config.keyring.protection = KeyringProtection::Keychain);
    let refused = keychain.build().initialize().await.unwrap_err();
    assert!(matches!(
        &refused,
        ClientError::Node(NodeError::Keychain { .. })
    ));
    let text = refused.to_string();
    assert!(
        text.contains("passphrase") && text.contains("key file"),
        "{text}"
    );
    // Changing to it is refused as well, and the old way holds.
    let client = start(home.path(), "Ann").await;
    let halo = client.halo();
    let changed = halo.change_protection(NewProtection::Keychain).await;
    let refused = changed.unwrap_err();
    assert!(matches!(
        &refused,
        ClientError::Node(NodeError::Keychain { .. })
    ));
    client.destroy().await.unwrap();
    identity_of(options(home.path())).await.unwrap();
}

/// Everything in a directory, and itself.
fn everything(path: &Path, found: &mut Vec<PathBuf>) {
    found.push(path.to_path_buf());
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            everything(&entry.unwrap().path(), found);
        }
    }
}

#[tokio::test]
async fn no_passphrase_and_no_secret_stands_in_a_profile() {
    let home = tempfile::tempdir().unwrap();
    let client: Client = options(home.path()).passphrase("correct horse").build();
    client.initialize().await.unwrap();
    client.halo().create_identity("Ann").await.unwrap();
    client.destroy().await.unwrap();
    let mut found = Vec::new();
    everything(home.path(), &mut found);
    for path in found.iter().filter(|path| path.is_file()) {
        let bytes = fs::read(path).unwrap();
        let phrase = b"correct horse";
        let holds = bytes.windows(phrase.len()).any(|window| window == phrase);
        assert!(!holds, "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_profile_is_private_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("profile");
    let dx = crate::processes::Dx::new(&profile);
    for arguments in [
        &["identity", "create", "Ann"][..],
        &["space", "create", "Home"],
        &["space", "list"],
    ] {
        let output = dx.output_with_umask_0(arguments);
        assert!(output.status.success(), "{output:?}");
    }
    let mut found = Vec::new();
    everything(&profile, &mut found);
    assert!(found.len() > 5, "{found:?}");
    for path in found {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} has {mode:o}", path.display());
    }
}
