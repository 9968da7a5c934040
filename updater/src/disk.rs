//! The only door to the disk for everything that must survive a crash: the agent's state, a maker's folder, the
//! service's keys.
//!
//! Naive: write the file in place. A crash then leaves half of it. Here a file is written beside its target, synced, renamed
//! over it, and the folder synced; a folder is filled under another name, synced and renamed. After a crash at any point the
//! reader sees the old file or the new one, whole, and perhaps a stray `*.tmp` which the next writer overwrites.
//!
//! Nothing here runs on drop, so that a process killed between two steps and a test that stops at a [`Checkpoint`] leave
//! the same bytes behind. Calls block; async callers wrap the long ones in `spawn_blocking`.
//!
//! Locks: [`Lock`] is an advisory lock on a file, released by the operating system when its holder dies.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A step on the disk failed: which, where and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{}`: {source}", path.display())]
pub struct DiskError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl DiskError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        DiskError { operation, path: path.to_owned(), source }
    }

    /// True when the file or folder was not there.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// True when there was a folder in the place of a file, or a file in the place of a folder.
    pub fn is_of_other_kind(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory)
    }

    /// True when there was no room, on the disk or in what this user may have of it.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Told of every step before it is taken; an error stops the writer there, as a crash would.
///
/// Exists so that a test can stop an update at each step in turn; the default of every type here is to have none.
pub trait Checkpoint: Send + Sync {
    /// `step` is a short constant such as `"rename"`.
    ///
    /// # Errors
    /// Any error stops the writer at this step and reaches its caller as a [`DiskError`].
    fn reached(&self, step: &'static str) -> io::Result<()>;
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the process's umask says.
    Public,
    /// The owner alone (0600): keys and tokens.
    Private,
}

/// Durable writes; cheap to clone.
#[derive(Clone, Default)]
pub struct Disk {
    checkpoint: Option<Arc<dyn Checkpoint>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("checkpoint", &self.checkpoint.is_some()).finish()
    }
}

impl Disk {
    /// A disk that asks `checkpoint` before every step.
    pub fn with_checkpoint(checkpoint: Arc<dyn Checkpoint>) -> Self {
        Disk { checkpoint: Some(checkpoint) }
    }

    /// Marks a step that is not a write, such as an answer received.
    ///
    /// # Errors
    /// Whatever the checkpoint says.
    pub fn step(&self, name: &'static str) -> Result<(), DiskError> {
        self.at(name, Path::new(name))
    }

    /// Puts `bytes` in the place of `path`: all of them or none, durable on return.
    ///
    /// # Errors
    /// [`DiskError`]; `path` is then untouched, unless the last step (syncing the folder) failed.
    pub fn replace(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), DiskError> {
        let beside = beside(path);
        self.at("create", &beside)?;
        let mut file = create(&beside, access).map_err(|e| DiskError::new("create", &beside, e))?;
        self.at("write", &beside)?;
        file.write_all(bytes).map_err(|e| DiskError::new("write", &beside, e))?;
        self.at("sync file", &beside)?;
        file.sync_all().map_err(|e| DiskError::new("sync", &beside, e))?;
        drop(file);
        self.rename(&beside, path)
    }

    /// Puts `bytes` at `path` if nothing is there; false, and nothing is changed, when somebody else was first. Of several who try at once
    /// one succeeds, and readers see all of its bytes or no file.
    ///
    /// # Errors
    /// [`DiskError`], also where the file system has no links.
    pub fn create_new(&self, path: &Path, bytes: &[u8], access: Access) -> Result<bool, DiskError> {
        // A name of its own: another process may be at the same.
        let beside = beside(&path.with_added_extension(std::process::id().to_string()));
        self.at("create", &beside)?;
        let written = create(&beside, access).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|e| DiskError::new("write", &beside, e))?;
        self.at("link", path)?;
        // Unlike a rename, a link does not take the place of what is there.
        let linked = fs::hard_link(&beside, path);
        fs::remove_file(&beside).map_err(|e| DiskError::new("remove", &beside, e))?;
        match linked {
            Ok(()) => self.sync(parent(path)).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(DiskError::new("create", path, e)),
        }
    }

    /// Renames a finished file or folder into place and syncs the folder that holds it.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.at("rename", to)?;
        fs::rename(from, to).map_err(|e| DiskError::new("rename to", to, e))?;
        self.at("sync folder", to)?;
        self.sync(parent(to))
    }

    /// Syncs a file or folder that somebody else wrote.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn sync(&self, path: &Path) -> Result<(), DiskError> {
        self.at("sync", path)?;
        File::open(path).and_then(|file| file.sync_all()).map_err(|e| DiskError::new("sync", path, e))
    }

    /// Makes a folder and its parents; one that exists is fine.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        if path.is_dir() {
            return Ok(());
        }
        self.at("make folder", path)?;
        fs::create_dir_all(path).map_err(|e| DiskError::new("make folder", path, e))?;
        self.sync(parent(path))
    }

    /// Removes a file or a folder with all it holds; one that is not there is fine.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
        self.at("remove", path)?;
        let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.map_err(|e| DiskError::new("remove", path, e))
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`DiskError`], for which [`DiskError::is_not_found`] tells a missing file.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DiskError> {
        fs::read(path).map_err(|e| DiskError::new("read", path, e))
    }

    /// Reads a whole file of at most `limit` bytes; what may have no end, as a device, is not read further either.
    ///
    /// # Errors
    /// [`DiskError`], also for a longer one.
    pub fn read_at_most(&self, path: &Path, limit: u64) -> Result<Vec<u8>, DiskError> {
        let failed = |e| DiskError::new("read", path, e);
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > limit {
            return Err(failed(io::Error::other(format!("it has more than {limit} bytes"))));
        }
        Ok(bytes)
    }

    /// Names in a folder, sorted; none when it is not there.
    ///
    /// # Errors
    /// [`DiskError`]. Names that are not UTF-8 are not ours and left out.
    pub fn names(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(DiskError::new("list", path, e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| DiskError::new("list", path, e))?;
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn at(&self, step: &'static str, path: &Path) -> Result<(), DiskError> {
        match &self.checkpoint {
            None => Ok(()),
            Some(checkpoint) => checkpoint.reached(step).map_err(|e| DiskError::new(step, path, e)),
        }
    }
}

/// Held while one process works in a folder; another asking meanwhile is refused at once.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock, or returns `None` when somebody else has it.
    ///
    /// # Errors
    /// [`DiskError`] when the lock file cannot be opened or locked at all.
    pub fn try_take(path: &Path) -> Result<Option<Self>, DiskError> {
        let file = open_lock(path).map_err(|e| DiskError::new("open", path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(DiskError::new("lock", path, e)),
        }
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a program that another thread starts just now has a copy of it until it is loaded.
    fn drop(&mut self) {
        drop(self.file.unlock());
    }
}

/// Opens a lock file, which nobody but its owner may: whoever can open it can hold it, and keep the owner out for as long as they like.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Earlier ones were made for everybody to read.
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            drop(file.set_permissions(fs::Permissions::from_mode(0o600)));
        }
    }
    Ok(file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    if access == Access::Private {
        use std::os::unix::fs::OpenOptionsExt;
        // A stray file of an earlier crash keeps its own mode, so it goes first.
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => options.mode(0o600),
        };
    }
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_replace_keeps_the_old_file() {
        struct Stop(&'static str);
        impl Checkpoint for Stop {
            fn reached(&self, step: &'static str) -> io::Result<()> {
                if step == self.0 { Err(io::Error::other("stopped")) } else { Ok(()) }
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        Disk::default().replace(&path, b"old", Access::Public).unwrap();
        for step in ["create", "write", "sync file", "rename"] {
            let disk = Disk::with_checkpoint(Arc::new(Stop(step)));
            disk.replace(&path, b"new", Access::Public).unwrap_err();
            assert_eq!(fs::read(&path).unwrap(), b"old", "{step}");
        }
        Disk::default().replace(&path, b"new", Access::Public).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"four").unwrap();
        assert_eq!(Disk::default().read_at_most(&path, 4).unwrap(), b"four");
        assert!(Disk::default().read_at_most(&path, 3).unwrap_err().to_string().contains("more than 3 bytes"));
        #[cfg(unix)]
        Disk::default().read_at_most(Path::new("/dev/zero"), 4096).unwrap_err();
    }

    #[test]
    fn a_file_is_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(Disk::default().create_new(&path, b"first", Access::Private).unwrap());
        assert!(!Disk::default().create_new(&path, b"second", Access::Private).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[cfg(unix)]
    #[test]
    fn private_files_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(beside(&path), b"stray").unwrap();
        Disk::default().replace(&path, b"secret", Access::Private).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(&path, "").unwrap();
        let first = Lock::try_take(&path).unwrap().unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "nobody else can hold it");
        }
        assert!(Lock::try_take(&path).unwrap().is_none());
        let copy_of_a_child = first.file.try_clone().unwrap();
        drop(first);
        assert!(Lock::try_take(&path).unwrap().is_some(), "whoever inherited the file does not hold the lock");
        drop(copy_of_a_child);
    }
}
