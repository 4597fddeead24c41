//! The small kit that makes actix safe: ports, deadlines, shutdown, clock, seeds.
