//! Brings one release into the store: by delta when that is smaller, else whole.
//!
//! A delta is believed only by its result, which must be, to the byte, the blob that the maker signed. One that is wrong or cannot be had
//! costs one whole download and is reported. One whose connection broke is gone on with in the next update: a bad line is no reason to fetch a
//! hundred times as much over it.

use crate::agent::download::{self, Wanted, Watch, Whole};
use crate::agent::state::State;
use crate::agent::{AgentError, Progress};
use crate::blob;
use crate::disk::Access;
use crate::http::{Client, HttpError, Proof};
use crate::tuf::SignedRelease;
use crate::wire::{DeltaView, Sha256Hex};
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// How a release came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transfer {
    /// It was in the store.
    Stored,
    /// As a delta from a release in the store.
    Delta,
    /// As a whole.
    Full,
    /// Out of a bundle, without the network.
    Bundle,
}

pub(crate) struct Fetched {
    pub(crate) transfer: Transfer,
    /// Bytes of blobs and deltas that came over the network.
    pub(crate) bytes: u64,
    pub(crate) delta_fault: Option<String>,
    /// Codes of what made a download begin anew.
    pub(crate) restarts: Vec<String>,
}

pub(crate) async fn fetch(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    progress: &dyn Progress,
) -> Result<Fetched, AgentError> {
    if let Ok(bytes) = state.disk.read(&state.blob_path(&signed.sha256))
        && verified(signed, bytes).await.is_ok()
    {
        return Ok(Fetched { transfer: Transfer::Stored, bytes: 0, delta_fault: None, restarts: Vec::new() });
    }
    let mut count = Count { bytes: 0, restarts: Vec::new(), progress };
    let mut delta_fault = None;
    if let Some(delta) = smallest_delta(client, state, signed).await? {
        let was_tried = download::was_tried(state, &delta.sha256);
        match by_delta(client, state, signed, &delta, &mut count).await {
            Ok(bytes) => {
                keep(state, signed, bytes).await?;
                return Ok(count.fetched(Transfer::Delta, delta_fault));
            }
            // A delta that never comes, while the line is good, is given up at the second time.
            Err(error) if is_of_the_line(&error) && (count.bytes > 0 || !was_tried) => return Err(error),
            Err(error) => {
                tracing::warn!(path = signed.path(), %error, "a delta failed; the whole blob is fetched");
                delta_fault = Some(error.code().to_owned());
            }
        }
    }
    whole(client, state, signed, &mut count).await?;
    Ok(count.fetched(Transfer::Full, delta_fault))
}

/// What the downloads for one release came to.
struct Count<'a> {
    bytes: u64,
    restarts: Vec<String>,
    progress: &'a dyn Progress,
}

impl Count<'_> {
    fn fetched(self, transfer: Transfer, delta_fault: Option<String>) -> Fetched {
        Fetched { transfer, bytes: self.bytes, delta_fault, restarts: self.restarts }
    }
}

impl Watch for Count<'_> {
    fn kept(&mut self, bytes: u64) {
        self.progress.advanced(bytes);
    }

    fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.progress.advanced(bytes);
    }

    fn restarted(&mut self, code: &'static str) {
        self.restarts.push(code.to_owned());
    }
}

/// Whether an error says more of the connection, or of the service's load, than of what was asked for.
fn is_of_the_line(error: &AgentError) -> bool {
    match error {
        AgentError::Http(error) => {
            matches!(error, HttpError::Unreachable { .. } | HttpError::TooSlow { .. }) || error.wait().is_some()
        }
        _ => false,
    }
}

/// The smallest delta from a blob in the store, if it is smaller than the whole.
async fn smallest_delta(client: &Client, state: &State, signed: &SignedRelease) -> Result<Option<DeltaView>, AgentError> {
    let names = state.disk.names(&state.folder().join("store")).unwrap_or_default();
    if names.is_empty() {
        return Ok(None);
    }
    let path = format!("/v1/deltas/{}", signed.sha256);
    let listed = client.call::<Vec<DeltaView>>(Method::GET, &path, Proof::None, Vec::new()).await;
    let listed = match listed.map_err(AgentError::from) {
        Err(error) if is_of_the_line(&error) => return Err(error),
        Err(error) => {
            tracing::warn!(%error, "the list of deltas cannot be had");
            return Ok(None);
        }
        Ok(listed) => listed,
    };
    let usable = listed.into_iter().filter(|delta| delta.length < signed.length && names.contains(&delta.from.to_string()));
    Ok(usable.min_by_key(|delta| delta.length))
}

async fn by_delta(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    delta: &DeltaView,
    count: &mut Count<'_>,
) -> Result<Vec<u8>, AgentError> {
    let base = state.disk.read(&state.blob_path(&delta.from))?;
    let path = format!("/v1/deltas/{}/{}", delta.from, signed.sha256);
    let wanted = Wanted { path: &path, sha256: delta.sha256, length: delta.length };
    let whole = download(client, state, signed, &wanted, Transfer::Delta, count).await?;
    let bytes = whole.read(state)?;
    whole.discard(state)?;
    let refused = |reason: String| AgentError::Blob { path: path.clone(), reason };
    if Sha256Hex::of(&base) != delta.from {
        return Err(refused("the base in the store was harmed".to_owned()));
    }
    let patched = tokio::task::spawn_blocking(move || blob::patch(&base, &bytes)).await?;
    verified(signed, patched.map_err(|e| refused(e.to_string()))?).await
}

/// Brings the blob into the store.
async fn whole(client: &Client, state: &State, signed: &SignedRelease, count: &mut Count<'_>) -> Result<(), AgentError> {
    // The consistent-snapshot name: the digest stands before the last part.
    let channel = &signed.channel;
    let path = format!("/targets/m/{}/{}/{}.{}.titer", channel.maker(), channel.name(), signed.sha256, signed.release);
    let wanted = Wanted { path: &path, sha256: signed.sha256, length: signed.length };
    let whole = download(client, state, signed, &wanted, Transfer::Full, count).await?;
    verified(signed, whole.read(state)?).await?;
    let (state, path) = (state.clone(), state.blob_path(&signed.sha256));
    tokio::task::spawn_blocking(move || whole.keep(&state, &path)).await?
}

async fn download(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    wanted: &Wanted<'_>,
    transfer: Transfer,
    count: &mut Count<'_>,
) -> Result<Whole, AgentError> {
    count.progress.started(&signed.channel, transfer, wanted.length);
    let got = download::download(client, state, wanted, count).await;
    count.progress.finished(&signed.channel);
    got
}

/// Returns the bytes when they are the very blob that its maker signed.
pub(crate) async fn verified(signed: &SignedRelease, bytes: Vec<u8>) -> Result<Vec<u8>, AgentError> {
    let release = signed.clone();
    let check = move || blob::check(&bytes, &release).map(|()| bytes);
    let checked = tokio::task::spawn_blocking(check).await?;
    checked.map_err(|reason| AgentError::Blob { path: signed.path(), reason })
}

pub(crate) async fn keep(state: &State, signed: &SignedRelease, bytes: Vec<u8>) -> Result<(), AgentError> {
    let (state, path) = (state.clone(), state.blob_path(&signed.sha256));
    let write = move || {
        state.disk.create_dir(&state.folder().join("store"))?;
        state.disk.replace(&path, &bytes, Access::Public)
    };
    Ok(tokio::task::spawn_blocking(write).await??)
}
