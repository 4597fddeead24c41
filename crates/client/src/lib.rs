//! The client: identity, spaces and network assembled.
