//! Puts the digests of damaged files right, so that what lies behind them is tested.
//!
//! Whoever makes a hostile file also makes its digests; random damage rarely does. These functions state lengths and digests of
//! whatever bytes they are given, as far as there is room for them, and change nothing else.

use engine::layout::{Header, SectionEntry};
use patternc::blob::{self, BlobError, DeltaError, SegmentFault};
use patternc::record::Kind;
use sha2::{Digest as _, Sha256};
use std::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

const DIGEST_LEN: usize = 32;

/// Seals the header and the section directory of a database.
///
/// Sections keep the digests they state: only [`engine::Database::verify`] looks at those.
pub fn seal_database(bytes: &mut [u8]) {
    let Ok((mut header, rest)) = Header::read_from_prefix(bytes) else { return };
    let Ok((directory, _)) = <[SectionEntry]>::ref_from_prefix_with_elems(rest, header.section_count.get() as usize) else {
        return;
    };
    header.file_len.set(bytes.len() as u64);
    header.digest = engine::database::header_digest(&header, directory);
    header.write_to_prefix(bytes).expect("a header was read from here");
}

/// Seals a blob: digests of the compressed segments, the segment table and the header, the root, and the numbers of records.
///
/// The digests of unpacked segments stay: [`crate::fuzzing::blob_of`] makes blobs of given unpacked bytes.
pub fn seal_blob(bytes: &mut [u8]) {
    // A root, a segment's number of records, the root again, and likewise for each number in the header.
    const REPAIRS_MAX: usize = 4 + 2 * Kind::ALL.len();
    let header = Layout::of(blob::layout::HEADER);
    let entry = Layout::of(blob::layout::SEGMENT);
    if bytes.len() < header.len {
        return;
    }
    for _ in 0..REPAIRS_MAX {
        seal_digests(bytes, &header, &entry);
        match blob::decode(bytes) {
            Err(BlobError::Root { found, .. }) => header.put(bytes, "root", &found.0),
            Err(BlobError::Segment { index, fault: SegmentFault::Count { found, .. } }) => {
                entry.put(&mut bytes[header.len + index * entry.len..], "records", &found.to_le_bytes());
            }
            Err(BlobError::Count { kind, found, .. }) => {
                let field = match kind {
                    Kind::Body => "body_count",
                    Kind::FileHash => "file_hash_count",
                    Kind::SectionHash => "section_hash_count",
                    Kind::ImportHash => "import_hash_count",
                    Kind::CleanFile => "clean_file_count",
                    Kind::Logical => "logical_count",
                };
                header.put(bytes, field, &found.to_le_bytes());
            }
            Ok(_) | Err(_) => return,
        }
    }
}

/// The digests of a blob that see bytes as they are in the file.
fn seal_digests(bytes: &mut [u8], header: &Layout, entry: &Layout) {
    let len = bytes.len() as u64;
    header.put(bytes, "file_len", &len.to_le_bytes());
    let segments = header.u32(bytes, "segment_count") as usize;
    if let Some(table_len) = segments.checked_mul(entry.len).filter(|&len| len <= bytes.len() - header.len) {
        let (table, mut frames) = bytes[header.len..].split_at_mut(table_len);
        for entry_bytes in table.chunks_exact_mut(entry.len) {
            let packed_len = entry.u32(entry_bytes, "packed_len") as usize;
            let Some((frame, rest)) = std::mem::take(&mut frames).split_at_mut_checked(packed_len) else { break };
            entry.put(entry_bytes, "packed_digest", &Sha256::digest(&*frame));
            frames = rest;
        }
        let table_digest = Sha256::digest(&*table);
        header.put(bytes, "table_digest", &table_digest);
    }
    header.seal(bytes);
}

/// Seals the header and the payload of a delta from `old`, and lets it reach what it makes.
pub fn seal_delta(old: &[u8], bytes: &mut [u8]) {
    let header = Layout::of(blob::layout::DELTA_HEADER);
    if bytes.len() < header.len {
        return;
    }
    let len = bytes.len() as u64;
    header.put(bytes, "file_len", &len.to_le_bytes());
    let payload_digest = Sha256::digest(&bytes[header.len..]);
    header.put(bytes, "payload_digest", &payload_digest);
    if let Ok(old) = blob::read_header(old) {
        header.put(bytes, "from_root", &old.root.0);
    }
    header.seal(bytes);
    if let Err(DeltaError::ResultRoot { found, .. }) = blob::patch(old, bytes) {
        header.put(bytes, "to_root", &found.0);
        header.seal(bytes);
    }
}

/// Where the fields of a structure are.
pub(crate) struct Layout {
    fields: &'static [(&'static str, usize)],
    /// Length of the structure in bytes.
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn of(fields: &'static [(&'static str, usize)]) -> Layout {
        Layout { fields, len: fields.iter().map(|(_, len)| len).sum() }
    }

    fn range(&self, name: &str) -> Range<usize> {
        let index = self.fields.iter().position(|(field, _)| *field == name).expect("the structure has this field");
        let start = self.fields[..index].iter().map(|(_, len)| len).sum();
        start..start + self.fields[index].1
    }

    pub(crate) fn put(&self, bytes: &mut [u8], name: &str, value: &[u8]) {
        bytes[self.range(name)].copy_from_slice(value);
    }

    fn u32(&self, bytes: &[u8], name: &str) -> u32 {
        u32::from_le_bytes(bytes[self.range(name)].try_into().expect("the field has four bytes"))
    }

    /// Writes the digest that a header of blobs and deltas ends with.
    fn seal(&self, bytes: &mut [u8]) {
        let digest = Sha256::digest(&bytes[..self.len - DIGEST_LEN]);
        bytes[self.len - DIGEST_LEN..self.len].copy_from_slice(&digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::{sample_blob, sample_database, sample_delta};

    #[test]
    fn sealing_changes_nothing_of_sound_files() {
        let mut database = sample_database();
        seal_database(&mut database);
        assert_eq!(database, sample_database());
        let mut blob = sample_blob();
        seal_blob(&mut blob);
        assert_eq!(blob, sample_blob());
        let mut delta = sample_delta();
        seal_delta(&patternc::fuzzing::empty_blob(), &mut delta);
        assert_eq!(delta, sample_delta());
    }

    #[test]
    fn sealing_hides_damage_from_the_digests() {
        let mut blob = sample_blob();
        let header = Layout::of(blob::layout::HEADER);
        header.put(&mut blob, "release", &99_u64.to_le_bytes());
        assert!(blob::decode(&blob).is_err());
        seal_blob(&mut blob);
        assert_eq!(blob::decode(&blob).unwrap().header.release, 99);

        let mut delta = sample_delta();
        let header = Layout::of(blob::layout::DELTA_HEADER);
        header.put(&mut delta, "to_release", &99_u64.to_le_bytes());
        let old = patternc::fuzzing::empty_blob();
        assert!(blob::patch(&old, &delta).is_err());
        seal_delta(&old, &mut delta);
        assert_eq!(blob::read_header(&blob::patch(&old, &delta).unwrap()).unwrap().release, 99);

        let mut database = sample_database();
        let last = database.len() - 1;
        database[last] ^= 1;
        seal_database(&mut database);
        assert!(engine::Database::open(&database).is_ok_and(|database| database.verify().is_err()));
    }

    #[test]
    fn any_bytes_may_be_sealed() {
        for len in 0..2000 {
            let mut bytes = vec![0xff; len];
            seal_database(&mut bytes);
            seal_blob(&mut bytes);
            seal_delta(&[], &mut bytes);
        }
    }
}
