//! Takes makers' releases in and keeps the signed metadata current.
//!
//! Order of a publication, so that no reader ever sees a name without its file: verify everything; put blobs and deltas as
//! objects; commit one SQL transaction; then have the metadata signed and put ([`Signer`]).
//!
//! Actors and locks: one mutex is held for a whole publication or refresh, and under it the lease that replicas share (`lease.rs`), so
//! versions are signed one after another. Readers take no lock. A crash before the commit leaves objects nobody names; a crash after it
//! leaves metadata that lags the tables, which the lease's row says: [`Publisher::refresh`], which the service runs at start and then
//! periodically, completes it, or another replica does ([`Publisher::follow`]).

use crate::deltas::Index;
use crate::disk::DiskError;
use crate::keys::{KeyError, PublicKey, SigningKey};
use crate::maker::distinct;
use crate::root::RootRole;
use crate::service::deltas::{self, Budget};
use crate::service::lease::{Held, Lease};
use crate::service::objects::{ObjectError, Objects};
use crate::service::signer::{Signer, Signing};
use crate::service::store::{Fence, NewDelta, Publication, Store, StoreError};
use crate::statement::KeyStatement;
use crate::tuf::{self, MakerKeys, MakerRole, SignedModule, SignedRelease, TufError};
use crate::wire::{MakerName, ReleaseView, Sha256Hex, Swept};
use axum::body::Bytes;
use jiff::Timestamp as Time;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};
use tough::schema::{Root, Targets};

/// Blobs and modules of one publication, in bytes altogether.
const PUBLICATION_LEN_MAX: u64 = 512 << 20;

/// Versions of a role that a maker may sign without publishing them.
const ROLE_VERSION_STEP_MAX: u64 = 1 << 20;

/// How often a publication is tried whose lease another replica took meanwhile.
const LEASE_TRIES: usize = 3;

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
    /// A version so far ahead that the maker could soon sign no more: by who stole the key, or by mistake.
    #[error("role version {found} is more than {ROLE_VERSION_STEP_MAX} ahead of {held}, which the service holds")]
    RoleVersionFar {
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
    /// The body does not hold the modules that the role promises.
    #[error("module `{path}`: {reason}")]
    Module {
        /// The target.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More bytes than the role accounts for: so many were seen, and no more were read.
    #[error("{0} bytes or more follow the last file")]
    TrailingBytes(usize),
    /// The files that the service lacks are too much for one publication.
    #[error("the releases that are new have {found} bytes, one publication may have {most}")]
    TooLong {
        /// Their length in bytes.
        found: u64,
        /// Bytes allowed.
        most: u64,
    },
    /// The service does not hold enough keys of a role for a root.
    #[error("the service holds too few of the {role} keys that root version {version} lists")]
    RoleKeys {
        /// The role.
        role: RootRole,
        /// The root.
        version: u64,
    },
    /// The tables are older than what was signed, as after a restore from a backup.
    #[error("the tables hold version {held} of {role}, and version {signed} was signed; restore newer tables")]
    SignerBehind {
        /// The role.
        role: String,
        /// What the tables hold.
        held: u64,
        /// What was signed.
        signed: u64,
    },
    /// The mark of what was signed is there and cannot be understood.
    #[error("the mark of what was signed cannot be read: {0}")]
    MarkUnreadable(String),
    /// A key could not be read or made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file could not be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
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
            PublishError::RoleVersionFar { .. } => "role_version_too_far",
            PublishError::ReleaseChanged { .. } => "release_changed",
            PublishError::ReleaseNotNewer { .. } => "release_not_newer",
            PublishError::Blob { .. } => "blob_refused",
            PublishError::Module { .. } => "module_refused",
            PublishError::TrailingBytes(_) => "trailing_bytes",
            PublishError::TooLong { .. } => "body_too_long",
            PublishError::RoleKeys { .. } => "role_key_missing",
            PublishError::SignerBehind { .. } | PublishError::Object(ObjectError::Changed(_)) => "signer_behind",
            PublishError::MarkUnreadable(_) => "mark_unreadable",
            PublishError::Store(StoreError::Fenced) => "signer_busy",
            PublishError::Key(_)
            | PublishError::Disk(_)
            | PublishError::Store(_)
            | PublishError::Object(_)
            | PublishError::Worker(_) => "internal",
        }
    }
}

pub(crate) struct Publisher {
    store: Store,
    objects: Objects,
    signer: Signer,
    lease: Lease,
    signing: Mutex<Signing>,
    /// Version of the newest timestamp that was signed here, or seen by [`Publisher::renew`].
    last_timestamp: AtomicU64,
    /// A timestamp key that the root in force counts, for delta indexes, which are signed while a publication may hold the mutex.
    index_key: RwLock<Option<Arc<SigningKey>>>,
}

/// This replica's time to sign: nobody else does, in this process or in another.
struct Turn<'a> {
    signing: MutexGuard<'a, Signing>,
    held: Held,
}

impl Turn<'_> {
    /// Gives the lease back, whatever came of it.
    async fn end<T>(self, result: Result<T, PublishError>) -> Result<T, PublishError> {
        let Turn { mut signing, held } = self;
        if result.is_err() {
            // What is remembered of root and keys may be why.
            signing.fence = None;
        }
        held.release(result.is_ok() && !signing.lags).await;
        result
    }
}

/// What [`Publisher::follow`] saw last.
#[derive(Default)]
pub(crate) struct Followed {
    change: Option<u64>,
    lags_since: Option<Instant>,
}

/// What is to be done with a maker's role that was verified.
pub(crate) enum Plan {
    /// It is the one that the service holds.
    Held,
    /// It is the one that the service holds, which lost some of its files: they may come again.
    Lost(Wanted),
    /// It is newer.
    New {
        role: MakerRole,
        /// Keys that take the place of the maker's.
        keys: Option<MakerKeys>,
        /// Releases whose blobs the service lacks, ascending by channel and release.
        new: Vec<SignedRelease>,
        /// Modules whose content the service lacks, each content once, ascending by channel, release, name and kind.
        modules: Vec<SignedModule>,
    },
}

/// Files that are to come with a role.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Ascending by channel and release.
    pub(crate) releases: Vec<SignedRelease>,
    /// Each content once, ascending by channel, release, name and kind.
    pub(crate) modules: Vec<SignedModule>,
}

impl Wanted {
    /// What is wanted, in the order in which it is to come.
    pub(crate) fn digests(&self) -> Vec<Sha256Hex> {
        let releases = self.releases.iter().map(|release| release.sha256);
        releases.chain(self.modules.iter().map(|signed| signed.module.sha256)).collect()
    }
}

impl Plan {
    /// What is to come with the role; nothing when it need not come at all.
    pub(crate) fn wanted(self) -> Option<Wanted> {
        match self {
            Plan::Held => None,
            Plan::Lost(wanted) => Some(wanted),
            Plan::New { new, modules, .. } => Some(Wanted { releases: new, modules }),
        }
    }
}

/// The files that come with a role.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) blobs: Vec<(SignedRelease, Vec<u8>)>,
    pub(crate) modules: Vec<(SignedModule, Vec<u8>)>,
}

/// The same, cheap to clone.
struct Parts {
    blobs: Vec<(SignedRelease, Bytes)>,
    modules: Vec<(SignedModule, Bytes)>,
}

impl From<Files> for Parts {
    fn from(Files { blobs, modules }: Files) -> Self {
        Parts {
            blobs: blobs.into_iter().map(|(release, bytes)| (release, Bytes::from(bytes))).collect(),
            modules: modules.into_iter().map(|(module, bytes)| (module, Bytes::from(bytes))).collect(),
        }
    }
}

impl Publisher {
    pub(crate) fn new(signer: Signer, signing: Signing, lease: Lease) -> Self {
        let (store, objects) = (signer.store.clone(), signer.objects.clone());
        let index_key = RwLock::new(signing.index_key());
        Publisher {
            store,
            objects,
            signer,
            lease,
            signing: Mutex::new(signing),
            last_timestamp: AtomicU64::new(0),
            index_key,
        }
    }

    /// Waits until this replica may sign, with what another one changed meanwhile.
    async fn turn(&self) -> Result<Turn<'_>, PublishError> {
        let mut signing = self.signing.lock().await;
        let held = self.lease.take().await?;
        let is_next = signing.fence.replace(held.fence).is_some_and(|last| held.fence.follows(last));
        if !is_next {
            // Unread, it is read again next time.
            signing.fence = None;
            self.signer.reload(&mut signing).await?;
            signing.fence = Some(held.fence);
        }
        signing.lags |= held.lags;
        Ok(Turn { signing, held })
    }

    /// Verifies a maker's role, and new keys of theirs when they come with it, and says which blobs must come too. Takes no lock: what it
    /// says may be overtaken.
    pub(crate) async fn plan(
        &self,
        maker: &MakerName,
        statement: Option<&KeyStatement>,
        role_body: &[u8],
    ) -> Result<Plan, PublishError> {
        let held = self.store.maker(maker).await?.ok_or_else(|| PublishError::UnknownMaker(maker.clone()))?;
        let keys = statement.map(|statement| statement.verify_after(&held.name, &held.keys)).transpose()?;
        let new_keys = keys.filter(|keys| *keys != held.keys);
        let role = verify_role(&held.name, new_keys.as_ref().unwrap_or(&held.keys), role_body)?;
        if role.version.get() == held.role_version && role_body == held.role_body {
            let wanted = self.lost_of(maker, &role).await?;
            return Ok(if wanted.digests().is_empty() { Plan::Held } else { Plan::Lost(wanted) });
        }
        if role.version.get() <= held.role_version {
            return Err(PublishError::RoleVersion { found: role.version.get(), held: held.role_version });
        }
        if role.version.get() - held.role_version > ROLE_VERSION_STEP_MAX {
            return Err(PublishError::RoleVersionFar { found: role.version.get(), held: held.role_version });
        }
        let known = self.store.releases(maker).await?;
        let new = new_releases(&role, &known)?;
        let held = self.store.module_digests(maker).await?;
        let missing = |signed: &&SignedModule| held.binary_search(&signed.module.sha256).is_err();
        let modules = distinct(&role.modules).filter(missing).cloned().collect::<Vec<_>>();
        let lengths = new.iter().map(|release| release.length).chain(modules.iter().map(|signed| signed.module.length));
        let length = lengths.fold(0_u64, u64::saturating_add);
        if length > PUBLICATION_LEN_MAX {
            return Err(PublishError::TooLong { found: length, most: PUBLICATION_LEN_MAX });
        }
        Ok(Plan::New { role, keys: new_keys, new, modules })
    }

    /// Files of the role that is held which were lost: so many as one publication may bring.
    pub(crate) async fn lost_files(&self, maker: &MakerName, role_body: &[u8]) -> Result<Wanted, PublishError> {
        // Most often nothing is, and then the role need not be read.
        if self.store.lost_of(maker).await?.is_empty() {
            return Ok(Wanted::default());
        }
        let role = tuf::read::<Targets>(role_body)?;
        self.lost_of(maker, &tuf::read_maker_role(maker, &role.signed)?).await
    }

    async fn lost_of(&self, maker: &MakerName, role: &MakerRole) -> Result<Wanted, PublishError> {
        let lost = self.store.lost_of(maker).await?;
        let mut left = PUBLICATION_LEN_MAX;
        let mut fits = |digest: &Sha256Hex, length: u64| {
            let fits = lost.contains(digest) && length <= left;
            left -= if fits { length } else { 0 };
            fits
        };
        let mut wanted = Wanted::default();
        wanted.releases.extend(role.releases.iter().filter(|release| fits(&release.sha256, release.length)).cloned());
        let modules = distinct(&role.modules).filter(|signed| fits(&signed.module.sha256, signed.module.length));
        wanted.modules.extend(modules.cloned());
        Ok(wanted)
    }

    /// Looks which objects that tables name are not there, or have another length; with `read`, or another content, which reads every object.
    /// Returns how many are lost.
    pub(crate) async fn look_for_lost(&self, read: bool) -> Result<u64, PublishError> {
        // The names first: what is stored meanwhile is named later.
        let named = self.store.named_lengths().await?;
        let stored = self.objects.list_blobs().await?.into_iter().map(|(digest, length, _)| (digest, length));
        let stored = stored.collect::<BTreeMap<_, _>>();
        let mut lost = BTreeMap::new();
        for (digest, length) in &named {
            if stored.get(digest) != Some(length) {
                lost.insert(*digest, false);
            } else if read && !self.is_whole(*digest).await? {
                lost.insert(*digest, true);
            }
        }
        self.store.put_lost(&lost, read).await?;
        let count = self.store.lost_count().await?;
        if count > 0 {
            tracing::error!(
                count,
                "{count} objects that tables name are lost or damaged; their makers can publish them again"
            );
        }
        Ok(count)
    }

    async fn is_whole(&self, digest: Sha256Hex) -> Result<bool, PublishError> {
        let Some(bytes) = self.objects.blob(&digest).await? else { return Ok(false) };
        Ok(tokio::task::spawn_blocking(move || Sha256Hex::of(&bytes) == digest).await?)
    }

    /// Verifies a maker's role and the files that are new in it, then publishes all of it or nothing. Sending the same role
    /// again changes nothing and succeeds.
    pub(crate) async fn accept(
        &self,
        maker: &MakerName,
        statement: Option<&KeyStatement>,
        role_body: &[u8],
        files: Files,
    ) -> Result<(), PublishError> {
        let parts = Parts::from(files);
        let mut tries = 1;
        loop {
            let mut turn = self.turn().await?;
            let accepted = self.accept_in(&mut turn, maker, statement, role_body, &parts).await;
            match turn.end(accepted).await {
                Err(PublishError::Store(StoreError::Fenced)) if tries < LEASE_TRIES => tries += 1,
                ended => return ended,
            }
        }
    }

    async fn accept_in(
        &self,
        turn: &mut Turn<'_>,
        maker: &MakerName,
        statement: Option<&KeyStatement>,
        role_body: &[u8],
        parts: &Parts,
    ) -> Result<(), PublishError> {
        let (role, keys, new, modules) = match self.plan(maker, statement, role_body).await? {
            Plan::Held => return self.complete_metadata(turn).await,
            Plan::Lost(wanted) => {
                self.restore(maker, &wanted, parts).await?;
                return self.complete_metadata(turn).await;
            }
            Plan::New { role, keys, new, modules } => (role, keys, new, modules),
        };
        let blobs = blobs_of(&new, &parts.blobs)?;
        let new_modules = modules_of(&modules, &parts.modules).await?;
        let made = self.put_objects(&new, blobs).await?;
        for (signed, bytes) in new_modules {
            self.objects.put_blob(&signed.module.sha256, bytes).await?;
        }
        let publication = Publication {
            maker,
            role_version: role.version.get(),
            role_body,
            new: &new,
            listed: &role.releases,
            modules: &role.modules,
            withdrawn: &role.withdrawn,
            keys: keys.as_ref(),
            deltas: &made,
        };
        turn.signing.lags = true;
        self.signer.disk.step("record publication")?;
        self.store.publish(&publication, turn.held.fence).await?;
        for release in &new {
            tracing::info!(channel = %release.channel, release = release.release, "{} is published", release.path());
        }
        self.complete_metadata(turn).await
    }

    /// Brings the metadata in line with the tables and signs a new timestamp.
    pub(crate) async fn refresh(&self) -> Result<(), PublishError> {
        let mut turn = self.turn().await?;
        turn.signing.lags = true;
        let completed = self.complete_metadata(&mut turn).await;
        turn.end(completed).await
    }

    /// The same, but not when another replica signed a timestamp since this one last did or looked: one for all is enough.
    pub(crate) async fn renew(&self) -> Result<(), PublishError> {
        let newest = self.store.newest_metadata("timestamp").await?.map_or(0, |(version, _)| version);
        if self.last_timestamp.swap(newest, Ordering::Relaxed) != newest {
            return self.complete().await;
        }
        self.refresh().await
    }

    /// The same, but only when an earlier publication could not do it. A maker's role is public: sending it again must not
    /// make the service sign.
    pub(crate) async fn complete(&self) -> Result<(), PublishError> {
        if !self.store.lease().await?.lags() {
            return Ok(());
        }
        let mut turn = self.turn().await?;
        let completed = self.complete_metadata(&mut turn).await;
        turn.end(completed).await
    }

    async fn complete_metadata(&self, turn: &mut Turn<'_>) -> Result<(), PublishError> {
        if turn.signing.lags {
            let timestamp = self.signer.publish(&mut turn.signing, turn.held.fence).await?;
            self.last_timestamp.store(timestamp, Ordering::Relaxed);
            *self.index_key.write().unwrap_or_else(PoisonError::into_inner) = turn.signing.index_key();
            turn.signing.lags = false;
        }
        Ok(())
    }

    /// Looks after what another replica did, or died over: the key of delta indexes goes with the newest root, and metadata that lags
    /// behind the tables for longer than a lease lives is completed. To be called now and then while several replicas share the tables.
    pub(crate) async fn follow(&self, seen: &mut Followed) -> Result<(), PublishError> {
        self.store.look().await?;
        if seen.change.replace(self.store.changes()) != Some(self.store.changes())
            && let Some((_, root)) = self.store.newest_metadata("root").await?
        {
            let root = tuf::read::<Root>(&root)?;
            let key = self.signer.load_keys()?.counted(&root.signed, RootRole::Timestamp).next().cloned();
            *self.index_key.write().unwrap_or_else(PoisonError::into_inner) = key;
        }
        let lease = self.store.lease().await?;
        seen.lags_since = lease.lags().then(|| seen.lags_since.unwrap_or_else(Instant::now));
        if seen.lags_since.is_some_and(|since| since.elapsed() > self.lease.lost_after()) {
            seen.lags_since = None;
            return self.complete().await;
        }
        Ok(())
    }

    /// Removes objects that no row names and that are older than `grace`; with `dry_run` it counts them and no more. Memory grows with the
    /// number of objects.
    ///
    /// Nothing is published meanwhile: a publication that finds such an object takes it for its own, and must not lose it before its rows are
    /// there. Before each removal the lease is still this replica's.
    pub(crate) async fn sweep(&self, grace: Duration, dry_run: bool) -> Result<Swept, PublishError> {
        let turn = self.turn().await?;
        let swept = self.sweep_in(turn.held.fence, grace, dry_run).await;
        turn.end(swept).await
    }

    async fn sweep_in(&self, fence: Fence, grace: Duration, dry_run: bool) -> Result<Swept, PublishError> {
        let oldest = Time::now().as_second().saturating_sub_unsigned(grace.as_secs());
        let stored = self.objects.list_blobs().await?;
        let named = self.store.named_objects().await?;
        let mut swept = Swept { dry_run, objects: stored.len() as u64, ..Swept::default() };
        for (digest, length, written_at) in stored {
            if named.contains(&digest) || written_at > oldest {
                continue;
            }
            swept.unnamed += 1;
            swept.unnamed_bytes += length;
            if !dry_run {
                if !self.store.keep_lease(fence).await? {
                    return Err(StoreError::Fenced.into());
                }
                self.objects.remove_blob(&digest).await?;
                tracing::info!(%digest, length, "object {digest}, which nothing names, is removed");
                swept.removed += 1;
            }
        }
        Ok(swept)
    }

    /// Takes the next root; the one in force once more changes nothing. Returns its version.
    pub(crate) async fn accept_root(&self, bytes: &[u8]) -> Result<u64, PublishError> {
        let mut turn = self.turn().await?;
        turn.signing.lags = true;
        let accepted = self.accept_root_in(&mut turn, bytes).await;
        turn.end(accepted).await
    }

    async fn accept_root_in(&self, turn: &mut Turn<'_>, bytes: &[u8]) -> Result<u64, PublishError> {
        let version = self.signer.accept_root(&turn.signing, bytes, turn.held.fence).await?;
        self.complete_metadata(turn).await?;
        Ok(version)
    }

    /// Public half of a key that the service holds for the next root to list.
    pub(crate) async fn spare_key(&self, role: RootRole) -> Result<PublicKey, PublishError> {
        self.signer.spare_key(&mut *self.signing.lock().await, role)
    }

    /// Verifies files that were lost and puts them as objects again. Nothing is signed and no release changes.
    async fn restore(&self, maker: &MakerName, wanted: &Wanted, parts: &Parts) -> Result<(), PublishError> {
        let blobs = blobs_of(&wanted.releases, &parts.blobs)?;
        let modules = modules_of(&wanted.modules, &parts.modules).await?;
        let releases = wanted.releases.clone();
        let checked = tokio::task::spawn_blocking(move || deltas::check(&releases, &blobs).map(|()| blobs));
        for (release, bytes) in wanted.releases.iter().zip(checked.await??) {
            self.objects.restore_blob(&release.sha256, bytes).await?;
        }
        for (signed, bytes) in modules {
            self.objects.restore_blob(&signed.module.sha256, bytes).await?;
        }
        let restored = wanted.digests();
        self.store.put_restored(maker, &restored).await?;
        tracing::warn!(%maker, "{} objects of {maker} that were lost are there again", restored.len());
        Ok(())
    }

    /// Verifies the blobs and puts them and their deltas as objects.
    async fn put_objects(&self, new: &[SignedRelease], blobs: Vec<Bytes>) -> Result<Vec<NewDelta>, PublishError> {
        let of_new = new.to_vec();
        let checked = tokio::task::spawn_blocking(move || deltas::check(&of_new, &blobs).map(|()| blobs));
        let blobs = checked.await??;
        for (release, bytes) in new.iter().zip(&blobs) {
            self.objects.put_blob(&release.sha256, bytes.clone()).await?;
        }
        let (mut made, budget) = (Vec::new(), Budget::from_now());
        // The newest first: terminals want those.
        for (at, (release, bytes)) in new.iter().zip(blobs).enumerate().rev() {
            let history = self.store.history(&release.channel).await?;
            made.extend(deltas::publish(&self.objects, release, bytes, &new[..at], &history, &budget).await?);
        }
        Ok(made)
    }

    /// Whether there is a timestamp key that the root in force counts.
    pub(crate) fn has_index_key(&self) -> bool {
        self.index_key.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// A secret that follows from the timestamp key, and so is the same for all who hold that; `None` while there is none. It is made from a
    /// signature that is never given away.
    pub(crate) fn secret(&self, purpose: &str) -> Option<[u8; 32]> {
        let key = self.index_key.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(*Sha256Hex::of(&key.sign(format!("titer-secret-v1\n{purpose}\n").as_bytes())).bytes())
    }

    /// Signs a delta index, which is neither a role nor trusted further than that. `None` while the service has no key that the root in
    /// force counts.
    pub(crate) fn sign_index(&self, index: &Index) -> Option<Vec<u8>> {
        let key = self.index_key.read().unwrap_or_else(PoisonError::into_inner).clone();
        key.map(|key| index.sign(&key))
    }
}

fn verify_role(maker: &MakerName, keys: &MakerKeys, role_body: &[u8]) -> Result<MakerRole, TufError> {
    let delegations = tuf::delegations(&[(maker.clone(), keys.clone())])?;
    tuf::verify_maker_role(&delegations, maker, role_body, Time::now())
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

/// The modules of `new`, each held against its digest. Those that another publication brought meanwhile are left out.
async fn modules_of(
    new: &[SignedModule],
    modules: &[(SignedModule, Bytes)],
) -> Result<Vec<(SignedModule, Bytes)>, PublishError> {
    let find = |signed: &SignedModule| {
        let bytes = modules.iter().find(|(came, _)| came.module.sha256 == signed.module.sha256);
        let missing = || PublishError::Module { path: signed.path(), reason: "it did not come".to_owned() };
        Ok((signed.clone(), bytes.ok_or_else(missing)?.1.clone()))
    };
    let found = new.iter().map(find).collect::<Result<Vec<_>, PublishError>>()?;
    let check = move || {
        let wrong = |(signed, bytes): &&(SignedModule, Bytes)| {
            Sha256Hex::of(bytes) != signed.module.sha256 || bytes.len() as u64 != signed.module.length
        };
        match found.iter().find(wrong) {
            None => Ok(found),
            Some((signed, _)) => {
                let reason = "its content is not what is signed".to_owned();
                Err(PublishError::Module { path: signed.path(), reason })
            }
        }
    };
    tokio::task::spawn_blocking(check).await?
}

/// The blobs of `new` in its order. Blobs that another publication brought meanwhile are left out.
fn blobs_of(new: &[SignedRelease], blobs: &[(SignedRelease, Bytes)]) -> Result<Vec<Bytes>, PublishError> {
    let wanted = blobs.iter().filter(|(release, _)| new.contains(release));
    let blobs = wanted.map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
    match new.get(blobs.len()) {
        None => Ok(blobs),
        Some(release) => Err(PublishError::Blob { path: release.path(), reason: "it did not come".to_owned() }),
    }
}
