//! Files that the service hands out: blobs and deltas by digest, metadata by name.
//!
//! ```text
//! o/<sha256>              a blob or a delta; never changes
//! metadata/<n>.<role>.json never changes
//! metadata/timestamp.json  the one file that is replaced
//! ```
//!
//! Writes are durable on return (fsync of file and folder) and atomic: a reader sees the old file or the new one.

use crate::wire::Sha256Hex;
use axum::body::Body;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::sync::Arc;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("object `{path}`: {source}")]
pub struct ObjectError {
    path: String,
    source: object_store::Error,
}

#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
}

impl Objects {
    /// Opens a folder that exists.
    pub(crate) fn open(folder: &std::path::Path) -> Result<Self, ObjectError> {
        let store = LocalFileSystem::new_with_prefix(folder);
        let store = store.map_err(|source| ObjectError { path: folder.display().to_string(), source })?;
        Ok(Objects { store: Arc::new(store.with_fsync(true)) })
    }

    pub(crate) async fn put_blob(&self, digest: &Sha256Hex, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.create(&blob_path(digest), bytes).await
    }

    pub(crate) async fn put_metadata(&self, file: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.create(&metadata_path(file), bytes).await
    }

    pub(crate) async fn replace_metadata(&self, file: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let path = metadata_path(file);
        let put = self.store.put(&path, PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|source| ObjectError { path: path.to_string(), source })
    }

    pub(crate) async fn has_metadata(&self, file: &str) -> Result<bool, ObjectError> {
        let path = metadata_path(file);
        Ok(found(&path, self.store.head(&path).await)?.is_some())
    }

    pub(crate) async fn blob(&self, digest: &Sha256Hex) -> Result<Option<Vec<u8>>, ObjectError> {
        self.read(&blob_path(digest)).await
    }

    /// Bytes of a blob or delta; `None` when it is not there.
    pub(crate) async fn blob_length(&self, digest: &Sha256Hex) -> Result<Option<u64>, ObjectError> {
        let path = blob_path(digest);
        Ok(found(&path, self.store.head(&path).await)?.map(|object| object.size))
    }

    /// A part of a blob or delta, streamed. `range` is not empty and lies within it.
    pub(crate) async fn stream_blob(&self, digest: &Sha256Hex, range: Range<u64>) -> Result<Option<Body>, ObjectError> {
        let path = blob_path(digest);
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let object = found(&path, self.store.get_opts(&path, options).await)?;
        Ok(object.map(|object| Body::from_stream(object.into_stream())))
    }

    /// A metadata file; `None` when it is not there.
    pub(crate) async fn metadata(&self, file: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        self.read(&metadata_path(file)).await
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, ObjectError> {
        let read = async { self.store.get(path).await?.bytes().await }.await;
        found(path, read).map(|bytes| bytes.map(|bytes| bytes.to_vec()))
    }

    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<(), ObjectError> {
        match self.store.put_opts(path, PutPayload::from(bytes), PutMode::Create.into()).await {
            // The name says the content (by digest, or by a version that is signed once), so it is the same file.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(ObjectError { path: path.to_string(), source }),
        }
    }
}

fn found<T>(path: &Path, read: Result<T, object_store::Error>) -> Result<Option<T>, ObjectError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(ObjectError { path: path.to_string(), source }),
    }
}

fn blob_path(digest: &Sha256Hex) -> Path {
    Path::from(format!("o/{digest}"))
}

fn metadata_path(file: &str) -> Path {
    Path::from(format!("metadata/{file}"))
}
