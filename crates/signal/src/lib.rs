//! Rendezvous: how devices of one topic find each other's addresses.
