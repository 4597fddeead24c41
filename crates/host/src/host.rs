//! A host's life: started, printed, stopped.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use dxos_client::Client;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::memory::Memory;
use crate::server;
use crate::shared::{Made, Shared};
use crate::{HostError, Limits};

/// How long a request may take to say what it wants.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
/// How long connections may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Connections that are no WebSockets.
const PLAIN_CONNECTIONS: usize = 256;

/// How a host is started.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HostOptions {
    /// The port; 0 or none: that of the last time if it is free, else any.
    pub port: Option<u16>,
    /// Whether the console is left out.
    pub no_console: bool,
    /// Origins of pages that may talk to the host beside the console, such as
    /// `http://localhost:5173` of a development server. They need a token all the same.
    pub origins: Vec<String>,
    /// The bounds.
    pub limits: Limits,
}

impl HostOptions {
    /// Any port, with the console, for no page but that.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on this port.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Leaves the console out.
    #[must_use]
    pub const fn no_console(mut self) -> Self {
        self.no_console = true;
        self
    }

    /// Lets pages of this origin talk to the host, too.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Serves one client on loopback. When it is dropped without [`Host::stop`] its connections are
/// cut off.
pub struct Host {
    shared: Arc<Shared>,
    handle: ServerHandle,
    server: Option<JoinHandle<()>>,
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.server.is_some() {
            // The command is sent at once; nobody waits for the answer.
            drop(self.handle.stop(false));
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("port", &self.shared.port)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Starts serving a client, which need not be initialized. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`HostError::Bind`] when the port is taken, [`HostError::Origin`] for what is no origin,
    /// [`HostError::Memory`] when the profile's directory cannot be written.
    pub fn start(client: Client, options: HostOptions) -> Result<Self, HostError> {
        for origin in &options.origins {
            check_origin(origin)?;
        }
        let profile = client.config()?.profile;
        let memory = Memory::of_profile(&profile);
        let kept = memory.read();
        let listener = listen(options.port.unwrap_or(0), kept.port)?;
        let bind = |error: std::io::Error| HostError::Bind {
            port: options.port.unwrap_or(0),
            reason: error.to_string(),
        };
        let port = listener.local_addr().map_err(bind)?.port();
        let shared = Arc::new(Shared::new(Made {
            client,
            limits: options.limits,
            port,
            origins: options.origins.clone(),
            console: !options.no_console,
            memory,
            kept,
        })?);
        let data = web::Data::from(Arc::clone(&shared));
        let limits = options.limits;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::clone(&data))
                .default_service(web::to(server::answer))
        })
        .workers(1)
        // Messages are short and each is waited for: none waits until the one before was received.
        .tcp_nodelay(true)
        .max_connections(limits.connections + limits.strangers + PLAIN_CONNECTIONS)
        .client_request_timeout(REQUEST_PATIENCE)
        .shutdown_timeout(STOP_PATIENCE.as_secs())
        .disable_signals()
        .listen(listener)
        .map_err(bind)?
        .run();
        let handle = server.handle();
        let tidied = Arc::downgrade(&shared);
        let linger = limits.linger;
        let server = tokio::spawn(async move {
            let tidy = async {
                loop {
                    tokio::time::sleep(linger).await;
                    match tidied.upgrade() {
                        Some(shared) => shared.tidy(),
                        None => return,
                    }
                }
            };
            tokio::select! {
                biased;
                ended = server => if let Err(error) = ended {
                    tracing::error!(%error, "the host stopped");
                },
                () = tidy => {}
            }
        });
        Ok(Self {
            shared,
            handle,
            server: Some(server),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.shared.port).into()
    }

    /// The address of the console with a new one-time token, which holds for ten minutes.
    ///
    /// # Errors
    ///
    /// [`HostError::Randomness`].
    pub fn url(&self) -> Result<String, HostError> {
        let token = self.shared.make_one_time()?;
        Ok(self.shared.address_of(&token))
    }

    /// A new one-time token, for a program.
    ///
    /// # Errors
    ///
    /// [`HostError::Randomness`].
    pub fn one_time_token(&self) -> Result<String, HostError> {
        Ok(self.shared.make_one_time()?.text)
    }

    /// What it does, as `client.metrics` says.
    pub fn metrics(&self) -> crate::protocol::Metrics {
        self.shared.metrics()
    }

    /// Waits until its profile was wiped by `client.reset`: the client can do nothing more.
    pub async fn reset(&self) {
        self.shared.reset.notified().await;
    }

    /// Says goodbye to all connections and ends. The client goes on.
    pub async fn stop(mut self) {
        self.shared.stopping.send_replace(true);
        drop(timeout(STOP_PATIENCE * 2, self.handle.stop(true)).await);
        if let Some(server) = self.server.take() {
            drop(timeout(STOP_PATIENCE, server).await);
        }
    }
}

/// Listens on loopback and nowhere else.
fn listen(port: u16, last: Option<u16>) -> Result<TcpListener, HostError> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let again = last.filter(|_| port == 0).and_then(|last| bind(last).ok());
    match again {
        Some(listener) => Ok(listener),
        None => bind(port).map_err(|error| HostError::Bind {
            port,
            reason: error.to_string(),
        }),
    }
}

/// Whether a text is an origin as browsers write it.
fn check_origin(origin: &str) -> Result<(), HostError> {
    let rest = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    let fits = rest.is_some_and(|rest| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
        !rest.is_empty() && rest.chars().all(allowed)
    });
    if fits {
        return Ok(());
    }
    Err(HostError::Origin {
        origin: origin.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_are_allowed_as_origins() {
        for origin in [
            "http://localhost:5173",
            "https://app.example.com",
            "http://[::1]:80",
        ] {
            assert_eq!(check_origin(origin), Ok(()));
        }
        for text in [
            "*",
            "null",
            "localhost:5173",
            "http://",
            "http://x/",
            "http://X",
            "file://x",
        ] {
            assert!(check_origin(text).is_err(), "{text}");
        }
    }
}
