//! Compiles malware signatures to canonical records, packs them as blobs, turns one blob into another by a delta, and links
//! blobs to the database that the engine maps.
//!
//! ```
//! use patternc::blob::{self, EngineRange, Meta};
//! use patternc::compile::{Compiler, SourceKind};
//!
//! let mut compiler = Compiler::new();
//! compiler.add_text("demo.ndb", SourceKind::Ndb, b"Demo.Worm-1:0:*:4d5a90\nDemo.Worm-2:0:*:4d5a9\n");
//! let compilation = compiler.finish(); // what was understood, and a diagnostic for each line that was not
//! assert_eq!(compilation.diagnostics[0].code.as_str(), "hex-odd");
//! let meta = Meta { channel: "acme/stable".parse()?, release: 1, created: 0, engine: EngineRange { min: 1, max: 1 } };
//! let old = blob::encode(&meta, &[])?;
//! let new = blob::encode(&Meta { release: 2, ..meta }, &compilation.records)?;
//! assert_eq!(blob::patch(&old, &blob::diff(&old, &new)?)?, new);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is a function of its input: no clock, no network, and no output but return values. Values may be shared between
//! threads; large work is spread over rayon's current pool, and its outcome does not depend on the number of threads.
#![forbid(unsafe_code)]

pub mod blob;
pub mod clamav;
pub mod compile;
pub mod diagnostic;
pub mod explain;
pub mod find;
#[doc(hidden)]
pub mod fuzzing;
pub mod hashing;
pub mod link;
pub mod lint;
pub mod model;
pub mod prices;
pub mod record;
mod wire;

pub use prices::{Prices, price};
pub use wire::WireError;
