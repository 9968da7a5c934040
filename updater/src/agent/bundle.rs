//! Updates in a file, for terminals without a network: everything that a terminal would have fetched, and nothing to believe.
//!
//! A bundle is a service's metadata and blobs one after the other, with an index in front. It is not signed: what is in it is
//! verified by the same code, against the same trusted root, as what comes over HTTP, so a bundle that somebody harmed is a
//! service that somebody harmed. The form is in `docs/agent.md`.
//!
//! The index is believed for nothing but where things lie, and all of it is checked against the file's length before anything
//! is read or allocated. Rejected: a tar or zip archive, whose readers must be told what not to do (links, paths, two entries
//! of one name, sizes that lie), and which has many forms for one content.

mod export;
mod form;

use crate::agent::fetch::{Fetched, Transfer, keep, verified};
use crate::agent::state::State;
use crate::agent::{AgentError, modules};
use crate::disk::DiskError;
use crate::tuf::{self, SignedModule, SignedRelease};
use crate::wire::Sha256Hex;
pub use export::{Exported, Gathered, gather};
pub use form::{BundleError, Entry, Index, read_index};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream};
use url::Url;

/// A bundle that is open; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    index: Arc<Index>,
    file: Arc<Mutex<File>>,
}

impl Bundle {
    /// Opens a bundle and checks its index. Blocks.
    pub(crate) fn open(path: &Path) -> Result<Bundle, AgentError> {
        let failed = |e| AgentError::Disk(DiskError::new("read", path, e));
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut head = Vec::new();
        file.by_ref().take(form::HEAD_LEN_MAX).read_to_end(&mut head).map_err(failed)?;
        let index = read_index(&head, length)?;
        Ok(Bundle { index: Arc::new(index), file: Arc::new(Mutex::new(file)) })
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Brings a module out of the bundle onto the disk. Blocks.
    pub(crate) fn take_module(&self, state: &State, signed: &SignedModule) -> Result<(), AgentError> {
        let name = form::module_name(&signed.module.sha256);
        let bytes = self.get(&name, signed.module.length)?.ok_or_else(|| AgentError::NotListed(signed.path()))?;
        if Sha256Hex::of(&bytes) != signed.module.sha256 {
            let reason = "its sha256 is not the one that is signed".to_owned();
            return Err(AgentError::Blob { path: signed.path(), reason });
        }
        modules::keep(state, &signed.module, &bytes)
    }

    /// An entry of at most `limit` bytes; `None` when there is none of this name. Blocks.
    pub(crate) fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(entry) = self.index.entry(name) else { return Ok(None) };
        if entry.length > limit {
            return Err(BundleError::new(format!("`{name}` has {} bytes, at most {limit} are allowed", entry.length)));
        }
        let mut bytes = Vec::new();
        let mut file = self.file.lock().expect("nobody panics while reading");
        let read =
            file.seek(SeekFrom::Start(entry.offset)).and_then(|_| (&mut *file).take(entry.length).read_to_end(&mut bytes));
        read.map_err(|e| BundleError::new(format!("`{name}` cannot be read: {e}")))?;
        if Sha256Hex::of(&bytes) != entry.sha256 {
            return Err(BundleError::new(format!("`{name}` is not what the index says")));
        }
        Ok(Some(bytes))
    }
}

/// Gives `tough` the four top roles out of a bundle, and no maker's, as [`crate::http::MetadataTransport`] does.
#[derive(Clone, Debug)]
pub(crate) struct BundleTransport(pub(crate) Bundle);

#[tough::async_trait]
impl Transport for BundleTransport {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let file = url.path_segments().and_then(Iterator::last).unwrap_or_default();
        let missing = || TransportError::new(TransportErrorKind::FileNotFound, &url);
        let role = tuf::top_role(file).ok_or_else(missing)?;
        let item = match self.0.get(&format!("metadata/{file}"), tuf::METADATA_LEN_MAX) {
            Ok(Some(bytes)) => match tuf::check_file(role, &bytes) {
                Ok(()) => Ok(Bytes::from(bytes)),
                Err(e) => Err(TransportError::new_with_cause(TransportErrorKind::Other, &url, e)),
            },
            Ok(None) => return Err(missing()),
            Err(e) => Err(TransportError::new_with_cause(TransportErrorKind::Other, &url, e)),
        };
        Ok(Box::pin(futures_util::stream::once(std::future::ready(item))))
    }
}

/// Brings one release out of the bundle into the store.
pub(crate) async fn take(bundle: &Bundle, state: &State, signed: &SignedRelease) -> Result<Fetched, AgentError> {
    if let Ok(bytes) = state.disk.read(&state.blob_path(&signed.sha256))
        && verified(signed, bytes).await.is_ok()
    {
        return Ok(Fetched { transfer: Transfer::Stored, bytes: 0, delta_fault: None, restarts: Vec::new() });
    }
    let (reader, name, length) = (bundle.clone(), form::blob_name(&signed.sha256), signed.length);
    let bytes = tokio::task::spawn_blocking(move || reader.get(&name, length)).await??;
    let bytes = verified(signed, bytes.ok_or_else(|| AgentError::NotListed(signed.path()))?).await?;
    keep(state, signed, bytes).await?;
    Ok(Fetched { transfer: Transfer::Bundle, bytes: 0, delta_fault: None, restarts: Vec::new() })
}
