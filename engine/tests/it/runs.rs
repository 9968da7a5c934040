//! Haystacks that repeat themselves: what is passed by is found all the same.

use crate::support::*;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use engine::{Backend, Scanner};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Bytes of one scanning block: chunks of a parallel scan are multiples of it.
const BLOCK: usize = 16 << 10;

fn check(cases: &[Case], haystack: &[u8]) -> Result<(), TestCaseError> {
    let bytes = database(&records(cases));
    let database = open(&bytes);
    let want = expected(cases, haystack);
    let names: BTreeSet<u32> = want.iter().map(|(signature, _)| *signature).collect();
    for backend in Backend::available() {
        let scanner = Scanner::with_backend(&database, backend);
        prop_assert_eq!(&want, &found(&scanner, haystack), "{}", backend.name());
        let mut scratch = scanner.scratch();
        let once = scanner.signatures(&mut scratch, haystack).to_vec();
        prop_assert_eq!(once.iter().map(|m| m.signature().index()).collect::<BTreeSet<_>>(), names.clone());
        for m in &once {
            prop_assert!(want.contains(&(m.signature().index(), m.range().end)), "{:?}", m);
        }
        prop_assert_eq!(&once, scanner.signatures_in_chunks(&mut scratch, haystack, BLOCK));
    }
    Ok(())
}

/// A few bytes, again and again.
fn run() -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![
        3 => Just(vec![0]),
        1 => Just(vec![0x90]),
        3 => prop::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 1..17),
    ];
    (unit, 20..1500_usize).prop_map(|(unit, len)| unit.into_iter().cycle().take(len).collect())
}

/// Runs with a few other bytes between.
fn haystack() -> impl Strategy<Value = Vec<u8>> {
    let between = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((run(), between), 1..5)
        .prop_map(|parts| parts.into_iter().flat_map(|(run, between)| [run, between].concat()).collect())
}

/// A part of the haystack, somewhat changed, as a signature.
fn case(haystack: Vec<u8>) -> impl Strategy<Value = Case> {
    let len = haystack.len();
    let start = 0..len.saturating_sub(2).max(1);
    let cut = (start, 2..200_usize).prop_map(move |(start, more)| haystack[start..len.min(start + more)].to_vec());
    let offset = prop_oneof![
        4 => Just(Offset::Any),
        1 => (0..2000_u64, 0..500_u64).prop_map(|(from, shift)| Offset::Start { from, shift: shift + 1 }),
        1 => (0..2000_u64, 0..500_u64).prop_map(|(back, shift)| Offset::End { back, shift: shift + 1 }),
    ];
    (cut, offset, 0..5_u8, any::<prop::sample::Index>()).prop_filter_map("it is a pattern", |(cut, offset, how, at)| {
        let mut bytes: Vec<MaskedByte> = cut.iter().map(|&byte| MaskedByte::fixed(byte)).collect();
        let at = at.index(bytes.len());
        let mut elements = Vec::new();
        match how {
            0 => {}
            1 => bytes[at] = MaskedByte::fixed(cut[at] ^ 1),
            2 => bytes[at] = MaskedByte::new(cut[at], 0xf0),
            3 => elements.extend([Element::Bytes(bytes.drain(..at).collect()), Element::Gap { min: 0, max: Some(9) }]),
            _ => elements.extend([Element::Bytes(bytes.drain(..at).collect()), Element::Gap { min: 1, max: None }]),
        }
        elements.push(Element::Bytes(bytes));
        let pattern = Pattern::new(elements).ok()?;
        (pattern.longest_fixed_run() >= 2).then_some((offset, pattern))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn signatures_cut_from_runs_are_found_in_them(
        (haystack, cases) in haystack().prop_flat_map(|haystack| {
            let cases = prop::collection::vec(case(haystack.clone()), 1..6);
            (Just(haystack), cases)
        })
    ) {
        check(&cases, &haystack)?;
    }
}

#[test]
fn runs_may_cross_blocks_and_end_where_a_signature_breaks() {
    let broken = |before: usize, after: usize| literal(&[vec![0; before], b"MZ".to_vec(), vec![0; after]].concat());
    let cases = [
        literal(&[0; 16]),
        literal(&[0; 300]),
        broken(200, 20),
        broken(20, 200),
        broken(3, 3),
        (Offset::Start { from: 20_000, shift: 9 }, Pattern::literal(&[0; 20]).unwrap()),
    ];
    let mut haystack = vec![0; 3 * BLOCK + 77];
    for at in [BLOCK - 1, 2 * BLOCK + 500, 3 * BLOCK + 50] {
        haystack[at..at + 2].copy_from_slice(b"MZ");
    }
    check(&cases, &haystack).unwrap();
}
