//! The maker's side: keys that never leave, releases signed at home, publication.
//!
//! ```text
//! <maker>/key.pk8                      the private key, 0600; whoever has it speaks for the maker
//! <maker>/registration.json            name and public key, for the operator
//! <maker>/role.json                    the newest signed role: every release on offer
//! <maker>/counter                      last counter of signed news
//! <maker>/blobs/<name>/<release>.titer the releases
//! ```
//!
//! A release is on disk before the role that names it. A crash between the two leaves a blob that the next
//! [`Maker::release`] of the same number overwrites. Publication sends what the service lacks and can be repeated at will.
//! One process at a time works in a maker's folder; the caller sees to that.

use crate::blob;
use crate::disk::{Access, Disk, DiskError};
use crate::http::{Client, HttpError, Proof};
use crate::keys::{KeyError, SigningKey};
use crate::operator::Operator;
use crate::tuf::{self, MAKER_LIFETIME, SignedRelease, TufError};
use crate::wire::{ChannelRelease, MakerName, MakerView, Registration, ThreatNews};
use jiff::Timestamp as Time;
use reqwest::Method;
use serde_json::Value;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use tough::schema::{Signed, Targets};
use url::Url;

/// Releases of one channel that the role keeps on offer.
const RELEASES_LISTED_MAX: usize = 8;

/// A maker's command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakerError {
    /// The folder holds no maker.
    #[error("`{}` holds no maker; make one with `init`", .0.display())]
    NoMaker(PathBuf),
    /// The folder holds another maker.
    #[error("`{}` belongs to maker `{found}`", folder.display())]
    OtherMaker {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        found: MakerName,
    },
    /// A file.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signed role.
    #[error(transparent)]
    Role(#[from] TufError),
    /// A file of the folder cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file is no blob.
    #[error("`{}` is no blob: {reason}", path.display())]
    NotABlob {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The blob belongs to a channel of somebody else.
    #[error("the blob is of channel `{channel}`, this maker is `{maker}`")]
    ForeignChannel {
        /// The blob's channel.
        channel: String,
        /// The maker.
        maker: MakerName,
    },
    /// Release numbers only grow.
    #[error("release {found} of `{channel}` is not newer than {newest}")]
    NotNewer {
        /// The channel.
        channel: String,
        /// The blob's release.
        found: u64,
        /// The newest so far.
        newest: u64,
    },
    /// There is nothing to publish.
    #[error("there is no release to publish yet")]
    NothingReleased,
    /// The service refused or could not be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl MakerError {
    /// Stable name of the fault.
    pub fn code(&self) -> &str {
        match self {
            MakerError::NoMaker(_) => "maker_missing",
            MakerError::OtherMaker { .. } => "maker_other",
            MakerError::Disk(_) => "disk_failed",
            MakerError::Key(_) => "key_failed",
            MakerError::Role(e) => e.code(),
            MakerError::Damaged { .. } => "maker_damaged",
            MakerError::NotABlob { .. } => "blob_refused",
            MakerError::ForeignChannel { .. } => "channel_foreign",
            MakerError::NotNewer { .. } => "release_not_newer",
            MakerError::NothingReleased => "nothing_released",
            MakerError::Http(e) => e.code(),
        }
    }
}

/// A maker's folder, opened.
#[derive(Debug)]
pub struct Maker {
    folder: PathBuf,
    name: MakerName,
    key: SigningKey,
    disk: Disk,
}

impl Maker {
    /// Makes a key pair and the registration file in `folder`; a folder of the same maker is opened as it is.
    ///
    /// # Errors
    /// [`MakerError`]; a folder of another maker is refused.
    pub fn init(folder: &Path, name: &MakerName) -> Result<Self, MakerError> {
        let disk = Disk::default();
        disk.create_dir(folder)?;
        let key = SigningKey::load_or_create(&disk, &folder.join("key.pk8"))?;
        let path = folder.join("registration.json");
        if !path.exists() {
            let registration = Registration { maker: name.clone(), public_key: key.public() };
            let text = serde_json::to_vec_pretty(&registration).expect("a registration is plain JSON");
            disk.replace(&path, &text, Access::Public)?;
        }
        let maker = Self::open(folder)?;
        if maker.name == *name {
            Ok(maker)
        } else {
            Err(MakerError::OtherMaker { folder: folder.into(), found: maker.name })
        }
    }

    /// Opens a folder made by [`Maker::init`].
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn open(folder: &Path) -> Result<Self, MakerError> {
        let disk = Disk::default();
        let path = folder.join("registration.json");
        let text = match disk.read(&path) {
            Err(e) if e.is_not_found() => return Err(MakerError::NoMaker(folder.to_owned())),
            read => read?,
        };
        let registration: Registration =
            serde_json::from_slice(&text).map_err(|e| MakerError::Damaged { path, reason: e.to_string() })?;
        let key = SigningKey::load(&disk, &folder.join("key.pk8"))?;
        Ok(Maker { folder: folder.to_owned(), name: registration.maker, key, disk })
    }

    /// What the operator needs to know of this maker.
    pub fn registration(&self) -> Registration {
        Registration { maker: self.name.clone(), public_key: self.key.public() }
    }

    /// Tells the service of this maker, with the operator's token.
    ///
    /// # Errors
    /// [`MakerError::Http`].
    pub async fn register(&self, service: &Url, operator_token: &str) -> Result<(), MakerError> {
        Ok(Operator::new(service, operator_token)?.register_maker(&self.registration()).await?)
    }

    /// Takes a compiled blob as the next release of its channel and signs a role that offers it.
    ///
    /// The newest eight releases of a channel stay on offer. Blocks: decodes the blob in full.
    ///
    /// # Errors
    /// [`MakerError`]; nothing is offered then that was not offered before.
    pub fn release(&self, blob: &Path) -> Result<ChannelRelease, MakerError> {
        let bytes = self.disk.read(blob)?;
        let described = blob::describe(&bytes);
        let new = described.map_err(|reason| MakerError::NotABlob { path: blob.to_owned(), reason })?;
        if new.channel.maker() != self.name.as_str() {
            return Err(MakerError::ForeignChannel { channel: new.channel.to_string(), maker: self.name.clone() });
        }
        let (version, mut releases) = self.offered()?;
        let of_channel = releases.iter().filter(|old| old.channel == new.channel);
        if let Some(newest) = of_channel.map(|old| old.release).max().filter(|newest| *newest >= new.release) {
            let channel = new.channel.to_string();
            return Err(MakerError::NotNewer { channel, found: new.release, newest });
        }
        let path = self.blob_path(&new);
        self.disk.create_dir(path.parent().expect("a blob lies in the folder of its channel"))?;
        self.disk.replace(&path, &bytes, Access::Public)?;
        let at = ChannelRelease { channel: new.channel.clone(), release: new.release };
        releases.push(new);
        self.offer(version.saturating_add(1), &listed(releases))?;
        Ok(at)
    }

    /// Sends the signed role and every blob that the service lacks. Returns what the service then holds.
    ///
    /// # Errors
    /// [`MakerError`]; the service publishes all of it or nothing.
    pub async fn publish(&self, service: &Url) -> Result<MakerView, MakerError> {
        let role = match self.disk.read(&self.role_path()) {
            Err(e) if e.is_not_found() => return Err(MakerError::NothingReleased),
            read => read?,
        };
        let (_, mut releases) = self.offered()?;
        releases.sort_by_key(|release| (release.channel.to_string(), release.release));
        let client = Client::new(service)?;
        let path = format!("/v1/makers/{}", self.name);
        let held: MakerView = client.call(Method::GET, &path, Proof::None, Vec::new()).await?;
        let length = u32::try_from(role.len()).map_err(|_| TufError::refused("maker", "the role is over 4 GiB"))?;
        let mut body = length.to_le_bytes().to_vec();
        body.extend_from_slice(&role);
        for release in releases.iter().filter(|release| !held.releases.iter().any(|view| view.sha256 == release.sha256)) {
            body.extend_from_slice(&self.disk.read(&self.blob_path(release))?);
        }
        Ok(client.call(Method::POST, &format!("{path}/releases"), Proof::None, body).await?)
    }

    /// Sends signed news of a threat for the countering table.
    ///
    /// # Errors
    /// [`MakerError`].
    pub async fn news(&self, service: &Url, news: &ThreatNews) -> Result<(), MakerError> {
        let counter = next_counter(&self.disk, &self.folder.join("counter"))?;
        let body = serde_json::to_vec(news).expect("news is plain JSON");
        let path = format!("/v1/makers/{}/news", self.name);
        let client = Client::new(service)?;
        client.call::<Value>(Method::POST, &path, Proof::Key(&self.key, counter), body).await?;
        Ok(())
    }

    /// Version of the newest role and what it offers; 0 and nothing before the first release.
    fn offered(&self) -> Result<(u64, Vec<SignedRelease>), MakerError> {
        let bytes = match self.disk.read(&self.role_path()) {
            Err(e) if e.is_not_found() => return Ok((0, Vec::new())),
            read => read?,
        };
        let role: Signed<Targets> = tuf::read(&bytes)?;
        let releases = role.signed.targets.iter().map(|(path, target)| SignedRelease::from_target(&self.name, path, target));
        Ok((role.signed.version.get(), releases.collect::<Result<_, _>>()?))
    }

    fn offer(&self, version: u64, releases: &[SignedRelease]) -> Result<(), MakerError> {
        let version = NonZeroU64::new(version).unwrap_or(NonZeroU64::MIN);
        let mut role = Targets::new(tuf::SPEC_VERSION.to_owned(), version, tuf::expiry(Time::now(), MAKER_LIFETIME));
        role.delegations = None;
        for release in releases {
            let (name, target) = release.to_target()?;
            role.add_target(name, target);
        }
        let bytes = tuf::write(&tuf::sign(role, &self.key)?)?;
        Ok(self.disk.replace(&self.role_path(), &bytes, Access::Public)?)
    }

    fn role_path(&self) -> PathBuf {
        self.folder.join("role.json")
    }

    fn blob_path(&self, release: &SignedRelease) -> PathBuf {
        self.folder.join("blobs").join(release.channel.name()).join(format!("{}.titer", release.release))
    }
}

/// The newest releases of every channel.
fn listed(mut releases: Vec<SignedRelease>) -> Vec<SignedRelease> {
    releases.sort_by_key(|release| std::cmp::Reverse(release.release));
    let mut listed = Vec::<SignedRelease>::new();
    for release in releases {
        if listed.iter().filter(|kept| kept.channel == release.channel).count() < RELEASES_LISTED_MAX {
            listed.push(release);
        }
    }
    listed
}

/// Counts further, on disk before it is used, so that a crash skips a number and never repeats one.
///
/// The next counter is the greater of one more than the last and the microseconds since 1970. So whoever lost the file, or
/// was restored from an older copy of it, still counts upwards by the clock; by the file alone, every request would be refused
/// as a replay for good. A file that cannot be understood counts as lost. A clock that was set back does no harm while there is
/// the file.
pub(crate) fn next_counter(disk: &Disk, path: &Path) -> Result<u64, DiskError> {
    let last = match disk.read(path) {
        Err(e) if e.is_not_found() => 0,
        read => String::from_utf8_lossy(&read?).trim().parse::<u64>().unwrap_or(0),
    };
    let clock = u64::try_from(Time::now().as_microsecond()).unwrap_or(0);
    let next = clock.max(last.saturating_add(1));
    disk.replace(path, next.to_string().as_bytes(), Access::Public)?;
    Ok(next)
}
