//! Deltas: how one blob becomes another, as records to remove and records to add.
//!
//! The format is described in `docs/delta.md`. A delta is a transport encoding and proves nothing: what [`patch`] makes is
//! compared with the root hash that the delta must reach, and the caller compares that with what was signed.
//!
//! Both directions merge sorted records in one pass: time linear in the two blobs, memory in the unpacked old one.

mod header;

use std::cmp::Ordering;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

pub use header::{DeltaHeader, LAYOUT};

use super::segment::{self, Builder};
use super::{BlobError, Channel, FrameError, Header, Limits, Packed, Root, frame};
use crate::record::decode_one;
use crate::wire::{Reader, WireError, put_varint};
use header::{FORMAT, Part, Payload};

/// Version of the delta format that this build writes and reads.
pub const VERSION: u32 = 1;

/// zstd level of parts up to [`BEST_BYTES_MAX`]: deltas are made once and sent often.
const LEVEL_BEST: i32 = 19;
/// zstd level of larger parts, for which the best takes seconds.
const LEVEL_FAST: i32 = 9;
/// Largest part packed at the best level: 1.5 s of work.
const BEST_BYTES_MAX: usize = 4 << 20;

/// Why a delta cannot be made, read or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The header is not that of a delta, or harmed, or does not agree with the file's length.
    #[error("{0}")]
    Header(#[from] FrameError),
    /// The payload is harmed.
    #[error("payload: its digest does not agree with its bytes")]
    PayloadDigest,
    /// More is to be unpacked than allowed.
    #[error("payload: {0}")]
    Limit(BlobError),
    /// A part of the payload is not a zstd frame of the stated length.
    #[error("{part}: the compressed bytes do not unpack to the {raw_len} bytes stated")]
    Unpack {
        /// `removals` or `additions`.
        part: &'static str,
        /// Stated length.
        raw_len: u64,
    },
    /// The removals are not what they should be.
    #[error("removals: {0}")]
    Removals(WireError),
    /// The additions are not what they should be.
    #[error("additions: {0}")]
    Additions(WireError),
    /// A removal of a record that the old blob does not have.
    #[error("removals: record {index} is to go, the old blob has {records}")]
    RemovalRange {
        /// Index of the record, from 0.
        index: u64,
        /// Number of records of the old blob.
        records: u64,
    },
    /// An addition of a record that the old blob has and keeps.
    #[error("additions: a record is in the old blob already")]
    AdditionPresent,
    /// The old blob cannot be read.
    #[error("old blob: {0}")]
    Old(BlobError),
    /// The new blob cannot be read, or the records do not make one.
    #[error("new blob: {0}")]
    New(BlobError),
    /// The blobs are of two channels.
    #[error("the delta goes from channel {from} to channel {to}")]
    Channel {
        /// Channel of the old blob.
        from: Channel,
        /// Channel of the new one.
        to: Channel,
    },
    /// The delta is for another blob.
    #[error("the delta is for the blob with root {expected}, this one has {found}")]
    BaseRoot {
        /// Root in the delta.
        expected: Root,
        /// Root of the blob at hand.
        found: Root,
    },
    /// The delta does not make what it says.
    #[error("the delta should make a blob with root {expected}, it makes {found}")]
    ResultRoot {
        /// Root in the delta.
        expected: Root,
        /// Root of what it makes.
        found: Root,
    },
}

/// The delta that makes `new` of `old`.
///
/// Any two blobs of one channel will do, in either order of releases. The same input gives the same bytes.
///
/// # Errors
/// [`DeltaError::Old`], [`DeltaError::New`] and [`DeltaError::Channel`].
pub fn diff(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let limits = Limits::default();
    let old = Unpacked::open(old, &limits).map_err(DeltaError::Old)?;
    let new = Unpacked::open(new, &limits).map_err(DeltaError::New)?;
    if old.header.channel != new.header.channel {
        return Err(DeltaError::Channel { from: old.header.channel, to: new.header.channel });
    }
    let edits = Edits::between(&old.records().map_err(DeltaError::Old)?, &new.records().map_err(DeltaError::New)?);
    edits.write(&old.header, &new.header)
}

/// The blob that `delta` makes of `old`.
///
/// `patch(old, diff(old, new)) == new`, to the byte when `new` was packed with the same version of zstd.
///
/// # Errors
/// [`DeltaError`]: what was made is given only when its root is the one the delta must reach.
pub fn patch(old: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let limits = Limits::default();
    let (header, payload) = DeltaHeader::decode(delta)?;
    frame::check_len(payload.file_len(), delta)?;
    let found = super::read_header(old).map_err(DeltaError::Old)?.root;
    if found != header.from {
        return Err(DeltaError::BaseRoot { expected: header.from, found });
    }
    let (removals, additions) = unpack(&payload, &delta[FORMAT.header_len..], &limits)?;
    let edits = Edits::read(&header, &removals, &additions)?;
    let old = Unpacked::open(old, &limits).map_err(DeltaError::Old)?;
    let merged = edits.merge(&old.records().map_err(DeltaError::Old)?)?;
    let new = super::pack(&header.meta(), merged).map_err(DeltaError::New)?;
    let found = super::read_header(&new).map_err(DeltaError::New)?.root;
    if found == header.to { Ok(new) } else { Err(DeltaError::ResultRoot { expected: header.to, found }) }
}

/// Checks all of a delta that can be checked without the blob it is for: every digest, every length, every record.
///
/// # Errors
/// [`DeltaError`], naming the place.
pub fn verify_delta(delta: &[u8]) -> Result<(), DeltaError> {
    let (header, payload) = DeltaHeader::decode(delta)?;
    frame::check_len(payload.file_len(), delta)?;
    let (removals, additions) = unpack(&payload, &delta[FORMAT.header_len..], &Limits::default())?;
    Edits::read(&header, &removals, &additions)?;
    Ok(())
}

/// Reads the header of a delta, of which `bytes` need be no more than the beginning, and checks it against its own digest.
///
/// # Errors
/// [`DeltaError::Header`].
pub fn read_delta_header(bytes: &[u8]) -> Result<DeltaHeader, DeltaError> {
    Ok(DeltaHeader::decode(bytes)?.0)
}

/// A blob with its segments unpacked.
struct Unpacked {
    header: Header,
    segments: Vec<(segment::Entry, Vec<u8>)>,
}

impl Unpacked {
    fn open(bytes: &[u8], limits: &Limits) -> Result<Unpacked, BlobError> {
        let packed = Packed::open(bytes, limits)?;
        let segments = packed.each_segment(|entry, frame| Ok((entry.clone(), entry.unpack(frame)?)))?;
        Ok(Unpacked { header: packed.header, segments })
    }

    /// The encoded records, in canonical order, after all checks of a blob.
    fn records(&self) -> Result<Vec<&[u8]>, BlobError> {
        let walked: Vec<_> = self
            .segments
            .par_iter()
            .map(|(entry, raw)| {
                let mut records = Vec::new();
                let ends = segment::walk(raw, entry, |_, encoded| records.push(encoded))?;
                Ok((records, ends))
            })
            .collect();
        let (records, ends): (Vec<Vec<&[u8]>>, Vec<_>) = super::name_faults(walked)?.into_iter().unzip();
        self.header.check_counts(segment::check_joins(&ends)?)?;
        Ok(records.concat())
    }
}

/// What is between two sorted lists of encoded records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Edits<'a> {
    /// Indices of the old records that go, ascending.
    removed: Vec<u64>,
    /// The records that come, ascending.
    added: Vec<&'a [u8]>,
}

impl<'a> Edits<'a> {
    fn between(old: &[&[u8]], new: &[&'a [u8]]) -> Edits<'a> {
        let mut edits = Edits::default();
        let (mut old, mut new) = ((0..).zip(old).peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return edits,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, a)), Some(b)) => a.cmp(b),
            };
            let gone = old.next_if(|_| order.is_le());
            let came = new.next_if(|_| order.is_ge());
            match order {
                Ordering::Less => edits.removed.extend(gone.map(|(index, _)| index)),
                Ordering::Equal => {}
                Ordering::Greater => edits.added.extend(came),
            }
        }
    }

    /// The records of the new blob: the old ones without the removed, and the added where they belong.
    fn merge(&self, old: &[&[u8]]) -> Result<Builder, DeltaError> {
        if let Some(&last) = self.removed.last().filter(|&&last| last >= old.len() as u64) {
            return Err(DeltaError::RemovalRange { index: last, records: old.len() as u64 });
        }
        let mut builder = Builder::default();
        let mut removed = self.removed.iter().copied().peekable();
        let mut added = self.added.iter().copied().peekable();
        let mut push = |encoded: &[u8]| builder.push(encoded).map_err(|_| DeltaError::AdditionPresent);
        for (index, record) in (0..).zip(old) {
            while let Some(addition) = added.next_if(|addition| addition < record) {
                push(addition)?;
            }
            if removed.next_if_eq(&index).is_none() {
                push(record)?;
            }
        }
        added.try_for_each(push)?;
        Ok(builder)
    }

    fn write(&self, from: &Header, to: &Header) -> Result<Vec<u8>, DeltaError> {
        let mut removals = Vec::new();
        let mut next = 0;
        for &index in &self.removed {
            put_varint(&mut removals, index - next);
            next = index + 1;
        }
        let additions = self.added.concat();
        let parts = [removals, additions].map(|raw| (raw.len() as u64, pack_part(&raw)));
        let payload = parts.iter().map(|(_, packed)| &packed[..]).collect::<Vec<_>>().concat();
        let header = DeltaHeader {
            channel: to.channel.clone(),
            from_release: from.release,
            to_release: to.release,
            from: from.root,
            to: to.root,
            created: to.created,
            engine: to.engine,
            removed: self.removed.len() as u64,
            added: self.added.len() as u64,
        };
        let [removals, additions] = parts.map(|(raw_len, packed)| Part { raw_len, packed_len: packed.len() as u64 });
        let shape = Payload { removals, additions, digest: Sha256::digest(&payload).into() };
        shape.check(&Limits::default())?;
        Ok([header.encode(&shape), payload].concat())
    }

    fn read(header: &DeltaHeader, removals: &[u8], additions: &'a [u8]) -> Result<Edits<'a>, DeltaError> {
        Ok(Edits {
            removed: read_removals(header.removed, removals).map_err(DeltaError::Removals)?,
            added: read_additions(header.added, additions).map_err(DeltaError::Additions)?,
        })
    }
}

fn pack_part(raw: &[u8]) -> Vec<u8> {
    segment::pack(raw, if raw.len() <= BEST_BYTES_MAX { LEVEL_BEST } else { LEVEL_FAST })
}

/// The two parts of the payload, unpacked, after the digest and the limits.
fn unpack(shape: &Payload, payload: &[u8], limits: &Limits) -> Result<(Vec<u8>, Vec<u8>), DeltaError> {
    if *Sha256::digest(payload) != shape.digest {
        return Err(DeltaError::PayloadDigest);
    }
    shape.check(limits)?;
    let (removals, additions) = payload.split_at(shape.removals.packed_len as usize);
    let part = |part, name, packed: &[u8]| {
        let Part { raw_len, .. } = part;
        segment::unpack(packed, raw_len as usize).ok_or(DeltaError::Unpack { part: name, raw_len })
    };
    Ok((part(shape.removals, "removals", removals)?, part(shape.additions, "additions", additions)?))
}

/// Indices as gaps: the first, then how many records stay between each and the one before.
fn read_removals(count: u64, raw: &[u8]) -> Result<Vec<u64>, WireError> {
    let mut reader = Reader::new(raw);
    let mut removed = Vec::new();
    let mut next = 0u64;
    while !reader.is_empty() {
        let index = next.checked_add(reader.varint()?).filter(|&index| index < u64::MAX);
        let index = index.ok_or_else(|| reader.fault("an index is larger than 64 bits"))?;
        removed.push(index);
        next = index + 1;
    }
    if removed.len() as u64 == count { Ok(removed) } else { Err(reader.fault("the header has another number of them")) }
}

fn read_additions(count: u64, raw: &[u8]) -> Result<Vec<&[u8]>, WireError> {
    let mut reader = Reader::new(raw);
    let mut scratch = Vec::new();
    let mut added: Vec<&[u8]> = Vec::new();
    while !reader.is_empty() {
        let at = reader.at();
        let (_, encoded) = decode_one(&mut reader, &mut scratch)?;
        if added.last().is_some_and(|&last| last >= encoded) {
            return Err(WireError { at, what: "a record does not come after the one before it" });
        }
        added.push(encoded);
    }
    if added.len() as u64 == count { Ok(added) } else { Err(reader.fault("the header has another number of them")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_the_difference() {
        let old: [&[u8]; 4] = [&[0, 1], &[0, 2], &[0, 4], &[0, 5]];
        let new: [&[u8]; 4] = [&[0, 0], &[0, 2], &[0, 3], &[0, 5]];
        let edits = Edits::between(&old, &new);
        assert_eq!(edits, Edits { removed: vec![0, 2], added: vec![new[0], new[2]] });
        assert_eq!(edits.merge(&old).unwrap().segments[0].0, new.concat());
    }

    #[test]
    fn merging_refuses_what_does_not_fit() {
        let old: [&[u8]; 1] = [&[0, 1]];
        let outside = Edits { removed: vec![1], added: vec![] };
        assert_eq!(outside.merge(&old).err(), Some(DeltaError::RemovalRange { index: 1, records: 1 }));
        let twice = Edits { removed: vec![], added: vec![old[0]] };
        assert_eq!(twice.merge(&old).err(), Some(DeltaError::AdditionPresent));
    }

    #[test]
    fn removals_are_checked() {
        let mut raw = Vec::new();
        put_varint(&mut raw, u64::MAX - 1);
        assert_eq!(read_removals(1, &raw), Ok(vec![u64::MAX - 1]));
        assert!(read_removals(2, &raw).is_err());
        put_varint(&mut raw, 0);
        assert!(read_removals(2, &raw).is_err());
    }
}
