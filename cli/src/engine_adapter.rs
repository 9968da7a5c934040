//! What the agent is given of the engine: linking blobs, and trying a database before it is put in force.

use crate::commands::agent::self_test::{self, SAMPLES_FILE};
use crate::commands::link::{link_read, read_blobs};
use crate::output::write;
use crate::{planted, starter};
use patternc::link::LinkOptions;
use std::path::{Path, PathBuf};
use updater::agent::{BoxError, Engine, SelfTest, SelfTestError, SelfTestPlan};

/// Links with `patternc`, tests with `engine`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapter;

impl Engine for Adapter {
    fn version(&self) -> String {
        format!("titer {}", env!("CARGO_PKG_VERSION"))
    }

    /// Links the blobs, and the built-in EICAR signatures last, so that every database can be tested and a maker's own name for EICAR
    /// comes first. Samples of what the database must detect go beside it.
    fn link(&self, blobs: &[PathBuf], database: &Path) -> Result<(), BoxError> {
        let blobs = read_blobs(blobs)?;
        let records: Vec<_> = blobs.iter().map(|blob| blob.records.as_slice()).collect();
        let samples = serde_json::to_vec(&planted::samples(&records))?;
        write(&database.with_file_name(SAMPLES_FILE), &samples)?;
        let bytes = link_read(blobs, &starter::eicar_records(), &LinkOptions::default())?;
        Ok(write(database, &bytes)?)
    }

    /// In a process of its own.
    fn self_test(&self, database: &Path, plan: &SelfTestPlan) -> Result<SelfTest, SelfTestError> {
        self_test::in_child(database, plan)
    }
}
