//! Reading folders with the system calls of Linux.

use super::{Folder, Kind, Listing};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Folders that a scan keeps open at a time, so that deep trees and many threads stay far from what a process may open.
pub(super) const OPEN_MAX: usize = 256;
/// Bytes of entries that one call reads: folders of some hundred names at once.
const BUFFER: usize = 32 << 10;

/// A folder kept open, unless there are too many.
#[derive(Debug)]
pub(in crate::files) struct Handle(Option<(OwnedFd, Arc<AtomicUsize>)>);

impl Handle {
    /// Where to open a file: its name in this folder, or its path.
    pub(in crate::files) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|(fd, _)| fd.as_fd())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some((_, open)) = &self.0 {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Reads folders; clones share the count of those that are open.
#[derive(Clone, Default)]
pub(in crate::files) struct Reader {
    open: Arc<AtomicUsize>,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens the folder `name` of `parent`, or the one at `path`, and reads what is in it.
    pub(in crate::files) fn read(
        &mut self,
        parent: Option<&Folder>,
        name: &OsStr,
        path: &Path,
    ) -> io::Result<(Handle, Listing)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match parent {
            None => rustix::fs::openat(CWD, path, flags, Mode::empty()),
            Some(parent) => match parent.handle.fd() {
                Some(fd) => rustix::fs::openat(fd, name, flags | OFlags::NOFOLLOW, Mode::empty()),
                None => rustix::fs::openat(CWD, path, flags | OFlags::NOFOLLOW, Mode::empty()),
            },
        }?;
        let listing = self.list(fd.as_fd());
        let kept = self.open.fetch_add(1, Ordering::Relaxed) < OPEN_MAX;
        if !kept {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        Ok((Handle(kept.then(|| (fd, Arc::clone(&self.open)))), listing))
    }

    fn list(&mut self, fd: BorrowedFd<'_>) -> Listing {
        self.buffer.reserve(BUFFER);
        let buffer: &mut [MaybeUninit<u8>] = self.buffer.spare_capacity_mut();
        let mut entries = RawDir::new(fd, buffer);
        let mut listing = Listing::default();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    listing.error = Some(error.into());
                    break;
                }
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => match rustix::fs::statat(fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    // Gone meanwhile, most likely; opening it as a file will tell.
                    Err(_) => FileType::RegularFile,
                },
                kind => kind,
            };
            listing.names.push((OsString::from(OsStr::from_bytes(name)), kind_of(kind)));
        }
        listing
    }
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile => Kind::File,
        _ => Kind::Other,
    }
}
