use super::alternative::DEPTH_MAX;
use super::*;
use engine::naive;
use engine::pattern::MaskedByte;

fn code(text: &str) -> Result<(), Code> {
    parse(text, Offset::Any, Context::BODY).map(|_| ()).map_err(|fault| fault.code)
}

fn elements(text: &str) -> Vec<Element> {
    parse(text, Offset::Any, Context::BODY).unwrap().elements().to_vec()
}

#[test]
fn spellings_of_one_meaning() {
    for same in [
        &["aabb????ccdd", "AABB{2}ccdd", "aabb{ 2}ccdd", "aabb{02}ccdd", "aabb{2-2}ccdd", "aabb?{1}?ccdd"][..],
        &["aabb*ccdd", "aabb{0}ccdd", "aabb{0-0}ccdd", "aabb{-0}ccdd", "aabb{-}ccdd", "aabb{}ccdd", "aabb{0-}ccdd"],
        &["1122(aa|bb)cc", "1122(bb|AA|aa)cc", "1122((aa|bb))cc", "1122(aa|(bb|aa))cc"],
        &["1122(aacc|bbcc)", "1122((aa|bb)cc)"],
        &["1122(aabb)cc", "1122aabbcc"],
    ] {
        for text in same {
            assert_eq!(elements(text), elements(same[0]), "{text}");
        }
    }
}

#[test]
fn nested_alternatives_are_expanded() {
    let bytes = |bytes: &[u8]| bytes.iter().map(|&b| MaskedByte::fixed(b)).collect::<Vec<_>>();
    let Element::Alternatives { strings, negated: false } = &elements("aabb(11|(22|33)44)")[1] else { panic!() };
    assert_eq!(*strings, [bytes(&[0x11]), bytes(&[0x22, 0x44]), bytes(&[0x33, 0x44])]);
}

#[test]
fn accepted_as_by_clamscan() {
    for text in [
        "aabb{2}cc{1-3}ccdd",
        "aabb{1-3}ccdd{2}eeff",
        "aabb*ccdd{2}ee",
        "aabbcc",
        "aabb*ccdd",
        "aa??bbcc",
        "aabb??",
        "????aabb",
        "ccdd{1-2}aabb{1-2}ccdd",
        "ccdd{3}4?{3}ccdd",
        "aabb(bb|cc)",
        "a?b?ccdd",
        "aabb*?accdd",
        "aabbcc{127}",
        "aab{2}bccdd",
        "aabb{2}{1-3}ccdd",
        "{100}aabbcc",
        "aabb{1000}ccdd",
        "aabb{5-0}ccdd",
        "aabb{2147483647-}ccdd",
        "aabb[1-3]cc",
        "aa[1-3]bbccdd",
        "aabbcc[0-32]dd",
        "aa[1-3]bbccdd[2-4]ee",
        "aabb{2}cc{1-3}ccdd",
        "aabb{1-3}ccdd{2}eeff",
        "aabb*ccdd{2}ee",
        "aabb{2-3}ccdd[1-3]ee",
        "aabb[1-3]cc*ddee",
        "ccdd(aa|bb)[1-3]ee",
        "aa[ 1-3]bbccdd",
        "aabbcc[2]dd",
        "aabb!(11|22)cc",
        "!(11)aabb",
        "aabb!(1122|3344)",
        "(11|22)aabb",
        "aabb(??|22)cc",
        "aabb(11{2}|22)cc",
        "aabb(11|)cc",
        "aabb(11||2233)cc",
        "aabb(11(22|)|)(33|)",
    ] {
        assert_eq!(code(text), Ok(()), "{text}");
    }
}

#[test]
fn refused_as_by_clamscan() {
    for (want, texts) in [
        (
            Code::HexDigit,
            &["aabbgg", "aa bbcc", "aabb2}ccdd", "1122aa|bbcc", "1122(aa,bb)cc", "1122(aa|bb))cc", "aabbé"][..],
        ),
        (Code::HexOdd, &["aabbccd", "aabb?", "aabb{2}c", "1122(a|b)cc", "112(aa)bcc", "aabbc*ccdd"]),
        (Code::GapInvalid, &["aabb{a}ccdd", "aabb{2,3}ccdd", "aabb{1-2-3}ccdd", "aabb{2ccdd", "aabb[-3]cc", "aabb[]cc"]),
        (Code::GapTooLarge, &["aabb{2147483648}ccdd", "aabb{-99999999999999999999}ccdd", "aabbcc[1-33]dd", "aabbcc[33]dd"]),
        (Code::GapBounds, &["aabbcc[3-1]dd"]),
        (Code::GapSides, &["aabb[1-3]ccdd", "aa??[1-3]bbccdd", "ee[1-2]aa[1-3]bbccdd", "(aa|bb)[1-3]bbccdd", "[1-3]aabb"]),
        (
            Code::PieceEmpty,
            &["", "*", "*aabb", "aabb*", "aabb**ccdd", "{1-2}aabb", "aabb{0}", "aabb{1-3}{2}ccdd", "{200}aabb"],
        ),
        (
            Code::NoAnchor,
            &[
                "aa",
                "aabb",
                "aa??",
                "aa??bb",
                "aa*bbcc",
                "4?4?4?4?",
                "aabb{1-3}ccdd{2}ee",
                "aabb{1-3}ccdd*eeff{2}aa",
                "ccdd*????",
                "(aabb|ccdd)",
                "aa(bb)cc",
                "??",
            ],
        ),
        (Code::AlternativeEmpty, &["aabb()cc", "aabb(|11)cc", "(11|)aabb", "aabb*(11|)ccdd", "aabb!(11|)cc"]),
        (Code::AlternativeOpen, &["1122(aa|bbcc", "1122((aa|bb)cc", "aabb!(11"]),
        (Code::AlternativeInvalid, &["1122(aa*bb|cc)dd", "1122(aa[1-2]bb|cc)dd", "aabb(11|!(22))cc", "aabb(11{1-2}22)cc"]),
        (Code::NegatedLengths, &["aabb!(11|2233)cc"]),
        (Code::NegatedInvalid, &["aabb!(1?)cc", "aabb!11cc", "aabb!!(11)cc", "aabb!((22|33))cc"]),
        (
            Code::BoundaryUnsupported,
            &["(W)(B)aabb", "aabb(W)(W)", "aabb(W)[1-3]cc", "cc[1-2](B)aabb", "(B)cc[1-2]aabb", "aabb[1-2]cc(B)"],
        ),
        (Code::GapBounds, &["aabb{5-3}ccdd"]),
        (Code::GapAmbiguous, &["aabb[1-3]cc{2-3}ddee", "aabb{2-3}cc[1-3]ddee"]),
    ] {
        for text in texts {
            assert_eq!(code(text), Err(want), "{text}");
        }
    }
    assert_eq!(
        parse("dd[1-3]aabbcc", Offset::Start { from: 0, shift: 0 }, Context::BODY).unwrap_err().code,
        Code::GapAmbiguous
    );
}

#[test]
fn what_may_be_left_out() {
    let matches = |text: &str, haystack: &str| {
        let pattern = parse(text, Offset::Any, Context::BODY).unwrap();
        !naive::ends(&pattern, Offset::Any, haystack.as_bytes()).is_empty()
    };
    for (text, hits, misses) in [
        ("6162(63|)6465", &["abde", "abcde"][..], &["abccde", "abxde"][..]),
        ("6162(63||7878)6465", &["abde", "abcde", "abxxde"], &["abxde"]),
        ("6162(63(78|)|)6465", &["abde", "abcde", "abcxde"], &["abxde"]),
        ("6162(63|)", &["ab", "abc", "abx"], &["acb"]),
    ] {
        assert!(hits.iter().all(|hit| matches(text, hit)), "{text}");
        assert!(!misses.iter().any(|miss| matches(text, miss)), "{text}");
    }
}

#[test]
fn boundaries_as_clamscan_reads_them() {
    let matches = |text: &str, haystack: &[u8]| {
        let pattern = parse(text, Offset::Any, Context::BODY).unwrap();
        !naive::ends(&pattern, Offset::Any, haystack).is_empty()
    };
    for (text, hits, misses) in [
        ("(B)6162", &["ab", "-ab", "<ab", "@ab"][..], &["\nab", "\"ab", "xab"][..]),
        ("6162(B)", &["ab", "ab\n", "ab\"", "ab=", "ab_"], &["ab<", "ab.", "abx"]),
        ("6162(B)6364", &["ab\ncd", "ab<cd", "ab.cd", "ab=cd"], &["abcd", "ab,cd", "ab--cd"]),
        ("!(B)6162", &["xab", ",ab"], &["ab", "-ab", "=ab", "<ab"]),
        ("6162!(B)", &["abx", "ab<"], &["ab", "ab="]),
        ("6162!(B)6364", &["abxcd"], &["abcd", "ab<cd", "ab=cd"]),
        ("(L)6162", &["ab", "\nab", "\r\nab"], &["\rab", " ab"]),
        ("6162(L)", &["ab", "ab\n", "ab\r\n"], &["ab\r", "ab "]),
        ("6162(L)6364", &["ab\ncd", "ab\r\ncd"], &["abcd", "ab\rcd"]),
        ("!(L)6162", &["xab", "\rab"], &["ab", "\nab"]),
        ("6162!(L)", &["abx", "ab\r"], &["ab", "ab\n", "ab\r\n"]),
        ("6162!(L)0a6364", &["abx\ncd"], &["ab\r\ncd", "ab\n\ncd"]),
        ("(W)6162", &["ab", "-ab", "\u{1}ab"], &["xab", "0ab"]),
        ("6162(W)6364", &["ab-cd", "ab\ncd"], &["abcd", "abxcd", "ab--cd"]),
        ("6162!(W)6364", &["abxcd", "ab0cd"], &["abcd", "ab-cd"]),
        // Beside a gap they take no byte, but negated and first they do.
        ("6162(W){2-2}6364", &["ab--cd", "ab-xcd"], &["ab---cd", "abx-cd"]),
        ("6162{2-2}(W)6364", &["ab--cd", "abx-cd"], &["ab---cd", "ab-xcd"]),
        ("6162{2-2}!(W)6364", &["ab--xcd", "abxxxcd"], &["ab-xcd", "abxx-cd"]),
        ("6162!(W){2-2}6364", &["abx-cd", "abxxcd"], &["ab--cd", "abx--cd"]),
    ] {
        for hit in hits {
            assert!(matches(text, hit.as_bytes()), "{text} {hit:?}");
        }
        for miss in misses {
            assert!(!matches(text, miss.as_bytes()), "{text} {miss:?}");
        }
    }
    let fixed = Offset::Start { from: 0, shift: 0 };
    assert!(parse("(B)6162", fixed, Context::BODY).is_ok());
    assert_eq!(parse("!(B)6162", fixed, Context::BODY).unwrap_err().code, Code::BoundaryUnsupported);
}

#[test]
fn nesting_and_expansion_are_bounded() {
    let nested = |depth: usize| format!("aabb{}11{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(code(&nested(DEPTH_MAX)), Ok(()));
    assert_eq!(code(&nested(DEPTH_MAX + 1)), Err(Code::NestingTooDeep));
    assert_eq!(code(&format!("aabb({})", "(11|22)".repeat(10))), Ok(()));
    assert_eq!(code(&format!("aabb({})", "(11|22)".repeat(100))), Err(Code::AlternativeTooLarge));
    assert_eq!(code(&"(".repeat(10_000_000)), Err(Code::NestingTooDeep));
    // Empty strings have no bytes to count.
    let optional = format!("(33{})", "|".repeat(1000));
    assert_eq!(code(&format!("aabb(11|{})", optional.repeat(6))), Ok(()));
    assert_eq!(code(&format!("aabb(11|{})", optional.repeat(40))), Err(Code::AlternativeTooLarge));
}
