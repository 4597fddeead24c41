//! Other libraries and this project's on the same work, in the same run.
//!
//! `cargo xtask bench peers` builds and runs it. Each library does each piece of work in a
//! process of its own, in turn with the others; the medians of several runs are shown, and how
//! this project's compare. Figures compare within one run only.

pub mod child;
pub mod figures;
pub mod forks;
pub mod heap;
pub mod library;
pub mod objects;
pub mod report;
pub mod run;
pub mod text;
pub mod trace;
pub mod work;
