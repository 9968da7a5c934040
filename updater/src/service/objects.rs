//! Files that the service hands out: blobs and deltas by digest, metadata by name.
//!
//! ```text
//! o/<sha256>              a blob or a delta; never changes
//! metadata/<n>.<role>.json never changes
//! metadata/timestamp.json  the one file of them that is replaced
//! mark.json                how far was signed; not handed out
//! ```
//!
//! Writes are durable on return (fsync of file and folder) and atomic: a reader sees the old file or the new one.

use crate::disk::{Disk, DiskError};
use crate::wire::Sha256Hex;
use axum::body::{Body, Bytes};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::sync::Arc;

const METADATA: &str = "metadata";
const MARK: &str = "mark.json";

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// What the store says.
    #[error("object `{path}`: {source}")]
    Store {
        /// Which object.
        path: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// A name that says its content is there with other content: whoever wrote it signed a version that the tables do not know.
    #[error("object `{0}` is there with other content; the tables may come from an old backup")]
    Changed(String),
    /// A test stopped the service here.
    #[error(transparent)]
    Stopped(#[from] DiskError),
}

#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Told of each write.
    disk: Disk,
}

impl Objects {
    /// Opens a folder that exists.
    pub(crate) fn open(folder: &std::path::Path, disk: Disk) -> Result<Self, ObjectError> {
        let store = LocalFileSystem::new_with_prefix(folder);
        let store = store.map_err(|source| ObjectError::Store { path: folder.display().to_string(), source })?;
        Ok(Objects { store: Arc::new(store.with_fsync(true)), disk })
    }

    pub(crate) async fn put_blob(&self, digest: &Sha256Hex, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.create(&blob_path(digest), bytes).await
    }

    pub(crate) async fn put_metadata(&self, file: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.create(&metadata_path(file), bytes).await
    }

    pub(crate) async fn replace_metadata(&self, file: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.replace(&metadata_path(file), bytes).await
    }

    /// How far was signed; nothing before the first time.
    pub(crate) async fn mark(&self) -> Result<Option<Vec<u8>>, ObjectError> {
        self.read(&Path::from(MARK)).await
    }

    pub(crate) async fn replace_mark(&self, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.replace(&Path::from(MARK), bytes).await
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

    async fn replace(&self, path: &Path, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.disk.step("replace object")?;
        let put = self.store.put(path, PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|source| ObjectError::Store { path: path.to_string(), source })
    }

    /// Puts a file whose name says its content, by digest or by a version that is signed once. One that is there stays.
    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.disk.step("put object")?;
        let bytes = Bytes::from(bytes);
        let is_metadata = path.prefix_matches(&Path::from(METADATA));
        match self.store.put_opts(path, PutPayload::from_bytes(bytes.clone()), PutMode::Create.into()).await {
            // A blob that the disk harmed is refused by whoever fetches it; metadata would be named by another digest.
            Err(object_store::Error::AlreadyExists { .. })
                if is_metadata && self.read(path).await?.is_none_or(|held| held != bytes) =>
            {
                Err(ObjectError::Changed(path.to_string()))
            }
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(ObjectError::Store { path: path.to_string(), source }),
        }
    }
}

fn found<T>(path: &Path, read: Result<T, object_store::Error>) -> Result<Option<T>, ObjectError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(ObjectError::Store { path: path.to_string(), source }),
    }
}

fn blob_path(digest: &Sha256Hex) -> Path {
    Path::from(format!("o/{digest}"))
}

fn metadata_path(file: &str) -> Path {
    Path::from(format!("{METADATA}/{file}"))
}
