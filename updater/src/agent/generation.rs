//! Generations: building one beside the one in force, testing it, and then, at once or later, switching.

use crate::Channel;
use crate::agent::state::State;
use crate::agent::{AgentError, ChannelFault, Engine, Probation, SelfTest, SelfTestPlan, modules, probation};
use crate::disk::Access;
use crate::tuf::SignedRelease;
use crate::wire::{ChannelRelease, Module, Sha256Hex, channel_text};
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
    /// Files that it has besides, by name and kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Module>,
}

impl From<SignedRelease> for Installed {
    fn from(signed: SignedRelease) -> Self {
        Installed {
            root: signed.root.to_string(),
            channel: signed.channel,
            release: signed.release,
            sha256: signed.sha256,
            length: signed.length,
            modules: Vec::new(),
        }
    }
}

/// Name of the file that says what a generation is made of.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";

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

/// A generation that is linked, tested and has its number, and is not in force.
pub(crate) struct Made {
    pub(crate) manifest: Manifest,
    pub(crate) self_test: SelfTest,
    /// Channels that were left at what is in force, because a database with their new release does not work.
    pub(crate) faults: Vec<ChannelFault>,
}

/// Builds and tests a generation of `channels`, whose blobs are in the store, to take the place of `before`. Blocks.
///
/// When no working database can be made of `channels`, those with a new release are tried one by one, so that one maker's
/// bad release does not keep the others' back: at most two databases more than there are new releases.
pub(crate) fn make(
    state: &State,
    engine: &dyn Engine,
    plan: &SelfTestPlan,
    channels: Vec<Installed>,
    before: Option<&Manifest>,
) -> Result<Made, AgentError> {
    let previous = before.map(|manifest| manifest.generation);
    match build(state, engine, plan, channels.clone(), previous) {
        Err(error) if is_of_releases(&error) => {
            let in_force = before.map(|manifest| manifest.channels.clone()).unwrap_or_default();
            one_by_one(state, engine, plan, &channels, in_force, previous, error)
        }
        built => name(state, built?, Vec::new()),
    }
}

/// Adds one new release after the other to what is in force and keeps those with which the database works. With none, the
/// result is `error`.
fn one_by_one(
    state: &State,
    engine: &dyn Engine,
    plan: &SelfTestPlan,
    channels: &[Installed],
    in_force: Vec<Installed>,
    previous: Option<u64>,
    error: AgentError,
) -> Result<Made, AgentError> {
    let new = channels.iter().filter(|at| !in_force.contains(at)).collect::<Vec<_>>();
    if new.len() < 2 {
        return Err(error);
    }
    tracing::warn!(%error, "the database does not work; its {} new releases are tried one by one", new.len());
    let mut works = in_force.clone();
    let mut newest = None;
    let mut faults = Vec::new();
    for at in new {
        let mut tried = works.iter().filter(|kept| kept.channel != at.channel).cloned().collect::<Vec<_>>();
        tried.push(at.clone());
        tried.sort_by(|a, b| a.channel.cmp(&b.channel));
        newest = match build(state, engine, plan, tried.clone(), previous) {
            Ok(built) => {
                works = tried;
                Some(built)
            }
            Err(fault) if is_of_releases(&fault) => {
                tracing::warn!(channel = %at.channel, release = at.release, "channel {} stays as it is: {fault}", at.channel);
                faults.push(ChannelFault::new(&at.channel, &fault));
                None
            }
            Err(fault) => return Err(fault),
        };
    }
    if works == in_force {
        return Err(error);
    }
    // A try that failed took the place of the one that worked.
    let built = newest.map_or_else(|| build(state, engine, plan, works, previous), Ok)?;
    name(state, built, faults)
}

/// Whether a build failed by what is in the releases, not by the disk or the machine.
fn is_of_releases(error: &AgentError) -> bool {
    matches!(error, AgentError::Link(_) | AgentError::SelfTest(_))
}

/// A generation that was linked, tested and synced and is not yet named.
struct Built {
    manifest: Manifest,
    self_test: SelfTest,
}

fn build(
    state: &State,
    engine: &dyn Engine,
    plan: &SelfTestPlan,
    channels: Vec<Installed>,
    previous: Option<u64>,
) -> Result<Built, AgentError> {
    let generations = state.folder().join("gen");
    state.disk.create_dir(&generations)?;
    let blobs = channels.iter().map(|at| stored(state, at)).collect::<Result<Vec<_>, _>>()?;
    // What an earlier build left, or there would be one more database for each that fails.
    for name in state.disk.names(&generations)?.iter().filter(|name| name.parse::<u64>().is_err()) {
        state.disk.remove(&generations.join(name))?;
    }
    let number = next_number(state)?;
    let building = building_path(state, number);
    state.disk.create_dir(&building)?;

    let database = building.join("database.tdb");
    state.disk.step("link")?;
    engine.link(&blobs, &database).map_err(AgentError::Link)?;
    state.disk.step("self-test")?;
    let plan = SelfTestPlan { harmful: modules::harmful(state, &channels), ..plan.clone() };
    let self_test = engine.self_test(&database, &plan).map_err(AgentError::SelfTest)?;
    for name in state.disk.names(&building)? {
        state.disk.sync(&building.join(name))?;
    }
    let database_sha256 = Sha256Hex::of(&state.disk.read(&database)?);
    let manifest =
        Manifest { format: FORMAT, generation: number, previous, created: state.seconds(), database_sha256, channels };
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain JSON");
    // Replacing syncs the folder, and with it the database's name.
    state.disk.replace(&building.join(MANIFEST_FILE), &text, Access::Public)?;
    Ok(Built { manifest, self_test })
}

fn name(state: &State, built: Built, faults: Vec<ChannelFault>) -> Result<Made, AgentError> {
    let Built { manifest, self_test } = built;
    let number = manifest.generation;
    state.disk.rename(&building_path(state, number), &state.generation_path(number))?;
    Ok(Made { manifest, self_test, faults })
}

/// Puts a generation in force and on probation. What is in force and cannot be read is nothing to go back to.
pub(crate) fn put_in_force(state: &State, manifest: &Manifest, settings: &Probation) -> Result<(), AgentError> {
    let number = manifest.generation;
    probation::begin(state, number, manifest.previous, settings)?;
    state.put_current(number)?;
    state.drop_staged()?;
    tracing::info!(generation = number, "generation {number} is in force");
    Ok(())
}

fn building_path(state: &State, number: u64) -> PathBuf {
    state.folder().join("gen").join(format!("{number}.tmp"))
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

/// One more than any number in use, also by a generation that was rolled back from.
fn next_number(state: &State) -> Result<u64, AgentError> {
    let names = state.disk.names(&state.folder().join("gen"))?;
    let numbers = names.iter().filter_map(|name| name.parse::<u64>().ok());
    Ok(numbers.max().max(state.current_if_readable()?).unwrap_or(0) + 1)
}
