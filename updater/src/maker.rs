//! The maker's side: keys that never leave, releases signed at home, publication.
//!
//! ```text
//! <maker>/key.pk8                      the private key, 0600; whoever has it speaks for the maker
//! <maker>/registration.json            name and first public key, for the operator
//! <maker>/keys.json                    who speaks for the maker, once that is more or other than the first key
//! <maker>/next-keys.json               a signed change of keys that is not published yet
//! <maker>/next-key.pk8                 the key that takes the place of this one with it, 0600
//! <maker>/role.json                    the newest signed role: every release on offer, and what was withdrawn
//! <maker>/mark                         newest version of the role that was signed here
//! <maker>/lock                         one at a time
//! <maker>/counter                      last counter of signed news
//! <maker>/news.json                    the latest word of each threat, for the maker's own site
//! <maker>/blobs/<name>/<release>.titer the releases
//! <maker>/modules/<sha256>             files that releases have besides their blobs
//! ```
//!
//! A release is on disk before the role that names it. A crash between the two leaves a blob that the next
//! [`Maker::release`] of the same number overwrites. Publication sends what the service lacks and can be repeated at will.
//! One call at a time changes a maker's folder, by the lock `lock` in it; others wait for their turn.
//!
//! A folder that was restored from an old backup would sign a version of the role once more, with other content. So the newest version is
//! also in `mark`, which catches a role that was restored alone, and the service is asked before a publication, which catches the rest.

mod cosign;
mod error;
mod modules;
mod news;
mod publish;
mod rotate;
mod site;

use crate::Channel;
use crate::blob;
use crate::disk::{Access, Disk, DiskError, Lock};
use crate::http::Network;
use crate::keys::{PublicKey, SigningKey};
use crate::operator::Operator;
use crate::signed::{COUNTER_MAX, COUNTER_TOLD_MAX};
use crate::tuf::{self, MakerKeys, MakerRole, SignedModule, SignedRelease, TufError};
use crate::wire::{ChannelRelease, MakerName, Registration, ThreatNews, Withdrawn};
pub use cosign::cosign;
pub use error::MakerError;
use jiff::Timestamp as Time;
pub(crate) use modules::distinct;
pub use modules::{ModuleChange, NewModule, module_name_of};
pub use rotate::KeyChange;
use serde::de::DeserializeOwned;
pub use site::{Exported, Newest};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tough::schema::{Signed, Targets};
use url::Url;

/// Greatest number of a release: 2^53 - 1, up to which every reader of JSON has the same integers. Far below what tables and metadata take,
/// so that there is always a next one.
pub const RELEASE_MAX: u64 = (1 << 53) - 1;
/// Longest blob, in bytes: a publication takes no more.
const BLOB_LEN_MAX: u64 = 512 << 20;
/// Releases of one channel that the role keeps on offer.
const RELEASES_LISTED_MAX: usize = 8;
/// Withdrawn releases of one channel that the role tells of. A terminal that runs one before those has to wait for a newer release.
const WITHDRAWN_LISTED_MAX: usize = 64;

/// A maker's folder, opened.
#[derive(Debug)]
pub struct Maker {
    folder: PathBuf,
    name: MakerName,
    /// The maker's first key, which made the registration.
    first_key: PublicKey,
    disk: Disk,
    network: Network,
}

/// What a maker's role says, without a signature; version 0 and nothing before the first release.
#[derive(Default)]
struct Offered {
    version: u64,
    releases: Vec<SignedRelease>,
    modules: Vec<SignedModule>,
    withdrawn: Vec<Withdrawn>,
}

impl Offered {
    /// The newest release of a channel.
    fn newest(&self, channel: &Channel) -> Option<u64> {
        self.releases.iter().filter(|old| old.channel == *channel).map(|old| old.release).max()
    }

    fn lists(&self, at: &ChannelRelease) -> bool {
        self.releases.iter().any(|release| release.channel == at.channel && release.release == at.release)
    }
}

/// A maker's role as a file, and read.
type RoleFile = (Vec<u8>, Signed<Targets>);

impl Maker {
    /// Makes a key pair and the registration file in `folder`; a folder of the same maker is opened as it is.
    ///
    /// # Errors
    /// [`MakerError`]; a folder of another maker is refused.
    pub fn init(folder: &Path, name: &MakerName) -> Result<Self, MakerError> {
        let disk = Disk::default();
        disk.create_dir(folder)?;
        let _lock = lock(folder)?;
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
        let first_key = registration.public_key;
        let maker =
            Maker { folder: folder.to_owned(), name: registration.maker, first_key, disk, network: Network::default() };
        maker.key()?;
        Ok(maker)
    }

    /// The same, which reaches services in this way. Default: [`Network::default`].
    #[must_use]
    pub fn reached_by(self, network: Network) -> Self {
        Maker { network, ..self }
    }

    /// Who speaks for the maker, as the service last knew it.
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn keys(&self) -> Result<MakerKeys, MakerError> {
        Ok(self.read_json("keys.json")?.unwrap_or_else(|| MakerKeys::single(self.first_key)))
    }

    /// The key of this folder, which a publication can replace.
    fn key(&self) -> Result<SigningKey, MakerError> {
        Ok(SigningKey::load(&self.disk, &self.folder.join("key.pk8"))?)
    }

    /// What the operator needs to know of this maker.
    pub fn registration(&self) -> Registration {
        Registration { maker: self.name.clone(), public_key: self.first_key }
    }

    /// Tells the service of this maker, with the operator's token.
    ///
    /// # Errors
    /// [`MakerError::Http`].
    pub async fn register(&self, service: &Url, operator_token: &str) -> Result<(), MakerError> {
        Ok(Operator::with(service, operator_token, &self.network)?.register_maker(&self.registration()).await?)
    }

    /// Takes a compiled blob as the next release of its channel and signs a role that offers it.
    ///
    /// The newest eight releases of a channel stay on offer. Where the maker takes several signatures, the role has one then. Blocks:
    /// decodes the blob in full.
    ///
    /// # Errors
    /// [`MakerError`]; nothing is offered then that was not offered before.
    pub fn release(&self, blob: &Path) -> Result<ChannelRelease, MakerError> {
        self.release_with(blob, &ModuleChange::default())
    }

    /// The same, with modules: those of the newest release of the channel, changed in this way.
    ///
    /// # Errors
    /// As of [`Maker::release`] and [`Maker::change_modules`].
    pub fn release_with(&self, blob: &Path, change: &ModuleChange) -> Result<ChannelRelease, MakerError> {
        let bytes = self.disk.read_at_most(blob, BLOB_LEN_MAX)?;
        let described = blob::describe(&bytes);
        let new = described.map_err(|reason| MakerError::NotABlob { path: blob.to_owned(), reason })?;
        if new.channel.maker() != self.name.as_str() {
            return Err(MakerError::ForeignChannel { channel: new.channel.to_string(), maker: self.name.clone() });
        }
        if new.release > RELEASE_MAX {
            return Err(MakerError::ReleaseTooLarge(new.release));
        }
        let _lock = lock(&self.folder)?;
        let mut offered = self.offered()?;
        let before = offered.newest(&new.channel);
        let gone = offered.withdrawn.iter().filter(|old| old.at.channel == new.channel).map(|old| old.at.release);
        if let Some(newest) = gone.chain(before).max().filter(|newest| *newest >= new.release) {
            let channel = new.channel.to_string();
            return Err(MakerError::NotNewer { channel, found: new.release, newest });
        }
        let path = self.blob_path(&new);
        self.disk.create_dir(path.parent().expect("a blob lies in the folder of its channel"))?;
        self.disk.replace(&path, &bytes, Access::Public)?;
        let at = ChannelRelease { channel: new.channel.clone(), release: new.release };
        offered.releases.push(new);
        let carried = offered.modules.iter().filter(|old| old.of.channel == at.channel && Some(old.of.release) == before);
        let carried = carried.map(|old| SignedModule { of: at.clone(), ..old.clone() }).collect::<Vec<_>>();
        offered.modules.extend(carried);
        self.put_modules(&mut offered, &at, change)?;
        offered.releases = listed(offered.releases);
        self.offer(&offered)?;
        Ok(at)
    }

    /// Signs a role that no longer offers a release. Terminals that run it go on to a newer release when there is one; else they go back to
    /// the newest that is left, if that is `back_to` or newer. Without `back_to` they run the withdrawn one until there is a newer.
    ///
    /// # Errors
    /// [`MakerError::NotListed`], [`MakerError::NothingToGoBackTo`] and others.
    pub fn withdraw(&self, at: &ChannelRelease, back_to: Option<u64>) -> Result<(), MakerError> {
        let _lock = lock(&self.folder)?;
        let mut offered = self.offered()?;
        let Offered { releases, withdrawn, .. } = &mut offered;
        let before = releases.len();
        releases.retain(|release| release.channel != at.channel || release.release != at.release);
        let channel = at.channel.to_string();
        if releases.len() == before {
            return Err(MakerError::NotListed { channel, release: at.release });
        }
        let is_left = |least: u64| {
            let mut left = releases.iter().filter(|left| left.channel == at.channel);
            left.any(|left| (least..at.release).contains(&left.release))
        };
        if let Some(back_to) = back_to.filter(|back_to| !is_left(*back_to)) {
            return Err(MakerError::NothingToGoBackTo { channel, release: at.release, back_to });
        }
        // Who runs a release that was withdrawn before, and could have gone back to this one, goes back as far as from this one.
        for earlier in withdrawn.iter_mut().filter(|earlier| earlier.at.channel == at.channel) {
            earlier.back_to = earlier.back_to.map(|least| back_to.map_or(least, |back_to| least.min(back_to)));
        }
        withdrawn.push(Withdrawn { at: at.clone(), back_to });
        offered.withdrawn = told(std::mem::take(withdrawn));
        self.offer(&offered)
    }

    /// The newest release on offer below another of its channel: what terminals could go back to.
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn newest_before(&self, at: &ChannelRelease) -> Result<Option<u64>, MakerError> {
        let offered = self.offered()?;
        let before = offered.releases.iter().filter(|left| left.channel == at.channel && left.release < at.release);
        Ok(before.map(|left| left.release).max())
    }

    /// Sends signed news of one threat for the countering table; [`Maker::send_news`] of several.
    ///
    /// # Errors
    /// [`MakerError`].
    pub async fn news(&self, service: &Url, news: &ThreatNews) -> Result<(), MakerError> {
        self.send_news(service, &[news.clone().into()]).await.map(|_| ())
    }

    /// What the newest role says.
    fn offered(&self) -> Result<Offered, MakerError> {
        let marked = self.read_json::<u64>("mark")?.unwrap_or(0);
        let Some((_, role)) = self.role()? else {
            return if marked == 0 { Ok(Offered::default()) } else { Err(behind(0, marked)) };
        };
        let MakerRole { version, releases, modules, withdrawn } = tuf::read_maker_role(&self.name, &role.signed)?;
        if version.get() < marked {
            return Err(behind(version.get(), marked));
        }
        Ok(Offered { version: version.get(), releases, modules, withdrawn })
    }

    /// Signs the role that follows the one with this content. Modules of releases that are no longer offered go with them.
    fn offer(&self, offered: &Offered) -> Result<(), MakerError> {
        let version = NonZeroU64::MIN.saturating_add(offered.version);
        let modules = offered.modules.iter().filter(|signed| offered.lists(&signed.of)).cloned().collect();
        let modules = tuf::check_modules(&self.name, &offered.releases, modules)?;
        let role = tuf::maker_role(version, &offered.releases, &modules, &offered.withdrawn, Time::now())?;
        let (keys, held) = self.signing_keys()?;
        let held = held.iter().filter(|key| keys.keys.contains(&key.public()));
        let bytes = tuf::write(&tuf::sign(role, held)?)?;
        self.disk.replace(&self.role_path(), &bytes, Access::Public)?;
        self.write_json("mark", &version.get())
    }

    /// The newest role.
    fn role(&self) -> Result<Option<RoleFile>, MakerError> {
        match self.disk.read(&self.role_path()) {
            Err(e) if e.is_not_found() => Ok(None),
            read => {
                let bytes = read?;
                let damaged = |e: TufError| MakerError::Damaged { path: self.role_path(), reason: e.to_string() };
                let role = tuf::read(&bytes).map_err(damaged)?;
                Ok(Some((bytes, role)))
            }
        }
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, MakerError> {
        let path = self.folder.join(name);
        let text = match self.disk.read(&path) {
            Err(e) if e.is_not_found() => return Ok(None),
            read => read?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|e| MakerError::Damaged { path, reason: e.to_string() })
    }

    fn write_json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), MakerError> {
        let text = serde_json::to_vec_pretty(value).expect("a maker's files are plain JSON");
        Ok(self.disk.replace(&self.folder.join(name), &text, Access::Public)?)
    }

    fn role_path(&self) -> PathBuf {
        self.folder.join("role.json")
    }
}

/// How long one waits for its turn, and how often it looks. A publication holds the lock while it sends.
const LOCK_WAIT: Duration = Duration::from_mins(2);
const LOCK_LOOK: Duration = Duration::from_millis(50);

/// The lock of a maker's folder, when its turn has come. Blocks.
fn lock(folder: &Path) -> Result<Lock, MakerError> {
    let (path, began) = (folder.join("lock"), Instant::now());
    loop {
        if let Some(lock) = Lock::try_take(&path)? {
            return Ok(lock);
        }
        if began.elapsed() >= LOCK_WAIT {
            return Err(MakerError::Busy(folder.to_owned()));
        }
        std::thread::sleep(LOCK_LOOK);
    }
}

/// The same, without blocking.
async fn lock_soon(folder: &Path) -> Result<Lock, MakerError> {
    let folder = folder.to_owned();
    match tokio::task::spawn_blocking(move || lock(&folder)).await {
        Ok(taken) => taken,
        Err(broken) => std::panic::resume_unwind(broken.into_panic()),
    }
}

fn behind(here: u64, newest: u64) -> MakerError {
    MakerError::SignerBehind { here, newest, whose: "what was signed in this folder" }
}

/// The newest withdrawn releases of every channel, ascending.
fn told(mut withdrawn: Vec<Withdrawn>) -> Vec<Withdrawn> {
    withdrawn.sort_by(|a, b| (&a.at.channel, b.at.release).cmp(&(&b.at.channel, a.at.release)));
    let mut told = Vec::<Withdrawn>::new();
    for old in withdrawn {
        if told.iter().filter(|kept| kept.at.channel == old.at.channel).count() < WITHDRAWN_LISTED_MAX {
            told.push(old);
        }
    }
    told.reverse();
    told
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
/// as a replay for good. A file that cannot be understood, or names a counter that no service takes, counts as lost. A clock that was set
/// back does no harm while there is the file.
pub(crate) fn next_counter(disk: &Disk, path: &Path) -> Result<u64, DiskError> {
    next_counter_after(disk, path, 0)
}

/// The same, for who was told that the service took `told` last: the file was lost, after a time when the clock was ahead. That is the
/// service's word, or of somebody in between; what they can gain is that numbers are skipped, and of those there are enough.
pub(crate) fn next_counter_after(disk: &Disk, path: &Path, told: u64) -> Result<u64, DiskError> {
    let last = match disk.read(path) {
        Err(e) if e.is_not_found() => 0,
        read => String::from_utf8_lossy(&read?).trim().parse::<u64>().unwrap_or(0),
    };
    let last = if last < COUNTER_MAX { last } else { 0 };
    let last = if told <= COUNTER_TOLD_MAX { last.max(told) } else { last };
    let clock = u64::try_from(Time::now().as_microsecond()).unwrap_or(0);
    let next = clock.max(last.saturating_add(1));
    disk.replace(path, next.to_string().as_bytes(), Access::Public)?;
    Ok(next)
}
