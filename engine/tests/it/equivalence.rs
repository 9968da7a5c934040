//! The fast matcher and the oracle find the same.

use crate::support::*;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use engine::{Backend, Database, Scanner, Scratch};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn check(cases: &[Case], haystack: &[u8]) -> Result<(), TestCaseError> {
    let bytes = database(&records(cases));
    let database = open(&bytes);
    prop_assert_eq!(database.verify(), Ok(()));
    search(&database, cases, haystack)
}

/// Every way of searching finds in `haystack` what the definition of these cases, which `database` has, says.
fn search(database: &Database<'_>, cases: &[Case], haystack: &[u8]) -> Result<(), TestCaseError> {
    let want = expected(cases, haystack);
    for backend in Backend::available() {
        let scanner = Scanner::with_backend(database, backend);
        prop_assert_eq!(&want, &found(&scanner, haystack), "{}", backend.name());
    }
    let scanner = Scanner::new(database);

    let names: BTreeSet<u32> = want.iter().map(|(signature, _)| *signature).collect();
    let mut scratch = scanner.scratch();
    let once = scanner.signatures(&mut scratch, haystack).to_vec();
    prop_assert_eq!(once.len(), names.len(), "each signature once");
    for m in &once {
        prop_assert!(want.contains(&(m.signature().index(), m.range().end)));
    }
    for chunk in [8, 24, 64, 1 << 20] {
        prop_assert_eq!(&once, scanner.signatures_in_chunks(&mut scratch, haystack, chunk), "chunks of {}", chunk);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn any_signatures_in_any_haystack((cases, haystack) in cases_and_haystack()) {
        check(&cases, &haystack)?;
    }
}

/// Lengths on both sides of every tier's limit.
const LENGTHS: [usize; 12] = [2, 3, 4, 6, 7, 10, 11, 14, 15, 16, 23, 40];

fn rising(len: usize, first: u8) -> Vec<u8> {
    (0..len).map(|i| first.wrapping_add((i as u8).wrapping_mul(37))).collect()
}

#[test]
fn a_literal_of_each_length_is_found_at_each_alignment() {
    let cases: Vec<Case> = LENGTHS.iter().map(|&len| literal(&rising(len, len as u8))).collect();
    let bytes = database(&records(&cases));
    let database = open(&bytes);
    for case in 0..cases.len() {
        for before in 0..70 {
            for after in [0, 1, 7, 8, 63, 64] {
                let mut haystack = vec![0xee; before];
                haystack.extend(instance(&cases[case].1, 0));
                haystack.extend(vec![0xee; after]);
                search(&database, &cases, &haystack).unwrap();
            }
        }
    }
}

#[test]
fn a_match_across_any_block_or_chunk_border_is_found() {
    const BORDERS: [usize; 2] = [16 << 10, 1 << 20];
    let cases: Vec<Case> = LENGTHS.iter().skip(1).map(|&len| literal(&rising(len, len as u8))).collect();
    let bytes = database(&records(&cases));
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let mut haystack = vec![0xee; (1 << 20) + 100];
    for border in BORDERS {
        for (index, case) in cases.iter().enumerate() {
            let string = instance(&case.1, 0);
            for start in border - string.len()..=border {
                haystack[start..start + string.len()].copy_from_slice(&string);
                let found: Vec<_> = scanner
                    .signatures_in_parallel(&mut scratch, &haystack)
                    .iter()
                    .map(|m| (m.signature().index(), m.range()))
                    .collect();
                let want = (index as u32, start as u64..(start + string.len()) as u64);
                assert!(found.contains(&want), "{want:?} at {border}");
                if border == BORDERS[0] {
                    let found = scanner.signatures(&mut scratch, &haystack[..border + 64]);
                    assert!(found.iter().any(|m| (m.signature().index(), m.range()) == want));
                }
                haystack[start..start + string.len()].fill(0xee);
            }
        }
    }
}

#[test]
fn floods_of_one_byte_match_at_every_end() {
    let cases = [literal(&[0; 15]), literal(&[0; 11]), literal(&[0; 7]), literal(&[0; 4]), literal(&[0; 2])];
    check(&cases, &[0; 200]).unwrap();
}

#[test]
fn a_far_gap_may_span_chunks() {
    let bytes = |b: &[u8]| Element::Bytes(b.iter().map(|&b| MaskedByte::fixed(b)).collect());
    let gap = Element::Gap { min: 1000, max: None };
    let cases =
        [(Offset::Start { from: 0, shift: 9 }, Pattern::new([bytes(b"begin"), gap, bytes(b"the very end")]).unwrap())];
    let linked = database(&records(&cases));
    let database = open(&linked);
    let mut haystack = vec![b'.'; 3 << 20];
    haystack[9..14].copy_from_slice(b"begin");
    let end = haystack.len() - 1;
    haystack[end - 12..end].copy_from_slice(b"the very end");
    let mut scratch = Scratch::default();
    let found = Scanner::new(&database).signatures_in_parallel(&mut scratch, &haystack);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].range(), 9..end as u64);
}

#[test]
fn digests_are_found_by_size_and_without() {
    let records = [sha256(b"exact", Some(5)), sha256(b"anything", None), sha256(b"wrong size", Some(3))];
    let bytes = database(&records);
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    let signatures = |haystack: &[u8]| found(&scanner, haystack).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    // Those of digests are numbered as their table has them: for any size, then by size.
    assert_eq!(signatures(b"anything"), [0]);
    assert_eq!(signatures(b"exact"), [2]);
    assert_eq!(signatures(b"wrong size"), [] as [u32; 0]);
    assert_eq!(signatures(b""), [] as [u32; 0]);
}

#[test]
fn a_signature_is_reported_where_its_lowest_anchor_is() {
    let linked = database(&records(&[literal(&[b'a'; 15])]));
    let database = open(&linked);
    let haystack = [b" ".as_slice(), &[b'a'; 64]].concat();
    let mut scratch = Scratch::default();
    let found = Scanner::new(&database).signatures_in_chunks(&mut scratch, &haystack, 8);
    assert_eq!(found.iter().map(engine::Match::range).collect::<Vec<_>>(), vec![1..16]);
}

/// Fifty gaps, each of which may be anything: what a candidate may try grows with every one.
#[test]
fn gaps_upon_gaps_in_a_flood_are_settled_once_per_file() {
    let letters = |text: &[u8]| Element::Bytes(text.iter().map(|&b| MaskedByte::fixed(b)).collect());
    let gap = Element::Gap { min: 0, max: Some(256) };
    let mut elements: Vec<Element> = (0..50).flat_map(|_| [letters(b"aaaa"), gap.clone()]).collect();
    elements.push(letters(b"ab"));
    let cases = [(Offset::Any, Pattern::new(elements).unwrap())];
    let linked = database(&records(&cases));
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    assert!(found(&scanner, &vec![b'a'; 1 << 16]).is_empty());
    let mut haystack = vec![b'a'; 1 << 12];
    haystack.push(b'b');
    assert_eq!(found(&scanner, &haystack), BTreeSet::from([(0, haystack.len() as u64)]));
}

/// One anchor whose gaps leave more to try than a candidate may, and one that is settled on the spot: which comes first decides, not
/// which chunk each lies in.
#[test]
fn a_candidate_that_was_put_off_counts_by_its_place() {
    let letters = |text: &[u8]| Element::Bytes(text.iter().map(|&b| MaskedByte::fixed(b)).collect());
    let gap = Element::Gap { min: 0, max: Some(256) };
    let mut elements = vec![letters(b"the anchor is here")];
    elements.extend((0..5).flat_map(|_| [gap.clone(), letters(b"a")]));
    elements.extend([gap, letters(b"z")]);
    let linked = database(&records(&[(Offset::Any, Pattern::new(elements).unwrap())]));
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    let settled = b"the anchor is here aaaaa z".to_vec();
    let put_off = [b"the anchor is here ".as_slice(), &[b'a'; 1400], b"z"].concat();
    let apart = vec![b'.'; 3000];
    for haystack in [[&settled[..], &apart, &put_off].concat(), [&put_off[..], &apart, &settled].concat()] {
        let mut scratch = scanner.scratch();
        let once = scanner.signatures(&mut scratch, &haystack).to_vec();
        assert_eq!(once.len(), 1);
        for chunk in [8, 64, 1024, 1 << 20] {
            assert_eq!(once, scanner.signatures_in_chunks(&mut scratch, &haystack, chunk), "chunks of {chunk}");
        }
    }
}

proptest! {
    /// Each stored window is part of a string that its signature matches, and each signature that floats has one.
    #[test]
    fn stored_windows_are_bytes_of_their_signatures((cases, _) in cases_and_haystack()) {
        let bytes = database(&records(&cases));
        let database = open(&bytes);
        let mut owners = BTreeSet::new();
        for window in database.windows() {
            let tier = &database.tiers()[window.tier];
            let mut string = instance(&cases[window.signature.index() as usize].1, 0);
            if tier.fold != 0 {
                for byte in &mut string {
                    *byte |= engine::layout::FOLD;
                }
            }
            let stored = &window.bytes.to_le_bytes()[..usize::from(tier.width)];
            prop_assert!(window.shift < tier.stride);
            prop_assert!(string.windows(stored.len()).any(|there| there == stored), "{:?} in {:?}", stored, string);
            owners.insert(window.signature);
        }
        prop_assert_eq!(owners.len(), cases.iter().filter(|(offset, _)| !offset.is_fixed()).count());
    }
}
