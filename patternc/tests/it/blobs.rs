//! Blobs: what goes in comes out, and nothing else is let in.

use patternc::blob::{self, BlobError, EngineRange, FrameError, Limits, Meta, RecordCounts};
use patternc::record::{Digest, DigestOf, Hash, Kind, Record};
use proptest::prelude::*;

use crate::support::{any_meta, any_records, file_hash, hash_blob, meta};

proptest! {
    #[test]
    fn decoding_gives_what_was_encoded(meta in any_meta(), records in any_records()) {
        let bytes = blob::encode(&meta, &records).unwrap();
        let blob = blob::decode(&bytes).unwrap();
        prop_assert_eq!(blob.header.meta(), meta);
        prop_assert_eq!(&blob.header, &blob::read_header(&bytes).unwrap());
        prop_assert_eq!(blob::encode(&blob.header.meta(), &blob.records).unwrap(), bytes);
        prop_assert_eq!(blob.records, records);
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(blob::decode(&bytes).is_err());
        prop_assert!(blob::decode(&[b"TITERBL\n\x01\0\0\0", &bytes[..]].concat()).is_err());
    }

    #[test]
    fn record_encodings_are_canonical(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        patternc::fuzzing::record_decode(&bytes);
        patternc::fuzzing::record_decode(&[&[0, 1, b'N', 0, 0, 1], &bytes[..]].concat());
    }

    #[test]
    fn comparing_records_is_comparing_encodings(records in any_records()) {
        prop_assert!(records.is_sorted());
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    let bytes = hash_blob(7, 0..20);
    for bit in 0..bytes.len() * 8 {
        let mut harmed = bytes.clone();
        harmed[bit / 8] ^= 1 << (bit % 8);
        assert!(blob::decode(&harmed).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_and_extension_is_an_error() {
    let mut bytes = hash_blob(7, 0..20);
    for len in 0..bytes.len() {
        assert!(blob::decode(&bytes[..len]).is_err(), "{len}");
    }
    bytes.push(0);
    let stated = bytes.len() as u64 - 1;
    assert_eq!(blob::decode(&bytes), Err(BlobError::Header(FrameError::Length { stated, found: stated + 1 })));
}

/// A harmed file names its place.
#[test]
fn errors_name_the_place() {
    let bytes = hash_blob(7, 0..40_000);
    let header_len: usize = blob::layout::HEADER.iter().map(|(_, len)| len).sum();
    let entry_len: usize = blob::layout::SEGMENT.iter().map(|(_, len)| len).sum();
    let segments = blob::read_header(&bytes).unwrap().segments as usize;
    assert!(segments > 0);
    let error = |at: usize| {
        let mut harmed = bytes.clone();
        harmed[at] ^= 1;
        blob::decode(&harmed).unwrap_err().to_string()
    };
    assert_eq!(error(0), "header: the magic number at byte 0 is not that of a blob");
    assert_eq!(error(8), "header: format version 0, this build reads version 1");
    assert_eq!(error(20), "header: its digest does not agree with its bytes");
    assert_eq!(error(header_len), "segment table: its digest does not agree with its bytes");
    let first_segment = header_len + segments * entry_len;
    assert_eq!(error(first_segment), "segment 0: the compressed bytes do not agree with their digest");
    let last = format!("segment {}: the compressed bytes do not agree with their digest", segments - 1);
    assert_eq!(error(bytes.len() - 1), last);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let numbers = 0..150_000;
    let pool = rayon_pool(1);
    let one = pool.install(|| hash_blob(7, numbers.clone()));
    assert_eq!(one, rayon_pool(4).install(|| hash_blob(7, numbers)));
    let header = blob::read_header(&one).unwrap();
    assert!(header.segments > 1, "{header:?}");
    assert_eq!(header.counts, RecordCounts { file_hashes: 150_000, ..RecordCounts::default() });
    assert_eq!(blob::decode(&one).unwrap().records.len(), 150_000);
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn roots_are_equal_when_meanings_are() {
    let root = |meta: &Meta, records: &[Record]| blob::read_header(&blob::encode(meta, records).unwrap()).unwrap().root;
    let records = [file_hash(1)];
    let base = root(&meta(7), &records);
    assert_eq!(base, root(&meta(7), &records));
    let different = [
        root(&meta(8), &records),
        root(&Meta { created: 1, ..meta(7) }, &records),
        root(&Meta { engine: EngineRange { min: 1, max: 4 }, ..meta(7) }, &records),
        root(&Meta { channel: "acme/stable-2".parse().unwrap(), ..meta(7) }, &records),
        root(&meta(7), &[file_hash(2)]),
        root(&meta(7), &[]),
    ];
    assert!(different.iter().all(|&root| root != base));
}

#[test]
fn what_cannot_be_a_blob_is_refused() {
    let [one, two] = [file_hash(1), file_hash(2)];
    let order = |index| Err(BlobError::Record { index, what: "it does not come after the one before it" });
    assert_eq!(blob::encode(&meta(7), &[two.clone(), one.clone()]), order(1));
    assert_eq!(blob::encode(&meta(7), &[one.clone(), one]), order(1));
    for name in [String::new(), "x".repeat(Record::NAME_BYTES_MAX + 1)] {
        let record = Record::Hash(Hash { of: DigestOf::File, name, digest: Digest::Md5([0; 16]), size: None });
        let what = "its name is empty or too long, or holds a control character";
        assert_eq!(blob::encode(&meta(7), &[record]), Err(BlobError::Record { index: 0, what }));
    }
    let backwards = Meta { engine: EngineRange { min: 2, max: 1 }, ..meta(7) };
    assert_eq!(blob::encode(&backwards, &[two]), Err(BlobError::EngineRange { min: 2, max: 1 }));
}

#[test]
fn limits_hold_before_anything_is_unpacked() {
    let bytes = hash_blob(7, 0..40_000);
    let unpacked = blob::decode(&bytes).unwrap().records.iter().map(|record| record.encode().len() as u64).sum();
    let limits = Limits { unpacked_bytes_max: unpacked, ..Limits::default() };
    assert!(blob::decode_within(&bytes, &limits).is_ok());
    let limits = Limits { unpacked_bytes_max: unpacked - 1, ..limits };
    let limit = |what, found, max| Err(BlobError::Limit { what, found, max });
    assert_eq!(blob::decode_within(&bytes, &limits), limit("unpacked bytes", unpacked, unpacked - 1));
    let limits = Limits { ratio_max: 1, ..Limits::default() };
    let ratio = unpacked.div_ceil(bytes.len() as u64);
    assert_eq!(blob::decode_within(&bytes, &limits), limit("unpacked bytes per byte of the file", ratio, 1));
}

#[test]
fn names_come_with_their_kinds() {
    let names: Vec<_> = blob::names(&hash_blob(7, 1..3)).unwrap().collect();
    assert_eq!(names, [(Kind::FileHash, "Test.Agent-1".to_owned()), (Kind::FileHash, "Test.Agent-2".to_owned())]);
}

#[test]
fn values_can_be_shared() {
    fn shared<T: Send + Sync + std::panic::UnwindSafe>() {}
    shared::<blob::Blob>();
    shared::<BlobError>();
    shared::<blob::DeltaError>();
    shared::<patternc::compile::Compilation>();
}
