//! Bodies of fuzz targets, as functions, so that a crash file becomes an ordinary test.
//!
//! Each takes any bytes and panics when something that always holds does not.

mod maker;

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::blob;
use crate::clamav;
use crate::clamav::container::signature::Keys;
use crate::clamav::container::{Container, HEADER_LEN, Limits};
use crate::compile::{Compilation, Compiler, SourceKind, Unsigned};
use crate::record::DigestOf;
use crate::wire::Reader;

#[cfg(test)]
pub(crate) use maker::encode_pss;
pub use maker::{Maker, Makers};

/// A blob that is accepted is encoded to the same root, and decoded to the same blob.
pub fn blob_decode(bytes: &[u8]) {
    let Ok(decoded) = blob::decode(bytes) else { return };
    let encoded = blob::encode(&decoded.header.meta(), &decoded.records).expect("decoded records can be encoded");
    let again = blob::decode(&encoded).expect("what was encoded can be decoded");
    assert_eq!(again.header.root, decoded.header.root);
    assert_eq!(again.records, decoded.records);
}

/// Runs of bytes that are accepted as a record are what the record is encoded to, and end where they are passed over.
pub fn record_decode(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut scratch = Vec::new();
    while let Ok((record, encoded)) = crate::record::decode_one(&mut reader, &mut scratch) {
        assert_eq!(record.encode(), encoded);
        assert_eq!(crate::record::skip(&mut Reader::new(encoded)), Ok(encoded));
        assert!(blob::is_followed(encoded), "{encoded:02x?}");
    }
}

/// How many records one after the other a reader of deltas passes over at the beginning of `bytes`.
pub fn records_passed(bytes: &[u8]) -> u32 {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(|| crate::record::skip(&mut reader).ok()).fold(0, |passed, _| passed + 1)
}

/// A delta applied to an empty blob gives the blob that it names, or an error. Seeds are deltas from [`empty_blob`].
pub fn delta_apply(bytes: &[u8]) {
    delta_apply_to(&empty_blob(), bytes);
}

/// A delta applied to `old`, whatever that is, gives something with the root that it names, or an error; of a blob it gives a blob.
pub fn delta_apply_to(old: &[u8], bytes: &[u8]) {
    if let Ok(patched) = blob::patch(old, bytes) {
        let header = blob::read_delta_header(bytes).expect("a delta that was applied has a header");
        assert_eq!(blob::read_header(&patched).expect("what a delta makes has a header").root, header.to);
        let is_blob = blob::decode(old).is_err() || blob::decode(&patched).is_ok();
        assert!(is_blob, "what a delta makes of a blob is a blob");
    }
}

/// Lines end in a record that can be encoded and decoded, or in a fault.
pub fn ndb_parse(bytes: &[u8]) {
    lines(bytes, |line| clamav::ndb(line));
}

/// Lines end in a record that can be encoded and decoded, or in a fault.
pub fn ldb_parse(bytes: &[u8]) {
    lines(bytes, |line| clamav::ldb(line));
}

/// Lines end in a record that can be encoded and decoded, or in a fault.
pub fn db_parse(bytes: &[u8]) {
    lines(bytes, |line| clamav::db(line));
}

/// Lines of files that make no records end in what they mean, or in a fault.
pub fn side_file_parse(bytes: &[u8]) {
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Ok(Some(rule)) = clamav::ignore(line) {
            assert!(!rule.name.is_empty());
        }
        let _ = (clamav::info(line), clamav::cfg(line), clamav::ftm(line), clamav::cdb(line));
    }
}

/// A container that passes its check unpacks to the same members twice, within the limits.
pub fn container_read(bytes: &[u8]) {
    let limits = Limits { member_bytes_max: 1 << 16, total_bytes_max: 1 << 18, ratio_max: 64, members_max: 16 };
    let Ok(container) = Container::open(bytes, limits) else { return };
    let checked = container.check();
    let keys = Keys::clamav();
    assert!(container.header().verify(&keys.header).is_err(), "nobody signs what a fuzzer makes");
    assert!(checked.iter().all(|list| list.verify(&keys.list).is_err()));
    let unpack = || {
        let mut members = Vec::new();
        let outcome = container.unpack(|name, bytes| {
            members.push((name.to_owned(), bytes.to_vec()));
            Ok(())
        });
        (outcome, members)
    };
    let (outcome, members) = unpack();
    assert!(members.len() <= limits.members_max);
    assert!(members.iter().all(|(name, bytes)| !name.contains('/') && bytes.len() as u64 <= limits.member_bytes_max));
    assert!(members.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>() <= limits.total_bytes_max);
    assert!(checked.is_err() || outcome.is_ok());
    assert_eq!(unpack(), (outcome, members));
}

/// Compiles `bytes` as a container: every line is accounted for.
pub fn container_compile(bytes: &[u8]) {
    let mut compiler = Compiler::new().unsigned(Unsigned::Accept);
    compiler.add_text("fuzz.cud", SourceKind::Cud, bytes);
    let Compilation { account, .. } = compiler.finish();
    assert_eq!(account.accepted + account.refused, account.lines);
    assert_eq!(account.by_code.values().sum::<u64>(), account.refused);
}

/// Puts the digest of the archive into the header of a container, so that a fuzzer gets past it.
pub fn seal_container(bytes: &mut [u8]) {
    let Some((header, archive)) = bytes.split_at_mut_checked(HEADER_LEN) else { return };
    let at = header.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(4).map(|(at, _)| at + 1);
    let Some(digits) = at.and_then(|at| header.get_mut(at..at + 32)) else { return };
    if digits.contains(&b':') {
        return;
    }
    let digest = Md5::digest(archive);
    digits.copy_from_slice(hex(&digest).as_bytes());
}

/// How [`container`] makes its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A tar archive.
    Tar,
    /// A tar archive packed by gzip.
    Gzip,
}

/// A container of `members` as ClamAV makes them, but for signatures: with its digest, and with a list of members, `made.info`, as
/// the first of them.
pub fn container(packing: Packing, members: &[(&str, &[u8])]) -> Vec<u8> {
    container_of(packing, &with_list(&list_of(members), members))
}

/// A container of `members` whose header and list of members are signed.
pub fn signed_container(makers: &Makers, packing: Packing, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut list = list_of(members);
    let signature = makers.list.sign_sha256(&Sha256::digest(&list).into());
    writeln!(list, "DSIG:{signature}").expect("writing to a string");
    let archive = archive(packing, &with_list(&list, members));
    let md5 = Md5::digest(&archive);
    let signature = makers.header.sign_md5(&md5.into());
    let mut bytes = header(&hex(&md5), &signature);
    bytes.extend(archive);
    bytes
}

/// A container of `members` and nothing else, with its digest.
pub fn container_of(packing: Packing, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = header(&"0".repeat(32), "X");
    bytes.extend(archive(packing, members));
    seal_container(&mut bytes);
    bytes
}

/// A header like that of release 1 of something, with room for what it must hold.
fn header(md5: &str, signature: &str) -> Vec<u8> {
    let text = format!("ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:{md5}:{signature}:maker:1353093303");
    let mut bytes = text.into_bytes();
    bytes.resize(HEADER_LEN, b' ');
    bytes
}

fn list_of(members: &[(&str, &[u8])]) -> String {
    let mut list = String::from("ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:X:X:maker:1353093303\n");
    for (name, bytes) in members {
        writeln!(list, "{name}:{}:{}", bytes.len(), hex(&Sha256::digest(bytes))).expect("writing to a string");
    }
    list
}

fn with_list<'a>(list: &'a str, members: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
    std::iter::once(("made.info", list.as_bytes())).chain(members.iter().copied()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn archive(packing: Packing, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).expect("a short name and a buffer");
    }
    let tar = tar.into_inner().expect("writing to a buffer");
    match packing {
        Packing::Tar => tar,
        Packing::Gzip => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&tar).expect("writing to a buffer");
            gzip.finish().expect("writing to a buffer")
        }
    }
}

/// Lines end in a record that can be encoded and decoded, or in a fault.
pub fn hash_parse(bytes: &[u8]) {
    for of in DigestOf::ALL {
        lines(bytes, |line| clamav::hash(of, line));
    }
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
