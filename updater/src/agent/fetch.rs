//! Brings one release into the store: along deltas when that is cheaper, else whole.
//!
//! A delta is believed only by its result, which must be, to the byte, the blob that the maker signed. One that is wrong or cannot be had
//! costs one whole download and is reported. One whose connection broke is gone on with in the next update: a bad line is no reason to fetch a
//! hundred times as much over it.

use crate::agent::download::{self, Wanted, Watch, Whole};
use crate::agent::state::State;
use crate::agent::{AgentError, Progress, repair, route};
use crate::blob;
use crate::deltas::{Edge, Node};
use crate::disk::Access;
use crate::http::{Client, HttpError};
use crate::tuf::SignedRelease;
use crate::wire::Sha256Hex;
use patternc::blob::DeltaError;
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
    let mut count = Count::new(progress);
    let route = route::choose(client, state, signed).await?;
    let mut delta_fault = route.fault.map(str::to_owned);
    if !route.steps.is_empty() {
        let was_tried = route.steps.iter().any(|(.., edge)| download::was_tried(state, &edge.sha256));
        match by_deltas(client, state, signed, &route.steps, &mut count).await {
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
pub(crate) struct Count<'a> {
    pub(crate) bytes: u64,
    restarts: Vec<String>,
    progress: &'a dyn Progress,
}

impl<'a> Count<'a> {
    pub(crate) fn new(progress: &'a dyn Progress) -> Self {
        Count { bytes: 0, restarts: Vec::new(), progress }
    }

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
pub(crate) fn is_of_the_line(error: &AgentError) -> bool {
    match error {
        AgentError::Http(error) => {
            matches!(error, HttpError::Unreachable { .. } | HttpError::TooSlow { .. }) || error.wait().is_some()
        }
        _ => false,
    }
}

/// Applies deltas one after the other to a blob in the store. What lies between is kept in memory only.
async fn by_deltas(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    steps: &[(Node, Node, Edge)],
    count: &mut Count<'_>,
) -> Result<Vec<u8>, AgentError> {
    let (first, ..) = steps.first().expect("a way by deltas has steps");
    let mut bytes = state.disk.read(&state.blob_path(&first.sha256))?;
    for (from, to, edge) in steps {
        let path = format!("/v1/deltas/{}/{}", from.sha256, to.sha256);
        let wanted = Wanted { path: &path, sha256: edge.sha256, length: edge.length };
        let fetched = async {
            let whole = download(client, state, signed, &wanted, Transfer::Delta, count).await?;
            let delta = whole.read(state)?;
            whole.discard(state)?;
            Ok::<_, AgentError>(delta)
        };
        let applied = match fetched.await {
            Ok(delta) => apply(client, state, signed, from, (bytes, delta), edge, count).await,
            Err(error) => Err(error),
        };
        bytes = match applied {
            Ok(bytes) => bytes,
            Err(error) => {
                // Only what is wrong with the delta itself is a reason not to try it again.
                if matches!(error, AgentError::Blob { .. } | AgentError::Delta { .. }) && error.code() != "delta_base_harmed"
                {
                    route::remember(state, signed, Some(edge.sha256), error.code())?;
                }
                return Err(error);
            }
        };
    }
    let (release, delta) = (signed.clone(), steps.last().map_or(signed.sha256, |(.., edge)| edge.sha256));
    let check = move || blob::check_patched(&bytes, &release).map(|()| bytes);
    let checked = tokio::task::spawn_blocking(check).await?;
    let wrong = |reason| AgentError::Delta { delta, code: "delta_wrong_result", reason };
    let checked = checked.map_err(wrong);
    if let Err(error) = &checked {
        route::remember(state, signed, Some(delta), error.code())?;
    }
    checked
}

/// Applies one delta; a base that the disk harmed is mended first.
async fn apply(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    from: &Node,
    (base, delta): (Vec<u8>, Vec<u8>),
    edge: &Edge,
    count: &mut Count<'_>,
) -> Result<Vec<u8>, AgentError> {
    let refused =
        |error: DeltaError| AgentError::Delta { delta: edge.sha256, code: error.code(), reason: error.to_string() };
    let (base, delta, patched) = patch(base, delta).await?;
    let error = match patched {
        Ok(bytes) => return Ok(bytes),
        Err(error @ (DeltaError::Old(_) | DeltaError::BaseRoot { .. })) => error,
        Err(error) => return Err(refused(error)),
    };
    // The delta's fault, unless the base is not what it is named by.
    if Sha256Hex::of(&base) == from.sha256 {
        return Err(refused(error));
    }
    let mended = repair::mend(client, state, signed, from, base, &mut |bytes| count.came(bytes)).await?;
    let harmed = AgentError::Delta { delta: edge.sha256, code: "delta_base_harmed", reason: error.to_string() };
    let (.., patched) = patch(mended.ok_or(harmed)?, delta).await?;
    patched.map_err(refused)
}

/// Applies a delta off the async threads, and gives back what it was given.
async fn patch(base: Vec<u8>, delta: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>, Result<Vec<u8>, DeltaError>), AgentError> {
    let work = move || {
        let patched = blob::patch(&base, &delta);
        (base, delta, patched)
    };
    Ok(tokio::task::spawn_blocking(work).await?)
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
