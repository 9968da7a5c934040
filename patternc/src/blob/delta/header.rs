//! The header of a delta.

use super::{BULK_BYTES_MIN, DeltaError};
use crate::blob::frame::{self, DIGEST_LEN, Format, FrameError};
use crate::blob::header::{layout_len, read_engine};
use crate::blob::{Channel, EngineRange, Limits, Meta, Root};

/// Fields of a delta's header, in order, with their lengths in bytes; `docs/delta.md` has the same table.
#[doc(hidden)]
pub const LAYOUT: &[(&str, usize)] = &[
    ("magic", 8),
    ("version", 4),
    ("flags", 4),
    ("file_len", 8),
    ("from_release", 8),
    ("to_release", 8),
    ("created", 8),
    ("engine_min", 4),
    ("engine_max", 4),
    ("removed", 4),
    ("added", 4),
    ("changed", 4),
    ("records_len", 4),
    ("script_len", 4),
    ("from_root", DIGEST_LEN),
    ("to_root", DIGEST_LEN),
    ("payload_digest", DIGEST_LEN),
    ("header_digest", DIGEST_LEN),
];

pub(super) const FORMAT: Format = Format { magic: *b"TITERDL\n", version: super::VERSION, header_len: layout_len(LAYOUT) };

/// What a delta says about itself, and about the header of the blob that it makes, whose channel is that of the old blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaHeader {
    /// Release of the old blob.
    pub from_release: u64,
    /// Release of the new blob.
    pub to_release: u64,
    /// Root of the old blob.
    pub from: Root,
    /// Root of the new blob.
    pub to: Root,
    /// When the new blob was made, in seconds since 1970 (UTC); 0 when not stated.
    pub created: i64,
    /// Engines that understand the records of the new blob.
    pub engine: EngineRange,
    /// Records that go.
    pub removed: u32,
    /// Records that come.
    pub added: u32,
    /// Records that others of the same kind and name take the place of.
    pub changed: u32,
}

/// How many edits of each kind there are, or are left, and how many bytes of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    of_kind: [u32; 3],
    pub(super) bytes: u64,
}

impl Counts {
    pub(super) fn edits(&self) -> u64 {
        self.of_kind.iter().map(|&count| u64::from(count)).sum()
    }

    /// Counts one down; nothing when there are none left of this kind.
    pub(super) fn take(&mut self, kind: usize) -> Option<()> {
        let count = self.of_kind.get_mut(kind)?;
        *count = count.checked_sub(1)?;
        Some(())
    }
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// Bytes of all records that come.
    pub(super) records_len: u32,
    pub(super) script_len: u32,
    /// Bytes of the zstd frame with records in bulk.
    pub(super) bulk_len: u64,
    /// SHA-256 of both parts.
    pub(super) digest: [u8; DIGEST_LEN],
}

impl Payload {
    /// Length of the file with this payload.
    pub(super) fn file_len(&self) -> u64 {
        (FORMAT.header_len as u64 + u64::from(self.script_len)).saturating_add(self.bulk_len)
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), DeltaError> {
        limits.check(u64::from(self.records_len), self.file_len()).map_err(DeltaError::Limit)
    }
}

impl DeltaHeader {
    /// What the new blob is packed with.
    pub(super) fn meta(&self, channel: &Channel) -> Meta {
        Meta { channel: channel.clone(), release: self.to_release, created: self.created, engine: self.engine }
    }

    pub(super) fn counts(&self, payload: &Payload) -> Counts {
        Counts { of_kind: [self.removed, self.added, self.changed], bytes: u64::from(payload.records_len) }
    }

    pub(super) fn encode(&self, payload: &Payload) -> Vec<u8> {
        let mut out = FORMAT.begin(payload.file_len());
        out.extend(self.from_release.to_le_bytes());
        out.extend(self.to_release.to_le_bytes());
        out.extend(self.created.to_le_bytes());
        out.extend(self.engine.min.to_le_bytes());
        out.extend(self.engine.max.to_le_bytes());
        for count in [self.removed, self.added, self.changed, payload.records_len, payload.script_len] {
            out.extend(count.to_le_bytes());
        }
        out.extend(self.from.0);
        out.extend(self.to.0);
        out.extend(payload.digest);
        FORMAT.finish(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<(DeltaHeader, Payload), FrameError> {
        let (file_len, mut reader) = FORMAT.open(bytes)?;
        let reader = &mut reader;
        let (from_release, to_release) = (reader.u64()?, reader.u64()?);
        let (created, engine) = (reader.i64()?, read_engine(reader)?);
        let (removed, added, changed) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (records_len, script_len) = (reader.u32()?, reader.u32()?);
        let (from, to) = (frame::read_root(reader)?, frame::read_root(reader)?);
        let digest = reader.array()?;
        let rest = file_len.checked_sub(FORMAT.header_len as u64 + u64::from(script_len));
        let bulk_len = rest.ok_or_else(|| reader.fault("the script is longer than the file"))?;
        if (bulk_len > 0) != (u64::from(records_len) >= BULK_BYTES_MIN) {
            return Err(FrameError::Field(reader.fault("so many records are not written down in this way")));
        }
        let payload = Payload { records_len, script_len, bulk_len, digest };
        Ok((DeltaHeader { from_release, to_release, from, to, created, engine, removed, added, changed }, payload))
    }
}
