//! Clients on loopback, spaces, joining, waiting.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dxos_client::{
    Client, ClientOptions, Config, ConnectionState, InvitationOptions, Key, Object, ObjectId, Role,
    Space, Tx, TxError, Value,
};

/// How long anything that ends may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a benchmark that waits.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build()?.block_on(work)
}

/// Starts a client that has its identity.
pub(super) async fn start(profile: &Path, network: bool) -> Result<Client> {
    let options = ClientOptions::new()
        .config(Config::default())
        .profile(profile)
        .listen(([127, 0, 0, 1], 0).into());
    let client = if network { options } else { options.offline() }.build();
    client.initialize().await?;
    if client.halo().identity().await?.is_none() {
        client.halo().create_identity("bench").await?;
    }
    Ok(client)
}

/// `guest` joins `space` with a code.
pub(super) async fn join(space: &Space, guest: &Client) -> Result<Space> {
    let options = InvitationOptions::default().role(Role::Editor);
    let host = space.create_invitation(options).await?;
    let code = host.auth_code().context("the invitation has no code")?;
    let invitation = host
        .invitation()
        .to_string()
        .parse()
        .context("no invitation")?;
    let flow = guest.echo().accept_invitation(invitation).await?;
    within("authentication", flow.authenticate(code)).await??;
    Ok(within("joining", flow.joined()).await??)
}

/// Goes online or offline.
pub(super) async fn online(client: &Client, online: bool) -> Result<()> {
    let state = if online {
        ConnectionState::Online
    } else {
        ConnectionState::Offline
    };
    Ok(client.mesh().set_connection_state(state).await?)
}

/// Tells one client where another is.
pub(super) async fn introduce(client: &Client, space: &Space, to: &Client) -> Result<()> {
    let addresses = to.mesh().network_status().await?.addresses;
    let device = to.mesh().device()?;
    Ok(client
        .mesh()
        .add_peer(space.key(), device, addresses)
        .await?)
}

/// One transaction.
pub(super) async fn transact(
    space: &Space,
    run: impl FnOnce(&mut Tx<'_>) -> Result<(), TxError> + Send + 'static,
) -> Result<()> {
    Ok(space.db().transaction(run).await?)
}

/// An object that has to be there.
pub(super) async fn existing(space: &Space, object: ObjectId) -> Result<Object> {
    space
        .db()
        .get(object)
        .await?
        .context("the object is not there")
}

/// A property as a string.
pub(super) fn string(object: &Object, key: &str) -> Option<String> {
    match object.properties().get(&Key::from(key)) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Text(text)) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// Waits until replicas hold the same.
pub(super) async fn converge(spaces: &[&Space]) -> Result<()> {
    let all = async {
        let mut changes = Vec::new();
        for space in spaces {
            changes.push(space.watch().await?);
        }
        loop {
            let mut hashes = Vec::new();
            for (space, changes) in spaces.iter().zip(&mut changes) {
                changes.borrow_and_update();
                hashes.push(space.state_hash().await?);
            }
            if hashes.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(());
            }
            let any = changes
                .iter_mut()
                .map(|changes| Box::pin(changes.changed()));
            futures_util::future::select_all(any).await.0?;
        }
    };
    within("converging", all).await?
}

/// Waits for what must happen.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => Ok(done),
        Err(_) => bail!("{what} did not end within {} s", PATIENCE.as_secs()),
    }
}

/// Bytes on disk of all files of a directory: what a journal takes, not how long it is.
pub(super) fn disk(directory: &Path) -> Result<usize> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk(&entry.path())?
        } else {
            usize::try_from(std::os::unix::fs::MetadataExt::blocks(&metadata) * 512)?
        };
    }
    Ok(bytes)
}

/// Bytes that a client has sent and received on the connections that it has.
pub(super) async fn traffic(client: &Client) -> Result<u64> {
    let report = client.mesh().network_status().await?;
    let bytes = report
        .connections
        .iter()
        .map(|one| one.bytes_sent + one.bytes_received);
    Ok(bytes.sum())
}
