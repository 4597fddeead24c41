//! End-to-end tests through the public API, over real fjall and real QUIC on loopback.

mod support;
mod two_clients;
