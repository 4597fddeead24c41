//! HALO: identity and devices.
