//! Haystacks made to cost as much as can be: a scan takes a multiple of its haystack and says when that was not enough.

use crate::support::*;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use engine::{FileScanner, Scanner, Verdict};

fn fixed(bytes: &[u8]) -> Element {
    Element::Bytes(bytes.iter().map(|&byte| MaskedByte::fixed(byte)).collect())
}

fn anywhere() -> Element {
    Element::Gap { min: 0, max: None }
}

/// The part by which signature `index` is found.
fn key(index: u32) -> Vec<u8> {
    index.wrapping_mul(2_654_435_761).to_be_bytes().map(|byte| byte | 1).repeat(4)
}

/// Signatures of a key, and another that stands in the haystack only before all keys; bytes that are alike keep the search for that
/// one busy.
fn ordered(count: u32) -> Vec<Case> {
    let other = |index: u32| [b"other:".to_vec(), key(index + 1_000_000)].concat();
    let pattern = |index| Pattern::new([fixed(&key(index)), anywhere(), fixed(&other(index))]).unwrap();
    (0..count).map(|index| (Offset::Any, pattern(index))).collect()
}

#[test]
fn signatures_that_lack_a_part_cost_one_pass_together() {
    let cases = ordered(2000);
    let bytes = database(&records(&cases));
    let database = open(&bytes);
    let mut haystack: Vec<u8> = (0..2000).flat_map(key).collect();
    haystack.resize(8 << 20, b'.');
    let mut scratch = engine::Scratch::default();
    assert_eq!(Scanner::new(&database).signatures(&mut scratch, &haystack), []);
    assert_eq!(scratch.exceeded(), None);
    haystack.extend(instance(&cases[7].1, 0));
    let scanner = Scanner::new(&database);
    let found: Vec<u32> = scanner.signatures(&mut scratch, &haystack).iter().map(|m| m.signature().index()).collect();
    assert_eq!((found, scratch.exceeded()), (vec![7], None));
}

#[test]
fn a_scan_that_would_take_too_long_ends_and_says_so() {
    let masked: Vec<MaskedByte> = (0..40).map(|i| MaskedByte::new(if i % 2 == 0 { 0xa0 } else { 0 }, 0xf0)).collect();
    let with_gap = |index: u32| {
        let parts = [fixed(&key(index)), anywhere(), Element::Bytes(masked.clone()), anywhere(), fixed(b"\xfe\xfd\xfc")];
        Pattern::new(parts).unwrap()
    };
    let cases: Vec<Case> = (0..600).map(|index| (Offset::Any, with_gap(index))).collect();
    let bytes = database(&records(&cases));
    let database = open(&bytes);
    let mut haystack: Vec<u8> = b"\xfe\xfd\xfc".to_vec();
    haystack.extend((0..600).flat_map(key));
    haystack.resize(1 << 20, 0xa5);

    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    assert_eq!(scanner.signatures(&mut scratch, &haystack), []);
    assert!(scratch.exceeded().is_some(), "600 signatures, each of a mebibyte of single steps");
    assert!(scanner.signatures_in_parallel(&mut scratch, &haystack).is_empty());
    assert!(scratch.exceeded().is_some());

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made");
    std::fs::write(&path, &haystack).unwrap();
    let verdict = FileScanner::new(scanner.clone()).scan_file(&mut engine::files::FileScratch::default(), &path);
    let Verdict::Failed(error) = verdict else { panic!("{verdict:?}") };
    assert_eq!(error.code(), "limits-exceeded");
    assert!(error.to_string().contains("signature `s"), "{error}");

    assert!(scanner.signatures(&mut scratch, b"something small").is_empty());
    assert_eq!(scratch.exceeded(), None, "the next scan begins anew");
}

/// Scans a mebibyte of zeros that begins with a key for a signature of the key, anything, and `element`.
fn zeros_after_a_key(element: Element) -> (Vec<u32>, bool) {
    let gap = Element::Gap { min: 0, max: Some(3) };
    let pattern = Pattern::new([fixed(&key(1)), anywhere(), element, gap, fixed(b"\xfe")]).unwrap();
    let bytes = database(&records(&[(Offset::Any, pattern)]));
    let database = open(&bytes);
    let mut haystack = key(1);
    haystack.resize(1 << 20, 0);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let found = scanner.signatures(&mut scratch, &haystack).iter().map(|m| m.signature().index()).collect();
    (found, scratch.exceeded().is_some())
}

#[test]
fn bytes_compared_are_counted_wherever_they_are_compared() {
    let len = 60_000;
    assert_eq!(zeros_after_a_key(fixed(&vec![0; len])), (vec![], true));
    assert_eq!(zeros_after_a_key(Element::Bytes(vec![MaskedByte::new(0, 0xf0); len])), (vec![], true));
    let mut both = vec![MaskedByte::fixed(0); len];
    both[0] = MaskedByte::new(0x10, 0xf0);
    assert_eq!(zeros_after_a_key(Element::Bytes(both)), (vec![], true));
    assert_eq!(zeros_after_a_key(fixed(&[0; 20])), (vec![], false));
}

#[test]
fn one_signature_that_would_take_too_long_is_broken_off() {
    let string = |index: u16| [index.to_be_bytes().map(|byte| byte | 1).to_vec(), vec![7]].concat();
    let strings: Vec<Vec<MaskedByte>> =
        (0..20_000).map(|index| string(index).into_iter().map(MaskedByte::fixed).collect()).collect();
    let began = std::time::Instant::now();
    assert_eq!(zeros_after_a_key(Element::Alternatives { strings, negated: false }), (vec![], true));
    // To the end it is a minute with optimisation, and several without.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_crowded_window_is_searched_and_finds_all() {
    let shared = b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9";
    let string = |index: u32| [shared.as_slice(), &index.to_le_bytes(), b"\0\0\0\0\0\0\0"].concat();
    let cases: Vec<Case> = (0..500).map(|index| literal(&string(index))).collect();
    let bytes = database(&records(&cases));
    let database = open(&bytes);
    let haystack: Vec<u8> =
        (0..500).flat_map(|index| [string(index), vec![index as u8; index as usize % 9]].concat()).collect();
    assert_eq!(found(&Scanner::new(&database), &haystack), expected(&cases, &haystack));
}

#[test]
fn a_restricted_scanner_finds_its_part() {
    let cases: Vec<Case> = (0..300).map(|index| literal(&key(index)[..5 + index as usize % 11])).collect();
    let mut all = records(&cases);
    all.push(sha256(b"whole", None));
    let bytes = database(&all);
    let database = open(&bytes);
    let haystack: Vec<u8> = (0..300).flat_map(key).collect();
    let whole = found(&Scanner::new(&database), &haystack);
    let ids = database.windows().map(|window| window.signature).filter(|id| id.index() % 7 == 3).collect::<Vec<_>>();
    let part = Scanner::restricted(&database, &ids);
    let want = whole.into_iter().filter(|(id, _)| id % 7 == 3).collect();
    assert_eq!(found(&part, &haystack), want);
    let mut scratch = part.scratch();
    assert!(part.signatures(&mut scratch, b"whole").is_empty());
    assert_eq!(Scanner::new(&database).signatures(&mut scratch, b"whole").len(), 1);
}
