//! What blobs and deltas have in common: a header of one length that states the file's length and ends with its own digest.

use sha2::{Digest as _, Sha256};

use crate::blob::{Channel, Root};
use crate::wire::{Reader, WireError};

/// Length of a SHA-256.
pub(super) const DIGEST_LEN: usize = 32;
/// Room for the longest channel, and a zero.
pub(super) const CHANNEL_LEN: usize = 80;

/// What tells one format from another.
pub(super) struct Format {
    pub(super) magic: [u8; 8],
    pub(super) version: u32,
    pub(super) header_len: usize,
}

/// The bytes are not a file of this format, or not a whole and unharmed one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Shorter than the header.
    #[error("header: {found} bytes, a header has {header_len}")]
    TooShort {
        /// Bytes there are.
        found: u64,
        /// Bytes of a header.
        header_len: u64,
    },
    /// Another kind of file.
    #[error("header: the magic number at byte 0 is not that of a {format}")]
    Magic {
        /// What was expected.
        format: &'static str,
    },
    /// A version this build does not know.
    #[error("header: format version {found}, this build reads version {known}")]
    Version {
        /// Version of the file.
        found: u32,
        /// Version this build reads.
        known: u32,
    },
    /// The header is harmed.
    #[error("header: its digest does not agree with its bytes")]
    HeaderDigest,
    /// A flag this build does not know.
    #[error("header: unknown flags {flags:#x}")]
    Flags {
        /// The flags, of which all must be 0.
        flags: u32,
    },
    /// Bytes are missing, or there are more.
    #[error("header: the file is {found} bytes long, its header says {stated}")]
    Length {
        /// Length in the header.
        stated: u64,
        /// Length of the file.
        found: u64,
    },
    /// A field holds what it cannot hold.
    #[error("header: {0}")]
    Field(WireError),
}

impl From<WireError> for FrameError {
    fn from(error: WireError) -> FrameError {
        FrameError::Field(error)
    }
}

impl Format {
    fn name(&self) -> &'static str {
        if self.magic == super::header::FORMAT.magic { "blob" } else { "delta" }
    }

    /// Begins a header; [`Format::finish`] ends it.
    pub(super) fn begin(&self, file_len: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(self.header_len);
        header.extend(self.magic);
        header.extend(self.version.to_le_bytes());
        header.extend(0u32.to_le_bytes());
        header.extend(file_len.to_le_bytes());
        header
    }

    pub(super) fn finish(&self, mut header: Vec<u8>) -> Vec<u8> {
        let digest = Sha256::digest(&header);
        header.extend(digest);
        debug_assert_eq!(header.len(), self.header_len);
        header
    }

    /// Checks a header against its digest. Gives the length it states, and a reader of the fields that follow it.
    pub(super) fn open<'a>(&self, bytes: &'a [u8]) -> Result<(u64, Reader<'a>), FrameError> {
        let short = || FrameError::TooShort { found: bytes.len() as u64, header_len: self.header_len as u64 };
        if !bytes.starts_with(&self.magic) {
            return Err(if bytes.len() < self.header_len { short() } else { FrameError::Magic { format: self.name() } });
        }
        let header = bytes.get(..self.header_len).ok_or_else(short)?;
        let mut reader = Reader::new(header);
        reader.take(self.magic.len())?;
        let version = reader.u32()?;
        if version != self.version {
            return Err(FrameError::Version { found: version, known: self.version });
        }
        let (fields, digest) = header.split_at(self.header_len - DIGEST_LEN);
        if *digest != *Sha256::digest(fields) {
            return Err(FrameError::HeaderDigest);
        }
        let flags = reader.u32()?;
        if flags != 0 {
            return Err(FrameError::Flags { flags });
        }
        Ok((reader.u64()?, reader))
    }
}

pub(super) fn check_len(stated: u64, bytes: &[u8]) -> Result<(), FrameError> {
    let found = bytes.len() as u64;
    if stated == found { Ok(()) } else { Err(FrameError::Length { stated, found }) }
}

pub(super) fn put_channel(out: &mut Vec<u8>, channel: &Channel) {
    let mut field = [0; CHANNEL_LEN];
    field[..channel.as_str().len()].copy_from_slice(channel.as_str().as_bytes());
    out.extend(field);
}

pub(super) fn read_channel(reader: &mut Reader<'_>) -> Result<Channel, WireError> {
    let fault = reader.fault("the channel is not of the form `maker/name`, padded with zeros");
    let field = reader.take(CHANNEL_LEN)?;
    let len = field.iter().position(|&b| b == 0).ok_or(fault)?;
    let (text, padding) = field.split_at(len);
    if padding.iter().any(|&b| b != 0) {
        return Err(fault);
    }
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(fault)
}

pub(super) fn read_root(reader: &mut Reader<'_>) -> Result<Root, WireError> {
    Ok(Root(reader.array()?))
}
