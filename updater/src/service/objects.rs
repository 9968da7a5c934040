//! Files that the service hands out: blobs and deltas by digest, metadata by name.
//!
//! ```text
//! o/<sha256>              a blob, a module or a delta; never changes
//! metadata/<n>.<role>.json never changes
//! metadata/timestamp.json  the one file of them that is replaced
//! mark.json                how far was signed; not handed out
//! probe                    what a bucket is tried with
//! ```
//!
//! They are in a folder, where writes are durable on return (fsync of file and folder) and atomic, or in a bucket of S3, which promises the
//! same. Several replicas share a bucket: what never changes is created and never replaced, and the two files that do change are replaced
//! only as they were read (`If-Match`), and only by newer ones. A bucket that does not keep to such conditions is refused at start.

use crate::disk::{Disk, DiskError};
use crate::wire::Sha256Hex;
use axum::body::{Body, Bytes};
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};
use serde::Deserialize;
use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use url::Url;

const BLOBS: &str = "o";
const METADATA: &str = "metadata";
const MARK: &str = "mark.json";
const TIMESTAMP: &str = "timestamp.json";
const PROBE: &str = "probe";
/// How often a file that others replace at the same time is read and written anew.
const REPLACE_TRIES: usize = 16;

/// A bucket of S3 and a prefix in it: `s3://bucket/prefix`. Its region, its keys and, for others than Amazon's, its endpoint come from
/// the environment, as every client of S3 takes them: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`.
/// Plain HTTP is taken to loopback, and elsewhere with `AWS_ALLOW_HTTP=true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    prefix: Path,
}

impl FromStr for Bucket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|e| e.to_string())?;
        let is_plain =
            url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.port().is_none();
        match url.host_str() {
            Some(name) if url.scheme() == "s3" && is_plain => {
                let prefix = Path::parse(url.path()).map_err(|e| e.to_string())?;
                Ok(Bucket { name: name.to_owned(), prefix })
            }
            _ => Err("a bucket is written s3://bucket/prefix".to_owned()),
        }
    }
}

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
    /// A bucket that replaces a file although it was told not to; two replicas could undo each other's work.
    #[error("the bucket `{0}` does not keep to conditional writes (If-None-Match, If-Match), which the service needs")]
    Unconditional(String),
    /// The bucket would be reached in the clear, and nobody said that it may.
    #[error("the bucket's endpoint `{0}` is not https; set AWS_ALLOW_HTTP=true if the network to it is trusted")]
    Unprotected(String),
    /// The same file was replaced by others again and again.
    #[error("object `{0}` is replaced by others all the time")]
    Contended(String),
    /// A test stopped the service here.
    #[error(transparent)]
    Stopped(#[from] DiskError),
}

#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Whether others may write too, so that a file is replaced only as it was read.
    is_shared: bool,
    /// Told of each write.
    disk: Disk,
}

impl Objects {
    /// Opens a folder that exists.
    pub(crate) fn open(folder: &std::path::Path, disk: Disk) -> Result<Self, ObjectError> {
        let store = LocalFileSystem::new_with_prefix(folder);
        let store = store.map_err(|source| ObjectError::Store { path: folder.display().to_string(), source })?;
        Ok(Objects { store: Arc::new(store.with_fsync(true)), is_shared: false, disk })
    }

    /// Opens a bucket that exists, and tries that it keeps to conditions.
    pub(crate) async fn open_bucket(bucket: &Bucket, disk: Disk) -> Result<Self, ObjectError> {
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok());
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&bucket.name);
        if let Some(endpoint) = &endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.starts_with("https:")) {
            let is_said = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|said| said.eq_ignore_ascii_case("true"));
            if !is_said && !is_loopback(&endpoint) {
                return Err(ObjectError::Unprotected(endpoint));
            }
            builder = builder.with_allow_http(true);
        }
        let store = builder.build().map_err(|source| ObjectError::Store { path: bucket.name.clone(), source })?;
        Objects::over(store, bucket, disk).await
    }

    async fn over(store: impl ObjectStore, bucket: &Bucket, disk: Disk) -> Result<Self, ObjectError> {
        let store = Arc::new(PrefixStore::new(store, bucket.prefix.clone()));
        let objects = Objects { store, is_shared: true, disk };
        objects.probe(bucket).await?;
        Ok(objects)
    }

    /// Creates a file that is there, and replaces one that is not as it was; neither may happen.
    async fn probe(&self, bucket: &Bucket) -> Result<(), ObjectError> {
        let path = Path::from(PROBE);
        let other = UpdateVersion { e_tag: Some("\"00000000000000000000000000000000\"".to_owned()), version: None };
        let mut refusals = Vec::new();
        for mode in [PutMode::Create, PutMode::Create, PutMode::Update(other)] {
            refusals.push(match self.store.put_opts(&path, PutPayload::from_static(b"probe"), mode.into()).await {
                Ok(_) => false,
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => true,
                Err(source) => return Err(ObjectError::Store { path: path.to_string(), source }),
            });
        }
        if refusals[1..] == [true, true] { Ok(()) } else { Err(ObjectError::Unconditional(bucket.name.clone())) }
    }

    pub(crate) async fn put_blob(&self, digest: &Sha256Hex, bytes: impl Into<Bytes>) -> Result<(), ObjectError> {
        self.create(&blob_path(digest), bytes.into()).await
    }

    /// Puts a blob in the place of one that is not what it was.
    pub(crate) async fn restore_blob(&self, digest: &Sha256Hex, bytes: Bytes) -> Result<(), ObjectError> {
        if let Some(held) = self.blob(digest).await? {
            if held == bytes {
                return Ok(());
            }
            self.remove_blob(digest).await?;
        }
        self.put_blob(digest, bytes).await
    }

    /// Every blob, module and delta, with its length and when it was written, in seconds since 1970. What has another kind of name is left out.
    pub(crate) async fn list_blobs(&self) -> Result<Vec<(Sha256Hex, u64, i64)>, ObjectError> {
        let folder = Path::from(BLOBS);
        let listed = self.store.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let listed = found(&folder, listed)?.unwrap_or_default();
        let read = |object: ObjectMeta| {
            let digest = object.location.filename()?.parse().ok()?;
            Some((digest, object.size, object.last_modified.timestamp()))
        };
        Ok(listed.into_iter().filter_map(read).collect())
    }

    /// Removes a blob; one that is not there is fine.
    pub(crate) async fn remove_blob(&self, digest: &Sha256Hex) -> Result<(), ObjectError> {
        self.disk.step("remove object")?;
        let path = blob_path(digest);
        found(&path, self.store.delete(&path).await).map(|_| ())
    }

    pub(crate) async fn put_metadata(&self, file: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.create(&metadata_path(file), bytes.into()).await
    }

    /// Puts the timestamp of `version` in the place of the one that is there, unless that is newer; its version then.
    pub(crate) async fn advance_timestamp(&self, version: u64, bytes: Vec<u8>) -> Result<Option<u64>, ObjectError> {
        let mut newer = None;
        let path = metadata_path(TIMESTAMP);
        let replaced = self.replace(&path, |held| {
            newer = held.and_then(version_of).filter(|held| *held > version);
            newer.is_none().then(|| bytes.clone())
        });
        replaced.await?;
        Ok(newer)
    }

    /// How far was signed; nothing before the first time.
    pub(crate) async fn mark(&self) -> Result<Option<Vec<u8>>, ObjectError> {
        self.read(&Path::from(MARK)).await
    }

    /// Replaces the mark by what `change` makes of it.
    pub(crate) async fn change_mark(
        &self,
        mut change: impl FnMut(Option<&[u8]>) -> Vec<u8> + Send,
    ) -> Result<(), ObjectError> {
        self.replace(&Path::from(MARK), |held| Some(change(held))).await
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

    /// Replaces a file by what `change` makes of what is there, if it makes anything of it. Where others may write too it is asked
    /// again when they did.
    async fn replace(
        &self,
        path: &Path,
        mut change: impl FnMut(Option<&[u8]>) -> Option<Vec<u8>> + Send,
    ) -> Result<(), ObjectError> {
        self.disk.step("replace object")?;
        let fault = |source| ObjectError::Store { path: path.to_string(), source };
        for _ in 0..REPLACE_TRIES {
            let held = match found(path, self.store.get(path).await)? {
                None => None,
                Some(held) => Some((held.meta.e_tag.clone(), held.bytes().await.map_err(fault)?)),
            };
            let Some(bytes) = change(held.as_ref().map(|(_, bytes)| bytes.as_ref())) else { return Ok(()) };
            let mode = match held {
                _ if !self.is_shared => PutMode::Overwrite,
                None => PutMode::Create,
                Some((e_tag, _)) => PutMode::Update(UpdateVersion { e_tag, version: None }),
            };
            match self.store.put_opts(path, PutPayload::from(bytes), mode.into()).await {
                Ok(_) => return Ok(()),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
                Err(source) => return Err(fault(source)),
            }
        }
        Err(ObjectError::Contended(path.to_string()))
    }

    /// Puts a file whose name says its content, by digest or by a version that is signed once. One that is there stays.
    async fn create(&self, path: &Path, bytes: Bytes) -> Result<(), ObjectError> {
        self.disk.step("put object")?;
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
    Path::from(format!("{BLOBS}/{digest}"))
}

fn metadata_path(file: &str) -> Path {
    Path::from(format!("{METADATA}/{file}"))
}

/// The version that a metadata file says it is of; `None` for what is no metadata, which any version may replace.
fn version_of(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct File {
        signed: Role,
    }
    #[derive(Deserialize)]
    struct Role {
        version: u64,
    }
    serde_json::from_slice::<File>(bytes).ok().map(|file| file.signed.version)
}

fn is_loopback(endpoint: &str) -> bool {
    let url = Url::parse(endpoint).ok();
    let host = url.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_in_one_way() {
        let bucket = "s3://releases/titer/eu".parse::<Bucket>().unwrap();
        assert_eq!((bucket.name.as_str(), bucket.prefix.as_ref()), ("releases", "titer/eu"));
        assert_eq!("s3://releases".parse::<Bucket>().unwrap().prefix, Path::default());
        for wrong in
            ["releases", "https://releases/", "s3://", "s3://key:secret@releases/", "s3://releases?region=x", "s3://r/a//b"]
        {
            wrong.parse::<Bucket>().unwrap_err();
        }
        assert!(is_loopback("http://127.0.0.1:9000") && is_loopback("http://[::1]:1/") && is_loopback("http://localhost:1"));
        assert!(!is_loopback("http://10.0.0.1") && !is_loopback("http://127.0.0.1.example/") && !is_loopback("none"));
    }

    /// A folder, and a bucket where `TITER_TEST_S3` names one (`scripts/s3`).
    async fn everywhere(dir: &std::path::Path) -> Vec<Objects> {
        let mut objects = vec![Objects::open(dir, Disk::default()).unwrap()];
        if let Ok(bucket) = std::env::var("TITER_TEST_S3") {
            let prefix = Sha256Hex::of(dir.to_str().unwrap().as_bytes());
            let bucket = format!("{bucket}/{prefix}").parse().unwrap();
            objects.push(Objects::open_bucket(&bucket, Disk::default()).await.unwrap());
        }
        objects
    }

    fn timestamp(version: u64) -> Vec<u8> {
        format!(r#"{{"signed":{{"version":{version}}}}}"#).into_bytes()
    }

    #[tokio::test]
    async fn a_timestamp_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        for objects in everywhere(dir.path()).await {
            for (version, newer) in [(3, None), (2, Some(3)), (4, None), (4, None)] {
                assert_eq!(objects.advance_timestamp(version, timestamp(version)).await.unwrap(), newer);
            }
            assert_eq!(objects.metadata(TIMESTAMP).await.unwrap(), Some(timestamp(4)));
            // What the disk harmed is replaced.
            objects.replace(&metadata_path(TIMESTAMP), |_| Some(b"harmed".to_vec())).await.unwrap();
            assert_eq!(objects.advance_timestamp(5, timestamp(5)).await.unwrap(), None);
            assert_eq!(objects.metadata(TIMESTAMP).await.unwrap(), Some(timestamp(5)));
        }
    }

    #[tokio::test]
    async fn what_was_lost_or_harmed_is_put_again() {
        let dir = tempfile::tempdir().unwrap();
        for objects in everywhere(dir.path()).await {
            let (digest, blob) = (Sha256Hex::of(b"a blob"), Bytes::from_static(b"a blob"));
            for held in [None, Some("harmed"), Some("a blob"), Some("")] {
                objects.remove_blob(&digest).await.unwrap();
                if let Some(held) = held {
                    objects.put_blob(&digest, held).await.unwrap();
                }
                objects.restore_blob(&digest, blob.clone()).await.unwrap();
                assert_eq!(objects.blob(&digest).await.unwrap().as_deref(), Some(&blob[..]), "{held:?}");
                assert_eq!(objects.list_blobs().await.unwrap().len(), 1);
            }
        }
    }

    #[tokio::test]
    async fn what_is_there_stays_and_is_read_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        for objects in everywhere(dir.path()).await {
            objects.put_metadata("1.root.json", b"one".to_vec()).await.unwrap();
            objects.put_metadata("1.root.json", b"one".to_vec()).await.unwrap();
            let other = objects.put_metadata("1.root.json", b"two".to_vec()).await;
            assert!(matches!(other, Err(ObjectError::Changed(_))), "{other:?}");
            assert!(
                objects.has_metadata("1.root.json").await.unwrap() && !objects.has_metadata("2.root.json").await.unwrap()
            );
            let digest = Sha256Hex::of(b"a blob");
            assert_eq!(objects.blob_length(&digest).await.unwrap(), None);
            objects.put_blob(&digest, b"a blob".to_vec()).await.unwrap();
            objects.put_blob(&digest, b"harmed".to_vec()).await.unwrap();
            assert_eq!(objects.blob(&digest).await.unwrap().as_deref(), Some(&b"a blob"[..]));
            assert_eq!(objects.blob_length(&digest).await.unwrap(), Some(6));
            let part = objects.stream_blob(&digest, 2..4).await.unwrap().unwrap();
            assert_eq!(&axum::body::to_bytes(part, 100).await.unwrap()[..], b"bl");
            assert_eq!(objects.mark().await.unwrap(), None);
            for more in [&b"x"[..], b"y"] {
                objects.change_mark(|held| [held.unwrap_or_default(), more].concat()).await.unwrap();
            }
            assert_eq!(objects.mark().await.unwrap().as_deref(), Some(&b"xy"[..]));
        }
    }

    /// A store that takes whatever is put, as older ones do that pass by the conditions.
    #[tokio::test]
    async fn a_bucket_that_keeps_to_no_conditions_is_refused() {
        let puts = axum::routing::put(|| async { ([("etag", "\"1\"")], "") });
        let router = axum::Router::new().route("/{*path}", puts);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        let builder = AmazonS3Builder::new().with_endpoint(endpoint).with_allow_http(true).with_region("x");
        let store = builder.with_bucket_name("b").with_access_key_id("k").with_secret_access_key("s").build().unwrap();
        let refused = Objects::over(store, &"s3://b/p".parse().unwrap(), Disk::default()).await;
        assert!(matches!(refused, Err(ObjectError::Unconditional(_))), "{refused:?}");
    }
}
