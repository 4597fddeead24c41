//! A swarm that chats, without a database: who knows the secret of a room hears what is said.
//!
//! The network is in memory, and time is virtual. Run it with
//! `cargo run -p dxos-mesh --example chat`.
#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::error::Error;
use std::sync::Arc;

use dxos_actors::Port;
use dxos_actors::testing::{self, World};
use dxos_keys::{DeviceSecret, Topic};
use dxos_mesh::{Mesh, MeshConfig, MeshPorts};
use dxos_protocol::auth::SwarmSecret;
use dxos_protocol::mesh::{Broadcast, JoinSwarm};
use dxos_transport::mem::{MemDiscovery, MemNetwork};
use tokio::sync::mpsc;

const ROOM: Topic = Topic::from_bytes([7; 32]);

fn main() -> Result<(), Box<dyn Error>> {
    testing::run(1, chat)
}

async fn chat(world: World) -> Result<(), Box<dyn Error>> {
    let (network, discovery) = (MemNetwork::new(1), MemDiscovery::default());
    let (heard, mut lines) = mpsc::unbounded_channel();
    let mut people = Vec::new();
    for name in ["Ann", "Bob", "Eve"] {
        let secret = DeviceSecret::generate(&mut world.seeds.rng_of(name));
        let heard = heard.clone();
        let listen = Port::stub(move |gossip: dxos_protocol::mesh::DeliverGossip| {
            let text = String::from_utf8_lossy(&gossip.payload).into_owned();
            // Nobody listens any more when the program ends.
            let _ = heard.send((name, text));
        });
        let mesh = Mesh::start(
            &world.spawner,
            MeshConfig::default(),
            network.endpoint(&secret),
            Arc::new(discovery.clone()),
            MeshPorts::open(listen),
            None,
            world.clock.clone(),
            &world.seeds.child(name),
        );
        // Eve has heard of the room but does not know its secret.
        let secret = SwarmSecret::from_bytes(if name == "Eve" { [9; 32] } else { [8; 32] });
        let join = JoinSwarm {
            topic: ROOM,
            secret,
        };
        mesh.join().ask(join).await??;
        people.push((name, mesh));
    }
    let [(_, ann), (_, bob), (_, eve)] = &people[..] else {
        return Err("three came".into());
    };
    for mesh in [ann, bob] {
        mesh.until(|report| report.swarms.iter().any(|swarm| swarm.sessions.len() == 1))
            .await
            .ok_or("the mesh has stopped")?;
    }

    for (mesh, text) in [(ann, "hello?"), (bob, "hello, Ann"), (eve, "let me in")] {
        let payload = text.as_bytes().to_vec().into();
        let topic = ROOM;
        mesh.broadcast()
            .ask(Broadcast {
                topic,
                payload,
                except: None,
            })
            .await??;
    }
    let patience = std::time::Duration::from_secs(60);
    let mut said = Vec::new();
    while let Ok(Some((name, text))) = world.clock.timeout(patience, lines.recv()).await {
        println!("{name} hears: {text}");
        said.push((name, text));
    }
    said.sort();
    let expected = [("Ann", "hello, Ann"), ("Bob", "hello?")];
    if !said
        .iter()
        .map(|(name, text)| (*name, &text[..]))
        .eq(expected)
    {
        return Err("only Ann and Bob hear each other".into());
    }
    Ok(())
}
