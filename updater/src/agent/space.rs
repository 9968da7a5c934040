//! Is there room? Asked before bytes are fetched and before a database is linked, so that a disk that is nearly full fails an update at
//! once and by name, and is not filled to the last byte for everybody else on the machine.

use crate::agent::{Agent, AgentError, Installed, Manifest};
use std::path::{Path, PathBuf};

/// How many times as long as its blobs a database is taken to be before there is one to measure. Seen: 2.8 for real signatures of all
/// kinds, 3.0 for a million mixed ones, 4.7 for body signatures made by chance.
const DATABASE_TO_BLOBS: u64 = 6;

/// Returns an error unless `needed` bytes can be written below `folder`, which exists, and `spare` are free after that.
///
/// A file system that does not say is taken to have room: the write itself will tell.
pub(crate) fn check(folder: &Path, needed: u64, spare: u64) -> Result<(), AgentError> {
    match free(folder) {
        Some(free) if free < needed.saturating_add(spare) => {
            Err(AgentError::Space { folder: folder.to_owned(), needed, spare, free })
        }
        _ => Ok(()),
    }
}

impl Agent {
    /// Is there room for the database that is to be linked?
    ///
    /// How large it will be only the linker knows. The database in force is taken for a measure, scaled by the lengths of the blobs, and
    /// half as much again; without one, [`DATABASE_TO_BLOBS`] times the blobs.
    pub(super) fn check_room_to_link(&self, wanted: &[Installed], before: Option<&Manifest>) -> Result<(), AgentError> {
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |found| found.len());
        let blobs = |channels: &[Installed]| channels.iter().map(|at| length(self.state.blob_path(&at.sha256))).sum::<u64>();
        let new = blobs(wanted);
        let measured = before.map(|manifest| (length(self.state.database(manifest.generation)), blobs(&manifest.channels)));
        let needed = match measured {
            Some((database, old)) if old > 0 => {
                let needed = u128::from(database) * u128::from(new) * 3 / (u128::from(old) * 2);
                u64::try_from(needed).unwrap_or(u64::MAX)
            }
            _ => new.saturating_mul(DATABASE_TO_BLOBS),
        };
        check(self.state.folder(), needed, self.network.spare_bytes)
    }
}

/// Bytes that this process may still write there.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    // Some virtual file systems have no notion of size.
    (found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_a_byte_and_not_for_everything() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), 1, 0).unwrap();
        check(&dir.path().join("missing"), u64::MAX, 0).unwrap();
        if free(dir.path()).is_some() {
            let error = check(dir.path(), u64::MAX, 1).unwrap_err();
            assert_eq!(error.code(), "disk_space");
            assert_eq!(check(dir.path(), 1, u64::MAX).unwrap_err().code(), "disk_space");
        }
    }
}
