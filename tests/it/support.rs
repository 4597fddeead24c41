//! What the tests share: clients with a profile each, and joining.

use std::path::Path;
use std::time::Duration;

use dxos_client::{Client, ClientOptions, ConnectionState, InvitationOptions, Space, map};

/// How long anything may take before a test counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Options of a client on loopback that reads no configuration of the machine.
pub(crate) fn options(profile: &Path) -> ClientOptions {
    ClientOptions::new()
        .config(dxos_client::Config::default())
        .profile(profile)
        .listen(([127, 0, 0, 1], 0).into())
}

/// Starts a client that has its identity.
pub(crate) async fn start(profile: &Path, name: &str) -> Client {
    let client = options(profile).build();
    client.initialize().await.unwrap();
    if client.halo().identity().await.unwrap().is_none() {
        client.halo().create_identity(Some(name)).await.unwrap();
    }
    client
}

/// `guest` joins `space` of another client with a code.
pub(crate) async fn join(space: &Space, guest: &Client) -> Space {
    let host = space
        .create_invitation(InvitationOptions::default())
        .await
        .unwrap();
    let code = host.auth_code().unwrap().to_owned();
    let text = host.invitation().to_string();
    let flow = guest
        .echo()
        .accept_invitation(text.parse().unwrap())
        .await
        .unwrap();
    within(flow.authenticate(&code)).await.unwrap();
    let joined = within(flow.joined()).await.unwrap();
    within(host.finished()).await.unwrap();
    joined
}

/// Waits for something that must happen soon.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

/// Waits until two replicas hold the same.
pub(crate) async fn converge(a: &Space, b: &Space) {
    within(async {
        let (mut a_changes, mut b_changes) = (a.watch().await.unwrap(), b.watch().await.unwrap());
        loop {
            a_changes.borrow_and_update();
            b_changes.borrow_and_update();
            if a.state_hash().await.unwrap() == b.state_hash().await.unwrap() {
                return;
            }
            tokio::select! {
                biased;
                changed = a_changes.changed() => changed.unwrap(),
                changed = b_changes.changed() => changed.unwrap(),
            }
        }
    })
    .await;
}

/// Two clients that share a space.
pub(crate) struct Pair {
    pub(crate) ann: Client,
    pub(crate) bob: Client,
    pub(crate) space: Space,
    pub(crate) theirs: Space,
    _home: tempfile::TempDir,
}

impl Pair {
    pub(crate) async fn meet() -> Self {
        let home = tempfile::tempdir().unwrap();
        let ann = start(&home.path().join("a"), "Ann").await;
        let bob = start(&home.path().join("b"), "Bob").await;
        let space = ann.echo().create_space(map! {}).await.unwrap();
        let theirs = join(&space, &bob).await;
        converge(&space, &theirs).await;
        Self {
            ann,
            bob,
            space,
            theirs,
            _home: home,
        }
    }

    pub(crate) async fn connect(&self, state: ConnectionState) {
        for client in [&self.ann, &self.bob] {
            let mesh = client.mesh();
            mesh.set_connection_state(state).await.unwrap();
        }
    }
}
