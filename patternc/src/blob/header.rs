//! The header of a blob: what it is, before what is in it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::frame::{self, CHANNEL_LEN, DIGEST_LEN, Format, FrameError};
use super::segment::Entry;
use super::{BlobError, Channel, Meta};
use crate::record::Kind;
use crate::wire::{Reader, WireError};

/// Fields of a blob's header, in order, with their lengths in bytes; `docs/blob.md` has the same table.
#[doc(hidden)]
pub const LAYOUT: &[(&str, usize)] = &[
    ("magic", 8),
    ("version", 4),
    ("flags", 4),
    ("file_len", 8),
    ("release", 8),
    ("created", 8),
    ("engine_min", 4),
    ("engine_max", 4),
    ("body_count", 8),
    ("file_hash_count", 8),
    ("section_hash_count", 8),
    ("import_hash_count", 8),
    ("clean_file_count", 8),
    ("logical_count", 8),
    ("segment_count", 4),
    ("channel", CHANNEL_LEN),
    ("root", DIGEST_LEN),
    ("table_digest", DIGEST_LEN),
    ("header_digest", DIGEST_LEN),
];

pub(super) const FORMAT: Format = Format { magic: *b"TITERBL\n", version: super::VERSION, header_len: layout_len(LAYOUT) };

/// What the root hash begins with, so that no other hash of the product can be mistaken for it.
const ROOT_DOMAIN: &[u8] = b"titer blob root 1\n";

pub(super) const fn layout_len(layout: &[(&str, usize)]) -> usize {
    let (mut len, mut i) = (0, 0);
    while i < layout.len() {
        len += layout[i].1;
        i += 1;
    }
    len
}

/// What a blob says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it is published.
    pub channel: Channel,
    /// Number of the release; it only grows.
    pub release: u64,
    /// When it was made, in seconds since 1970 (UTC); 0 when not stated.
    pub created: i64,
    /// Engines that understand its records.
    pub engine: EngineRange,
    /// Records of each kind.
    pub counts: RecordCounts,
    /// Number of segments.
    pub segments: u32,
    /// Length of the whole file, in bytes.
    pub file_bytes: u64,
    /// Hash of everything the blob means: the header's facts and every record.
    pub root: Root,
    /// SHA-256 of the segment table.
    pub(super) table_digest: [u8; DIGEST_LEN],
}

/// Engine interfaces from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EngineRange {
    /// Oldest.
    pub min: u32,
    /// Newest; not below `min`.
    pub max: u32,
}

/// Number of records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// [`Kind::Body`].
    pub bodies: u64,
    /// [`Kind::FileHash`].
    pub file_hashes: u64,
    /// [`Kind::SectionHash`].
    pub section_hashes: u64,
    /// [`Kind::ImportHash`].
    pub import_hashes: u64,
    /// [`Kind::CleanFile`].
    pub clean_files: u64,
    /// [`Kind::Logical`].
    pub logicals: u64,
}

impl RecordCounts {
    /// Records of all kinds.
    pub fn total(&self) -> u64 {
        Kind::ALL.into_iter().fold(0, |total, kind| total.saturating_add(self.of(kind)))
    }

    /// Records of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        let mut counts = *self;
        *counts.count(kind)
    }

    /// The count of one kind.
    pub(super) fn count(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Body => &mut self.bodies,
            Kind::FileHash => &mut self.file_hashes,
            Kind::SectionHash => &mut self.section_hashes,
            Kind::ImportHash => &mut self.import_hashes,
            Kind::CleanFile => &mut self.clean_files,
            Kind::Logical => &mut self.logicals,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<RecordCounts, WireError> {
        let mut counts = RecordCounts::default();
        for kind in Kind::ALL {
            *counts.count(kind) = reader.u64()?;
        }
        Ok(counts)
    }
}

/// Root hash of a blob: equal when, and only when, two blobs mean the same.
///
/// Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root(pub [u8; 32]);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({self})")
    }
}

/// Text that is no root hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a root hash is 64 lower-case hex digits")]
pub struct RootError;

impl FromStr for Root {
    type Err = RootError;

    fn from_str(text: &str) -> Result<Root, RootError> {
        let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        let mut root = [0; 32];
        if text.len() != 64 {
            return Err(RootError);
        }
        for (byte, pair) in root.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = digit(pair[0]).zip(digit(pair[1])).ok_or(RootError)?;
            *byte = (high << 4 | low) as u8;
        }
        Ok(Root(root))
    }
}

impl Header {
    pub(super) fn new(meta: &Meta, counts: RecordCounts, table: &[Entry], table_digest: [u8; DIGEST_LEN]) -> Header {
        let packed: u64 = table.iter().map(|entry| u64::from(entry.packed_len)).sum();
        let mut header = Header {
            channel: meta.channel.clone(),
            release: meta.release,
            created: meta.created,
            engine: meta.engine,
            counts,
            segments: table.len() as u32,
            file_bytes: (FORMAT.header_len + table.len() * Entry::LEN) as u64 + packed,
            root: Root([0; 32]),
            table_digest,
        };
        header.root = header.root_over(table);
        header
    }

    /// What an equal blob is encoded from.
    pub fn meta(&self) -> Meta {
        Meta { channel: self.channel.clone(), release: self.release, created: self.created, engine: self.engine }
    }

    /// Compares the header's counts with those of the segments.
    pub(super) fn check_counts(&self, found: RecordCounts) -> Result<(), BlobError> {
        Kind::ALL.into_iter().try_for_each(|kind| {
            let (stated, found) = (self.counts.of(kind), found.of(kind));
            if stated == found { Ok(()) } else { Err(BlobError::Count { kind, stated, found }) }
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = FORMAT.begin(self.file_bytes);
        self.put_facts(&mut out);
        out.extend(self.root.0);
        out.extend(self.table_digest);
        FORMAT.finish(out)
    }

    /// The facts that the root covers.
    fn put_facts(&self, out: &mut Vec<u8>) {
        out.extend(self.release.to_le_bytes());
        out.extend(self.created.to_le_bytes());
        out.extend(self.engine.min.to_le_bytes());
        out.extend(self.engine.max.to_le_bytes());
        for kind in Kind::ALL {
            out.extend(self.counts.of(kind).to_le_bytes());
        }
        out.extend(self.segments.to_le_bytes());
        frame::put_channel(out, &self.channel);
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Header, FrameError> {
        let (file_bytes, mut reader) = FORMAT.open(bytes)?;
        let reader = &mut reader;
        Ok(Header {
            file_bytes,
            release: reader.u64()?,
            created: reader.i64()?,
            engine: read_engine(reader)?,
            counts: RecordCounts::read(reader)?,
            segments: reader.u32()?,
            channel: frame::read_channel(reader)?,
            root: frame::read_root(reader)?,
            table_digest: reader.array()?,
        })
    }

    /// The root hash that belongs to these facts and these segments. It sees nothing of how segments are compressed.
    pub(super) fn root_over(&self, table: &[Entry]) -> Root {
        let mut facts = Vec::new();
        self.put_facts(&mut facts);
        for entry in table {
            facts.extend(entry.digest);
            facts.extend(entry.raw_len.to_le_bytes());
            facts.extend(entry.records.to_le_bytes());
        }
        Root(Sha256::new().chain_update(ROOT_DOMAIN).chain_update(facts).finalize().into())
    }
}

pub(super) fn read_engine(reader: &mut Reader<'_>) -> Result<EngineRange, WireError> {
    let engine = EngineRange { min: reader.u32()?, max: reader.u32()? };
    if engine.min <= engine.max { Ok(engine) } else { Err(reader.fault("the engine range ends before it begins")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_read_as_they_are_written() {
        let root = Root(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(root.to_string().parse(), Ok(root));
        for wrong in ["", "ab", &"AB".repeat(32), &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Root>(), Err(RootError));
        }
    }

    /// A change of one field changes the header within that field's bytes, the digest aside.
    #[test]
    fn fields_are_where_the_layout_says() {
        let meta =
            Meta { channel: "acme/stable".parse().unwrap(), release: 1, created: 2, engine: EngineRange { min: 1, max: 1 } };
        let base = Header::new(&meta, RecordCounts::default(), &[], [0; 32]);
        type Change = fn(&mut Header);
        let changes: [(&str, Change); 15] = [
            ("file_len", |header| header.file_bytes = u64::MAX),
            ("release", |header| header.release = u64::MAX),
            ("created", |header| header.created = -1),
            ("engine_min", |header| header.engine.min = u32::MAX),
            ("engine_max", |header| header.engine.max = u32::MAX),
            ("body_count", |header| header.counts.bodies = u64::MAX),
            ("file_hash_count", |header| header.counts.file_hashes = u64::MAX),
            ("section_hash_count", |header| header.counts.section_hashes = u64::MAX),
            ("import_hash_count", |header| header.counts.import_hashes = u64::MAX),
            ("clean_file_count", |header| header.counts.clean_files = u64::MAX),
            ("logical_count", |header| header.counts.logicals = u64::MAX),
            ("segment_count", |header| header.segments = u32::MAX),
            ("channel", |header| header.channel = "beta/stable".parse().unwrap()),
            ("root", |header| header.root = Root([0xff; 32])),
            ("table_digest", |header| header.table_digest = [0xff; 32]),
        ];
        let before = base.encode();
        assert_eq!(before.len(), FORMAT.header_len);
        for (name, change) in changes {
            let mut header = base.clone();
            change(&mut header);
            let after = header.encode();
            let index = LAYOUT.iter().position(|(field, _)| *field == name).unwrap();
            let start = layout_len(&LAYOUT[..index]);
            let differs = |at: usize| before[at] != after[at];
            let outside = (0..start).chain(start + LAYOUT[index].1..FORMAT.header_len - DIGEST_LEN);
            assert!((start..start + LAYOUT[index].1).any(differs), "{name}");
            assert!(!outside.into_iter().any(differs), "{name}");
        }
    }
}
