//! What the linker searches for is found, whatever case and spelling it has, and what it costs is foreseen.

use engine::expression::Expression;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use engine::{Database, FileClass, Scanner, naive};
use patternc::link::{LinkOptions, LinkSource, link, link_with};
use patternc::model::Model;
use patternc::price;
use patternc::prices::{Found, each};
use patternc::record::{Body, Limits, Logical, Record, Subsignature, Target};
use proptest::prelude::*;

fn record(name: &str, pattern: &Pattern) -> Record {
    Record::Body(Body { name: name.to_owned(), target: Target::Any, offset: Offset::Any, pattern: pattern.clone() })
}

fn source(records: &[Record]) -> LinkSource<'_> {
    LinkSource { channel: "acme/main", release: 1, root: [0; 32], records }
}

/// `text` without regard to case, each letter followed by a zero when `wide`.
fn nocase(text: &str, wide: bool) -> Pattern {
    let byte = |byte: u8| {
        if byte.is_ascii_alphabetic() { MaskedByte::new(byte.to_ascii_uppercase(), !0x20) } else { MaskedByte::fixed(byte) }
    };
    let bytes = text.bytes().flat_map(|letter| {
        let zero = wide.then_some(MaskedByte::fixed(0));
        std::iter::once(byte(letter)).chain(zero)
    });
    Pattern::new([Element::Bytes(bytes.collect())]).unwrap()
}

/// The ends that the scanner finds in `haystack` are those that the slow matcher finds.
fn check(patterns: &[Pattern], haystack: &[u8]) -> usize {
    let records: Vec<Record> = patterns.iter().enumerate().map(|(i, pattern)| record(&format!("N{i}"), pattern)).collect();
    let bytes = link(&[source(&records)]).unwrap();
    let database = Database::open(&bytes).unwrap();
    database.verify().unwrap();
    let scanner = Scanner::new(&database);
    let mut found: Vec<(u32, u64)> =
        scanner.ends(&mut scanner.scratch(), haystack).into_iter().map(|(id, end)| (id.index(), end)).collect();
    let mut expected: Vec<(u32, u64)> = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        expected.extend(naive::ends(pattern, Offset::Any, haystack).into_iter().map(|end| (index as u32, end)));
    }
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    found.len()
}

#[test]
fn a_string_of_any_case_is_searched_for_in_a_folded_tier() {
    for (wide, haystack) in
        [(false, &b"xx InvoiceDownloader.exe INVOICEdownLOADER.EXE"[..]), (true, b"x\0i\0N\0v\0O\0i\0C\0e\0d\0o\0W\0n\0")]
    {
        let pattern = nocase(if wide { "invoicedown" } else { "invoicedownloader.exe" }, wide);
        assert!(check(std::slice::from_ref(&pattern), haystack) > 0, "{wide}");
        let bytes = link(&[source(&[record("N", &pattern)])]).unwrap();
        let tiers = Database::open(&bytes).unwrap().tiers();
        assert!(tiers.len() == 1 && tiers[0].fold == 1, "{tiers:?}");
    }
}

#[test]
fn text_that_has_one_case_stays_in_an_exact_tier() {
    let exact = Pattern::literal(b"invoicedownloader.exe").unwrap();
    let records = [record("Exact", &exact), record("Any", &nocase("paymentreminder.scr", false))];
    let bytes = link(&[source(&records)]).unwrap();
    let database = Database::open(&bytes).unwrap();
    let folds: Vec<(u32, u8)> =
        database.windows().map(|stored| (stored.signature.index(), database.tiers()[stored.tier].fold)).collect();
    assert!(folds.iter().all(|&(signature, fold)| u32::from(fold) == signature), "{folds:?}");
}

#[test]
fn a_common_anchor_is_dear_and_is_named() {
    let zeros = Pattern::literal(&[0; 15]).unwrap();
    let rare = Pattern::literal(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa\xb7\x9e\xcd").unwrap();
    let bytes = link(&[source(&[record("Rare", &rare), record("Zeros", &zeros)])]).unwrap();
    let prices = price(&Database::open(&bytes).unwrap(), Model::shipped());
    let dearest = &prices.dearest[0];
    assert_eq!((dearest.name.as_str(), dearest.channel.as_str()), ("Zeros", "acme/main"));
    assert!(dearest.window.iter().all(|&byte| byte == 0));
    assert!(dearest.candidates_per_mib > 1000.0 * prices.dearest[1].candidates_per_mib);
    let (_, elf) = prices.by_class().find(|(class, _)| *class == FileClass::Elf).unwrap();
    assert!(elf.candidates > 0.1 && elf.hits > 0.01, "{elf:?}");
}

#[test]
fn each_that_shares_a_common_part_is_as_dear_as_if_it_had_it_alone() {
    let shared = |name: &str| {
        let any_of = vec![Pattern::literal(&[0; 15]).unwrap()];
        Record::Logical(Box::new(Logical {
            name: name.to_owned(),
            target: Target::Any,
            limits: Limits::default(),
            subsignatures: vec![Subsignature::Bytes { offset: Offset::Any, any_of }],
            expression: Expression::Subsignature(0),
        }))
    };
    let priced = |names: &[&str]| {
        let records: Vec<Record> = names.iter().copied().map(shared).collect();
        let bytes = link(&[source(&records)]).unwrap();
        let database = Database::open(&bytes).unwrap();
        (price(&database, Model::shipped()), each(&database, Model::shipped()))
    };
    let (alone, _) = priced(&["One"]);
    let (together, found) = priced(&["One", "Other", "Third"]);
    let [dear] = &alone.dearest[..] else { panic!("{:?}", alone.dearest) };
    assert_eq!(together.tiers, alone.tiers, "for the scanner it is one window");
    for (name, dearest) in ["One", "Other", "Third"].into_iter().zip(&together.dearest) {
        assert_eq!((dearest.name.as_str(), dearest.candidates_per_mib), (name, dear.candidates_per_mib));
        assert_eq!(dearest.window, dear.window);
    }
    for found in found {
        let Found::Windows { candidates_per_mib, .. } = found else { panic!("{found:?}") };
        assert!((candidates_per_mib / dear.candidates_per_mib - 1.0).abs() < 1e-6);
    }
}

#[test]
fn however_many_threads_link_the_bytes_are_the_same() {
    // More than are proposed at once; most share their first eleven bytes with more than may be anchored there.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 40) as u8
    };
    let heads: Vec<[u8; 11]> = (0..200).map(|_| std::array::from_fn(|_| random())).collect();
    let records: Vec<Record> = (0..18_000_usize)
        .map(|i| {
            let head = if i % 3 == 0 { Vec::new() } else { heads[i % heads.len()].to_vec() };
            let tail: Vec<u8> = (0..4 + i % 13).map(|_| random()).collect();
            record(&format!("N{i}"), &Pattern::literal(&[head, tail].concat()).unwrap())
        })
        .collect();
    let linked = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| link(&[source(&records)]).unwrap())
    };
    let one = linked(1);
    assert!(price(&Database::open(&one).unwrap(), Model::shipped()).tiers.iter().all(|tier| tier.crowded < 100));
    assert!(linked(2) == one && linked(5) == one);
}

#[test]
fn the_ten_dearest_are_listed_in_order() {
    // The more zeros a signature begins with, the more of its windows are common; the last is nothing else.
    let records: Vec<Record> = (0..14_u8)
        .map(|i| {
            let mut bytes = vec![0; 15];
            for (k, byte) in bytes.iter_mut().enumerate().skip(usize::from(i) + 2) {
                *byte = 0x81_u8.wrapping_add(i.wrapping_mul(37)).wrapping_add((k as u8).wrapping_mul(59)) | 0x80;
            }
            record(&format!("Zeros{i}"), &Pattern::literal(&bytes).unwrap())
        })
        .collect();
    let bytes = link(&[source(&records)]).unwrap();
    let dearest = price(&Database::open(&bytes).unwrap(), Model::shipped()).dearest;
    assert_eq!(dearest.len(), 10);
    assert!(dearest.windows(2).all(|pair| pair[0].candidates_per_mib >= pair[1].candidates_per_mib), "{dearest:?}");
    assert!(dearest[0].name == "Zeros13" && dearest[0].candidates_per_mib > 100.0 * dearest[9].candidates_per_mib);
    let mut names: Vec<&str> = dearest.iter().map(|dear| dear.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 10, "each is named once");
}

#[test]
fn a_wide_string_of_any_case_costs_what_its_spellings_cost() {
    let cost = |pattern: &Pattern| {
        let bytes = link(&[source(&[record("N", pattern)])]).unwrap();
        let database = Database::open(&bytes).unwrap();
        (database.tiers()[0].fold, price(&database, Model::shipped()).dearest[0].candidates_per_mib)
    };
    let (folded, common) = cost(&nocase("copyright", true));
    assert_eq!(folded, 1);
    let (folded, rare) = cost(&nocase("zqxjkvbwq", true));
    assert_eq!(folded, 1);
    // Both have a window that the model does not know; the bytes beside it are as common as their spellings are together.
    assert!(common > rare && common < 0.01, "{common} and {rare}");
}

#[test]
fn signatures_that_share_their_only_window_are_counted_as_crowded() {
    let shared = b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa\xb7\x9e\xcd";
    // A gap of its own makes each another signature; the bytes after it are too few for an anchor of the tier.
    let pattern = |i: u8| {
        let fixed = |bytes: &[u8]| Element::Bytes(bytes.iter().map(|&byte| MaskedByte::fixed(byte)).collect());
        Pattern::new([fixed(shared), Element::Gap { min: u32::from(i), max: Some(u32::from(i)) }, fixed(&[0x90])]).unwrap()
    };
    let most = patternc::link::SIGNATURES_PER_WINDOW;
    for (count, crowded) in [(most, 0), (most + 5, 5)] {
        let records: Vec<Record> = (1..=count).map(|i| record(&format!("N{i}"), &pattern(i))).collect();
        let bytes = link(&[source(&records)]).unwrap();
        let prices = price(&Database::open(&bytes).unwrap(), Model::shipped());
        assert_eq!(prices.tiers.iter().map(|tier| tier.crowded).sum::<u32>(), crowded, "{count} signatures");
        assert!(prices.tiers.iter().any(|tier| tier.largest_bucket >= u32::from(count)));
    }
}

#[test]
fn another_key_gives_another_database_that_finds_the_same() {
    let pattern = Pattern::literal(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa").unwrap();
    let records = [record("N", &pattern)];
    let linked = |key| link_with(&[source(&records)], &LinkOptions { key, ..LinkOptions::default() }).unwrap();
    let mut haystack = vec![1; 77];
    haystack.extend(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa");
    for bytes in [linked(None), linked(Some(1)), linked(Some(2))] {
        let database = Database::open(&bytes).unwrap();
        let scanner = Scanner::new(&database);
        assert_eq!(scanner.signatures(&mut scanner.scratch(), &haystack).len(), 1);
    }
    assert_eq!(linked(Some(1)), linked(Some(1)));
    assert_ne!(linked(Some(1)), linked(Some(2)));
    assert_ne!(linked(Some(1)), linked(None));
}

proptest! {
    #[test]
    fn strings_of_any_case_and_width_are_found_as_by_the_slow_matcher(
        (texts, haystack) in texts_and_haystack(),
    ) {
        let patterns: Vec<Pattern> = texts.iter().map(|(text, wide)| nocase(text, *wide)).collect();
        check(&patterns, &haystack);
    }
}

/// Strings, and a haystack in which they stand in mixed cases.
fn texts_and_haystack() -> impl Strategy<Value = (Vec<(String, bool)>, Vec<u8>)> {
    let text = ("[a-dA-D0-1 @`{\\[]{2,20}", any::<bool>());
    let texts = prop::collection::vec(text, 1..6);
    (texts, prop::collection::vec((any::<prop::sample::Index>(), any::<u32>(), "[a-c@`]{0,9}"), 0..12)).prop_map(
        |(texts, planted)| {
            let mut haystack = Vec::new();
            for (which, cases, noise) in planted {
                let (text, wide) = &texts[which.index(texts.len())];
                for (i, letter) in text.bytes().enumerate() {
                    let upper = cases >> (i % 32) & 1 == 1;
                    haystack.push(if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
                    haystack.extend(wide.then_some(0));
                }
                haystack.extend(noise.bytes());
            }
            (texts, haystack)
        },
    )
}
