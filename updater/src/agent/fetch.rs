//! Brings one release into the store: by delta when that is smaller, else whole.
//!
//! A delta is believed only by its result, which must be, to the byte, the blob that the maker signed. One that fails for any
//! reason costs one whole download and is reported.

use crate::agent::state::State;
use crate::agent::{AgentError, Progress};
use crate::blob;
use crate::disk::Access;
use crate::http::{Client, Proof};
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
        return Ok(Fetched { transfer: Transfer::Stored, bytes: 0, delta_fault: None });
    }
    let mut fetched = 0;
    let mut delta_fault = None;
    if let Some(delta) = smallest_delta(client, state, signed).await {
        match by_delta(client, state, signed, &delta, progress, &mut fetched).await {
            Ok(bytes) => {
                keep(state, signed, bytes).await?;
                return Ok(Fetched { transfer: Transfer::Delta, bytes: fetched, delta_fault });
            }
            Err(error) => {
                tracing::warn!(path = signed.path(), %error, "a delta failed; the whole blob is fetched");
                delta_fault = Some(error.code().to_owned());
            }
        }
    }
    let bytes = whole(client, signed, progress, &mut fetched).await?;
    keep(state, signed, bytes).await?;
    Ok(Fetched { transfer: Transfer::Full, bytes: fetched, delta_fault })
}

/// The smallest delta from a blob in the store, if it is smaller than the whole.
async fn smallest_delta(client: &Client, state: &State, signed: &SignedRelease) -> Option<DeltaView> {
    let names = state.disk.names(&state.folder().join("store")).ok()?;
    if names.is_empty() {
        return None;
    }
    let path = format!("/v1/deltas/{}", signed.sha256);
    let listed = client.call::<Vec<DeltaView>>(Method::GET, &path, Proof::None, Vec::new()).await;
    let listed = listed.inspect_err(|error| tracing::warn!(%error, "the list of deltas cannot be had")).ok()?;
    let usable = listed.into_iter().filter(|delta| delta.length < signed.length && names.contains(&delta.from.to_string()));
    usable.min_by_key(|delta| delta.length)
}

async fn by_delta(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    delta: &DeltaView,
    progress: &dyn Progress,
    fetched: &mut u64,
) -> Result<Vec<u8>, AgentError> {
    let base = state.disk.read(&state.blob_path(&delta.from))?;
    let path = format!("/v1/deltas/{}/{}", delta.from, signed.sha256);
    let bytes = download(client, signed, &path, Transfer::Delta, delta.length, progress, fetched).await?;
    let refused = |reason: String| AgentError::Blob { path: path.clone(), reason };
    if Sha256Hex::of(&base) != delta.from {
        return Err(refused("the base in the store was harmed".to_owned()));
    }
    let patched = tokio::task::spawn_blocking(move || blob::patch(&base, &bytes)).await?;
    verified(signed, patched.map_err(|e| refused(e.to_string()))?).await
}

async fn whole(
    client: &Client,
    signed: &SignedRelease,
    progress: &dyn Progress,
    fetched: &mut u64,
) -> Result<Vec<u8>, AgentError> {
    // The consistent-snapshot name: the digest stands before the last part.
    let channel = &signed.channel;
    let path = format!("/targets/m/{}/{}/{}.{}.titer", channel.maker(), channel.name(), signed.sha256, signed.release);
    let bytes = download(client, signed, &path, Transfer::Full, signed.length, progress, fetched).await?;
    verified(signed, bytes).await
}

async fn download(
    client: &Client,
    signed: &SignedRelease,
    path: &str,
    transfer: Transfer,
    length: u64,
    progress: &dyn Progress,
    fetched: &mut u64,
) -> Result<Vec<u8>, AgentError> {
    progress.started(&signed.channel, transfer, length);
    let mut count = |bytes| {
        *fetched += bytes;
        progress.advanced(bytes);
    };
    let got = client.get(path, length, &mut count).await;
    progress.finished(&signed.channel);
    Ok(got?)
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
