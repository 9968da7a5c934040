//! Opening files without waiting, without being led elsewhere, and with no more system calls than it takes.

#[cfg(target_os = "linux")]
use super::walk::is_kernel_path;
use super::walk::{Entry, Found};
use crate::cache::FileKey;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What became of opening.
pub(super) enum Opened {
    /// A regular file, its length, and its key where the system has one.
    File(File, u64, Option<FileKey>),
    /// A file of the kernel's without a length: reading it may wait for ever, use up what it holds, or never end.
    Kernels,
    /// No regular file.
    NotRegular,
}

/// Opens a path that was given, following links.
pub(super) fn open_given(path: &Path) -> io::Result<Opened> {
    // Opening a device may have effects, so look before. Walks do not: a folder says what its entries are.
    let before = fs::metadata(path)?;
    if !before.is_file() {
        return Ok(Opened::NotRegular);
    }
    #[cfg(target_os = "linux")]
    if before.len() == 0 && path.canonicalize().is_ok_and(|path| is_kernel_path(&path)) {
        return Ok(Opened::Kernels);
    }
    system::open_path(path, true)
}

/// Opens a file that a walk met. What took its place since is no regular file's.
pub(super) fn open_entry(entry: &Entry) -> io::Result<Opened> {
    system::open_entry(entry)
}

/// The key of what a walk found, if it is a regular file with something in it and the system has keys. Does not open it.
pub(super) fn key_of(found: &Found) -> Option<FileKey> {
    system::key_of(found).filter(|key| key.len > 0)
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Entry, FileKey, Found, Opened};
    use crate::cache::FileTime;
    use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
    use rustix::io::Errno;
    use std::fs::File;
    use std::io;
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Whether the system refused to leave the time of the last access alone, as it does for files of others.
    static ATIME_NEEDED: AtomicBool = AtomicBool::new(false);

    pub(super) fn open_path(path: &Path, follow: bool) -> io::Result<Opened> {
        opened(open(CWD, path.as_os_str(), follow))
    }

    pub(super) fn open_entry(entry: &Entry) -> io::Result<Opened> {
        if entry.folder.kernel && stated_len(entry)? == 0 {
            return Ok(Opened::Kernels);
        }
        match entry.folder.handle.fd() {
            Some(folder) => opened(open(folder, &entry.name, false)),
            None => open_path(&entry.path(), false),
        }
    }

    /// The length before opening, because opening a file of the kernel's may have effects.
    fn stated_len(entry: &Entry) -> io::Result<u64> {
        Ok(u64::try_from(stat(entry)?.st_size).unwrap_or(0))
    }

    fn stat(entry: &Entry) -> rustix::io::Result<Stat> {
        match entry.folder.handle.fd() {
            Some(folder) => rustix::fs::statat(folder, &entry.name, AtFlags::SYMLINK_NOFOLLOW),
            None => rustix::fs::statat(CWD, entry.path(), AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    pub(super) fn key_of(found: &Found) -> Option<FileKey> {
        let stat = match found {
            Found::Given(path) => rustix::fs::stat(path),
            Found::File(entry) => stat(entry),
            Found::Other(_) | Found::Failed(_) => return None,
        };
        stat.ok().filter(is_regular).map(|stat| key(&stat))
    }

    fn is_regular(stat: &Stat) -> bool {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
    }

    // Some of these types are others on other processors.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    fn key(stat: &Stat) -> FileKey {
        FileKey {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified: FileTime { seconds: stat.st_mtime as i64, nanoseconds: stat.st_mtime_nsec as u32 },
            changed: FileTime { seconds: stat.st_ctime as i64, nanoseconds: stat.st_ctime_nsec as u32 },
        }
    }

    /// Opens `name` so that a pipe that took a file's place does not wait for its writer.
    fn open(folder: BorrowedFd<'_>, name: &std::ffi::OsStr, follow: bool) -> rustix::io::Result<OwnedFd> {
        let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        flags.set(OFlags::NOFOLLOW, !follow);
        flags.set(OFlags::NOATIME, !ATIME_NEEDED.load(Ordering::Relaxed));
        loop {
            match rustix::fs::openat(folder, name, flags, Mode::empty()) {
                Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => {
                    ATIME_NEEDED.store(true, Ordering::Relaxed);
                    flags.remove(OFlags::NOATIME);
                }
                // Somebody holds a lease on the file and is asked to give it up; that is worth waiting for.
                Err(Errno::AGAIN) if flags.contains(OFlags::NONBLOCK) && is_file(folder, name) => {
                    flags.remove(OFlags::NONBLOCK);
                }
                result => return result,
            }
        }
    }

    fn is_file(folder: BorrowedFd<'_>, name: &std::ffi::OsStr) -> bool {
        rustix::fs::statat(folder, name, AtFlags::empty()).is_ok_and(|stat| is_regular(&stat))
    }

    fn opened(file: rustix::io::Result<OwnedFd>) -> io::Result<Opened> {
        let file = match file {
            Ok(file) => file,
            // A link, or a socket.
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Opened::NotRegular),
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&file)?;
        if !is_regular(&stat) {
            return Ok(Opened::NotRegular);
        }
        let key = key(&stat);
        Ok(Opened::File(File::from(file), key.len, Some(key)))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Entry, FileKey, Found, Opened};
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::path::Path;

    pub(super) fn open_entry(entry: &Entry) -> io::Result<Opened> {
        open_path(&entry.path(), false)
    }

    pub(super) fn open_path(path: &Path, follow: bool) -> io::Result<Opened> {
        // Opening a pipe would wait for its writer, so look before.
        let before: Metadata = if follow { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        if !before.is_file() {
            return Ok(Opened::NotRegular);
        }
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Opened::File(file, len, None))
    }

    pub(super) fn key_of(_: &Found) -> Option<FileKey> {
        None
    }
}
