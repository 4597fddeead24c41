//! `dx signal`: a rendezvous server, where devices of a space find each other.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dxos_actors::{Clock, Failures, SeedTree, Spawner};
use dxos_keys::DeviceSecret;
use dxos_quic::{QuicConfig, QuicTransport};
use dxos_signal::{SignalConfig, SignalServer};
use dxos_transport::{PeerAddress, Transport};
use serde_json::json;

use crate::arguments::SignalOptions;
use crate::invite::stop_signal;
use crate::output::Output;
use crate::session::Session;

/// How long the server may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
const KEY_BYTES: usize = 32;

/// Runs until it is told to stop.
pub(crate) async fn run(session: &Session, options: &SignalOptions, output: Output) -> Result<()> {
    let config = session.options().load()?;
    let path = match &options.key {
        Some(path) => path.clone(),
        None => config.profile.join("signal.key"),
    };
    let secret = Arc::new(key(&path)?);
    let device = secret.device();
    let mut quic = QuicConfig::at(config.network.listen);
    for text in &config.network.advertise {
        let address: PeerAddress = text
            .parse()
            .map_err(|error| anyhow::anyhow!("network.advertise: {error}"))?;
        quic.advertise.push(address);
    }

    let failures = Failures::new();
    let spawner = Spawner::thread("dxos-signal", &failures)?;
    let handle = spawner.handle();
    let bound = spawner.run(move || async move { QuicTransport::bind(quic, secret) });
    let transport: Arc<dyn Transport> = Arc::new(bound.await??);
    let taken = SignalConfig::default().devices_max(options.devices);
    SignalServer::new(Arc::clone(&transport), taken).start(&handle, Clock::system())?;

    let addresses: Vec<String> = transport
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let servers: Vec<_> = addresses.iter().map(|a| format!("{device}@{a}")).collect();
    let json = json!({ "event": "ready", "device": device, "addresses": addresses,
                       "servers": servers });
    output.event(&json, &servers.join("\n"));
    output.note("set one of these as network.signal of the peers; Ctrl-C stops");
    let ended = tokio::select! {
        biased;
        () = stop_signal() => Ok(()),
        failure = failures.wait() => Err(anyhow::anyhow!("the server stopped: {failure}")),
    };
    drop(
        spawner
            .run(move || async move { transport.close().await })
            .await,
    );
    spawner.shutdown(SHUTDOWN_DEADLINE).await?;
    output.event(&json!({ "event": "stopping" }), "stopping");
    ended
}

/// The key by which peers know the server; made when there is none.
fn key(path: &Path) -> Result<DeviceSecret> {
    let what = || format!("the key file {} cannot be used", path.display());
    match std::fs::File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            let limit = KEY_BYTES as u64 + 1;
            file.take(limit)
                .read_to_end(&mut bytes)
                .with_context(what)?;
            let Ok(seed) = bytes.as_slice().try_into() else {
                bail!(
                    "the key file {} is damaged; restore it, or remove it to get a new key",
                    path.display()
                );
            };
            Ok(DeviceSecret::from_seed(seed))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = DeviceSecret::generate(&mut SeedTree::from_os()?.rng());
            write_key(path, &secret).with_context(what)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(what),
    }
}

/// Writes it whole or not at all, readable by this user alone.
fn write_key(path: &Path, secret: &DeviceSecret) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(directory)?;
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    // Private from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(secret.to_seed().as_ref())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_a_damaged_one_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new").join("signal.key");
        let made = key(&path).unwrap().device();
        assert_eq!(key(&path).unwrap().device(), made);
        std::fs::write(&path, "short").unwrap();
        assert!(key(&path).unwrap_err().to_string().contains("damaged"));
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
