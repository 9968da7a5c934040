//! Containers of signature files: `.cvd`, `.cld` and `.cud`.
//!
//! A container is a header of 512 bytes, padded with spaces, and a tar archive, as it is or packed by gzip:
//!
//! ```text
//! ClamAV-VDB:TIME:VERSION:SIGNATURES:LEVEL:MD5:SIGNATURE:BUILDER[:SECONDS]
//! ```
//!
//! `MD5` is that of everything after the header, or `X`. One member ends in `.info` and lists the others with size and SHA-256;
//! both digests are checked. A digest beside the data it is of keeps accidents away, not people. Against them there are two digital
//! signatures, one of the digest in the header ([`Header::verify`]) and one of the list ([`List::verify`]); [`signature`] tells what
//! they are worth. Who opens a container decides whether it must be signed.
//!
//! The bytes may come from anyone. The archive is unpacked twice, once to check it and once to use it, one member at a time:
//! memory is that of the largest member. Nothing of a container is given out before all of it was checked.

mod header;
mod list;
pub mod signature;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::notes::ListedFile;

pub use header::{HEADER_LEN, Header};
pub use list::List;

/// What a container may make its reader do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one member. Default: 1 GiB.
    pub member_bytes_max: u64,
    /// Most bytes of the unpacked archive. Default: 4 GiB.
    pub total_bytes_max: u64,
    /// Most bytes of the unpacked archive for each byte of the container, once it unpacks to more than 1 MiB. Default: 64, ten
    /// times what real ones come to.
    pub ratio_max: u64,
    /// Most members. Default: 4,096.
    pub members_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { member_bytes_max: 1 << 30, total_bytes_max: 4 << 30, ratio_max: 64, members_max: 4096 }
    }
}

impl Limits {
    /// Any container may unpack to so many bytes.
    const FREE_BYTES: u64 = 1 << 20;

    /// Most bytes that a container of `len` bytes may unpack to.
    fn unpacked_max(&self, len: usize) -> u64 {
        (len as u64).saturating_mul(self.ratio_max).max(Limits::FREE_BYTES).min(self.total_bytes_max)
    }
}

/// Why a container is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// There are no 512 bytes, or they are no header.
    #[error("the header is not one of a ClamAV container: {0}")]
    Header(&'static str),
    /// The digest in the header is not that of what follows.
    #[error("the MD5 of the archive is not the one its header states")]
    Digest,
    /// The archive cannot be unpacked.
    #[error("the archive cannot be unpacked: {0}")]
    Archive(String),
    /// It asks for more than the limits allow.
    #[error("the archive holds more than {allowed} {of}")]
    Limit {
        /// What there is too much of.
        of: &'static str,
        /// How much of it is allowed.
        allowed: u64,
    },
    /// A member is not what the list of members says, or there is no list.
    #[error("the list of members does not fit: {0}")]
    Info(String),
}

/// A container whose header was read and whose digest, if it states one, was checked.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    header: Header,
    archive: &'a [u8],
    limits: Limits,
}

impl<'a> Container<'a> {
    /// Reads the header of a container and checks the MD5 that it states. Unpacks nothing.
    ///
    /// # Errors
    /// [`ContainerError::Header`], [`ContainerError::Digest`].
    pub fn open(bytes: &'a [u8], limits: Limits) -> Result<Container<'a>, ContainerError> {
        let (header, archive) =
            bytes.split_at_checked(HEADER_LEN).ok_or(ContainerError::Header("there are no 512 bytes"))?;
        let header = Header::parse(header)?;
        if header.md5.is_some_and(|md5| md5 != *Md5::digest(archive)) {
            return Err(ContainerError::Digest);
        }
        Ok(Container { header, archive, limits })
    }

    /// What the container says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Unpacks the archive without keeping it, checks it against its list of members, and returns the list.
    ///
    /// # Errors
    /// [`ContainerError::Archive`], [`ContainerError::Limit`], [`ContainerError::Info`].
    pub fn check(&self) -> Result<List, ContainerError> {
        let mut found = Vec::new();
        let mut list = None;
        self.unpack(|name, bytes| {
            found.push(ListedFile { name: name.to_owned(), size: bytes.len() as u64, sha256: Sha256::digest(bytes).into() });
            if List::is_named(name) && list.replace(List::parse(bytes, &self.header)?).is_some() {
                return Err(ContainerError::Info("there are two of them".to_owned()));
            }
            Ok(())
        })?;
        let list = list.ok_or_else(|| ContainerError::Info("there is no `.info` member".to_owned()))?;
        list.check(&found)?;
        Ok(list)
    }

    /// Gives each member to `sink`, its name and its bytes, in the order of the archive. A name is one of a file in this folder:
    /// without separators or control characters.
    ///
    /// After a [`Container::check`] that went well it fails only when `sink` does.
    ///
    /// # Errors
    /// [`ContainerError::Archive`] or [`ContainerError::Limit`], after the members before the fault; whatever `sink` returns.
    pub fn unpack(&self, mut sink: impl FnMut(&str, &[u8]) -> Result<(), ContainerError>) -> Result<(), ContainerError> {
        let allowed = self.limits.unpacked_max(self.archive.len());
        let exceeded = Cell::new(false);
        let mut read =
            |rest: &mut dyn Read| self.unpack_from(Limited { rest, left: allowed, exceeded: &exceeded }, &mut sink);
        let outcome = if self.archive.starts_with(&[0x1f, 0x8b]) {
            let mut gzip = GzDecoder::new(self.archive);
            read(&mut gzip).and_then(|()| match gzip.into_inner() {
                [] => Ok(()),
                _ => Err(ContainerError::Archive("something follows it".to_owned())),
            })
        } else {
            read(&mut &*self.archive)
        };
        match outcome {
            Err(ContainerError::Archive(_)) if exceeded.get() => Err(ContainerError::Limit { of: "bytes", allowed }),
            outcome => outcome,
        }
    }

    fn unpack_from(
        &self,
        reader: impl Read,
        sink: &mut impl FnMut(&str, &[u8]) -> Result<(), ContainerError>,
    ) -> Result<(), ContainerError> {
        let mut archive = tar::Archive::new(reader);
        let mut names = BTreeSet::new();
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = member_name(&entry)?;
            if !names.insert(name.clone()) {
                return Err(ContainerError::Archive(format!("it has two members `{name}`")));
            }
            if names.len() > self.limits.members_max {
                return Err(ContainerError::Limit { of: "members", allowed: self.limits.members_max as u64 });
            }
            let (len, allowed) = (entry.size(), self.limits.member_bytes_max);
            if len > allowed {
                return Err(ContainerError::Limit { of: "bytes in one member", allowed });
            }
            // Grows with what is there, whatever the length says.
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if bytes.len() as u64 != len {
                return Err(ContainerError::Archive(format!("it ends within `{name}`")));
            }
            sink(&name, &bytes)?;
        }
        // To the end, where gzip keeps its checksum.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
        Ok(())
    }
}

fn broken(error: io::Error) -> ContainerError {
    // The text may hold a name from the archive.
    const CHARS_MAX: usize = 200;
    ContainerError::Archive(error.to_string().chars().take(CHARS_MAX).flat_map(char::escape_debug).collect())
}

/// The name of a regular file that lies in no folder.
fn member_name(entry: &tar::Entry<'_, impl Read>) -> Result<String, ContainerError> {
    const NAME_BYTES_MAX: usize = 255;
    let bytes = entry.path_bytes();
    let name = str::from_utf8(&bytes).ok().filter(|name| {
        let is_file_name = !name.is_empty() && !name.contains(['/', '\\', ':']) && !matches!(*name, "." | "..");
        is_file_name && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)
    });
    let name = name.ok_or_else(|| ContainerError::Archive("a member's name is not a plain file name".to_owned()))?;
    if entry.header().entry_type().is_file() {
        return Ok(name.to_owned());
    }
    Err(ContainerError::Archive(format!("`{name}` is not a regular file")))
}

/// Reads at most so many bytes; more is an error, not the end.
struct Limited<'a, R> {
    rest: R,
    left: u64,
    /// Set when there was more: the error may be lost in those it causes.
    exceeded: &'a Cell<bool>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            self.exceeded.set(true);
            return Err(io::Error::other("too many bytes"));
        };
        self.left = left;
        Ok(read)
    }
}
