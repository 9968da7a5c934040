//! Compiles malware signatures to canonical records, packs them as blobs, and turns one blob into another by a delta.
#![forbid(unsafe_code)]

pub mod blob;
pub mod clamav;
pub mod compile;
pub mod diagnostic;
pub mod link;
pub mod record;
mod wire;

pub use wire::WireError;
