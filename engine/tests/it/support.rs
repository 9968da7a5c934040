//! Databases and haystacks for tests.

use engine::pattern::{Boundary, Element, MaskedByte, Offset, Pattern};
use engine::{Database, Scanner, naive};
use patternc::link::{LinkSource, link};
use patternc::record::{Body, Digest, DigestOf, Hash, Record, Target};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A body signature to test with; its name is its place in the list.
pub(crate) type Case = (Offset, Pattern);

pub(crate) fn records(cases: &[Case]) -> Vec<Record> {
    let body = |(index, (offset, pattern)): (usize, &Case)| {
        Record::Body(Body { name: format!("s{index}"), target: Target::Any, offset: *offset, pattern: pattern.clone() })
    };
    cases.iter().enumerate().map(body).collect()
}

pub(crate) fn database(records: &[Record]) -> Vec<u8> {
    link(&[LinkSource { channel: "test/all", release: 1, root: [7; 32], records }]).expect("every pattern has an anchor")
}

pub(crate) fn literal(bytes: &[u8]) -> Case {
    (Offset::Any, Pattern::literal(bytes).unwrap())
}

pub(crate) fn sha256(bytes: &[u8], size: Option<u64>) -> Record {
    use sha2::Digest as _;
    let digest = Digest::Sha256(sha2::Sha256::digest(bytes).into());
    hash(DigestOf::File, "hash", digest, size)
}

pub(crate) fn md5(bytes: &[u8], size: Option<u64>) -> Record {
    hash(DigestOf::File, "md5", Digest::Md5(md5_of(bytes)), size)
}

/// An entry of an allow list: these bytes are clean.
pub(crate) fn clean_file(bytes: &[u8], size: Option<u64>) -> Record {
    hash(DigestOf::CleanFile, "clean", Digest::Md5(md5_of(bytes)), size)
}

pub(crate) fn hash(of: DigestOf, name: &str, digest: Digest, size: Option<u64>) -> Record {
    Record::Hash(Hash { of, name: name.to_owned(), digest, size })
}

pub(crate) fn md5_of(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

/// (signature, end) as the scanner finds them.
pub(crate) fn found(scanner: &Scanner<'_>, haystack: &[u8]) -> BTreeSet<(u32, u64)> {
    let mut scratch = scanner.scratch();
    scanner.ends(&mut scratch, haystack).into_iter().map(|(signature, end)| (signature.index(), end)).collect()
}

/// (signature, end) as the oracle finds them.
pub(crate) fn expected(cases: &[Case], haystack: &[u8]) -> BTreeSet<(u32, u64)> {
    let ends = |(index, (offset, pattern)): (usize, &Case)| {
        naive::ends(pattern, *offset, haystack).into_iter().map(move |end| (index as u32, end)).collect::<Vec<_>>()
    };
    cases.iter().enumerate().flat_map(ends).collect()
}

/// The signature for which `file` takes more work than a file of its size may, when nothing is found in it.
pub(crate) fn exceeded(records: &[Record], file: &[u8]) -> Option<String> {
    let bytes = database(records);
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    assert!(scanner.signatures(&mut scratch, file).is_empty());
    scratch.exceeded().map(|signature| database.name(signature).into_owned())
}

pub(crate) fn open(bytes: &[u8]) -> Database<'_> {
    Database::open(bytes).expect("a database just linked opens")
}

/// Bytes of a small alphabet, so that patterns meet haystacks often.
fn letter() -> impl Strategy<Value = u8> {
    // The last but one: what makes a boundary.
    prop_oneof![6 => Just(b'a'), 3 => Just(b'b'), 1 => Just(0), 1 => prop::sample::select(b" -\n\r".to_vec()), 1 => any::<u8>()]
}

fn masked() -> impl Strategy<Value = MaskedByte> {
    prop_oneof![
        8 => letter().prop_map(MaskedByte::fixed),
        1 => letter().prop_map(|b| MaskedByte::new(b, 0xf0)),
        1 => letter().prop_map(|b| MaskedByte::new(b, 0x0f)),
        2 => letter().prop_map(|b| MaskedByte::new(b, 0xdf)),
        1 => Just(MaskedByte::ANY),
    ]
}

fn run() -> impl Strategy<Value = Element> {
    prop::collection::vec(letter().prop_map(MaskedByte::fixed), 2..24).prop_map(Element::Bytes)
}

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        4 => run(),
        3 => prop::collection::vec(masked(), 1..12).prop_map(Element::Bytes),
        1 => prop::collection::vec(prop::collection::vec(masked(), 1..4), 1..4)
            .prop_map(|strings| Element::Alternatives { strings, negated: false }),
        1 => prop::collection::vec(masked(), 1..4)
            .prop_map(|string| Element::Alternatives { strings: vec![vec![], string], negated: false }),
        1 => (1..4_usize).prop_flat_map(|len| prop::collection::vec(prop::collection::vec(masked(), len), 1..4))
            .prop_map(|strings| Element::Alternatives { strings, negated: true }),
        2 => (0..6_u32, 0..6_u32).prop_map(|(min, more)| Element::Gap { min, max: Some(min + more) }),
        1 => (0..3_u32, 257..400_u32).prop_map(|(min, more)| Element::Gap { min, max: Some(min + more) }),
        1 => (0..6_u32).prop_map(|min| Element::Gap { min, max: None }),
        2 => (0..Boundary::COUNT).prop_map(|number| Element::Boundary(Boundary::from_number(number).unwrap())),
    ]
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![
        6 => Just(Offset::Any),
        1 => (0..40_u64, 0..20_u64).prop_map(|(from, shift)| Offset::Start { from, shift }),
        1 => (0..40_u64).prop_map(|from| Offset::Start { from, shift: 0 }),
        1 => (0..40_u64, 0..20_u64).prop_map(|(back, shift)| Offset::End { back, shift }),
        1 => (0..40_u64).prop_map(|back| Offset::End { back, shift: 0 }),
    ]
}

/// A signature with at least one run of two fixed bytes.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    let elements = (prop::collection::vec(element(), 0..4), run(), prop::collection::vec(element(), 0..4));
    (offset(), elements).prop_filter_map("its elements make a pattern", |(offset, (before, run, after))| {
        let pattern = Pattern::new(before.into_iter().chain([run]).chain(after)).ok()?;
        Some((offset, pattern))
    })
}

/// A string that `pattern` matches: the least of what each element allows, with `filler` where anything goes.
pub(crate) fn instance(pattern: &Pattern, filler: u8) -> Vec<u8> {
    let byte = |masked: &MaskedByte| masked.value() | (filler & !masked.mask());
    let mut bytes = Vec::new();
    for element in pattern.elements() {
        match element {
            Element::Bytes(string) => bytes.extend(string.iter().map(byte)),
            Element::Alternatives { strings, negated: false } => bytes.extend(strings[0].iter().map(byte)),
            Element::Alternatives { strings, negated: true } => bytes.extend(vec![filler; strings[0].len()]),
            Element::Gap { min, .. } => bytes.extend(vec![filler; *min as usize]),
            Element::Boundary(_) => {}
        }
    }
    bytes
}

/// Signatures, and a haystack that holds some of them among bytes of the same alphabet.
pub(crate) fn cases_and_haystack() -> impl Strategy<Value = (Vec<Case>, Vec<u8>)> {
    prop::collection::vec(case(), 1..8).prop_flat_map(|cases| {
        let noise = prop::collection::vec(letter(), 0..40);
        let pieces = prop::collection::vec((noise, any::<prop::sample::Index>(), any::<u8>()), 0..5);
        (Just(cases), pieces, prop::collection::vec(letter(), 0..40)).prop_map(|(cases, pieces, tail)| {
            let mut haystack = Vec::new();
            for (noise, which, filler) in pieces {
                haystack.extend(noise);
                haystack.extend(instance(&cases[which.index(cases.len())].1, filler));
            }
            haystack.extend(tail);
            (cases, haystack)
        })
    })
}
