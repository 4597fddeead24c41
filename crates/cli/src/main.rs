//! The program dx.
fn main() {}
