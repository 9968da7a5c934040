//! The maker's releases as files for a web site, which services fetch from.
//!
//! ```text
//! <site>/m-<maker>.json     the signed role
//! <site>/<sha256>.titer     every blob that it lists
//! <site>/<sha256>.module    every module that it lists
//! <site>/news.json          what the maker says of threats, signed; only if they said something
//! ```
//!
//! Files are written whole and in the order blobs, modules, news, role, so that a reader at any moment finds every file that a role names. Those that are
//! no longer listed stay: who began to read before still fetches them. Rejected: the layout of a TUF repository, which a maker
//! has neither root nor timestamp for: the service gives freshness.

use super::{Maker, MakerError, distinct, lock};
use crate::disk::Access;
use crate::tuf::{self, MAKER_LIFETIME, SignedModule};
use crate::wire::MakerName;
use crate::{Channel, blob};
use jiff::Timestamp as Time;
use std::path::Path;

/// What was written to a site's folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Whose releases.
    pub maker: MakerName,
    /// Version of their role.
    pub role_version: u64,
    /// Releases that it lists.
    pub releases: usize,
    /// Blobs that were not there yet.
    pub new_blobs: usize,
    /// Modules that were not there yet.
    pub new_modules: usize,
    /// Whether there is news.
    pub news: bool,
}

/// The newest release of a channel on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub release: u64,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Root hash of its blob.
    pub root: blob::Root,
}

impl Maker {
    /// Writes role, blobs, modules and news to a folder, for a web server to serve as it is. A role of which half of its lifetime is over is signed anew
    /// first. Writing what is there already changes nothing.
    ///
    /// # Errors
    /// [`MakerError`]; [`MakerError::SignaturesMissing`] while not enough of the maker's keys signed the role.
    pub fn export(&self, folder: &Path) -> Result<Exported, MakerError> {
        self.disk.create_dir(folder)?;
        let turn = lock(&self.folder)?;
        let offered = self.offered()?;
        let (_, role) = self.role()?.ok_or(MakerError::NothingReleased)?;
        if role.signed.expires <= Time::now() + MAKER_LIFETIME / 2 {
            self.offer(&offered)?;
        }
        drop(turn);
        let (bytes, role) = self.role()?.ok_or(MakerError::NothingReleased)?;
        Self::check_signed(&role, None, &self.keys()?)?;
        let read = tuf::read_maker_role(&self.name, &role.signed)?;
        let mut new_blobs = 0;
        for release in &read.releases {
            let path = folder.join(format!("{}.titer", release.sha256));
            if std::fs::metadata(&path).is_ok_and(|there| there.len() == release.length) {
                continue;
            }
            self.disk.replace(&path, &self.disk.read(&self.blob_path(release))?, Access::Public)?;
            new_blobs += 1;
        }
        let mut new_modules = 0;
        for SignedModule { module, .. } in distinct(&read.modules) {
            let path = folder.join(format!("{}.module", module.sha256));
            if std::fs::metadata(&path).is_ok_and(|there| there.len() == module.length) {
                continue;
            }
            self.disk.replace(&path, &self.disk.read(&self.module_path(&module.sha256))?, Access::Public)?;
            new_modules += 1;
        }
        let news = self.export_news(folder)?;
        let path = folder.join(format!("{}.json", tuf::role_name(&self.name)));
        if self.disk.read(&path).ok().is_none_or(|there| there != bytes) {
            self.disk.replace(&path, &bytes, Access::Public)?;
        }
        let (maker, role_version, releases) = (self.name.clone(), read.version.get(), read.releases.len());
        Ok(Exported { maker, role_version, releases, new_blobs, new_modules, news })
    }

    /// The newest release of a channel on offer; `None` before the first.
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn newest(&self, channel: &Channel) -> Result<Option<Newest>, MakerError> {
        let newest = self
            .offered()?
            .releases
            .into_iter()
            .filter(|release| release.channel == *channel)
            .max_by_key(|release| release.release);
        Ok(newest.map(|newest| Newest { release: newest.release, created: newest.created, root: newest.root }))
    }

    /// A number for the next release of a channel: higher than every one that is on offer or withdrawn.
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn next_release(&self, channel: &Channel) -> Result<u64, MakerError> {
        let said = self.offered()?;
        let offered = said.newest(channel).into_iter();
        let gone = said.withdrawn.iter().filter(|gone| gone.at.channel == *channel).map(|gone| gone.at.release);
        Ok(offered.chain(gone).max().unwrap_or(0).saturating_add(1))
    }
}
