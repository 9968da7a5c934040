//! Blobs: one release of a channel in one file, and deltas between two of them.
//!
//! ```
//! use patternc::blob::{self, EngineRange, Meta};
//! use patternc::compile::{Compiler, SourceKind};
//!
//! let mut compiler = Compiler::new();
//! compiler.add_text("demo.ndb", SourceKind::Ndb, b"Demo.Worm-1:0:*:4d5a90\n");
//! let records = compiler.finish().records;
//! let engine = EngineRange { min: 1, max: 1 };
//! let meta = Meta { channel: "acme/stable".parse()?, release: 7, created: 0, engine };
//! let bytes = blob::encode(&meta, &records)?;
//! assert_eq!(blob::read_header(&bytes)?.release, 7);
//! assert_eq!(blob::decode(&bytes)?.records, records);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The format is described in `docs/blob.md`. It is canonical: a meaning has one root hash, and with one version of zstd one
//! file. Every bit of a file is covered by a digest, so a harmed file is an error that names the harmed place.
//!
//! Reading takes time linear in the unpacked bytes, and memory of at most 64 times as much, usually 3 times; what may be
//! unpacked is bounded by [`Limits`] before anything is. Any bytes may be given: no panic.

mod channel;
pub mod delta;
mod error;
mod frame;
mod header;
mod segment;

use std::ops::Range;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

pub use channel::{Channel, ChannelError};
pub(crate) use delta::shape::is_followed;
pub use delta::{DeltaError, DeltaHeader, diff, patch, read_delta_header, verify_delta};
pub use error::BlobError;
pub use frame::FrameError;
pub use header::{EngineRange, Header, RecordCounts, Root, RootError};
pub use segment::SegmentFault;

#[doc(hidden)]
pub mod layout {
    //! Field tables of the formats, for the test that compares them with their documents.
    pub use super::delta::LAYOUT as DELTA_HEADER;
    pub use super::header::LAYOUT as HEADER;
    pub use super::segment::LAYOUT as SEGMENT;
}

use crate::record::{Kind, Record};
use crate::wire::Reader;
use segment::{Builder, Ends, Entry};

/// Version of the blob format that this build writes and reads.
pub const VERSION: u32 = 1;

/// zstd level of segments.
///
/// 168,000 published ClamAV records, 7.9 MB in pieces of 3 MiB, become 3.89 MB in 0.11 s at level 6, 3.71 MB in 0.15 s at level 9,
/// 3.70 MB in 0.38 s at level 12, 3.55 MB in 3.1 s at level 19 (one core).
const LEVEL: i32 = 9;

/// What a maker says about a release; the rest of a [`Header`] follows from the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Where it is published.
    pub channel: Channel,
    /// Number of the release; it only grows.
    pub release: u64,
    /// When it was made, in seconds since 1970 (UTC); 0 when not stated.
    pub created: i64,
    /// Engines that understand its records.
    pub engine: EngineRange,
}

/// A blob in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it says about itself.
    pub header: Header,
    /// Its records, in canonical order.
    pub records: Vec<Record>,
}

/// What a blob may make a reader do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of all records together, unpacked. Default: 1 GiB.
    pub unpacked_bytes_max: u64,
    /// Most unpacked bytes for each byte of the file, once more than 1 MiB is unpacked. Default: 200.
    pub ratio_max: u64,
}

impl Limits {
    /// Bytes that may be unpacked whatever the ratio.
    const RATIO_FREE_BYTES: u64 = 1 << 20;

    /// Checks what a file says it unpacks to, before it is.
    fn check(&self, unpacked_bytes: u64, file_bytes: u64) -> Result<(), BlobError> {
        let limit = |what, found, max| if found <= max { Ok(()) } else { Err(BlobError::Limit { what, found, max }) };
        limit("unpacked bytes", unpacked_bytes, self.unpacked_bytes_max)?;
        if unpacked_bytes > Limits::RATIO_FREE_BYTES {
            limit("unpacked bytes per byte of the file", unpacked_bytes.div_ceil(file_bytes.max(1)), self.ratio_max)?;
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { unpacked_bytes_max: 1 << 30, ratio_max: 200 }
    }
}

/// Packs `records`, which must be sorted and distinct, to a blob.
///
/// The same input gives the same bytes, on any machine and with any number of threads, as long as zstd's version is the same;
/// another version may compress differently but gives the same [`Root`].
///
/// # Errors
/// [`BlobError::Record`] for a record out of order or without a usable name, [`BlobError::EngineRange`],
/// [`BlobError::Limit`] for a blob that [`decode`] would refuse.
pub fn encode(meta: &Meta, records: &[Record]) -> Result<Vec<u8>, BlobError> {
    let mut packer = Packer::default();
    let mut encoded = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let fault = |what| BlobError::Record { index, what };
        if !(1..=Record::NAME_BYTES_MAX).contains(&record.name().len()) || record.name().contains(char::is_control) {
            return Err(fault("its name is empty or too long, or holds a control character"));
        }
        if !record.can_be_found() {
            return Err(fault("its pattern has no two fixed bytes in a row to search for, and no fixed offset"));
        }
        encoded.clear();
        record.encode_into(&mut encoded);
        packer.push(&encoded).map_err(|_| fault("it does not come after the one before it"))?;
    }
    packer.finish(meta)
}

/// Collects sorted encoded records, compresses them a batch at a time, and puts the file together.
#[derive(Default)]
struct Packer {
    builder: Builder,
    unpacked: u64,
    table: Vec<Entry>,
    /// One after the other. A large vector grows without a copy where the system can move pages, and only what is written takes memory.
    frames: Vec<u8>,
}

impl Packer {
    fn push(&mut self, encoded: &[u8]) -> Result<(), segment::OutOfOrder> {
        self.builder.push(encoded)?;
        if self.builder.segments.len() > segment::batch_len() {
            let open = self.builder.segments.pop();
            self.pack_complete();
            self.builder.segments.extend(open);
        }
        Ok(())
    }

    fn pack_complete(&mut self) {
        let complete = std::mem::take(&mut self.builder.segments);
        self.unpacked += complete.iter().map(|(raw, _)| raw.len() as u64).sum::<u64>();
        let packed: Vec<(Entry, Vec<u8>)> = complete.into_par_iter().map(pack_segment).collect();
        for (entry, frame) in packed {
            self.table.push(entry);
            self.frames.extend_from_slice(&frame);
        }
    }

    fn finish(mut self, meta: &Meta) -> Result<Vec<u8>, BlobError> {
        let EngineRange { min, max } = meta.engine;
        if min > max {
            return Err(BlobError::EngineRange { min, max });
        }
        self.pack_complete();
        let mut table_bytes = Vec::with_capacity(self.table.len() * Entry::LEN);
        for entry in &self.table {
            entry.encode_into(&mut table_bytes);
        }
        let header = Header::new(meta, self.builder.counts, &self.table, Sha256::digest(&table_bytes).into());
        Limits::default().check(self.unpacked, header.file_bytes)?;
        // Moved up in place: the frames are most of the file, and need not lie in memory twice.
        let head = [header.encode(), table_bytes].concat();
        let (mut file, len) = (self.frames, header.file_bytes as usize);
        file.resize(len, 0);
        file.copy_within(..len - head.len(), head.len());
        file[..head.len()].copy_from_slice(&head);
        Ok(file)
    }
}

fn pack_segment((raw, records): (Vec<u8>, u32)) -> (Entry, Vec<u8>) {
    let packed = segment::pack(&raw, LEVEL);
    let entry = Entry {
        digest: Sha256::digest(&raw).into(),
        raw_len: raw.len() as u32,
        records,
        packed_len: packed.len() as u32,
        packed_digest: Sha256::digest(&packed).into(),
    };
    (entry, packed)
}

/// Reads the header of a blob, of which `bytes` need be no more than the beginning, and checks it against its own digest.
///
/// Constant in time and memory. It says nothing about the rest of the file: [`decode`] does.
///
/// # Errors
/// [`BlobError::Header`].
pub fn read_header(bytes: &[u8]) -> Result<Header, BlobError> {
    Ok(Header::decode(bytes)?)
}

/// Reads a blob and checks all of it, within the default [`Limits`].
///
/// What it accepts, [`encode`] would have written: encoding the result again gives `bytes`, zstd's version being the same.
///
/// # Errors
/// [`BlobError`], which names the place.
pub fn decode(bytes: &[u8]) -> Result<Blob, BlobError> {
    decode_within(bytes, &Limits::default())
}

/// Reads a blob and checks all of it, within `limits`.
///
/// # Errors
/// [`BlobError`], which names the place.
pub fn decode_within(bytes: &[u8], limits: &Limits) -> Result<Blob, BlobError> {
    let packed = Packed::open(bytes, limits)?;
    let counts: Vec<usize> = packed.segments.iter().map(|(entry, _)| entry.records_max()).collect();
    // Every segment's records go where they stay: lists that are joined later would leave holes between the records.
    let mut records: Vec<Option<Record>> = Vec::new();
    records.resize_with(counts.iter().sum(), || None);
    let mut rest = records.as_mut_slice();
    let mut rooms = Vec::with_capacity(counts.len());
    for count in counts {
        let (room, others) = rest.split_at_mut(count);
        rooms.push(room);
        rest = others;
    }
    let read = |((entry, frame), room): (&(Entry, &[u8]), &mut [Option<Record>])| {
        let raw = entry.unpack(frame)?;
        let mut places = room.iter_mut();
        segment::walk(&raw, entry, |record, _| {
            if let Some(place) = places.next() {
                *place = Some(record);
            }
        })
    };
    let ends: Vec<Ends> = name_faults(packed.segments.par_iter().zip(rooms).map(read).collect())?;
    packed.header.check_counts(segment::check_joins(&ends)?)?;
    let stated = "a segment has as many records as its entry says";
    Ok(Blob { header: packed.header, records: records.into_iter().map(|record| record.expect(stated)).collect() })
}

/// Kind and name of every record, in canonical order, after the checks of [`decode`].
///
/// # Errors
/// [`BlobError`], which names the place.
pub fn names(bytes: &[u8]) -> Result<impl Iterator<Item = (Kind, String)> + use<>, BlobError> {
    let blob = decode(bytes)?;
    Ok(blob.records.into_iter().map(|record| (record.kind(), record.into_name())))
}

/// Byte ranges of `bytes`, a blob of the right length, that do not have their digests: the beginning, as far as the table may reach,
/// when header or table is harmed; else the frames of harmed segments. None when every digest holds.
///
/// So a blob that the disk harmed can be mended by fetching a part of it; whoever does so looks again, as a mended table may show more,
/// and compares the whole with a digest that is trusted, which those within the file are not. Any bytes may be given; O(bytes), and
/// memory for the table.
pub fn harmed(bytes: &[u8]) -> Vec<Range<usize>> {
    let header_len = header::FORMAT.header_len;
    let beginning = |len: usize| std::iter::once(0..len.min(bytes.len())).collect();
    let Ok(header) = Header::decode(bytes) else { return beginning(header_len + 16 * Entry::LEN) };
    let table_end = header_len.saturating_add((header.segments as usize).saturating_mul(Entry::LEN));
    let Some(table) = bytes.get(header_len..table_end) else { return beginning(bytes.len()) };
    if *Sha256::digest(table) != header.table_digest {
        return beginning(table_end);
    }
    let mut entries = Reader::new(table);
    let mut start = table_end;
    let mut frames = Vec::new();
    while let Ok(entry) = Entry::decode(&mut entries) {
        let end = start.saturating_add(entry.packed_len as usize).min(bytes.len());
        frames.push((start..end, entry));
        start = end;
    }
    let is_harmed = |(range, entry): &(Range<usize>, Entry)| *Sha256::digest(&bytes[range.clone()]) != entry.packed_digest;
    frames.into_par_iter().filter(is_harmed).map(|(range, _)| range).collect()
}

/// A blob whose header and segment table are checked and whose segments are still packed.
struct Packed<'a> {
    header: Header,
    segments: Vec<(Entry, &'a [u8])>,
}

impl<'a> Packed<'a> {
    /// Checks in the order in which one thing vouches for the next: the header's digest, the file's length, the table's
    /// digest, what the table says will be unpacked, the root.
    fn open(bytes: &'a [u8], limits: &Limits) -> Result<Packed<'a>, BlobError> {
        let header = Header::decode(bytes)?;
        frame::check_len(header.file_bytes, bytes)?;
        let mut reader = Reader::new(&bytes[header::FORMAT.header_len..]);
        let table_fault = |what: &dyn ToString| BlobError::Table { what: what.to_string() };
        let table_len = (header.segments as usize).saturating_mul(Entry::LEN);
        let table_bytes = reader.take(table_len).map_err(|error| table_fault(&error))?;
        if *Sha256::digest(table_bytes) != header.table_digest {
            return Err(BlobError::TableDigest);
        }
        let mut entries = Reader::new(table_bytes);
        let table = (0..header.segments).map(|_| Entry::decode(&mut entries)).collect::<Result<Vec<_>, _>>();
        let table = table.map_err(|error| table_fault(&error))?;
        limits.check(table.iter().map(|entry| u64::from(entry.raw_len)).sum(), header.file_bytes)?;
        let found = header.root_over(&table);
        if found != header.root {
            return Err(BlobError::Root { stated: header.root, found });
        }
        let take = |entry: Entry| Ok((reader.take(entry.packed_len as usize)?, entry));
        let segments = table.into_iter().map(take).map(|taken| taken.map(|(frame, entry)| (entry, frame)));
        let segments = segments.collect::<Result<Vec<_>, _>>().map_err(|error: crate::WireError| table_fault(&error))?;
        if reader.is_empty() {
            Ok(Packed { header, segments })
        } else {
            Err(table_fault(&"there are bytes after the last segment"))
        }
    }

    /// Applies `work` to every segment, on all threads; the error of the first segment that has one.
    fn each_segment<T: Send>(
        &self,
        work: impl Fn(&Entry, &'a [u8]) -> Result<T, SegmentFault> + Sync,
    ) -> Result<Vec<T>, BlobError> {
        let outcomes: Vec<Result<T, SegmentFault>> =
            self.segments.par_iter().map(|(entry, frame)| work(entry, frame)).collect();
        name_faults(outcomes)
    }
}

/// What all segments came to, or the fault of the first that has one.
fn name_faults<T>(outcomes: Vec<Result<T, SegmentFault>>) -> Result<Vec<T>, BlobError> {
    let named = |(index, outcome): (usize, Result<T, _>)| outcome.map_err(|fault| BlobError::Segment { index, fault });
    outcomes.into_iter().enumerate().map(named).collect()
}
