//! The fjall store: one database a profile.
