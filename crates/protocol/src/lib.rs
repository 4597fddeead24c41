//! The typed messages between ECHO, HALO, MESH and their peers.
