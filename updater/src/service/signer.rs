//! Signs the roles that the service has the keys of, and writes them so that a reader at any moment finds a repository that holds together.
//!
//! Order: makers' roles, targets, snapshot, and the timestamp last; a version is in the tables before its file can be seen, and it gets there
//! only by the replica that holds the lease (`lease.rs`). Rejected:
//! letting `tough`'s editor write the repository, which writes the timestamp before the makers' roles.
//!
//! A new root takes its place in three steps: it is kept as the next one; targets, snapshot and timestamp are brought to signatures that
//! both roots count; then its file is written, which is when readers can follow it. Killed after the first step, the next start or refresh
//! goes on with it. Rejected: writing root first, after which nothing that readers find is good until the timestamp is signed anew.

use crate::disk::Disk;
use crate::keys::{PublicKey, SigningKey};
use crate::root::RootRole;
use crate::service::mark::{Mark, Versions};
use crate::service::objects::Objects;
use crate::service::online_keys::OnlineKeys;
use crate::service::publisher::PublishError;
use crate::service::store::{Fence, Maker, Store};
use crate::tuf::{self, SNAPSHOT_LIFETIME, TARGETS_LIFETIME};
use jiff::{SignedDuration, Timestamp as Time};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use tough::schema::{Metafile, Role, Root, Signed, Snapshot, Targets};

/// Where and with what is signed.
pub(crate) struct Signer {
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    pub(crate) mark: Mark,
    pub(crate) keys_folder: PathBuf,
    pub(crate) timestamp_lifetime: SignedDuration,
}

/// What whoever signs has to themselves.
pub(crate) struct Signing {
    /// Whether the tables may hold what the metadata does not show yet.
    pub(crate) lags: bool,
    pub(crate) keys: OnlineKeys,
    /// The newest root that readers can have.
    pub(crate) root: Signed<Root>,
    /// What the lease was last taken with here; whoever took it since may have changed root.
    pub(crate) fence: Option<Fence>,
}

impl Signing {
    /// The timestamp key that delta indexes are signed with.
    pub(crate) fn index_key(&self) -> Option<Arc<SigningKey>> {
        self.keys.counted(&self.root.signed, RootRole::Timestamp).next().cloned()
    }
}

impl Signer {
    /// Brings the metadata in line with the tables, signs a new timestamp, and lets a root that waits take its place.
    /// Returns the version of the timestamp.
    pub(crate) async fn publish(&self, signing: &mut Signing, fence: Fence) -> Result<u64, PublishError> {
        self.mark.check(&self.store).await?;
        let next = match self.store.next_root().await? {
            Some((_, bytes)) => Some((tuf::read::<Root>(&bytes)?, bytes)),
            None => None,
        };
        let mut roots = vec![&signing.root.signed];
        let lacks = RootRole::ONLINE.into_iter().find(|role| !signing.keys.meet(&signing.root.signed, *role));
        if let (Some(role), None) = (lacks, &next) {
            // Another replica changed root, and nobody brought its keys here.
            return Err(PublishError::RoleKeys { role, version: signing.root.signed.version.get() });
        }
        if let Some((next, _)) = &next {
            // Keys of the old root may be lost, which can be why there is a new one.
            roots.retain(|root| signing.keys.meet_all(root));
            roots.push(&next.signed);
        }
        let timestamp = self.publish_roles(signing, &roots, fence).await?;
        if let Some((next, bytes)) = next {
            let version = next.signed.version.get();
            self.objects.put_metadata(&format!("{version}.root.json"), bytes).await?;
            self.disk.step("record root")?;
            self.store.promote_next_root(fence).await?;
            tracing::info!(version, "root version {version} is in force");
            signing.root = next;
        }
        Ok(timestamp)
    }

    /// Keeps the next root, for [`Signer::publish`] to put in force; the one in force is taken once more.
    pub(crate) async fn accept_root(&self, signing: &Signing, bytes: &[u8], fence: Fence) -> Result<u64, PublishError> {
        let next = tuf::read::<Root>(bytes)?;
        let version = next.signed.version.get();
        if next == signing.root {
            return Ok(version);
        }
        tuf::verify_next_root(&signing.root, &next, Time::now())?;
        if let Some(role) = RootRole::ONLINE.into_iter().find(|role| !signing.keys.meet(&next.signed, *role)) {
            return Err(PublishError::RoleKeys { role, version });
        }
        self.disk.step("record next root")?;
        self.store.put_next_root(version, bytes, fence).await?;
        Ok(version)
    }

    /// Public half of a key for the next root to list.
    pub(crate) fn spare_key(&self, signing: &mut Signing, role: RootRole) -> Result<PublicKey, PublishError> {
        Ok(signing.keys.spare(&self.disk, &self.keys_folder, role, &signing.root.signed)?)
    }

    /// The keys in the folder.
    pub(crate) fn load_keys(&self) -> Result<OnlineKeys, PublishError> {
        Ok(OnlineKeys::load(&self.disk, &self.keys_folder)?)
    }

    async fn publish_roles(&self, signing: &Signing, roots: &[&Root], fence: Fence) -> Result<u64, PublishError> {
        let keys = &signing.keys;
        let now = Time::now();
        let makers = self.store.published_makers().await?;
        let mut meta = HashMap::new();
        for maker in &makers {
            let version = NonZeroU64::new(maker.role_version).expect("published makers have a role version");
            let name = tuf::role_name(&maker.name);
            self.objects.put_metadata(&format!("{version}.{name}.json"), maker.role_body.clone()).await?;
            meta.insert(format!("{name}.json"), tuf::metafile(version, &maker.role_body));
        }
        meta.insert("targets.json".to_owned(), self.publish_targets(keys, roots, &makers, now, fence).await?);
        let of_snapshot = self.publish_snapshot(keys, roots, meta.clone(), now, fence).await?;
        let version = self.next_version("timestamp").await?;
        let timestamp = tuf::timestamp(version, of_snapshot.clone(), now, tuf::expiry(now, self.timestamp_lifetime));
        let bytes = tuf::write(&tuf::sign(timestamp, keys.of(RootRole::Timestamp).map(AsRef::as_ref))?)?;
        self.record("timestamp", version, &bytes, fence).await?;
        let role = |file: &String| file.trim_end_matches(".json").to_owned();
        let mut signed = meta.iter().map(|(file, listed)| (role(file), listed.version.get())).collect::<Versions>();
        signed.extend([
            ("snapshot".to_owned(), of_snapshot.version.get()),
            ("timestamp".to_owned(), version.get()),
            // One that waits does not count yet.
            ("root".to_owned(), signing.root.signed.version.get()),
        ]);
        self.mark.raise(signed).await?;
        self.advance(version.get(), bytes).await?;
        Ok(version.get())
    }

    /// Puts the timestamp where readers find it. A newer one there is that of a replica that took the lease over after this version was
    /// recorded, and shows what this one does; unless the tables do not know it.
    async fn advance(&self, version: u64, bytes: Vec<u8>) -> Result<(), PublishError> {
        let Some(signed) = self.objects.advance_timestamp(version, bytes).await? else { return Ok(()) };
        let held = self.store.newest_metadata("timestamp").await?.map_or(0, |(version, _)| version);
        if held < signed {
            return Err(PublishError::SignerBehind { role: "timestamp".to_owned(), held, signed });
        }
        Ok(())
    }

    /// Reads root and keys anew, after another replica had the lease.
    pub(crate) async fn reload(&self, signing: &mut Signing) -> Result<(), PublishError> {
        signing.keys = self.load_keys()?;
        if let Some((_, root)) = self.store.newest_metadata("root").await? {
            signing.root = tuf::read(&root)?;
        }
        Ok(())
    }

    async fn publish_targets(
        &self,
        keys: &OnlineKeys,
        roots: &[&Root],
        makers: &[Maker],
        now: Time,
        fence: Fence,
    ) -> Result<Metafile, PublishError> {
        let held = makers.iter().map(|maker| (maker.name.clone(), maker.keys.clone())).collect::<Vec<_>>();
        let delegations = tuf::delegations(&held)?;
        let same = |held: &Targets| held.delegations.as_ref() == Some(&delegations);
        if let Some((version, bytes)) = self.reusable::<Targets>("targets", roots, same, TARGETS_LIFETIME, now).await? {
            return self.put_version("targets", version, bytes).await;
        }
        let version = self.next_version("targets").await?;
        let targets = tuf::targets(version, delegations, now);
        let bytes = tuf::write(&tuf::sign(targets, keys.of(RootRole::Targets).map(AsRef::as_ref))?)?;
        self.record("targets", version, &bytes, fence).await?;
        self.put_version("targets", version, bytes).await
    }

    async fn publish_snapshot(
        &self,
        keys: &OnlineKeys,
        roots: &[&Root],
        meta: HashMap<String, Metafile>,
        now: Time,
        fence: Fence,
    ) -> Result<Metafile, PublishError> {
        let same = |held: &Snapshot| held.meta == meta;
        if let Some((version, bytes)) = self.reusable::<Snapshot>("snapshot", roots, same, SNAPSHOT_LIFETIME, now).await? {
            return self.put_version("snapshot", version, bytes).await;
        }
        let version = self.next_version("snapshot").await?;
        let snapshot = tuf::snapshot(version, meta.clone(), now);
        let bytes = tuf::write(&tuf::sign(snapshot, keys.of(RootRole::Snapshot).map(AsRef::as_ref))?)?;
        self.record("snapshot", version, &bytes, fence).await?;
        self.put_version("snapshot", version, bytes).await
    }

    /// The newest version of a role, when it says what it should, all `roots` count its signatures, and half of its lifetime is left.
    async fn reusable<T: Role + DeserializeOwned>(
        &self,
        role: &str,
        roots: &[&Root],
        same: impl Fn(&T) -> bool,
        lifetime: SignedDuration,
        now: Time,
    ) -> Result<Option<(NonZeroU64, Vec<u8>)>, PublishError> {
        let Some((version, bytes)) = self.store.newest_metadata(role).await? else { return Ok(None) };
        let held: Signed<T> = tuf::read(&bytes)?;
        let young = held.signed.expires() > now + lifetime / 2;
        let counted = roots.iter().all(|root| root.verify_role(&held).is_ok());
        let version = NonZeroU64::new(version);
        Ok(version.filter(|_| young && counted && same(&held.signed)).map(|version| (version, bytes)))
    }

    async fn next_version(&self, role: &str) -> Result<NonZeroU64, PublishError> {
        let newest = self.store.newest_metadata(role).await?.map_or(0, |(version, _)| version);
        Ok(NonZeroU64::MIN.saturating_add(newest))
    }

    async fn record(&self, role: &str, version: NonZeroU64, bytes: &[u8], fence: Fence) -> Result<(), PublishError> {
        self.disk.step("record metadata")?;
        Ok(self.store.add_metadata(role, version.get(), bytes, fence).await?)
    }

    /// Puts the file of a version; one that is there already stays, and must be the same.
    async fn put_version(&self, role: &str, version: NonZeroU64, bytes: Vec<u8>) -> Result<Metafile, PublishError> {
        let listed = tuf::metafile(version, &bytes);
        self.objects.put_metadata(&format!("{version}.{role}.json"), bytes).await?;
        Ok(listed)
    }
}
