//! Logical signatures hold where their expressions do, by the matches that the oracle counts.

use crate::support::*;
use engine::expression::{Comparison, Expression};
use engine::pattern::{Offset, Pattern};
use engine::{FileKind, Scanner, SignatureId, naive};
use patternc::blob::{self, EngineRange, Meta};
use patternc::record::{Limits, Logical, Record, Subsignature, Target};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A subsignature that often matches several times, and sometimes with gaps, alternatives and offsets.
fn subsignature() -> impl Strategy<Value = Subsignature> {
    let short = prop::collection::vec(prop::sample::select(&b"ab"[..]), 2..5)
        .prop_map(|bytes| (Offset::Any, Pattern::literal(&bytes).expect("a literal of a sane length is a pattern")));
    let cases = prop_oneof![3 => short, 1 => case()];
    (cases, prop::option::weighted(0.2, case())).prop_map(|((offset, pattern), other)| {
        let any_of = [pattern].into_iter().chain(other.map(|(_, pattern)| pattern)).collect();
        Subsignature::Bytes { offset, any_of }
    })
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(&[Comparison::Equal, Comparison::Less, Comparison::More][..])
}

fn expression(subsignatures: usize) -> impl Strategy<Value = Expression> {
    let leaf = (0..subsignatures as u8).prop_map(Expression::Subsignature);
    leaf.prop_recursive(4, 12, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            2 => several.clone().prop_map(Expression::all),
            2 => several.prop_map(Expression::any),
            2 => (inner, comparison(), 0..6_u32, 0..4_u8).prop_map(|(of, comparison, matches, distinct)| {
                Expression::Count { of: Box::new(of), comparison, matches, distinct }
            }),
        ]
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let size = (0..120_u64, 0..400_u64).prop_map(|(least, more)| least..=least + more);
    prop::option::weighted(0.1, size).prop_map(|file_size| Limits { file_size, ..Limits::default() })
}

fn logical() -> impl Strategy<Value = Logical> {
    prop::collection::vec(subsignature(), 1..6).prop_flat_map(|subsignatures| {
        (expression(subsignatures.len()), limits(), prop::bool::weighted(0.1)).prop_map(move |(expression, limits, pe)| {
            let target = if pe { Target::Kind(FileKind::Pe) } else { Target::Any };
            Logical { name: String::new(), target, limits, expression, subsignatures: subsignatures.clone() }
        })
    })
}

/// Logical signatures, and a haystack in which some of their patterns occur.
fn logicals_and_haystack() -> impl Strategy<Value = (Vec<Logical>, Vec<u8>)> {
    let noise = prop::collection::vec(prop::sample::select(&b"aaab~"[..]), 0..60);
    let planted = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6);
    (prop::collection::vec(logical(), 1..6), noise, planted, prop::bool::weighted(0.2)).prop_map(
        |(mut logicals, noise, planted, pe)| {
            let mut haystack = if pe { b"MZ".to_vec() } else { Vec::new() };
            haystack.extend(noise);
            for (which, subsignature) in planted {
                let subsignatures = &logicals[which.index(logicals.len())].subsignatures;
                let Subsignature::Bytes { any_of, .. } = &subsignatures[subsignature.index(subsignatures.len())] else {
                    unreachable!("only these are made")
                };
                haystack.extend(instance(&any_of[0], b'a'));
            }
            for (index, logical) in logicals.iter_mut().enumerate() {
                logical.name = format!("s{index}");
            }
            (logicals, haystack)
        },
    )
}

/// Whether a signature holds, as its parts are defined.
fn holds(logical: &Logical, haystack: &[u8]) -> bool {
    let of_kind = match logical.target {
        Target::Kind(kind) => FileKind::of(haystack) == Some(kind),
        _ => true,
    };
    let of_size = logical.limits.file_size.as_ref().is_none_or(|range| range.contains(&(haystack.len() as u64)));
    let matches = |number: u8| match &logical.subsignatures[usize::from(number)] {
        Subsignature::Bytes { offset, any_of } => {
            any_of.iter().map(|pattern| naive::ends(pattern, *offset, haystack).len() as u64).sum()
        }
        _ => unreachable!("only these are made"),
    };
    of_kind && of_size && logical.expression.value(&matches).holds
}

fn names(scanner: &Scanner<'_>, matches: &[engine::Match]) -> BTreeSet<String> {
    matches.iter().map(|found| scanner.database().name(found.signature()).into_owned()).collect()
}

fn check(logicals: &[Logical], haystack: &[u8]) -> Result<(), TestCaseError> {
    let want: BTreeSet<String> =
        logicals.iter().filter(|logical| holds(logical, haystack)).map(|logical| logical.name.clone()).collect();
    let mut records: Vec<Record> = logicals.iter().cloned().map(Box::new).map(Record::Logical).collect();
    records.sort();
    let bytes = database(&records);
    let database = open(&bytes);
    prop_assert_eq!(database.verify(), Ok(()));
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    prop_assert_eq!(&names(&scanner, scanner.signatures(&mut scratch, haystack)), &want);
    for chunk in [8, 64, 1 << 20] {
        let found = names(&scanner, scanner.signatures_in_chunks(&mut scratch, haystack, chunk));
        prop_assert_eq!(&found, &want, "chunks of {}", chunk);
    }
    let ids: Vec<SignatureId> = database.ids().collect();
    prop_assert_eq!(ids.len(), records.len());
    for some in [&ids[..1], &ids[1..]] {
        let restricted = Scanner::restricted(&database, some);
        let found = names(&restricted, restricted.signatures(&mut scratch, haystack));
        let wanted = some.iter().map(|&id| database.name(id).into_owned()).filter(|name| want.contains(name)).collect();
        prop_assert_eq!(found, wanted, "only {:?}", some);
    }
    Ok(())
}

/// What a blob with `records` is decoded to.
fn through_a_blob(records: &[Record]) -> Vec<Record> {
    let channel = "test/all".parse().expect("it is of the form `maker/name`");
    let meta = Meta { channel, release: 1, created: 0, engine: EngineRange { min: 1, max: 1 } };
    blob::decode(&blob::encode(&meta, records).expect("a few records")).expect("what was encoded can be decoded").records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, ..ProptestConfig::default() })]

    #[test]
    fn a_logical_signature_is_found_where_its_expression_holds((logicals, haystack) in logicals_and_haystack()) {
        check(&logicals, &haystack)?;
    }

    #[test]
    fn a_logical_signature_is_the_same_after_travelling((logicals, _) in logicals_and_haystack()) {
        let mut records: Vec<Record> = logicals.into_iter().map(Box::new).map(Record::Logical).collect();
        records.sort();
        prop_assert_eq!(through_a_blob(&records), records);
    }
}
