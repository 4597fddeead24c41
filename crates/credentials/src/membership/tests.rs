//! Tests, most of them by a hostile hand.

mod attacks;
mod devices;
mod erasures;
mod invitations;
mod malice;
mod properties;
mod random;
mod reference;
mod restorations;
mod room;
mod rules;
mod world;
