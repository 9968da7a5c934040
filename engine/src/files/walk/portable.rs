//! Reading folders with what the standard library has.

use super::{Folder, Kind, Listing};
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::path::Path;

/// Nothing: files are opened by their paths.
#[derive(Debug)]
pub(in crate::files) struct Handle;

/// Reads folders.
#[derive(Clone, Default)]
pub(in crate::files) struct Reader;

impl Reader {
    /// Reads what is in the folder at `path`.
    #[allow(clippy::unused_self)] // Others keep buffers.
    pub(in crate::files) fn read(&mut self, _: Option<&Folder>, _: &OsStr, path: &Path) -> io::Result<(Handle, Listing)> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(path)? {
            match entry.and_then(|entry| Ok((entry.file_name(), kind_of(entry.file_type()?)))) {
                Ok(named) => listing.names.push(named),
                Err(error) => listing.error = Some(error),
            }
        }
        Ok((Handle, listing))
    }
}

fn kind_of(kind: FileType) -> Kind {
    if kind.is_dir() {
        Kind::Folder
    } else if kind.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}
