//! Two whole clients in one program: an identity each, a shared space, a code, and a live query
//! that sees what the other one writes. Everything is real: fjall on disk, QUIC on loopback.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dxos_client::{Client, ClientOptions, Filter, InvitationOptions, map};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let (ann, bob) = (client(&home, "ann").await?, client(&home, "bob").await?);

    let space = ann.echo().create_space(map! { "name" => "Garden" }).await?;
    let host = space
        .create_invitation(InvitationOptions::default())
        .await?;
    let code = host.auth_code().unwrap_or_default().to_owned();
    println!("ann invites: {} (code {code})", host.invitation());

    let flow = bob
        .echo()
        .accept_invitation(host.invitation().clone())
        .await?;
    flow.authenticate(&code).await?;
    let theirs = flow.joined().await?;
    println!("bob joined {}", theirs.key().short());

    let tasks = theirs.db().query(Filter::type_name("task"));
    let mut live = tasks.subscribe().await?;
    space
        .db()
        .add((
            "task",
            map! { "title" => "Water the plants", "done" => false },
        ))
        .await?;
    while live.results().is_empty() {
        live.next().await.ok_or("the space was closed")?;
    }
    for task in live.results() {
        println!("bob sees {}: {:?}", task.type_name(), task.get("title"));
    }
    ann.destroy().await?;
    bob.destroy().await?;
    Ok(())
}

async fn client(
    home: &tempfile::TempDir,
    name: &str,
) -> Result<Client, Box<dyn std::error::Error>> {
    let client = ClientOptions::new()
        .profile(home.path().join(name))
        .listen(([127, 0, 0, 1], 0).into())
        .build();
    client.initialize().await?;
    client.halo().create_identity(name).await?;
    Ok(client)
}
