//! Signed, hash-linked, append-only logs with a single writer.
