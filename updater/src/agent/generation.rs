//! Generations: building one beside the one in force, then switching.

use crate::Channel;
use crate::agent::state::State;
use crate::agent::{AgentError, Engine, SelfTest, now};
use crate::disk::Access;
use crate::tuf::SignedRelease;
use crate::wire::{ChannelRelease, Sha256Hex, channel_text};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of the manifest's form.
const FORMAT: u32 = 1;

/// A release that a generation was linked from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Which channel.
    #[serde(with = "channel_text")]
    pub channel: Channel,
    /// At which release.
    pub release: u64,
    /// Root hash of the blob, in hexadecimal.
    pub root: String,
    /// Digest of the blob's file.
    pub sha256: Sha256Hex,
    /// Bytes of the blob.
    pub length: u64,
}

impl From<SignedRelease> for Installed {
    fn from(signed: SignedRelease) -> Self {
        Installed {
            root: signed.root.to_string(),
            channel: signed.channel,
            release: signed.release,
            sha256: signed.sha256,
            length: signed.length,
        }
    }
}

/// What a generation is made of; `manifest.json` beside its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// The generation's number.
    pub generation: u64,
    /// The generation that was in force before it.
    pub previous: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Digest of the database.
    pub database_sha256: Sha256Hex,
    /// Releases it was linked from.
    pub channels: Vec<Installed>,
}

impl Manifest {
    /// Its channels and release numbers.
    pub fn releases(&self) -> Vec<ChannelRelease> {
        let release = |at: &Installed| ChannelRelease { channel: at.channel.clone(), release: at.release };
        self.channels.iter().map(release).collect()
    }
}

/// Builds, tests and puts in force a generation of `channels`, whose blobs are in the store. Blocks.
pub(crate) fn install(
    state: &State,
    engine: &dyn Engine,
    channels: Vec<Installed>,
    previous: Option<u64>,
) -> Result<(Manifest, SelfTest), AgentError> {
    let generations = state.folder().join("gen");
    state.disk.create_dir(&generations)?;
    let blobs = channels.iter().map(|at| stored(state, at)).collect::<Result<Vec<_>, _>>()?;
    let number = next_number(state)?;
    let building = generations.join(format!("{number}.tmp"));
    state.disk.remove(&building)?;
    state.disk.create_dir(&building)?;

    let database = building.join("database.tdb");
    state.disk.step("link")?;
    engine.link(&blobs, &database).map_err(AgentError::Link)?;
    state.disk.step("self-test")?;
    let self_test = engine.self_test(&database).map_err(AgentError::SelfTest)?;
    state.disk.sync(&database)?;
    let database_sha256 = Sha256Hex::of(&state.disk.read(&database)?);
    let manifest = Manifest { format: FORMAT, generation: number, previous, created: now(), database_sha256, channels };
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain JSON");
    // Replacing syncs the folder, and with it the database's name.
    state.disk.replace(&building.join("manifest.json"), &text, Access::Public)?;
    state.disk.rename(&building, &state.generation_path(number))?;
    state.put_current(number)?;
    tracing::info!(generation = number, "generation {number} is in force");
    Ok((manifest, self_test))
}

/// The path of a blob in the store, which is read once more: a disk may have harmed it since it was verified.
fn stored(state: &State, at: &Installed) -> Result<PathBuf, AgentError> {
    let path = state.blob_path(&at.sha256);
    if Sha256Hex::of(&state.disk.read(&path)?) == at.sha256 {
        return Ok(path);
    }
    state.disk.remove(&path)?;
    Err(AgentError::Damaged { path, reason: "its content changed; it is removed and fetched again next time".to_owned() })
}

/// One more than any number in use, also by a generation that was rolled back from or never finished.
fn next_number(state: &State) -> Result<u64, AgentError> {
    let names = state.disk.names(&state.folder().join("gen"))?;
    let numbers = names.iter().filter_map(|name| name.trim_end_matches(".tmp").parse::<u64>().ok());
    Ok(numbers.max().max(state.current_if_readable()?).unwrap_or(0) + 1)
}
