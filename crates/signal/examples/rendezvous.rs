//! Two devices find each other through a rendezvous server, all in one process.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Duration;

use dxos_actors::{Clock, Failures, SeedTree, Spawner};
use dxos_keys::{DeviceSecret, Topic};
use dxos_signal::{ServerAddress, SignalClient, SignalConfig, SignalServer};
use dxos_transport::{Announcement, Discovery, Transport, mem::MemNetwork};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (clock, seeds) = (Clock::system(), SeedTree::from_os()?);
    let spawner = Spawner::thread("rendezvous", &Failures::new())?;
    let network = MemNetwork::new(1);
    let server = network.endpoint(&DeviceSecret::from_seed(&[1; 32]));
    let address = server.addresses().pop().ok_or("no address")?;
    let written = ServerAddress {
        device: server.device(),
        address,
    };
    println!("the server is at {written}");
    let rendezvous = SignalServer::new(server, SignalConfig::default());
    rendezvous.start(&spawner, clock.clone())?;

    let topic = Topic::from_bytes([7; 32]);
    let mut presences = Vec::new();
    for (name, seed) in [("alice", 2), ("bob", 3)] {
        let transport = network.endpoint(&DeviceSecret::from_seed(&[seed; 32]));
        let me = Announcement {
            device: transport.device(),
            addresses: transport.addresses(),
        };
        let seeds = seeds.child(name);
        let client = SignalClient::new(transport, written.clone(), &spawner, clock.clone(), &seeds);
        presences.push((name, client.join(topic, me).await?, client));
    }
    for (name, presence, _) in &mut presences {
        let event = presence.next().await.ok_or("the client stopped")?;
        println!("{name}: {event:?}");
    }
    spawner.shutdown(Duration::from_secs(2)).await?;
    Ok(())
}
