//! What the benchmarks share: signature sets, the scanners that are compared on them, and the record of what was measured.
#![deny(unsafe_code)]

pub mod curve;
pub mod engines;
pub mod fleet;
#[cfg(feature = "hyperscan")]
pub mod hyperscan;
pub mod literals;
pub mod plot;
pub mod record;
pub mod releases;
pub mod tables;
#[cfg(feature = "yara-x")]
pub mod yara_x;

pub use engines::{Aho, Daachorse, Engine, Titer};
pub use literals::{Literals, link_one};
