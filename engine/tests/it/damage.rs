//! Damaged databases are refused by name, or scan on without a panic.

use crate::support::*;
use engine::{Database, DatabaseError, Scanner};
use proptest::prelude::*;

fn sample() -> Vec<u8> {
    let mut all = records(&[
        literal(b"a literal of some length"),
        literal(b"short"),
        literal(b"xyz"),
        (engine::pattern::Offset::Start { from: 3, shift: 0 }, engine::pattern::Pattern::literal(b"tied").unwrap()),
        (engine::pattern::Offset::End { back: 9, shift: 2 }, engine::pattern::Pattern::literal(b"the tail").unwrap()),
    ]);
    all.push(sha256(b"whole", Some(5)));
    all.push(sha256(b"whole", None));
    database(&all)
}

const HAYSTACK: &[u8] = b"...tied, a literal of some length, short, xyz, the tail.";

#[test]
fn every_truncation_is_refused() {
    let bytes = sample();
    for len in 0..bytes.len() {
        assert!(Database::open(&bytes[..len]).is_err(), "opened with {len} bytes");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(
        Database::open(&longer).unwrap_err(),
        DatabaseError::TrailingBytes { stated: bytes.len() as u64, found: bytes.len() as u64 + 1 }
    );
}

#[test]
fn every_flipped_bit_is_refused_by_open_or_verify() {
    let bytes = sample();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verdict = Database::open(&flipped).and_then(|database| database.verify());
        assert!(verdict.is_err(), "bit {bit} of {} went unnoticed", bytes.len() * 8);
    }
}

#[test]
fn foreign_files_are_told_apart() {
    assert_eq!(Database::open(b"MZ").unwrap_err(), DatabaseError::Magic);
    assert_eq!(Database::open(&[0; 4096]).unwrap_err(), DatabaseError::Magic);
    assert!(matches!(Database::open(b"TITERDB\n").unwrap_err(), DatabaseError::CutOff { found: 8, .. }));
}

/// Damage behind the checks of `open`: header and directory are sealed again, so that scanning meets it.
fn reseal(bytes: &mut [u8]) {
    use engine::layout::{Header, SectionEntry};
    use zerocopy::{FromBytes, IntoBytes};
    let (header, rest) = Header::read_from_prefix(bytes).unwrap();
    let (directory, _) = <[SectionEntry]>::ref_from_prefix_with_elems(rest, header.section_count.get() as usize).unwrap();
    let digest = engine::database::header_digest(&header, directory);
    bytes[..size_of::<Header>()].copy_from_slice(Header { digest, ..header }.as_bytes());
}

#[test]
fn an_element_made_empty_is_told_and_matches_nothing() {
    use engine::layout::{Header, ProgramElement, ProgramHead, Section, SectionEntry};
    use engine::pattern::{Element, MaskedByte, Offset, Pattern};
    use zerocopy::{FromBytes, IntoBytes};
    let text = |bytes: &[u8]| Element::Bytes(bytes.iter().map(|&byte| MaskedByte::fixed(byte)).collect());
    let gap = Element::Gap { min: 0, max: None };
    let mut bytes =
        database(&records(&[(Offset::Any, Pattern::new([text(b"the anchor of it"), gap, text(b"yz")]).unwrap())]));
    let directory = &bytes[size_of::<Header>() + (Section::Programs as usize - 1) * size_of::<SectionEntry>()..];
    let programs = SectionEntry::read_from_prefix(directory).unwrap().0.offset.get() as usize;
    let element = programs + size_of::<ProgramHead>() + 2 * size_of::<ProgramElement>();
    let place = element..element + size_of::<ProgramElement>();
    let mut last = ProgramElement::read_from_bytes(&bytes[place.clone()]).unwrap();
    assert_eq!(last.count.get(), 2);
    last.count = 0.into();
    bytes[place].copy_from_slice(last.as_bytes());
    reseal(&mut bytes);
    let database = open(&bytes);
    assert!(database.verify().is_err());
    let mut haystack = b"the anchor of it".to_vec();
    haystack.resize(500, 0);
    assert!(found(&Scanner::new(&database), &haystack).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn scanning_with_a_damaged_database_never_panics(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = sample();
        for (place, value) in damage {
            let header = size_of::<engine::layout::Header>();
            let place = header + place.index(bytes.len() - header);
            bytes[place] = value;
        }
        reseal(&mut bytes);
        if let Ok(database) = Database::open(&bytes) {
            let scanner = Scanner::new(&database);
            let mut scratch = scanner.scratch();
            for (signature, _) in scanner.ends(&mut scratch, HAYSTACK) {
                let _ = (database.name(signature), database.channel(signature));
            }
            let _ = database.verify();
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(Database::open(&bytes).is_err());
    }
}
