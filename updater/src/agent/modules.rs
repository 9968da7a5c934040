//! Files that a release has besides its blob, on the terminal: data, and never run.
//!
//! ```text
//! <state>/modules/<sha256>   verified content, by digest
//! ```
//!
//! Which of them belong to what is in force says the generation's manifest, so they are switched and gone back from together with it, and one
//! that did not change is fetched once. Rejected: a folder with their names in it, which could not be replaced together with the generation
//! in one step, and which would have makers choose names on the terminal's disk.
//!
//! A release comes with all of its modules or not at all. Engines for other platforms than this program's are left out.

use crate::Channel;
use crate::agent::download::{self, Wanted};
use crate::agent::fetch::Count;
use crate::agent::metadata::Source;
use crate::agent::self_test::HarmfulFile;
use crate::agent::state::State;
use crate::agent::{AgentError, Installed, Progress, Transfer};
use crate::disk::{Access, Disk};
use crate::tuf::SignedModule;
use crate::wire::{Module, ModuleKind, ModuleName, Platform, Sha256Hex, channel_text};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A module that came with an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedModule {
    /// Its name.
    pub name: ModuleName,
    /// What it is for.
    pub kind: ModuleKind,
    /// Bytes that came over the network.
    pub bytes: u64,
}

/// A module of what is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledModule {
    /// Of which channel.
    #[serde(with = "channel_text")]
    pub channel: Channel,
    /// Of which release.
    pub release: u64,
    /// What it is.
    #[serde(flatten)]
    pub module: Module,
    /// Where its content is.
    #[serde(with = "crate::agent::any_path")]
    pub path: PathBuf,
    /// Whether it is there: the next full update fetches what is not.
    pub present: bool,
}

/// Modules of the generation in force, by channel, name and kind; none before the first installation. No lock, no network.
///
/// # Errors
/// [`AgentError::Damaged`] or [`AgentError::Disk`].
pub fn modules(state_dir: &Path) -> Result<Vec<InstalledModule>, AgentError> {
    let state = State::new(state_dir, Disk::default());
    let Some(number) = state.current()? else { return Ok(Vec::new()) };
    let of = |at: Installed| {
        let state = &state;
        let (channel, release) = (at.channel, at.release);
        let installed = move |module: Module| {
            let path = state.module_path(&module.sha256);
            let present = path.is_file();
            InstalledModule { channel: channel.clone(), release, module, path, present }
        };
        at.modules.into_iter().map(installed).collect::<Vec<_>>()
    };
    Ok(state.manifest(number)?.channels.into_iter().flat_map(of).collect())
}

impl InstalledModule {
    /// Its content, which is held against its digest.
    ///
    /// # Errors
    /// [`AgentError::Disk`]; [`AgentError::Damaged`] for content that the disk harmed.
    pub fn read(&self) -> Result<Vec<u8>, AgentError> {
        let bytes = Disk::default().read(&self.path)?;
        if Sha256Hex::of(&bytes) == self.module.sha256 {
            return Ok(bytes);
        }
        let reason = "its content changed; the next full update fetches it again".to_owned();
        Err(AgentError::Damaged { path: self.path.clone(), reason })
    }
}

/// Those of a release that this terminal keeps.
pub(crate) fn kept_here(signed: &[SignedModule]) -> Vec<Module> {
    let here = Platform::here();
    let modules = signed.iter().map(|signed| &signed.module);
    modules.filter(|module| module.platform.as_ref().is_none_or(|platform| *platform == here)).cloned().collect()
}

/// Brings what is missing of a release's modules onto the disk. What is there is hashed, so that one that the disk harmed comes again.
pub(crate) async fn fetch(
    source: &Source,
    state: &State,
    signed: &[SignedModule],
    progress: &dyn Progress,
) -> Result<Vec<FetchedModule>, AgentError> {
    let kept = kept_here(signed);
    let mut fetched = Vec::new();
    for signed in signed.iter().filter(|signed| kept.contains(&signed.module)) {
        if is_there(state, &signed.module.sha256).await? {
            continue;
        }
        let bytes = match source {
            Source::Service(client) => {
                let path = signed.address();
                let wanted = Wanted { path: &path, sha256: signed.module.sha256, length: signed.module.length };
                let mut count = Count::new(progress);
                progress.started(&signed.of.channel, Transfer::Full, wanted.length);
                let whole = download::download(client, state, &wanted, &mut count).await;
                progress.finished(&signed.of.channel);
                let (whole, state, path) = (whole?, state.clone(), state.module_path(&signed.module.sha256));
                tokio::task::spawn_blocking(move || whole.keep(&state, &path)).await??;
                count.bytes
            }
            Source::Bundle { bundle, .. } => {
                let (bundle, state, signed) = (bundle.clone(), state.clone(), signed.clone());
                tokio::task::spawn_blocking(move || bundle.take_module(&state, &signed)).await??;
                0
            }
        };
        fetched.push(FetchedModule { name: signed.module.name.clone(), kind: signed.module.kind, bytes });
    }
    Ok(fetched)
}

async fn is_there(state: &State, sha256: &Sha256Hex) -> Result<bool, AgentError> {
    let (path, sha256) = (state.module_path(sha256), *sha256);
    Ok(tokio::task::spawn_blocking(move || Sha256Hex::of_file(&path).is_ok_and(|found| found == sha256)).await?)
}

/// Writes a module that was held against what its maker signed. Blocks.
pub(crate) fn keep(state: &State, module: &Module, bytes: &[u8]) -> Result<(), AgentError> {
    let path = state.module_path(&module.sha256);
    state.disk.create_dir(path.parent().unwrap_or(state.folder()))?;
    Ok(state.disk.replace(&path, bytes, Access::Public)?)
}

/// What a database made of these releases must detect besides what the engine brings.
pub(crate) fn harmful(state: &State, channels: &[Installed]) -> Vec<HarmfulFile> {
    let of = |at: &Installed| {
        let channel = at.channel.clone();
        let samples = at.modules.clone().into_iter().filter(|module| module.kind == ModuleKind::Samples);
        samples.map(move |module| (channel.clone(), module))
    };
    let file = |(channel, module): (Channel, Module)| HarmfulFile {
        path: state.module_path(&module.sha256),
        sha256: module.sha256,
        name: format!("`{}` of {channel}", module.name),
    };
    channels.iter().flat_map(of).map(file).collect()
}
