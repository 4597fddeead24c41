//! What benchmarks and load share: clients on loopback, spaces with objects, joining.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dxos_client::{
    Client, ClientOptions, Config, InvitationOptions, Map, Role, Space, Transaction, map,
};

/// How long anything that ends may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// The type of what benchmarks write.
pub(crate) const TYPE: &str = "bench";
/// Objects of a bulk transaction.
pub(crate) const BULK: usize = 1000;

/// Starts a client that reads no configuration of the machine and has its identity.
pub(crate) async fn start(profile: &Path, network: bool) -> Result<Client> {
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

/// Properties of about a hundred bytes.
pub(crate) fn properties(number: usize) -> Map {
    map! {
        "title" => format!("Object number {number} of many, with a title of some length"),
        "number" => i64::try_from(number).unwrap_or(i64::MAX),
        "done" => number.is_multiple_of(2),
        "tag" => format!("tag-{}", number % 100),
    }
}

/// A transaction that creates objects `from..to`.
pub(crate) fn creation(space: &Space, from: usize, to: usize) -> Result<Transaction> {
    let db = space.db();
    let mut transaction = Transaction::new();
    for number in from..to {
        transaction = transaction.create(db.new_id()?, TYPE, properties(number));
    }
    Ok(transaction)
}

/// Puts `size` objects into a space, [`BULK`] a transaction.
pub(crate) async fn fill(space: &Space, size: usize) -> Result<()> {
    let db = space.db();
    for from in (0..size).step_by(BULK) {
        let transaction = creation(space, from, size.min(from + BULK))?;
        db.commit(transaction).await?;
    }
    Ok(())
}

/// The same by code that runs within the space.
pub(crate) async fn fill_by_code(space: &Space, size: usize) -> Result<()> {
    let db = space.db();
    for from in (0..size).step_by(BULK) {
        let numbers = from..size.min(from + BULK);
        let created = db.transaction(move |tx| {
            let mut numbers = numbers;
            numbers.try_for_each(|number| tx.add(TYPE, properties(number)).map(drop))
        });
        created.await?;
    }
    Ok(())
}

/// `guest` joins `space` with a code.
pub(crate) async fn join(space: &Space, guest: &Client) -> Result<Space> {
    let host = space
        .create_invitation(InvitationOptions::default().role(Role::Editor))
        .await?;
    let code = host.auth_code().context("the invitation has no code")?;
    accept(guest, &host.invitation().to_string(), Some(code)).await
}

/// `guest` accepts an invitation of whomever.
pub(crate) async fn accept(guest: &Client, text: &str, code: Option<&str>) -> Result<Space> {
    let invitation = text.parse().context("the invitation cannot be read")?;
    let flow = guest.echo().accept_invitation(invitation).await?;
    if let Some(code) = code {
        within("authentication", flow.authenticate(code)).await??;
    }
    Ok(within("joining", flow.joined()).await??)
}

/// Waits for what must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => Ok(done),
        Err(_) => bail!("{what} did not end within {} s", PATIENCE.as_secs()),
    }
}

/// How a program ends: a failure is told in one line.
pub fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Something for people, beside the result.
#[expect(clippy::print_stderr, reason = "progress belongs to standard error")]
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_about_a_hundred_bytes() {
        let value: usize = properties(12_345)
            .iter()
            .map(|(key, value)| key.to_string().len() + value.to_json().to_string().len())
            .sum();
        assert!((80..140).contains(&value), "{value}");
    }

    #[tokio::test]
    async fn what_has_ended_is_handed_on() {
        assert_eq!(within("it", async { 7 }).await.unwrap(), 7);
    }
}
