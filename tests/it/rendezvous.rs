//! Two clients that know no address of each other meet through a rendezvous server.

use crate::processes::{Dx, json_line};
use crate::support::{converge, join, options};
use dxos_client::map;

#[tokio::test]
async fn two_clients_meet_again_at_new_ports_through_a_server() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("server");
    let dx = Dx::new(&profile);
    let mut server = dx.spawn(&["--listen", "127.0.0.1:0", "--json", "signal"]);
    let ready = json_line(&mut server);
    let place = ready["servers"][0].as_str().unwrap().to_owned();

    let start = async |name: &str| {
        let place = place.clone();
        let with = move |config: &mut dxos_client::Config| {
            config.network.signal = vec![place.clone()];
        };
        let client = options(&home.path().join(name)).with(with).build();
        client.initialize().await.unwrap();
        client
    };
    let (ann, bob) = (start("a").await, start("b").await);
    ann.halo().create_identity("Ann").await.unwrap();
    bob.halo().create_identity("Bob").await.unwrap();
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let key = space.key();
    ann.destroy().await.unwrap();

    // Ann is at another port from now on: Bob finds her there.
    let taken: std::net::UdpSocket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let new = taken.local_addr().unwrap();
    drop(taken);
    let place = place.clone();
    let with = move |config: &mut dxos_client::Config| {
        config.network.signal = vec![place.clone()];
        config.network.listen = new;
    };
    let ann = options(&home.path().join("a")).with(with).build();
    ann.initialize().await.unwrap();
    let space = ann.echo().space(key).await.unwrap();
    theirs
        .db()
        .add(("task", map! { "title" => "found you" }))
        .await
        .unwrap();
    converge(&space, &theirs).await;
}
