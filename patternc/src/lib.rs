//! Compiles malware signatures to canonical records, packs them as blobs, and turns one blob into another by a delta.
#![forbid(unsafe_code)]

pub mod clamav;
pub mod compile;
pub mod diagnostic;
pub mod record;
mod wire;

pub use wire::WireError;
