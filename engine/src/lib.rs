//! Titer's scanning engine: matches a mapped database of malware signatures against bytes, files and trees of files.
//!
//! A [`Database`] is opened in place, in time that does not depend on its size; a [`Scanner`] over it is immutable and shared by all
//! threads, each of which brings its own [`Scratch`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = engine::DatabaseFile::open("signatures.tdb".as_ref())?;
//! let database = file.database()?;
//! let scanner = engine::Scanner::new(&database);
//! let mut scratch = scanner.scratch();
//! for found in scanner.signatures(&mut scratch, &std::fs::read("suspect.bin")?) {
//!     println!("{} at {:?}", database.name(found.signature()), found.range());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The crate knows bytes, the layout of a database and files. It does not know rule text, networks, clocks or standard output.
//! `unsafe` code is confined to [`mapping`] and to the loops for single processors in `matcher::filter` and `digest::lanes`.
#![deny(unsafe_code)]

pub mod byte_compare;
pub mod cache;
pub mod class;
pub mod database;
mod digest;
pub mod expression;
pub mod files;
pub mod image;
pub mod image_hash;
mod kind;
pub mod layout;
mod logical;
pub mod mapping;
mod matcher;
pub mod naive;
pub mod normalise;
mod parts;
pub mod pattern;
pub mod regex;
mod scanner;
mod subject;
mod tally;

/// The engine's interface: which records it understands. A blob states the interfaces it is for; the number grows when a kind of
/// record is added that older engines would not scan for.
pub const INTERFACE: u32 = 1;

pub use cache::{CleanCache, CleanScan};
pub use class::FileClass;
pub use database::{Database, DatabaseError, SignatureId, StoredWindow};
pub use files::{DatabaseFile, FileError, FileScanner, OpenError, Verdict};
pub use image::Image;
pub use image_hash::{ImageHashError, image_hash};
pub use kind::FileKind;
pub use matcher::Backend;
pub use scanner::{Match, Scanner, Scratch, TierProfile};
