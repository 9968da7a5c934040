//! Modifiers of a subsignature, `::i`, `::w`, `::f` and `::a` in any order and number, and what they make of its hex text.
//!
//! | letter | effect |
//! |---|---|
//! | `i` | ASCII letters stand for both their cases; a byte of which only a nibble is given stays as it is |
//! | `w` | each byte of the text, also `??`, is followed by a zero; `{n}` and gaps count bytes of the file |
//! | `f` | what stands before and behind the match is no ASCII letter and no digit, or the file begins or ends there; with `w` no letter or digit with a zero behind it |
//! | `a` | with `w`: also the bytes as they stand. Alone it changes nothing |
//!
//! They are applied while the text is read and not to a [`Pattern`], in which `??` and `{1}` are one thing.
//!
//! ```
//! use engine::pattern::Offset;
//! use patternc::clamav::modifier::{apply, parse};
//!
//! let modifiers = parse("wa").unwrap();
//! assert_eq!(apply("68656c6c6f", Offset::Any, modifiers).unwrap().len(), 2);
//! ```

use engine::pattern::{Offset, Pattern};

use super::hex;
use crate::diagnostic::{Code, Fault, quote};

/// Which modifiers are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// `i`: the case of ASCII letters does not count.
    pub nocase: bool,
    /// `w`: each byte is followed by a zero.
    pub wide: bool,
    /// `f`: the match is a whole word.
    pub fullword: bool,
    /// `a`: with `w`, the bytes as they stand match as well.
    pub ascii: bool,
}

/// Reads what follows the `::` of a subsignature; nothing is no modifier.
///
/// # Errors
/// [`Code::ModifierInvalid`] for other letters.
pub fn parse(text: &str) -> Result<Modifiers, Fault> {
    let mut modifiers = Modifiers::default();
    for letter in text.chars() {
        match letter {
            'i' => modifiers.nocase = true,
            'w' => modifiers.wide = true,
            'f' => modifiers.fullword = true,
            'a' => modifiers.ascii = true,
            _ => {
                let message = format!("the modifiers {} are not made of `i`, `w`, `f` and `a`", quote(text));
                return Err(Fault::new(Code::ModifierInvalid, message));
            }
        }
    }
    Ok(modifiers)
}

/// The patterns of a hex subsignature, any of which is a match: one, or two when it is looked for both as it stands, which comes first,
/// and wide.
///
/// Its text is read as that of a subsignature: where an `.ndb` body of nothing but fixed bytes needs three, two do.
///
/// # Errors
/// A [`Fault`] that names why the hex text, or what the modifiers make of it, is refused.
pub fn apply(hex: &str, offset: Offset, modifiers: Modifiers) -> Result<Vec<Pattern>, Fault> {
    let Modifiers { nocase, wide, fullword, ascii } = modifiers;
    let modified = modifiers != Modifiers::default();
    let spelled = |wide| hex::parse(hex, offset, hex::Context { subsignature: true, modified, nocase, wide, fullword });
    if wide && ascii { Ok(vec![spelled(false)?, spelled(true)?]) } else { Ok(vec![spelled(wide)?]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::naive;
    use engine::pattern::Element;

    /// Whether `hex::modifiers` matches in each of the haystacks.
    fn matches(subsignature: &str, haystacks: &[&[u8]]) -> Vec<bool> {
        let (hex, modifiers) = subsignature.split_once("::").unwrap_or((subsignature, ""));
        let patterns = apply(hex, Offset::Any, parse(modifiers).unwrap()).unwrap();
        let found =
            |haystack: &&[u8]| patterns.iter().any(|pattern| !naive::ends(pattern, Offset::Any, haystack).is_empty());
        haystacks.iter().map(found).collect()
    }

    fn refused(subsignature: &str) -> Code {
        let (hex, modifiers) = subsignature.split_once("::").unwrap();
        parse(modifiers).and_then(|modifiers| apply(hex, Offset::Any, modifiers)).unwrap_err().code
    }

    #[test]
    fn letters_in_any_order_and_number() {
        assert_eq!(parse(""), Ok(Modifiers::default()));
        assert_eq!(parse("wiaw"), parse("aiw"));
        for other in ["x", "I", " i", "i:", "a::i", "ï"] {
            assert_eq!(parse(other).unwrap_err().code, Code::ModifierInvalid, "{other}");
        }
    }

    #[test]
    fn case_counts_unless_told_otherwise() {
        let files: [&[u8]; 5] = [b"hello", b"HELLO", b"HeLLo", b"h\0e\0l\0l\0o\0", b"HELL/"];
        assert_eq!(matches("68656c6c6f", &files), [true, false, false, false, false]);
        assert_eq!(matches("68656c6c6f::a", &files), [true, false, false, false, false]);
        assert_eq!(matches("68656C6C6F::i", &files), [true, true, true, false, false]);
        assert_eq!(matches("68(65|66)6c6c6f6f::i", &[b"hELLoo", b"HFlloo", b"hglloo"]), [true, true, false]);
        // Half a letter keeps its case, and what is no letter has none.
        assert_eq!(matches("684?6c6c6f::i", &[b"hello", b"hElLo"]), [false, true]);
        assert_eq!(matches("5b7b40e1::i", &[b"[{@\xe1", b"{[@\xe1", b"[{`\xc1"]), [true, false, false]);
    }

    #[test]
    fn wide_bytes_have_a_zero_behind_them() {
        let wide = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
        assert_eq!(matches("68656c::w", &[&wide("hel"), b"hel", b"h\0e\0l"]), [true, false, false]);
        assert_eq!(matches("68656c::wi", &[&wide("hEl"), b"hel"]), [true, false]);
        assert_eq!(matches("68656c::wa", &[&wide("hel"), b"hel", b"h\0el\0"]), [true, true, false]);
        assert_eq!(matches("6865??6c::w", &[&wide("hexl"), b"h\0e\0xyl\0"]), [true, false]);
        assert_eq!(matches("6865{2}6c::w", &[&wide("hexl"), b"h\0e\0xyl\0"]), [true, true]);
        assert_eq!(matches("6865{2-3}6c6c::w", &[&wide("hexll"), b"h\0e\0xyl\0l\0", b"h\0e\0l\0l\0"]), [true, true, false]);
        assert_eq!(matches("6865(6c6c|6d)6f::w", &[&wide("hello"), &wide("hemo"), &wide("helo")]), [true, true, false]);
        assert_eq!(matches("68[1-2]656c::w", &[b"h\0-e\0l\0", b"h\0--e\0l\0", b"h-e\0l\0"]), [true, true, false]);
    }

    #[test]
    fn whole_words_have_no_letters_and_digits_beside_them() {
        let files: [&[u8]; 6] = [b"word", b"-word_", b"aword", b"word1", b"\x80word\xff", b"words word"];
        assert_eq!(matches("776f7264::f", &files), [true, true, false, false, true, true]);
        assert_eq!(matches("776f7264::fi", &[b"WORD", b"WORDS"]), [true, false]);
        let wide: [&[u8]; 6] = [b"w\0o\0", b"a\0w\0o\0", b"w\0o\0a\0", b"aw\0o\0ab", b"a\0\0w\0o\0\0a", b"w\0o\0a"];
        assert_eq!(matches("776f::fw", &wide), [true, false, false, true, true, false]);
        assert_eq!(matches("776f::fwa", &[b"wo", b"w\0o\0", b"woo", b"w\0o\0o\0"]), [true, true, false, false]);
        // Only the ends of the whole count, and what is no letter is a word too.
        assert_eq!(matches("776f*7264::f", &[b"woo ord", b"wo 1rd", b"awo rd", b"wo rda"]), [true, true, false, false]);
        assert_eq!(matches("2d2d::f", &[b"a--a", b" --."]), [false, true]);
        assert_eq!(refused("(B)776f7264::f"), Code::BoundaryUnsupported);
    }

    #[test]
    fn two_bytes_do_and_a_wide_one() {
        for enough in ["6162", "6162::i", "61::w", "61??::w"] {
            assert!(matches(enough, &[b"ab", b"a\0b\0"]).contains(&true), "{enough}");
        }
        for little in ["61::i", "61::wa", "61??::i", "6?::w", "61*6263::i"] {
            assert_eq!(refused(little), Code::NoAnchor, "{little}");
        }
    }

    #[test]
    fn refused_as_by_clamscan() {
        for negated in ["6865!(00)6c::i", "6865!(00)6c::w", "6865!(00)6c::a"] {
            assert_eq!(refused(negated), Code::NegatedInvalid, "{negated}");
        }
        assert_eq!(refused("a{1}bcc64::w"), Code::HexOdd);
    }

    #[test]
    fn letters_of_either_case_are_one_element() {
        let patterns = apply("61622063", Offset::Any, parse("i").unwrap()).unwrap();
        assert!(matches!(patterns[0].elements(), [Element::Bytes(bytes)] if bytes.len() == 4));
    }
}
