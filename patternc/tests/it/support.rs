//! Records and blobs to test with.

use engine::pattern::{Boundary, Element, MaskedByte, Offset, Pattern};
use patternc::blob::{self, EngineRange, Meta};
use patternc::record::{Body, Digest, DigestOf, Hash, Record, Target};
use proptest::prelude::*;

/// What the tests' blobs are packed with.
pub(crate) fn meta(release: u64) -> Meta {
    Meta { channel: "acme/stable".parse().unwrap(), release, created: 0, engine: EngineRange { min: 1, max: 3 } }
}

pub(crate) fn file_hash(number: u64) -> Record {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let (name, digest) = (format!("Test.Agent-{number}"), Digest::Sha256(digest));
    Record::Hash(Hash { of: DigestOf::File, name, digest, size: Some(number) })
}

/// A blob of the given file hashes.
pub(crate) fn hash_blob(release: u64, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut records: Vec<Record> = numbers.into_iter().map(file_hash).collect();
    records.sort_by_cached_key(Record::encode);
    blob::encode(&meta(release), &records).unwrap()
}

pub(crate) fn any_meta() -> impl Strategy<Value = Meta> {
    let channel = "[a-z0-9][a-z0-9-]{0,38}/[a-z0-9][a-z0-9-]{0,38}";
    (channel, any::<u64>(), any::<i64>(), any::<u32>(), any::<u32>()).prop_map(|(channel, release, created, a, b)| Meta {
        channel: channel.parse().unwrap(),
        release,
        created,
        engine: EngineRange { min: a.min(b), max: a.max(b) },
    })
}

/// Sorted, distinct records of every kind.
pub(crate) fn any_records() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(any_record(), 0..40).prop_map(|mut records| {
        records.sort_by_cached_key(Record::encode);
        records.dedup();
        records
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let any = prop_oneof![any_body().prop_map(Record::Body), any_hash().prop_map(Record::Hash)];
    any.prop_filter("a scanner must be able to find it", Record::can_be_found)
}

fn any_hash() -> impl Strategy<Value = Hash> {
    let digest = prop_oneof![
        any::<[u8; 16]>().prop_map(Digest::Md5),
        any::<[u8; 20]>().prop_map(Digest::Sha1),
        any::<[u8; 32]>().prop_map(Digest::Sha256),
    ];
    let of = prop::sample::select(&DigestOf::ALL[..]);
    let fields = (of, any_name(), digest, any::<Option<u64>>());
    fields.prop_map(|(of, name, digest, size)| Hash { of, name, digest, size })
}

fn any_body() -> impl Strategy<Value = Body> {
    let offset = prop_oneof![
        Just(Offset::Any),
        any::<(u64, u64)>().prop_map(|(from, shift)| Offset::Start { from, shift }),
        any::<(u64, u64)>().prop_map(|(back, shift)| Offset::End { back, shift }),
    ];
    let pattern =
        prop::collection::vec(any_element(), 1..6).prop_filter_map("a pattern", |elements| Pattern::new(elements).ok());
    let fields = (any_name(), offset, pattern);
    fields.prop_map(|(name, offset, pattern)| Body { name, target: Target::Any, offset, pattern })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z][a-z]{0,5}", "\\PC{1,20}", "x{100,400}"]
}

fn any_element() -> impl Strategy<Value = Element> {
    let strings = (any::<bool>(), 1usize..5).prop_flat_map(|(negated, len)| {
        let lens = if negated { len..=len } else { 0..=len };
        let strings = prop::collection::vec(prop::collection::vec(any_byte(), lens), 1..5);
        let some = strings.prop_filter("not all are empty", |strings| strings.iter().any(|string| !string.is_empty()));
        some.prop_map(move |strings| Element::Alternatives { strings, negated })
    });
    let gap = (0u32..100, any::<Option<u32>>());
    prop_oneof![
        prop::collection::vec(any_byte(), 1..200).prop_map(Element::Bytes),
        strings,
        gap.prop_map(|(min, more)| Element::Gap { min, max: more.map(|more| min.saturating_add(more)) }),
        (0..Boundary::COUNT).prop_map(|number| Element::Boundary(Boundary::from_number(number).unwrap())),
    ]
}

fn any_byte() -> impl Strategy<Value = MaskedByte> {
    prop_oneof![
        4 => any::<u8>().prop_map(MaskedByte::fixed),
        2 => Just(MaskedByte::ANY),
        1 => any::<(u8, u8)>().prop_map(|(value, mask)| MaskedByte::new(value, mask)),
    ]
}
