//! Takes makers' releases in and keeps the signed metadata current.
//!
//! Order of a publication, so that no reader ever sees a name without its file: verify everything; put blobs and deltas as
//! objects; commit one SQL transaction; then put metadata, the makers' roles first, then targets, snapshot, and the timestamp
//! last. Rejected: letting `tough`'s editor write the repository, which writes the timestamp before the makers' roles.
//!
//! Actors and locks: one mutex is held for a whole publication or refresh, so versions are signed one after another. Readers
//! take no lock. A crash before the commit leaves objects nobody names; a crash after it leaves metadata that lags the
//! tables, and [`Publisher::refresh`], which the service runs at start and then periodically, completes it.

use crate::deltas::Index;
use crate::keys::SigningKey;
use crate::service::deltas::{self, Budget};
use crate::service::objects::{ObjectError, Objects};
use crate::service::store::{Maker, NewDelta, Publication, Store, StoreError};
use crate::tuf::{self, MakerRole, SNAPSHOT_LIFETIME, SignedRelease, TARGETS_LIFETIME, TufError};
use crate::wire::{MakerName, ReleaseView};
use jiff::{SignedDuration, Timestamp as Time};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::num::NonZeroU64;
use tokio::sync::Mutex;
use tough::schema::{Delegations, Metafile, Role, Signed, Snapshot, Targets};

/// Blobs of one publication, in bytes altogether.
const PUBLICATION_LEN_MAX: u64 = 512 << 20;

/// A publication was refused, or the service failed at it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nobody registered this maker.
    #[error("maker `{0}` is not registered")]
    UnknownMaker(MakerName),
    /// The role is not signed, expired or malformed.
    #[error(transparent)]
    Role(#[from] TufError),
    /// A maker's role version only grows.
    #[error("role version {found} is not newer than {held}, which the service holds")]
    RoleVersion {
        /// What was sent.
        found: u64,
        /// What is held.
        held: u64,
    },
    /// A release never changes once it is published.
    #[error("`{path}` was published with other content")]
    ReleaseChanged {
        /// The target.
        path: String,
    },
    /// Release numbers of a channel only grow.
    #[error("`{path}` is not newer than release {newest}")]
    ReleaseNotNewer {
        /// The target.
        path: String,
        /// The newest that is held.
        newest: u64,
    },
    /// The body does not hold the blobs that the role promises.
    #[error("blob of `{path}`: {reason}")]
    Blob {
        /// The target.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More bytes than the role accounts for: so many were seen, and no more were read.
    #[error("{0} bytes or more follow the last blob")]
    TrailingBytes(usize),
    /// The blobs that the service lacks are too much for one publication.
    #[error("the releases that are new have {found} bytes, one publication may have {most}")]
    TooLong {
        /// Their length in bytes.
        found: u64,
        /// Bytes allowed.
        most: u64,
    },
    /// The tables failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A worker thread died.
    #[error("a worker failed: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

impl PublishError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            PublishError::UnknownMaker(_) => "maker_unknown",
            PublishError::Role(e) => e.code(),
            PublishError::RoleVersion { .. } => "role_version_not_newer",
            PublishError::ReleaseChanged { .. } => "release_changed",
            PublishError::ReleaseNotNewer { .. } => "release_not_newer",
            PublishError::Blob { .. } => "blob_refused",
            PublishError::TrailingBytes(_) => "trailing_bytes",
            PublishError::TooLong { .. } => "body_too_long",
            PublishError::Store(_) | PublishError::Object(_) | PublishError::Worker(_) => "internal",
        }
    }
}

/// Keys of the roles that the service signs by itself. The root key is not among them.
#[derive(Debug)]
pub(crate) struct OnlineKeys {
    pub(crate) targets: SigningKey,
    pub(crate) snapshot: SigningKey,
    pub(crate) timestamp: SigningKey,
}

pub(crate) struct Publisher {
    keys: OnlineKeys,
    store: Store,
    objects: Objects,
    timestamp_lifetime: SignedDuration,
    signing: Mutex<Signing>,
}

/// What whoever signs has to themselves.
struct Signing {
    /// Whether the tables may hold what the metadata does not show yet.
    lags: bool,
}

/// What is to be done with a maker's role that was verified.
pub(crate) enum Plan {
    /// It is the one that the service holds.
    Held,
    /// It is newer.
    New {
        role: MakerRole,
        /// Releases whose blobs the service lacks, ascending by channel and release.
        new: Vec<SignedRelease>,
    },
}

impl Publisher {
    pub(crate) fn new(keys: OnlineKeys, store: Store, objects: Objects, timestamp_lifetime: SignedDuration) -> Self {
        Publisher { keys, store, objects, timestamp_lifetime, signing: Mutex::new(Signing { lags: true }) }
    }

    /// Verifies a maker's role and says which blobs must come with it. Takes no lock: what it says may be overtaken.
    pub(crate) async fn plan(&self, maker: &MakerName, role_body: &[u8]) -> Result<Plan, PublishError> {
        let held = self.store.maker(maker).await?.ok_or_else(|| PublishError::UnknownMaker(maker.clone()))?;
        let role = verify_role(&held, role_body)?;
        if role.version.get() == held.role_version && role_body == held.role_body {
            return Ok(Plan::Held);
        }
        if role.version.get() <= held.role_version {
            return Err(PublishError::RoleVersion { found: role.version.get(), held: held.role_version });
        }
        let known = self.store.releases(maker).await?;
        let new = new_releases(&role, &known)?;
        let length = new.iter().fold(0_u64, |sum, release| sum.saturating_add(release.length));
        if length > PUBLICATION_LEN_MAX {
            return Err(PublishError::TooLong { found: length, most: PUBLICATION_LEN_MAX });
        }
        Ok(Plan::New { role, new })
    }

    /// Verifies a maker's role and the blobs that are new in it, then publishes all of it or nothing. Sending the same role
    /// again changes nothing and succeeds.
    pub(crate) async fn accept(
        &self,
        maker: &MakerName,
        role_body: &[u8],
        blobs: Vec<(SignedRelease, Vec<u8>)>,
    ) -> Result<(), PublishError> {
        let mut signing = self.signing.lock().await;
        let Plan::New { role, new } = self.plan(maker, role_body).await? else {
            return self.complete_metadata(&mut signing).await;
        };
        let blobs = blobs_of(&new, blobs)?;
        let made = self.put_objects(&new, blobs).await?;
        let publication = Publication {
            maker,
            role_version: role.version.get(),
            role_body,
            new: &new,
            listed: &role.releases,
            deltas: &made,
        };
        signing.lags = true;
        self.store.publish(&publication).await?;
        for release in &new {
            tracing::info!(channel = %release.channel, release = release.release, "{} is published", release.path());
        }
        self.complete_metadata(&mut signing).await
    }

    /// Brings the metadata in line with the tables and signs a new timestamp.
    pub(crate) async fn refresh(&self) -> Result<(), PublishError> {
        let mut signing = self.signing.lock().await;
        signing.lags = true;
        self.complete_metadata(&mut signing).await
    }

    /// The same, but only when an earlier publication could not do it. A maker's role is public: sending it again must not
    /// make the service sign.
    pub(crate) async fn complete(&self) -> Result<(), PublishError> {
        let mut signing = self.signing.lock().await;
        self.complete_metadata(&mut signing).await
    }

    async fn complete_metadata(&self, signing: &mut Signing) -> Result<(), PublishError> {
        if signing.lags {
            self.publish_metadata().await?;
            signing.lags = false;
        }
        Ok(())
    }

    /// Verifies the blobs and puts them and their deltas as objects.
    async fn put_objects(&self, new: &[SignedRelease], blobs: Vec<Vec<u8>>) -> Result<Vec<NewDelta>, PublishError> {
        let of_new = new.to_vec();
        let checked = tokio::task::spawn_blocking(move || deltas::check(&of_new, &blobs).map(|()| blobs));
        let blobs = checked.await??;
        for (release, bytes) in new.iter().zip(&blobs) {
            self.objects.put_blob(&release.sha256, bytes.clone()).await?;
        }
        let mut made = Vec::new();
        for (at, (release, bytes)) in new.iter().zip(blobs).enumerate() {
            let history = self.store.history(&release.channel).await?;
            made.extend(deltas::publish(&self.objects, release, bytes, &new[..at], &history, &Budget::default()).await?);
        }
        Ok(made)
    }

    /// Signs a delta index, which is neither a role nor trusted further than that.
    pub(crate) fn sign_index(&self, index: &Index) -> Vec<u8> {
        index.sign(&self.keys.timestamp)
    }

    async fn publish_metadata(&self) -> Result<(), PublishError> {
        let now = Time::now();
        let makers = self.store.published_makers().await?;
        let mut meta = HashMap::new();
        for maker in &makers {
            let version = NonZeroU64::new(maker.role_version).expect("published makers have a role version");
            let name = tuf::role_name(&maker.name);
            self.objects.put_metadata(&format!("{version}.{name}.json"), maker.role_body.clone()).await?;
            meta.insert(format!("{name}.json"), tuf::metafile(version, &maker.role_body));
        }
        let of_targets = self.publish_targets(&makers, now).await?;
        meta.insert("targets.json".to_owned(), of_targets);
        let of_snapshot = self.publish_snapshot(meta, now).await?;
        let version = self.next_version("timestamp").await?;
        let timestamp = tuf::timestamp(version, of_snapshot, now, tuf::expiry(now, self.timestamp_lifetime));
        let bytes = tuf::write(&tuf::sign(timestamp, &self.keys.timestamp)?)?;
        self.store.add_metadata("timestamp", version.get(), &bytes).await?;
        Ok(self.objects.replace_metadata("timestamp.json", bytes).await?)
    }

    async fn publish_targets(&self, makers: &[Maker], now: Time) -> Result<Metafile, PublishError> {
        let keys = makers.iter().map(|maker| (maker.name.clone(), maker.public_key)).collect::<Vec<_>>();
        let delegations = tuf::delegations(&keys)?;
        let same = |held: &Targets| held.delegations.as_ref() == Some(&delegations);
        if let Some((version, bytes)) = self.reusable::<Targets>("targets", same, TARGETS_LIFETIME, now).await? {
            return self.put_version("targets", version, bytes).await;
        }
        let version = self.next_version("targets").await?;
        let bytes = tuf::write(&tuf::sign(tuf::targets(version, delegations.clone(), now), &self.keys.targets)?)?;
        self.store.add_metadata("targets", version.get(), &bytes).await?;
        self.put_version("targets", version, bytes).await
    }

    async fn publish_snapshot(&self, meta: HashMap<String, Metafile>, now: Time) -> Result<Metafile, PublishError> {
        let same = |held: &Snapshot| held.meta == meta;
        if let Some((version, bytes)) = self.reusable::<Snapshot>("snapshot", same, SNAPSHOT_LIFETIME, now).await? {
            return self.put_version("snapshot", version, bytes).await;
        }
        let version = self.next_version("snapshot").await?;
        let bytes = tuf::write(&tuf::sign(tuf::snapshot(version, meta.clone(), now), &self.keys.snapshot)?)?;
        self.store.add_metadata("snapshot", version.get(), &bytes).await?;
        self.put_version("snapshot", version, bytes).await
    }

    /// The newest version of a role, when it says what it should and has half of its lifetime left.
    async fn reusable<T: Role + DeserializeOwned>(
        &self,
        role: &str,
        same: impl Fn(&T) -> bool,
        lifetime: SignedDuration,
        now: Time,
    ) -> Result<Option<(NonZeroU64, Vec<u8>)>, PublishError> {
        let Some((version, bytes)) = self.store.newest_metadata(role).await? else { return Ok(None) };
        let held: Signed<T> = tuf::read(&bytes)?;
        let young = held.signed.expires() > now + lifetime / 2;
        let version = NonZeroU64::new(version);
        Ok(version.filter(|_| young && same(&held.signed)).map(|version| (version, bytes)))
    }

    async fn next_version(&self, role: &str) -> Result<NonZeroU64, PublishError> {
        let newest = self.store.newest_metadata(role).await?.map_or(0, |(version, _)| version);
        Ok(NonZeroU64::MIN.saturating_add(newest))
    }

    /// Puts the file of a version; one that is there already stays.
    async fn put_version(&self, role: &str, version: NonZeroU64, bytes: Vec<u8>) -> Result<Metafile, PublishError> {
        let listed = tuf::metafile(version, &bytes);
        self.objects.put_metadata(&format!("{version}.{role}.json"), bytes).await?;
        Ok(listed)
    }
}

fn verify_role(held: &Maker, role_body: &[u8]) -> Result<MakerRole, TufError> {
    let delegations: Delegations = tuf::delegations(&[(held.name.clone(), held.public_key)])?;
    tuf::verify_maker_role(&delegations, &held.name, role_body, Time::now())
}

/// Releases that the role lists and the service does not hold. A held one must be the same, a new one must be newer.
fn new_releases(role: &MakerRole, known: &[ReleaseView]) -> Result<Vec<SignedRelease>, PublishError> {
    let mut new = Vec::new();
    for release in &role.releases {
        let of_channel = known.iter().filter(|held| held.release.channel == release.channel);
        let newest = of_channel.clone().map(|held| held.release.release).max();
        match (of_channel.clone().find(|held| held.release.release == release.release), newest) {
            (Some(held), _) if held.sha256 == release.sha256 && held.length == release.length => {}
            (Some(_), _) => return Err(PublishError::ReleaseChanged { path: release.path() }),
            (None, Some(newest)) if release.release < newest => {
                return Err(PublishError::ReleaseNotNewer { path: release.path(), newest });
            }
            (None, _) => new.push(release.clone()),
        }
    }
    Ok(new)
}

/// The blobs of `new` in its order. Blobs that another publication brought meanwhile are left out.
fn blobs_of(new: &[SignedRelease], blobs: Vec<(SignedRelease, Vec<u8>)>) -> Result<Vec<Vec<u8>>, PublishError> {
    let blobs = blobs.into_iter().filter(|(release, _)| new.contains(release)).map(|(_, bytes)| bytes).collect::<Vec<_>>();
    match new.get(blobs.len()) {
        None => Ok(blobs),
        Some(release) => Err(PublishError::Blob { path: release.path(), reason: "it did not come".to_owned() }),
    }
}
