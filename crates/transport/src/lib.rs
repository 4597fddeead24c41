//! Connections between devices: the traits and an in-memory network with faults.
