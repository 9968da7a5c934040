//! Segments: runs of sorted records, cut where their bytes say so, compressed one by one.
//!
//! # Where to cut
//!
//! Segments of equal length would all change after one insertion. So a cut depends on the record it comes before, and on
//! nothing else but how much the segment already holds: below [`LEN_MIN`] there is no cut; from there each byte of the records
//! that follow begins a new segment with probability 1 / [`LEN_EXPECTED`], as a hash of the record decides; a record that would
//! take the segment beyond [`LEN_MAX`] begins a new one in any case. After an insertion the old and the new sequence of cuts
//! meet again at one of the next few cuts, since a place where both may cut is one where both do.
//!
//! The idea is that of content-defined chunking (Muthitacharoen, Chen, Mazières: *A low-bandwidth network file system*, 2001),
//! with records in place of a sliding window.

use sha2::{Digest as _, Sha256};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::BlobError;
use super::frame::DIGEST_LEN;
use super::header::{RecordCounts, layout_len};
use crate::record::{Kind, Record, decode_one, kind_of};
use crate::wire::{Reader, WireError};

/// Fewest bytes of a segment that is not the last.
///
/// Segments of 4 MiB pack 168,000 published ClamAV records in 12 per cent less than segments of 2 MiB: old and new names of one
/// file are found together. Larger ones gain nothing: the window of zstd's level 9 is 4 MiB.
pub(super) const LEN_MIN: usize = 2 << 20;
/// Bytes that a segment is expected to hold beyond [`LEN_MIN`].
pub(super) const LEN_EXPECTED: u64 = 2 << 20;
/// Most bytes of a segment.
pub(super) const LEN_MAX: usize = 8 << 20;

/// Most segments that are unpacked, or packed, at a time, whatever the number of threads: what a terminal needs beside the blobs.
pub(super) const BATCH_MAX: usize = 8;

/// How many segments are unpacked, or packed, at a time: one for each thread, at most [`BATCH_MAX`].
pub(super) fn batch_len() -> usize {
    rayon::current_num_threads().min(BATCH_MAX)
}

/// Fields of an entry of the segment table, in order, with their lengths in bytes; `docs/blob.md` has the same table.
#[doc(hidden)]
pub const LAYOUT: &[(&str, usize)] =
    &[("digest", DIGEST_LEN), ("raw_len", 4), ("records", 4), ("packed_len", 4), ("packed_digest", DIGEST_LEN)];

/// One segment, as the table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// SHA-256 of its records.
    pub(super) digest: [u8; DIGEST_LEN],
    /// Length of its records, in bytes.
    pub(super) raw_len: u32,
    /// Number of its records.
    pub(super) records: u32,
    /// Length of its zstd frame, in bytes.
    pub(super) packed_len: u32,
    /// SHA-256 of its zstd frame: a frame has bits that change nothing of what it unpacks to.
    pub(super) packed_digest: [u8; DIGEST_LEN],
}

/// What is wrong with a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentFault {
    /// The compressed bytes are harmed.
    #[error("the compressed bytes do not agree with their digest")]
    PackedDigest,
    /// The compressed bytes are no zstd frame of the stated length.
    #[error("the compressed bytes do not unpack to the {raw_len} bytes stated")]
    Unpack {
        /// Length in the table.
        raw_len: u32,
    },
    /// The records are not those of the table.
    #[error("the records do not agree with their digest")]
    Digest,
    /// A record is not one, or not in canonical form.
    #[error("{0}")]
    Record(WireError),
    /// Records are not strictly ascending.
    #[error("the record at byte {at} does not come after the one before it")]
    Order {
        /// Byte offset of the record in the unpacked segment.
        at: usize,
    },
    /// The table has another number of records.
    #[error("{found} records, the table says {stated}")]
    Count {
        /// Number in the table.
        stated: u32,
        /// Number of records.
        found: u32,
    },
    /// A segment begins or ends where the records do not say so.
    #[error("the segment is not cut where its records say so (at byte {at})")]
    Cut {
        /// Byte offset in the unpacked segment.
        at: usize,
    },
}

impl From<WireError> for SegmentFault {
    fn from(error: WireError) -> SegmentFault {
        SegmentFault::Record(error)
    }
}

impl Entry {
    pub(super) const LEN: usize = layout_len(LAYOUT);

    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend(self.digest);
        out.extend(self.raw_len.to_le_bytes());
        out.extend(self.records.to_le_bytes());
        out.extend(self.packed_len.to_le_bytes());
        out.extend(self.packed_digest);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Entry, WireError> {
        let digest = reader.array()?;
        let raw_len = reader.u32()?;
        if raw_len == 0 || raw_len as usize > LEN_MAX {
            return Err(reader.fault("a segment is empty or too long"));
        }
        Ok(Entry { digest, raw_len, records: reader.u32()?, packed_len: reader.u32()?, packed_digest: reader.array()? })
    }

    /// How many records it can have: as many as it says, if so many have room in it.
    pub(super) fn records_max(&self) -> usize {
        /// A kind, a name of one byte and its length, and five bytes more.
        const RECORD_LEN_MIN: u32 = 8;
        self.records.min(self.raw_len / RECORD_LEN_MIN) as usize
    }

    /// The records of the segment, still encoded: exactly what the table says, or an error.
    pub(super) fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, SegmentFault> {
        if *Sha256::digest(packed) != self.packed_digest {
            return Err(SegmentFault::PackedDigest);
        }
        let raw = unpack(packed, self.raw_len as usize).ok_or(SegmentFault::Unpack { raw_len: self.raw_len })?;
        if *Sha256::digest(&raw) == self.digest { Ok(raw) } else { Err(SegmentFault::Digest) }
    }
}

/// Compresses `raw` to one zstd frame: one thread, fixed level, with its content size and without a checksum.
pub(super) fn pack(raw: &[u8], level: i32) -> Vec<u8> {
    let packed = Compressor::new(level).and_then(|mut compressor| {
        compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
        compressor.set_parameter(CParameter::ChecksumFlag(false))?;
        compressor.compress(raw)
    });
    packed.expect("zstd compresses any bytes at a level it has, short of exhausted memory")
}

/// Unpacks zstd frames of exactly `raw_len` bytes; `None` for anything else. Allocates no more than `raw_len`, which the
/// caller has checked.
pub(super) fn unpack(packed: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    let raw = Decompressor::new().ok()?.decompress(packed, raw_len).ok()?;
    (raw.len() == raw_len).then_some(raw)
}

/// Decides where segments begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cutter {
    /// Bytes of the segment so far.
    len: usize,
}

impl Cutter {
    /// Whether `record`, which comes next, begins a new segment; counts it to the segment it is in.
    pub(super) fn cuts_before(&mut self, record: &[u8]) -> bool {
        let per_byte = u64::MAX / LEN_EXPECTED;
        let full = self.len + record.len() > LEN_MAX;
        let cut =
            self.len > 0 && (full || self.len >= LEN_MIN && hash(record) < per_byte.saturating_mul(record.len() as u64));
        self.len = if cut { record.len() } else { self.len + record.len() };
        cut
    }
}

/// FNV-1a of 64 bits, then the finaliser of MurmurHash3, which spreads it over the high bits.
fn hash(record: &[u8]) -> u64 {
    let fnv = record.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ fnv >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}

/// What the neighbour of a segment must know of it.
pub(super) struct Ends {
    first: Vec<u8>,
    last: Vec<u8>,
    cutter: Cutter,
    counts: RecordCounts,
}

/// Reads every record of a segment and checks all that can be checked without its neighbours.
pub(super) fn walk<'a>(raw: &'a [u8], entry: &Entry, mut each: impl FnMut(Record, &'a [u8])) -> Result<Ends, SegmentFault> {
    let mut reader = Reader::new(raw);
    let mut scratch = Vec::new();
    let mut cutter = Cutter::default();
    let mut counts = RecordCounts::default();
    let (mut first, mut last): (Option<&[u8]>, &[u8]) = (None, &[]);
    let mut found = 0u32;
    while !reader.is_empty() {
        let at = reader.at();
        let (record, encoded) = decode_one(&mut reader, &mut scratch)?;
        if !record.can_be_found() {
            return Err(WireError { at, what: "a pattern has nothing to search for" }.into());
        }
        if first.is_some() && encoded <= last {
            return Err(SegmentFault::Order { at });
        }
        if cutter.cuts_before(encoded) {
            return Err(SegmentFault::Cut { at });
        }
        *counts.count(record.kind()) += 1;
        first = first.or(Some(encoded));
        last = encoded;
        found += 1;
        each(record, encoded);
    }
    if found != entry.records {
        return Err(SegmentFault::Count { stated: entry.records, found });
    }
    Ok(Ends { first: first.unwrap_or_default().to_vec(), last: last.to_vec(), cutter, counts })
}

/// Checks what concerns neighbours: segments follow one another in order, and each but the first begins at a cut. Gives the
/// number of records of all.
pub(super) fn check_joins(segments: &[Ends]) -> Result<RecordCounts, BlobError> {
    for (index, pair) in (1..).zip(segments.windows(2)) {
        let fault = |fault| BlobError::Segment { index, fault };
        if pair[1].first <= pair[0].last {
            return Err(fault(SegmentFault::Order { at: 0 }));
        }
        if !pair[0].cutter.clone().cuts_before(&pair[1].first) {
            return Err(fault(SegmentFault::Cut { at: 0 }));
        }
    }
    let mut sums = RecordCounts::default();
    for kind in Kind::ALL {
        *sums.count(kind) = segments.iter().map(|ends| ends.counts.of(kind)).sum();
    }
    Ok(sums)
}

/// Collects sorted encoded records to segments.
#[derive(Default)]
pub(super) struct Builder {
    cutter: Cutter,
    last: Vec<u8>,
    pub(super) counts: RecordCounts,
    /// Encoded records and their number.
    pub(super) segments: Vec<(Vec<u8>, u32)>,
}

/// A record that does not come after the one before it.
#[derive(Debug)]
pub(super) struct OutOfOrder;

impl Builder {
    pub(super) fn push(&mut self, encoded: &[u8]) -> Result<(), OutOfOrder> {
        if self.last.as_slice() >= encoded {
            return Err(OutOfOrder);
        }
        self.last.clear();
        self.last.extend_from_slice(encoded);
        *self.counts.count(kind_of(encoded).expect("an encoded record begins with its kind")) += 1;
        if self.cutter.cuts_before(encoded) || self.segments.is_empty() {
            self.segments.push((Vec::new(), 0));
        }
        let (raw, records) = self.segments.last_mut().expect("one was pushed before the first record");
        raw.extend_from_slice(encoded);
        *records += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(from: u32, to: u32) -> Vec<Vec<u8>> {
        // Not decoded here: a cut looks at bytes only.
        (from..to).map(|i| [&[1][..], &i.to_be_bytes(), &[7; 200]].concat()).collect()
    }

    fn segments(records: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut builder = Builder::default();
        for record in records {
            builder.push(record).unwrap();
        }
        builder.segments.into_iter().map(|(raw, _)| raw).collect()
    }

    #[test]
    fn many_processors_do_not_open_many_segments() {
        for (threads, batch) in [(1, 1), (3, 3), (24, BATCH_MAX)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(batch_len), batch);
        }
    }

    #[test]
    fn an_insertion_changes_one_or_two_segments() {
        let old = records(0, 100_000);
        let mut new = old.clone();
        new.insert(10_000, [&old[9_999][..], &[1]].concat());
        let (old, new) = (segments(&old), segments(&new));
        assert!((3..=11).contains(&old.len()), "{}", old.len());
        let changed = new.iter().filter(|segment| !old.contains(segment)).count();
        assert!(changed <= 2, "{changed} of {}", new.len());
        assert!(old.iter().all(|segment| segment.len() <= LEN_MAX));
    }
}
