//! Ordered, atomic, durable key-value storage: the trait and an in-memory store with faults.
