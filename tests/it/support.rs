//! What the tests share: clients with a profile each, and joining.

use std::path::Path;
use std::task::Poll;
use std::time::Duration;

use dxos_client::{
    Client, ClientOptions, ConnectionState, InvitationOptions, Space, SpaceReport, map,
};
use tokio::sync::watch;

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
        client.halo().create_identity(name).await.unwrap();
    }
    client
}

/// Ann with a space of her own, and Bob, who has not joined it yet; in a directory that goes with
/// the first.
pub(crate) async fn apart() -> (tempfile::TempDir, Client, Client, Space) {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let bob = start(&home.path().join("b"), "Bob").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    (home, ann, bob, space)
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

/// Waits until one of these spaces has something new to report since the receiver looked.
pub(crate) async fn news(watches: &mut [watch::Receiver<SpaceReport>]) {
    let mut waits: Vec<_> = watches
        .iter_mut()
        .map(|watch| Box::pin(watch.changed()))
        .collect();
    std::future::poll_fn(|context| {
        let ready = waits
            .iter_mut()
            .any(|wait| wait.as_mut().poll(context).is_ready());
        if ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Waits until a condition holds that follows from what these spaces hold.
pub(crate) async fn until(spaces: &[&Space], condition: impl AsyncFn() -> bool) {
    let mut watches = Vec::new();
    for space in spaces {
        watches.push(space.watch().await.unwrap());
    }
    within(async {
        loop {
            for watch in &mut watches {
                watch.borrow_and_update();
            }
            if condition().await {
                return;
            }
            news(&mut watches).await;
        }
    })
    .await;
}

/// Waits until two replicas hold the same.
pub(crate) async fn converge(a: &Space, b: &Space) {
    all_converge(&[a, b]).await;
}

/// Waits until all replicas hold the same.
pub(crate) async fn all_converge(spaces: &[&Space]) {
    until(spaces, async || {
        let mut hashes = Vec::new();
        for space in spaces {
            hashes.push(space.state_hash().await.unwrap());
        }
        hashes.iter().all(|hash| *hash == hashes[0])
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
        let (home, ann, bob, space) = apart().await;
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
