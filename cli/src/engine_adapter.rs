//! What the agent is given of the engine: linking blobs, and trying a database before it is put in force.

use crate::commands::link::link_blobs;
use crate::output::write;
use crate::starter;
use engine::{DatabaseFile, Scanner};
use patternc::link::LinkOptions;
use std::path::{Path, PathBuf};
use updater::agent::{BoxError, Engine, SelfTest};

/// Links with `patternc`, tests with `engine`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapter;

impl Engine for Adapter {
    fn version(&self) -> String {
        format!("titer {}", env!("CARGO_PKG_VERSION"))
    }

    /// Links the blobs, and the built-in EICAR signatures last, so that every database can be tested and a maker's own name for EICAR
    /// comes first.
    fn link(&self, blobs: &[PathBuf], database: &Path) -> Result<(), BoxError> {
        let bytes = link_blobs(blobs, &starter::eicar_records(), &LinkOptions::default())?;
        Ok(write(database, &bytes)?)
    }

    /// The database is whole, it detects EICAR, and it finds nothing in harmless text.
    fn self_test(&self, database: &Path) -> Result<SelfTest, BoxError> {
        let file = DatabaseFile::open(database)?;
        let database = file.database()?;
        database.verify()?;
        let scanner = Scanner::new(&database);
        let mut scratch = scanner.scratch();
        if scanner.signatures(&mut scratch, &starter::eicar()).is_empty() {
            return Err("the new database does not detect the EICAR test file".into());
        }
        if let Some(found) = scanner.signatures(&mut scratch, HARMLESS).first() {
            return Err(format!("the new database finds `{}` in harmless text", database.name(found.signature())).into());
        }
        Ok(SelfTest { samples: 2, signatures: database.len() as u64 })
    }
}

/// Text in which no signature may match.
const HARMLESS: &[u8] = b"The quick brown fox jumps over the lazy dog, and nothing else happens to it that day.\r\n";
