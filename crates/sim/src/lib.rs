//! The simulated world: many whole clients in one thread under virtual time.
