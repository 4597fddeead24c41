//! Whole clients in one thread under virtual time.
fn main() {}
