//! Deltas: how one blob becomes another, as records that go, come and change.
//!
//! The format is described in `docs/delta.md`. A delta is a transport encoding and proves nothing: what [`patch`] makes is
//! compared with the root hash that the delta must reach, and the caller compares that with what was signed.
//!
//! Applying walks through the old records with a few segments in memory at a time: a terminal needs both packed blobs, and beside them at
//! most eight unpacked segments of either, which are 4 MiB each as a rule and 8 MiB at most, 28 MiB for the model, 32 MiB of
//! history, and what zstd works with to pack as many segments (`docs/delta.md` has figures). Making one needs both blobs unpacked.

mod coder;
mod error;
mod header;
mod model;
mod script;
pub(crate) mod shape;
mod source;

use std::cmp::Ordering;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

pub use error::DeltaError;
pub use header::{DeltaHeader, LAYOUT};

use super::segment::{self, OutOfOrder};
use super::{BlobError, Header, Limits, Packed, Packer, frame};
use coder::{Decoder, Encoder};
use header::{FORMAT, Payload};
use model::key_len;
use script::{Edit, Edits, Records};
use source::Source;

/// Version of the delta format that this build writes and reads.
pub const VERSION: u32 = 1;

/// Records of so many bytes are packed in bulk by zstd: the model takes a second for every 2 MB.
const BULK_BYTES_MIN: u64 = 4 << 20;
/// zstd level of records in bulk.
const BULK_LEVEL: i32 = 12;

/// The delta that makes `new` of `old`.
///
/// Any two blobs of one channel will do, in either order of releases. The same input gives the same bytes.
///
/// # Errors
/// [`DeltaError::Old`], [`DeltaError::New`] and [`DeltaError::Channel`].
pub fn diff(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let limits = Limits::default();
    let packed = Packed::open(old, &limits).map_err(DeltaError::Old)?;
    let old = Unpacked::of(&packed).map_err(DeltaError::Old)?;
    let new = Unpacked::of(&Packed::open(new, &limits).map_err(DeltaError::New)?).map_err(DeltaError::New)?;
    let (from, to) = (&packed.header, &new.header);
    if from.channel != to.channel {
        return Err(DeltaError::Channel { from: from.channel.clone(), to: to.channel.clone() });
    }
    let old_records = old.records().map_err(DeltaError::Old)?;
    let edits = between(&old_records, &new.records().map_err(DeltaError::New)?);
    write(&packed, to, edits)
}

/// The blob that `delta` makes of `old`.
///
/// `patch(old, diff(old, new)) == new`, to the byte when `new` was packed with the same version of zstd. `old` is one that
/// [`decode`](super::decode) has accepted once: its digests are compared again, its records are not. Then what this gives needs no second
/// reading: every record that comes was decoded, and their order and the root were checked.
///
/// # Errors
/// [`DeltaError`]: what was made is given only when its root is the one the delta must reach.
pub fn patch(old: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let limits = Limits::default();
    let (header, payload, bulk) = open(delta, &limits)?;
    let found = super::read_header(old).map_err(DeltaError::Old)?.root;
    if found != header.from {
        return Err(DeltaError::BaseRoot { expected: header.from, found });
    }
    let packed = Packed::open(old, &limits).map_err(DeltaError::Old)?;
    let mut decoder = Decoder::new(&delta[FORMAT.header_len..FORMAT.header_len + payload.script_len as usize]);
    let records = Records::of(u64::from(payload.records_len), &bulk);
    let mut packer = Packer::default();
    let push = |encoded: &[u8]| packer.push(encoded).map_err(|OutOfOrder| DeltaError::Order);
    script::run(&mut decoder, &header.counts(&payload), records, &mut Source::new(&packed), None, push)?;
    decoder.finish().map_err(DeltaError::Script)?;
    let new = packer.finish(&header.meta(&packed.header.channel)).map_err(DeltaError::New)?;
    let found = super::read_header(&new).map_err(DeltaError::New)?.root;
    if found == header.to { Ok(new) } else { Err(DeltaError::ResultRoot { expected: header.to, found }) }
}

/// Checks all of a delta that can be checked without the blob it is for: every digest and every length.
///
/// # Errors
/// [`DeltaError`], naming the place.
pub fn verify_delta(delta: &[u8]) -> Result<(), DeltaError> {
    open(delta, &Limits::default()).map(drop)
}

/// Reads the header of a delta, of which `bytes` need be no more than the beginning, and checks it against its own digest.
///
/// # Errors
/// [`DeltaError::Header`].
pub fn read_delta_header(bytes: &[u8]) -> Result<DeltaHeader, DeltaError> {
    Ok(DeltaHeader::decode(bytes)?.0)
}

/// Header, payload, and the records in bulk, after the digests and the limits.
fn open(delta: &[u8], limits: &Limits) -> Result<(DeltaHeader, Payload, Vec<u8>), DeltaError> {
    let (header, payload) = DeltaHeader::decode(delta)?;
    frame::check_len(payload.file_len(), delta)?;
    let body = &delta[FORMAT.header_len..];
    if *Sha256::digest(body) != payload.digest {
        return Err(DeltaError::PayloadDigest);
    }
    payload.check(limits)?;
    let bulk = &body[payload.script_len as usize..];
    if bulk.is_empty() {
        return Ok((header, payload, Vec::new()));
    }
    let raw_len = u64::from(payload.records_len);
    let bulk = segment::unpack(bulk, raw_len as usize).ok_or(DeltaError::Unpack { raw_len })?;
    Ok((header, payload, bulk))
}

/// A blob with its segments unpacked.
struct Unpacked {
    header: Header,
    segments: Vec<(segment::Entry, Vec<u8>)>,
}

impl Unpacked {
    fn of(packed: &Packed<'_>) -> Result<Unpacked, BlobError> {
        let segments = packed.each_segment(|entry, frame| Ok((entry.clone(), entry.unpack(frame)?)))?;
        Ok(Unpacked { header: packed.header.clone(), segments })
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
fn between<'a>(old: &[&[u8]], new: &[&'a [u8]]) -> Edits<'a> {
    let mut edits: Edits<'a> = Vec::new();
    let (mut at, mut new) = (0, new.iter().peekable());
    loop {
        let order = match (old.get(at), new.peek()) {
            (None, None) => return edits,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let came = new.next_if(|_| order.is_ge());
        match order {
            Ordering::Less => {
                let same_key = |record: &[u8]| record[..key_len(record)] == old[at][..key_len(old[at])];
                match edits.last_mut() {
                    Some((index, edit @ Edit::Add(_))) if *index == at as u64 => {
                        let Edit::Add(record) = *edit else { unreachable!("the pattern says so") };
                        if same_key(record) {
                            *edit = Edit::Change(record);
                        } else {
                            edits.push((at as u64, Edit::Remove));
                        }
                    }
                    _ => edits.push((at as u64, Edit::Remove)),
                }
            }
            Ordering::Equal => {}
            Ordering::Greater => {
                let record = *came.expect("there is one, as it decided the order");
                let gone = edits.last_mut().filter(|(index, edit)| *index + 1 == at as u64 && *edit == Edit::Remove);
                let changed = gone.filter(|_| record[..key_len(record)] == old[at - 1][..key_len(old[at - 1])]);
                match changed {
                    Some((_, edit)) => *edit = Edit::Change(record),
                    None => edits.push((at as u64, Edit::Add(record))),
                }
            }
        }
        at += usize::from(order.is_le());
    }
}

fn write(packed: &Packed<'_>, to: &Header, edits: Edits<'_>) -> Result<Vec<u8>, DeltaError> {
    let came = edits.iter().map(|(_, edit)| match edit {
        Edit::Remove => 0,
        Edit::Add(record) | Edit::Change(record) => record.len() as u64,
    });
    let records_len: u64 = came.sum();
    let mut bulk = Vec::new();
    let mut edits = edits;
    if records_len >= BULK_BYTES_MIN {
        edits = in_bulk(edits, &mut bulk);
        bulk = segment::pack(&bulk, BULK_LEVEL);
    }
    let count = |is: fn(&Edit<'_>) -> bool| edits.iter().filter(|(_, edit)| is(edit)).count() as u32;
    let header = DeltaHeader {
        from_release: packed.header.release,
        to_release: to.release,
        from: packed.header.root,
        to: to.root,
        created: to.created,
        engine: to.engine,
        removed: count(|edit| matches!(edit, Edit::Remove)),
        added: count(|edit| matches!(edit, Edit::Add(_))),
        changed: count(|edit| matches!(edit, Edit::Change(_))),
    };
    let mut payload =
        Payload { records_len: records_len as u32, script_len: 0, bulk_len: bulk.len() as u64, digest: [0; 32] };
    let mut encoder = Encoder::new();
    let records = Records::of(records_len, &[]);
    let counts = header.counts(&payload);
    script::run(&mut encoder, &counts, records, &mut Source::new(packed), Some(&edits), |_| Ok(()))?;
    let script = encoder.finish();
    payload.script_len = script.len() as u32;
    payload.digest = Sha256::new().chain_update(&script).chain_update(&bulk).finalize().into();
    payload.check(&Limits::default())?;
    Ok([header.encode(&payload), script, bulk].concat())
}

/// The same edits with changes taken apart, and all records that come in `bulk`.
fn in_bulk<'a>(edits: Edits<'a>, bulk: &mut Vec<u8>) -> Edits<'a> {
    let mut apart = Vec::with_capacity(edits.len());
    for (at, edit) in edits {
        match edit {
            Edit::Remove => apart.push((at, edit)),
            Edit::Add(record) => {
                bulk.extend_from_slice(record);
                apart.push((at, edit));
            }
            Edit::Change(record) => {
                bulk.extend_from_slice(record);
                // It belongs before the old one or after it; the next old record is beyond both.
                apart.extend([(at, Edit::Remove), (at + 1, Edit::Add(record))]);
            }
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_the_difference() {
        let old: [&[u8]; 4] = [&[0, 1, 7], &[0, 2, 7, 7], &[0, 4], &[0, 5]];
        let new: [&[u8]; 4] = [&[0, 0], &[0, 2, 7, 7], &[0, 3], &[0, 5]];
        let edits = vec![(0, Edit::Add(new[0])), (0, Edit::Remove), (2, Edit::Add(new[2])), (2, Edit::Remove)];
        assert_eq!(between(&old, &new), edits);
    }

    /// A record that another of the same name replaces is changed, whichever of the two comes first in order.
    #[test]
    fn records_of_one_name_are_changed() {
        let (first, second): (&[u8], &[u8]) = (&[1, 1, b'a', 7], &[1, 1, b'a', 9]);
        assert_eq!(between(&[first], &[second]), [(0, Edit::Change(second))]);
        assert_eq!(between(&[second], &[first]), [(0, Edit::Change(first))]);
        let mut bulk = Vec::new();
        let apart = in_bulk(between(&[second], &[first]), &mut bulk);
        assert_eq!((apart, bulk), (vec![(0, Edit::Remove), (1, Edit::Add(first))], first.to_vec()));
    }
}
