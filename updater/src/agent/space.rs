//! Is there room? Asked before bytes are fetched and before a database is linked, so that a disk that is nearly full fails an update at
//! once and by name, and is not filled to the last byte for everybody else on the machine.

use crate::agent::AgentError;
use std::path::Path;

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
