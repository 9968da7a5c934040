//! Against PCRE2's answers, and automata against backtracking.

use super::*;
use proptest::prelude::*;

const STEPS: u64 = 1_000_000;

/// `pcre2.tsv` is written by `scripts/pcre2-answers`, which says what its columns are.
const ANSWERS: &str = include_str!("tests/pcre2.tsv");

pub(super) fn flags(text: &str) -> Flags {
    let has = |flag| text.contains(flag);
    Flags {
        caseless: has('i'),
        dot_all: has('s'),
        multi_line: has('m'),
        extended: has('x'),
        anchored: has('A'),
        dollar_end_only: has('E'),
        ungreedy: has('U'),
    }
}

/// Patterns, with their flags, of which PCRE2 found a match of some bytes.
pub(super) fn patterns_with_matches() -> std::collections::BTreeSet<(String, &'static str)> {
    let answers = ANSWERS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let is_of_bytes = |answer: &str| answer.split_once(',').is_some_and(|(start, end)| start != end);
    answers.filter(|answer| is_of_bytes(answer[4])).map(|answer| (answer[0].to_owned(), answer[1])).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}

/// The same pattern without its automaton.
fn backtracking(pattern: &str, flags: Flags) -> Regex {
    Regex { linear: None, ..Regex::new(pattern, flags).unwrap() }
}

fn find(pattern: &str, subject: &[u8]) -> Option<Range<usize>> {
    Regex::new(pattern, Flags::default()).unwrap().find(subject, 0, &mut { STEPS }).unwrap()
}

fn kind(pattern: &str) -> Result<(), RegexErrorKind> {
    Regex::new(pattern, Flags::default()).map(|_| ()).map_err(|error| error.kind)
}

#[test]
fn answers_of_pcre2() {
    let mut linear = 0;
    for line in ANSWERS.lines() {
        let [pattern, letters, subject, start, answer] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (flags, subject) = (flags(letters), unescaped(subject));
        let Ok(regex) = Regex::new(pattern, flags) else {
            assert_eq!(answer, "refused", "{line}");
            continue;
        };
        linear += usize::from(regex.is_linear());
        for regex in [regex, backtracking(pattern, flags)] {
            let found = regex.find(&subject, start.parse().unwrap(), &mut { STEPS }).unwrap();
            let ours = found.map_or("none".to_owned(), |found| format!("{},{}", found.start, found.end));
            assert_eq!(ours, answer, "{line}");
        }
    }
    assert!(linear > 500, "{linear}");
}

#[test]
fn what_is_not_supported_is_named() {
    for pattern in
        ["(?R)", "(a)(?1)", "(?<n>a)(?&n)", "(?P>n)", "(?C1)a", "(*FAIL)", "a(*SKIP)b", r"\p{L}", r"\X", r"(a)\g<1>"]
    {
        assert_eq!(kind(pattern), Err(RegexErrorKind::Unsupported), "{pattern}");
    }
    assert_eq!(kind("(?J)(?<n>a)(?<n>b)"), Err(RegexErrorKind::Unsupported));
    assert_eq!(kind(r"(a)(?<=\1)"), Err(RegexErrorKind::LookBehindLength));
}

#[test]
fn errors_say_where() {
    let error = Regex::new(r"ab(?<=a+)c", Flags::default()).unwrap_err();
    assert_eq!(error.to_string(), "a branch of a look-behind has no single length, at byte 9 of the pattern");
    assert_eq!(Regex::new(r"a\2(b)", Flags::default()).unwrap_err().at, 3);
}

#[test]
fn every_byte_is_itself() {
    assert_eq!(find("(?i)\\xe9", b"\xc9\xe9"), Some(1..2));
    assert_eq!(find("(?i)(k\\xe9)\\1", b"k\xe9K\xe9"), Some(0..4));
    assert_eq!(find("(?<=[\\x80-\\xbf])b(?!c)", b"\xc3\xbfb"), Some(2..3));
    // A character of the pattern is the bytes of its UTF-8 form.
    assert_eq!(find("é+", b"\xc3\xa9\xa9"), Some(0..3));
}

#[test]
fn large_counts_are_not_unrolled() {
    let subject = [vec![b'a'; 65_535 * 4], b"b".to_vec()].concat();
    assert_eq!(find("(?:a{65535}){4}b", &subject), Some(0..subject.len()));
    assert_eq!(find("((?:[ab]|c){1000,})\\z", &subject[..20_000]), Some(0..20_000));
}

#[test]
fn steps_and_memory_bound_a_search() {
    let subject = vec![b'a'; 100_000];
    let find = |pattern: &str, mut steps: u64| {
        let began = std::time::Instant::now();
        let result = Regex::new(pattern, flags("s")).unwrap().find(&subject, 0, &mut steps);
        assert!(began.elapsed().as_secs() < 20, "{pattern}");
        (result, steps)
    };
    assert_eq!(find(r"((a+)+)+\1b\2", 1_000_000), (Ok(None), 1_000_000 - 6_251));
    assert_eq!(find(r"(?:a+)+(?<!a)", 1_000_000), (Err(Exceeded::Steps), 0));
    assert_eq!(find(r"(?:(a)|(b))+(?=c)", u64::MAX).0, Err(Exceeded::Memory));
    assert_eq!(find(r"a\z", 3), (Err(Exceeded::Steps), 0));
}

#[test]
fn hostile_patterns_are_told_at_once() {
    let began = std::time::Instant::now();
    for unit in
        ["(", "(?:", "(?=", "[", "a{65535}", "(a?){1000}", "(?|", "(?(?=", "\\Q", "(?i", "a|", "[[:alpha:]", "(?<a>", "x?"]
    {
        let _ = Regex::new(&unit.repeat(2_000), Flags::default());
        let _ = Regex::new(&unit.repeat(1_000_000), Flags::default());
    }
    let nested = |unit: &str, close: &str, times: usize| kind(&format!("{}a{}", unit.repeat(times), close.repeat(times)));
    assert_eq!(nested("(", ")", NESTING_MAX), Ok(()));
    assert_eq!(nested("(", ")", NESTING_MAX + 1), Err(RegexErrorKind::NestingTooDeep));
    assert_eq!(nested("(?:", "){65535}", NESTING_MAX), Ok(()));
    assert_eq!(nested("(?:", "+)*", NESTING_MAX), Ok(()));
    assert_eq!(kind(&"a".repeat(PATTERN_BYTES_MAX + 1)), Err(RegexErrorKind::TooLong));
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn offsets_as_clamscan_reads_them() {
    // Matches at 10, 20, 30 and 40, as in the file that clamscan was asked about.
    let file: Vec<u8> = (0..60).map(|at| if (10..43).contains(&at) { b"foo......."[at % 10] } else { b'.' }).collect();
    let foo = Regex::new("foo", Flags::default()).unwrap();
    let extent = |from, shift, anchored, confined| Extent { from, shift, anchored, confined, global: true };
    let count = |extent| foo.matches(&file, extent, u64::MAX, &mut { STEPS }).unwrap().count;
    for (from, anchored, matches) in
        [(10, true, 1), (9, true, 0), (11, true, 0), (9, false, 4), (11, false, 3), (61, false, 0)]
    {
        assert_eq!(count(extent(from, None, anchored, false)), matches, "{from}");
        assert_eq!(count(extent(from, None, anchored, true)), matches, "{from}");
    }
    for (shift, open, confined) in [(4, 0, 0), (5, 1, 0), (7, 1, 0), (8, 1, 1), (15, 2, 1), (100, 4, 4)] {
        assert_eq!(count(extent(5, Some(shift), false, false)), open, "{shift}");
        assert_eq!(count(extent(5, Some(shift), false, true)), confined, "{shift}");
    }
    let found = foo.matches(&file, Extent::WHOLE, 9, &mut { STEPS }).unwrap();
    assert_eq!(found, Matches { count: 1, first: Some(10..13) });
}

#[test]
fn what_is_before_an_offset_does_not_exist() {
    let at_3 = Extent { from: 3, anchored: true, ..Extent::WHOLE };
    let count = |pattern, extent| {
        Regex::new(pattern, Flags::default()).unwrap().matches(b"xx.foo.foofoo", extent, 9, &mut { STEPS }).unwrap().count
    };
    assert_eq!((count("^foo", at_3), count(r"(?<=\.)foo", at_3), count(r"\Bfoo", at_3)), (1, 0, 0));
    // Between two matches of one search nothing is forgotten.
    let all = Extent { global: true, ..Extent::WHOLE };
    assert_eq!((count(r"\.foo|(?<=foo)foo", all), count("x*", all), count("(?=foo)", all)), (3, 9, 3));
}

#[test]
fn shared_by_threads() {
    fn shared<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    shared::<Regex>();
}

proptest! {
    #[test]
    fn automata_agree_with_backtracking(
        pattern in r"(\(\?:)?[abAB.^$]{0,3}(\\b|\\w\+\??|\[a-c\]\*|b\{2,\}|\n|\|)?[ab.]{0,3}\)?[*+]?\??[bc$]{0,2}",
        letters in "[imsU]{0,3}",
        subject in proptest::collection::vec(prop::sample::select(b"aabbcAB\n _\xff".to_vec()), 0..40),
    ) {
        if let Ok(regex) = Regex::new(&pattern, flags(&letters)) {
            let from = subject.len() / 3;
            let slow = backtracking(&pattern, flags(&letters)).find(&subject, from, &mut { STEPS });
            prop_assert_eq!(regex.find(&subject, from, &mut { STEPS }), slow);
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(
        pattern in prop_oneof![".{0,40}", r"[(){}\[\]\\|?*+^$.a-c0-9<>=!:PRk,&-]{0,60}"],
        letters in "[imsxAEU]{0,7}",
        subject in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        if let Ok(regex) = Regex::new(&pattern, flags(&letters)) {
            let mut steps = 100_000;
            if let Ok(Some(found)) = regex.find(&subject, 0, &mut steps) {
                prop_assert!(found.start <= found.end && found.end <= subject.len());
            }
        }
    }
}
