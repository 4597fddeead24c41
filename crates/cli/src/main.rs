//! dx
fn main() {}
