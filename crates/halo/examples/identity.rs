//! An identity that is made once, survives a restart, and proves itself to a third party.
//!
//! Run it with `cargo run -p dxos-halo --example identity`.
#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Failures, SeedTree, Shutdown, Spawner};
use dxos_credentials::Profile;
use dxos_halo::{Halo, HaloConfig};
use dxos_keys::Protection;
use dxos_protocol::halo::{CreateIdentity, GetIdentity, SignPresentation};
use dxos_store::{MemDisk, MemStore};

const DEADLINE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let disk = MemDisk::new();
    // A real profile would be protected by a passphrase or by a key of the operating system.
    let config = HaloConfig {
        protection: Protection::None,
    };

    let spawner = Spawner::thread("halo", &Failures::new())?;
    let store = Arc::new(MemStore::open(&disk)?);
    let halo = Halo::start(&spawner.handle(), store, &config, &SeedTree::from_os()?)?;
    let profile = Profile::named("Ann");
    let create = CreateIdentity { profile };
    let ann = halo.create_identity().ask(create).await??;
    println!("identity {} on device {}", ann.identity, ann.device.short());
    halo.shutdown()
        .ask(Shutdown { deadline: DEADLINE })
        .await??;
    drop(halo);
    spawner.shutdown(DEADLINE).await?;

    // Another run of the program, over the same disk.
    let spawner = Spawner::thread("halo", &Failures::new())?;
    let store = Arc::new(MemStore::open(&disk)?);
    let halo = Halo::start(&spawner.handle(), store, &config, &SeedTree::from_os()?)?;
    let again = halo.identity().ask(GetIdentity).await?;
    if again.as_ref() != Some(&ann) {
        return Err("the identity is another one".into());
    }

    // A web site draws a challenge, and names itself so that the answer is for it alone.
    let (challenge, audience) = (b"drawn at random".to_vec(), "example.org".to_owned());
    let sign = SignPresentation {
        challenge: challenge.clone(),
        audience: audience.clone(),
        credentials: Vec::new(),
    };
    let presentation = halo.presentation().ask(sign).await??;
    let proven = presentation.verify(&challenge, &audience)?;
    println!("example.org knows {} now", proven.identity);
    if presentation.verify(&challenge, "example.com").is_ok() {
        return Err("the presentation was for example.org only".into());
    }
    halo.shutdown()
        .ask(Shutdown { deadline: DEADLINE })
        .await??;
    drop(halo);
    spawner.shutdown(DEADLINE).await?;
    Ok(())
}
