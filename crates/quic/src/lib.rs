//! QUIC between devices: mutual TLS by device key.
