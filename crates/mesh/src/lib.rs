//! MESH: swarms of devices that share a space.
