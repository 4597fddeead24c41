//! Signed assertions, device chains and the membership state machine.
