//! Bodies of fuzz targets, as functions, so that a crash file becomes an ordinary test.
//!
//! Each takes any bytes and panics when something that always holds does not.

use crate::blob;
use crate::clamav;
use crate::wire::Reader;

/// A blob that is accepted is encoded to the same root, and decoded to the same blob.
pub fn blob_decode(bytes: &[u8]) {
    let Ok(decoded) = blob::decode(bytes) else { return };
    let encoded = blob::encode(&decoded.header.meta(), &decoded.records).expect("decoded records can be encoded");
    let again = blob::decode(&encoded).expect("what was encoded can be decoded");
    assert_eq!(again.header.root, decoded.header.root);
    assert_eq!(again.records, decoded.records);
}

/// Runs of bytes that are accepted as a record are what the record is encoded to.
pub fn record_decode(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut scratch = Vec::new();
    while let Ok((record, encoded)) = crate::record::decode_one(&mut reader, &mut scratch) {
        assert_eq!(record.encode(), encoded);
    }
}

/// A delta applied to an empty blob gives the blob that it names, or an error. Seeds are deltas from [`empty_blob`].
pub fn delta_apply(bytes: &[u8]) {
    if let Ok(patched) = blob::patch(&empty_blob(), bytes) {
        let header = blob::read_delta_header(bytes).expect("a delta that was applied has a header");
        assert_eq!(blob::decode(&patched).expect("what a delta makes is a blob").header.root, header.to);
    }
}

/// Lines end in a record that can be encoded and decoded, or in a fault.
pub fn ndb_parse(bytes: &[u8]) {
    lines(bytes, |line| clamav::ndb(line));
}

/// Lines end in a record that can be encoded and decoded, or in a fault.
pub fn hash_parse(bytes: &[u8]) {
    lines(bytes, |line| clamav::hash(line));
}

fn lines(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<Option<crate::record::Record>, crate::diagnostic::Fault>) {
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Ok(Some(record)) = parse(line) {
            let encoded = record.encode();
            let decoded = crate::record::decode_one(&mut Reader::new(&encoded), &mut Vec::new());
            assert_eq!(decoded.expect("an encoded record can be decoded"), (record, &encoded[..]));
        }
    }
}

/// The blob that [`delta_apply`] patches.
pub fn empty_blob() -> Vec<u8> {
    let channel = "fuzz/empty".parse().expect("it is of the form `maker/name`");
    let meta = blob::Meta { channel, release: 1, created: 0, engine: blob::EngineRange { min: 1, max: 1 } };
    blob::encode(&meta, &[]).expect("no records can be encoded")
}
