//! The header of a delta.

use super::DeltaError;
use crate::blob::frame::{self, CHANNEL_LEN, DIGEST_LEN, Format, FrameError};
use crate::blob::header::{layout_len, read_engine};
use crate::blob::{Channel, EngineRange, Limits, Meta, Root};
use crate::wire::Reader;

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
    ("removed", 8),
    ("added", 8),
    ("removals_raw_len", 8),
    ("removals_packed_len", 8),
    ("additions_raw_len", 8),
    ("additions_packed_len", 8),
    ("channel", CHANNEL_LEN),
    ("from_root", DIGEST_LEN),
    ("to_root", DIGEST_LEN),
    ("payload_digest", DIGEST_LEN),
    ("header_digest", DIGEST_LEN),
];

pub(super) const FORMAT: Format = Format { magic: *b"TITERDL\n", version: super::VERSION, header_len: layout_len(LAYOUT) };

/// What a delta says about itself, and about the header of the blob that it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaHeader {
    /// Channel of both blobs.
    pub channel: Channel,
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
    pub removed: u64,
    /// Records that come.
    pub added: u64,
}

/// A compressed part of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) raw_len: u64,
    pub(super) packed_len: u64,
}

impl Part {
    fn decode(reader: &mut Reader<'_>) -> Result<Part, FrameError> {
        Ok(Part { raw_len: reader.u64()?, packed_len: reader.u64()? })
    }
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) removals: Part,
    pub(super) additions: Part,
    /// SHA-256 of both parts, compressed.
    pub(super) digest: [u8; DIGEST_LEN],
}

impl Payload {
    /// Length of the file with this payload.
    pub(super) fn file_len(&self) -> u64 {
        let header_len = FORMAT.header_len as u64;
        header_len.saturating_add(self.removals.packed_len).saturating_add(self.additions.packed_len)
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), DeltaError> {
        let raw_len = self.removals.raw_len.saturating_add(self.additions.raw_len);
        limits.check(raw_len, self.file_len()).map_err(DeltaError::Limit)
    }
}

impl DeltaHeader {
    /// What the new blob is packed with.
    pub(super) fn meta(&self) -> Meta {
        Meta { channel: self.channel.clone(), release: self.to_release, created: self.created, engine: self.engine }
    }

    pub(super) fn encode(&self, payload: &Payload) -> Vec<u8> {
        let mut out = FORMAT.begin(payload.file_len());
        out.extend(self.from_release.to_le_bytes());
        out.extend(self.to_release.to_le_bytes());
        out.extend(self.created.to_le_bytes());
        out.extend(self.engine.min.to_le_bytes());
        out.extend(self.engine.max.to_le_bytes());
        out.extend(self.removed.to_le_bytes());
        out.extend(self.added.to_le_bytes());
        for part in [payload.removals, payload.additions] {
            out.extend(part.raw_len.to_le_bytes());
            out.extend(part.packed_len.to_le_bytes());
        }
        frame::put_channel(&mut out, &self.channel);
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
        let (removed, added) = (reader.u64()?, reader.u64()?);
        let (removals, additions) = (Part::decode(reader)?, Part::decode(reader)?);
        let channel = frame::read_channel(reader)?;
        let (from, to) = (frame::read_root(reader)?, frame::read_root(reader)?);
        let payload = Payload { removals, additions, digest: reader.array()? };
        if payload.file_len() != file_len {
            return Err(FrameError::Field(reader.fault("the lengths of the parts do not make up that of the file")));
        }
        Ok((DeltaHeader { channel, from_release, to_release, from, to, created, engine, removed, added }, payload))
    }
}
