//! This project's ECHO, through whole clients: everything signed, sealed, checked and persisted,
//! and two replicas talk over real QUIC on loopback.

mod apart;
mod forks;
mod objects;
mod setup;
mod text;

pub use apart::apart;
pub use forks::forks;
pub use objects::objects;
pub use text::sequential;
