//! The folder of the clean cache: `docs/cache.md`.
//!
//! Nothing that goes wrong here fails a scan: without a cache it takes longer, and finds the same.

use crate::output::remark;
use engine::{CleanCache, CleanScan};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A folder with a cache, or the place for one.
pub(super) struct CacheFolder {
    folder: PathBuf,
    /// Whether others cannot have written what is in it.
    trusted: bool,
}

/// The one file in it.
const FILE: &str = "clean.cache";

impl CacheFolder {
    /// Makes the folder if it is not there.
    pub(super) fn open(folder: &Path) -> CacheFolder {
        let trusted = match make(folder) {
            Ok(()) if is_private(folder) => true,
            Ok(()) => {
                remark!("warning: {} can be written by others and is not used as a cache", folder.display());
                false
            }
            Err(error) => {
                remark!("warning: cannot make the cache folder {}: {error}", folder.display());
                false
            }
        };
        CacheFolder { folder: folder.to_owned(), trusted }
    }

    /// What is in it; nothing where there is nothing that can be used.
    pub(super) fn load(&self) -> CleanCache {
        let path = self.folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) if self.trusted => bytes,
            Ok(_) => return CleanCache::default(),
            Err(error) => {
                if self.trusted && error.kind() != io::ErrorKind::NotFound {
                    remark!("warning: cannot read the cache {}: {error}", path.display());
                }
                return CleanCache::default();
            }
        };
        CleanCache::decode(&bytes).unwrap_or_else(|error| {
            remark!("warning: the cache {} is not used, and written anew: {error}", path.display());
            CleanCache::default()
        })
    }

    /// Writes what `scan` knows beside the file and renames it there. When several scans end, the last one's knowledge stays.
    pub(super) fn save(&self, scan: CleanScan<'_>) {
        let Some(cache) = scan.end(CleanCache::ENTRIES_MAX).filter(|_| self.trusted) else { return };
        let save = || -> io::Result<()> {
            // Made for its owner only. Not synced: a file that a crash leaves incomplete is told by its digest.
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(&cache.encode())?;
            file.persist(self.folder.join(FILE))?;
            Ok(())
        };
        if let Err(error) = save() {
            remark!("warning: cannot write the cache in {}: {error}", self.folder.display());
        }
    }
}

#[cfg(unix)]
fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Whether nobody but the owner can write there: who could, could have any file passed by.
#[cfg(unix)]
fn is_private(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o022 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}
