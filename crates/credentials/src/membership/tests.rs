//! Tests, most of them by a hostile hand.

mod attacks;
mod devices;
mod properties;
mod random;
mod reference;
mod rules;
mod world;
