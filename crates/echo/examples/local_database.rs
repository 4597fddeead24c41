//! An encrypted, signed database on one machine: no network, and an identity made by hand.
//!
//! Run it with `cargo run -p dxos-echo --example local_database`.
#![expect(clippy::print_stdout, reason = "a program for people to read")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Clock, Failures, SeedTree, Shutdown, Spawner};
use dxos_credentials::Profile;
use dxos_document::{Filter, Query, Transaction};
use dxos_echo::{Echo, EchoConfig};
use dxos_keys::ObjectId;
use dxos_protocol::echo::{Commit, CreateSpace, Durability, RunQuery, UseAuthority};
use dxos_protocol::halo::Authority;
use dxos_store::MemStore;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let seeds = SeedTree::from_os()?;
    let mut rng = seeds.rng_of("example");
    // What HALO does for a profile: a device, which an identity has authorized.
    let authority = Authority::generate(Profile::named("Ann"), &mut rng);

    // The store is in memory; `dxos-store-fjall` has one on a disk.
    let spawner = Spawner::thread("echo", &Failures::new())?;
    let (store, config) = (Arc::new(MemStore::new()), EchoConfig::default());
    let clock = Clock::system();
    let now_ms = clock.wall_ms();
    let echo = Echo::start(&spawner.handle(), store, config, None, clock, &seeds);
    echo.use_authority()
        .ask(UseAuthority { authority })
        .await??;

    let properties = BTreeMap::from([("name".to_owned(), "shopping".into())]);
    let space = echo
        .create_space()
        .ask(CreateSpace { properties })
        .await??;
    let [bread, cheese] = [(); 2].map(|()| ObjectId::generate_at(now_ms, &mut rng));
    // One transaction is one signed and sealed block: all of it counts, or nothing.
    let transaction = Transaction::new()
        .create(bread, "item", [("name", "bread")])
        .create(cheese, "item", [("name", "cheese")])
        .set(cheese, "bought", true);
    let commit = Commit {
        space: space.space,
        ops: transaction.ops,
        durability: Durability::Synced,
    };
    let committed = echo.commit().ask(commit).await??;
    println!("block {} of feed {}", committed.seq, committed.feed.short());

    let query = Query::new(Filter::type_name("item").and(Filter::ne("bought", true)));
    let run = RunQuery {
        space: space.space,
        query,
    };
    let left = echo.run_query().ask(run).await??;
    for item in &left {
        println!("still to buy: {:?}", item.properties().get("name"));
    }
    if left.len() != 1 {
        return Err("one item is left to buy".into());
    }

    let deadline = Duration::from_secs(5);
    echo.shutdown().ask(Shutdown { deadline }).await??;
    drop(echo);
    spawner.shutdown(deadline).await?;
    Ok(())
}
