//! The hex grammar of body signatures, from text to a [`Pattern`].
//!
//! ```text
//! pattern     = piece { gap piece }
//! piece       = [ byte near ] body [ near byte ]
//! body        = { byte | alternative | "{n}" }            n from 1 to 127, before the first other gap in braces: any-bytes
//! byte        = nibble nibble
//! nibble      = hex digit | "?"
//! gap         = "*" | "{n}" | "{n-m}" | "{-m}" | "{n-}"   a most of 0 is no limit
//! near        = "[n]" | "[n-m]"                           m up to 32
//! alternative = ["!"] "(" string { "|" string } ")"
//! string      = { byte | "(" string { "|" string } ")" | "{n}" }
//! ```
//!
//! A body needs two neighbouring fixed bytes outside alternatives, and a pattern of nothing but fixed bytes needs three: what
//! clamscan demands of its own anchors. `{n}` among bytes counts as text, so that `a{1}b` is `a??b`: two bytes.
//!
//! One pass over the text. Alternatives are expanded to plain lists of strings, all of them together at most
//! [`Pattern::LEN_MAX`] bytes.

use engine::pattern::{Element, MaskedByte, Offset, Pattern, PatternError};

use super::hex_value;
use crate::diagnostic::{Code, Fault, quote};

/// Longest `{n}` that is any-bytes of a piece and not a gap between two.
const INLINE_MAX: u32 = 127;
/// Longest gap: clamscan's numbers have 31 bits.
const GAP_MAX: u64 = i32::MAX as u64;
/// Longest `[n-m]`.
const NEAR_MAX: u64 = 32;
/// Most alternatives inside one another.
const DEPTH_MAX: usize = 16;
/// Fewest bytes of a pattern that is nothing but fixed bytes.
const PLAIN_LEN_MIN: usize = 3;

pub(super) fn parse(text: &str, offset: Offset) -> Result<Pattern, Fault> {
    let mut parser = Parser { text, at: 0, room: Pattern::LEN_MAX, braced: false };
    let (pieces, gaps) = parser.pieces()?;
    check_places(&pieces, &gaps, offset)?;
    check_plain_len(&pieces)?;
    let gaps = gaps.into_iter().map(|gap| Some(gap.element())).chain([None]);
    let elements = pieces.into_iter().zip(gaps).flat_map(|(piece, gap)| piece.elements.into_iter().chain(gap));
    Pattern::new(elements).map_err(|error| pattern_fault(&error))
}

/// A distance between two pieces, or beside a single byte.
#[derive(Clone, Copy)]
struct Gap {
    min: u32,
    max: Option<u32>,
}

impl Gap {
    const UNBOUNDED: Gap = Gap { min: 0, max: None };

    fn is_unbounded(self) -> bool {
        self.min == 0 && self.max.is_none()
    }

    fn element(self) -> Element {
        Element::Gap { min: self.min, max: self.max }
    }
}

/// What stands between two gaps.
struct Piece {
    elements: Vec<Element>,
    /// Whether it begins with a single byte and a `[n-m]`.
    byte_first: bool,
    /// Whether it ends with a `[n-m]` and a single byte.
    byte_last: bool,
    /// Its length when it is nothing but fixed bytes.
    plain_len: Option<usize>,
}

/// Where a gap is measured from a single byte, clamscan measures it from the other side of the byte's `[n-m]`, and so it does
/// with offsets. Nobody means that.
fn check_places(pieces: &[Piece], gaps: &[Gap], offset: Offset) -> Result<(), Fault> {
    let fault = |beside: &str| {
        let message = format!("`[n-m]` with its single byte beside {beside}: the distance is not well defined");
        Err(Fault::new(Code::GapAmbiguous, message))
    };
    if pieces[0].byte_first && offset != Offset::Any {
        return fault("a fixed offset");
    }
    let ambiguous = |(pair, gap): (&[Piece], &Gap)| (pair[0].byte_last || pair[1].byte_first) && !gap.is_unbounded();
    if pieces.windows(2).zip(gaps).any(ambiguous) { fault("a `{..}`") } else { Ok(()) }
}

fn check_plain_len(pieces: &[Piece]) -> Result<(), Fault> {
    match pieces {
        [Piece { plain_len: Some(len), .. }] if *len < PLAIN_LEN_MIN => {
            let message = format!("the pattern has {len} bytes; at least {PLAIN_LEN_MIN} are needed");
            Err(Fault::new(Code::NoAnchor, message))
        }
        _ => Ok(()),
    }
}

fn pattern_fault(error: &PatternError) -> Fault {
    let code = match error {
        PatternError::TooLarge { .. } => Code::PatternTooLarge,
        PatternError::GapBounds { .. } => Code::GapBounds,
        PatternError::EmptyAlternative => Code::AlternativeEmpty,
        PatternError::NegatedLengths { .. } => Code::NegatedLengths,
        _ => Code::NoAnchor,
    };
    Fault::new(code, error.to_string())
}

/// Bytes put together from nibbles.
#[derive(Default)]
struct Nibbles {
    bytes: Vec<MaskedByte>,
    high: Option<MaskedByte>,
}

impl Nibbles {
    /// Adds a nibble: its value and mask in the low four bits.
    fn push(&mut self, nibble: MaskedByte) {
        match self.high.take() {
            None => self.high = Some(nibble),
            Some(high) => {
                let value = high.value() << 4 | nibble.value();
                self.bytes.push(MaskedByte::new(value, high.mask() << 4 | nibble.mask()));
            }
        }
    }

    fn push_any(&mut self, bytes: u32) {
        (0..2 * bytes).for_each(|_| self.push(MaskedByte::ANY));
    }

    /// The bytes so far; half a byte is a fault.
    fn take(&mut self, parser: &Parser<'_>) -> Result<Vec<MaskedByte>, Fault> {
        match self.high {
            None => Ok(std::mem::take(&mut self.bytes)),
            Some(_) => Err(parser.fault(Code::HexOdd, "half a byte: the number of hex digits is odd")),
        }
    }
}

/// What stands between two gaps, near or far.
#[derive(Default)]
struct Section {
    nibbles: Nibbles,
    elements: Vec<Element>,
}

impl Section {
    fn flush(&mut self, parser: &Parser<'_>) -> Result<(), Fault> {
        let bytes = self.nibbles.take(parser)?;
        if !bytes.is_empty() {
            self.elements.push(Element::Bytes(bytes));
        }
        Ok(())
    }

    fn is_single_byte(&self) -> bool {
        matches!(&self.elements[..], [Element::Bytes(bytes)] if bytes.len() == 1)
    }

    fn has_anchor(&self) -> bool {
        self.elements.iter().any(|element| match element {
            Element::Bytes(bytes) => bytes.windows(2).any(|pair| pair[0].is_fixed() && pair[1].is_fixed()),
            _ => false,
        })
    }

    fn plain_len(&self) -> Option<usize> {
        match &self.elements[..] {
            [Element::Bytes(bytes)] if bytes.iter().all(|byte| byte.is_fixed()) => Some(bytes.len()),
            _ => None,
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many bytes the strings of alternatives may still have.
    room: usize,
    /// Whether a gap in braces was met: from there on every `{n}` is a gap too.
    braced: bool,
}

/// What ends a section of a pattern.
enum End {
    Near(Gap),
    Far(Gap),
    Text,
}

impl<'a> Parser<'a> {
    fn fault(&self, code: Code, what: &str) -> Fault {
        Fault::new(code, format!("{what} (at character {} of the pattern)", self.at + 1))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn pieces(&mut self) -> Result<(Vec<Piece>, Vec<Gap>), Fault> {
        let (mut pieces, mut gaps) = (Vec::new(), Vec::new());
        let (mut sections, mut nears) = (Vec::new(), Vec::new());
        loop {
            let (section, end) = self.section()?;
            sections.push(section);
            match end {
                End::Near(gap) => nears.push(gap),
                End::Far(gap) => {
                    pieces.push(self.piece(&mut sections, &mut nears)?);
                    gaps.push(gap);
                }
                End::Text => {
                    pieces.push(self.piece(&mut sections, &mut nears)?);
                    return Ok((pieces, gaps));
                }
            }
        }
    }

    /// Joins the sections of a piece and the near gaps between them.
    fn piece(&self, sections: &mut Vec<Section>, nears: &mut Vec<Gap>) -> Result<Piece, Fault> {
        if matches!(&sections[..], [only] if only.elements.is_empty()) {
            return Err(self.fault(Code::PieceEmpty, "a gap needs bytes on both sides"));
        }
        let single: Vec<bool> = sections.iter().map(Section::is_single_byte).collect();
        let (byte_first, body) = match single[..] {
            [_] | [false, true] => (false, 0),
            [true, _] | [true, _, true] => (true, 1),
            _ => return Err(self.fault(Code::GapSides, "`[n-m]` stands between a single byte and the rest of a piece")),
        };
        if !sections[body].has_anchor() {
            return Err(self.fault(Code::NoAnchor, "the piece before this place has no two neighbouring fixed bytes"));
        }
        let byte_last = sections.len() > body + 1;
        let plain_len = if sections.len() == 1 { sections[0].plain_len() } else { None };
        let nears = nears.drain(..).map(|gap| Some(gap.element())).chain([None]);
        let elements = sections.drain(..).zip(nears).flat_map(|(section, near)| section.elements.into_iter().chain(near));
        Ok(Piece { elements: elements.collect(), byte_first, byte_last, plain_len })
    }

    fn section(&mut self) -> Result<(Section, End), Fault> {
        let mut section = Section::default();
        let end = loop {
            let Some(byte) = self.peek() else { break End::Text };
            if let Some(nibble) = nibble(byte) {
                section.nibbles.push(nibble);
                self.at += 1;
                continue;
            }
            match byte {
                b'*' => {
                    self.at += 1;
                    break End::Far(Gap::UNBOUNDED);
                }
                b'{' => match self.braces()? {
                    Braces::Inline(bytes) => section.nibbles.push_any(bytes),
                    Braces::Gap(gap) => break End::Far(gap),
                },
                b'[' => break End::Near(self.near()?),
                b'(' => {
                    section.flush(self)?;
                    let strings = self.alternative(1)?;
                    section.elements.push(Element::Alternatives { strings, negated: false });
                }
                b'!' => {
                    section.flush(self)?;
                    section.elements.push(self.negated()?);
                }
                _ => return Err(self.unexpected()),
            }
        };
        section.flush(self)?;
        Ok((section, end))
    }

    fn unexpected(&self) -> Fault {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = rest.chars().next().map(String::from).unwrap_or_default();
        self.fault(Code::HexDigit, &format!("{} is neither a hex digit nor `?` nor a wildcard", quote(&found)))
    }

    /// The text from here to `close`, both included.
    fn enclosed(&mut self, close: u8) -> Result<&'a str, Fault> {
        let rest = &self.text[self.at..];
        let Some(end) = memchr::memchr(close, rest.as_bytes()) else {
            return Err(self.fault(Code::GapInvalid, &format!("a gap without its `{}`", char::from(close))));
        };
        self.at += end + 1;
        Ok(&rest[..=end])
    }

    fn braces(&mut self) -> Result<Braces, Fault> {
        let text = self.enclosed(b'}')?;
        let (min, max) = match parse_bounds(text, GAP_MAX)? {
            Bounds::Exactly(n @ 1..=INLINE_MAX) if !self.braced => return Ok(Braces::Inline(n)),
            // clamscan reads over spaces in any-bytes, but not in gaps.
            _ if text.contains(' ') => return Err(gap_fault(Code::GapInvalid, text, "is a gap with spaces")),
            Bounds::None => return Err(gap_fault(Code::GapInvalid, text, "is none of `{n}`, `{n-m}`, `{-m}`, `{n-}`")),
            Bounds::Exactly(0) => (0, None),
            Bounds::Exactly(n) => (n, Some(n)),
            Bounds::Between(min, max) => (min.unwrap_or(0), max.filter(|&max| max != 0)),
        };
        check_bounds(text, min, max)?;
        self.braced = true;
        Ok(Braces::Gap(Gap { min, max }))
    }

    fn near(&mut self) -> Result<Gap, Fault> {
        let text = self.enclosed(b']')?;
        let (min, max) = match parse_bounds(text, NEAR_MAX)? {
            Bounds::Exactly(n) => (n, Some(n)),
            Bounds::Between(Some(min), Some(max)) => (min, Some(max)),
            _ => return Err(gap_fault(Code::GapInvalid, text, "is neither `[n]` nor `[n-m]`")),
        };
        check_bounds(text, min, max)?;
        Ok(Gap { min, max })
    }

    fn negated(&mut self) -> Result<Element, Fault> {
        self.at += 1;
        if self.peek() != Some(b'(') {
            return Err(self.fault(Code::NegatedInvalid, "`!` stands before `(`"));
        }
        let start = self.at;
        let strings = self.alternative(1)?;
        let source = &self.text.as_bytes()[start + 1..self.at];
        if source.contains(&b'(') || strings.iter().flatten().any(|byte| !byte.is_fixed()) {
            return Err(self.fault(Code::NegatedInvalid, "a negated alternative holds plain strings only"));
        }
        Ok(Element::Alternatives { strings, negated: true })
    }

    /// The strings of the alternative that begins here.
    fn alternative(&mut self, depth: usize) -> Result<Vec<Vec<MaskedByte>>, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.fault(Code::NestingTooDeep, &format!("alternatives are nested more than {DEPTH_MAX} deep")));
        }
        let start = self.at;
        self.at += 1;
        if matches!(self.text.as_bytes().get(self.at..self.at + 2), Some([b'B' | b'L' | b'W', b')'])) {
            self.at = start;
            return Err(self.fault(Code::BoundaryUnsupported, "the boundaries `(B)`, `(L)` and `(W)` are not supported yet"));
        }
        let mut strings = Vec::new();
        loop {
            strings.append(&mut self.strings(start, depth)?);
            self.at += 1;
            if self.text.as_bytes()[self.at - 1] == b')' {
                return Ok(strings);
            }
        }
    }

    /// What one alternative stands for, up to its `|` or `)`: several strings when others are nested in it.
    fn strings(&mut self, open: usize, depth: usize) -> Result<Vec<Vec<MaskedByte>>, Fault> {
        let mut strings = vec![Vec::new()];
        let mut nibbles = Nibbles::default();
        loop {
            let Some(byte) = self.peek() else {
                self.at = open;
                return Err(self.fault(Code::AlternativeOpen, "a `(` without its `)`"));
            };
            if let Some(nibble) = nibble(byte) {
                nibbles.push(nibble);
                self.at += 1;
                continue;
            }
            match byte {
                b'|' | b')' => {
                    self.append(&mut strings, &[nibbles.take(self)?])?;
                    if strings.iter().any(Vec::is_empty) {
                        return Err(self.fault(Code::AlternativeEmpty, "a string of an alternative is empty"));
                    }
                    return Ok(strings);
                }
                b'(' => {
                    self.append(&mut strings, &[nibbles.take(self)?])?;
                    let nested = self.alternative(depth + 1)?;
                    self.append(&mut strings, &nested)?;
                }
                b'{' => match self.braces()? {
                    Braces::Inline(bytes) => nibbles.push_any(bytes),
                    Braces::Gap(_) => {
                        return Err(self.fault(Code::AlternativeInvalid, "a gap cannot stand in an alternative"));
                    }
                },
                b'*' | b'[' | b'!' => {
                    let what = format!("`{}` cannot stand in an alternative", char::from(byte));
                    return Err(self.fault(Code::AlternativeInvalid, &what));
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// Continues every string with every one of `tails`, within the room that is left.
    fn append(&mut self, strings: &mut Vec<Vec<MaskedByte>>, tails: &[Vec<MaskedByte>]) -> Result<(), Fault> {
        if let [tail] = tails
            && tail.is_empty()
        {
            return Ok(());
        }
        let len = |list: &[Vec<MaskedByte>]| list.iter().map(Vec::len).sum::<usize>();
        let (before, after) = (len(strings), len(strings) * tails.len() + len(tails) * strings.len());
        // Bytes that are replaced give their room back, at most twice over when nested.
        self.room = (self.room + before).checked_sub(after).ok_or_else(|| {
            let message = format!("the alternatives stand for more than {} bytes of strings", Pattern::LEN_MAX);
            Fault::new(Code::AlternativeTooLarge, message)
        })?;
        *strings = strings.iter().flat_map(|head| tails.iter().map(move |tail| [&head[..], tail].concat())).collect();
        Ok(())
    }
}

/// What stands in braces.
enum Braces {
    Inline(u32),
    Gap(Gap),
}

fn nibble(byte: u8) -> Option<MaskedByte> {
    match byte {
        b'?' => Some(MaskedByte::ANY),
        _ => hex_value(byte).map(|value| MaskedByte::new(value, 0x0f)),
    }
}

/// Numbers of a gap.
enum Bounds {
    /// None at all, or something else.
    None,
    Exactly(u32),
    Between(Option<u32>, Option<u32>),
}

/// Reads a gap with what encloses it.
fn parse_bounds(enclosed: &str, max: u64) -> Result<Bounds, Fault> {
    let text = &enclosed[1..enclosed.len() - 1];
    let number = |text: &str| -> Result<Option<Option<u32>>, Fault> {
        let digits = text.trim_start_matches(' ');
        if digits.is_empty() {
            return Ok(Some(None));
        }
        match super::digits(digits) {
            None => Ok(None),
            Some(value) if value <= max => Ok(Some(Some(value as u32))),
            Some(_) => {
                Err(Fault::new(Code::GapTooLarge, format!("a gap of {} bytes; at most {max} are allowed", quote(digits))))
            }
        }
    };
    Ok(match text.split_once('-') {
        None => match number(text)? {
            Some(Some(n)) => Bounds::Exactly(n),
            Some(None) if text.is_empty() => Bounds::Between(None, None),
            _ => Bounds::None,
        },
        Some((min, most)) => match (number(min)?, number(most)?) {
            (Some(min), Some(most)) => Bounds::Between(min, most),
            _ => Bounds::None,
        },
    })
}

fn check_bounds(enclosed: &str, min: u32, max: Option<u32>) -> Result<(), Fault> {
    if max.is_some_and(|max| max < min) {
        return Err(gap_fault(Code::GapBounds, enclosed, "matches nothing: its least is above its most"));
    }
    Ok(())
}

fn gap_fault(code: Code, enclosed: &str, what: &str) -> Fault {
    Fault::new(code, format!("{} {what}", quote(enclosed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<(), Code> {
        parse(text, Offset::Any).map(|_| ()).map_err(|fault| fault.code)
    }

    fn elements(text: &str) -> Vec<Element> {
        parse(text, Offset::Any).unwrap().elements().to_vec()
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
            (
                Code::GapTooLarge,
                &["aabb{2147483648}ccdd", "aabb{-99999999999999999999}ccdd", "aabbcc[1-33]dd", "aabbcc[33]dd"],
            ),
            (Code::GapBounds, &["aabbcc[3-1]dd"]),
            (
                Code::GapSides,
                &["aabb[1-3]ccdd", "aa??[1-3]bbccdd", "ee[1-2]aa[1-3]bbccdd", "(aa|bb)[1-3]bbccdd", "[1-3]aabb"],
            ),
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
            (Code::AlternativeEmpty, &["aabb()cc", "aabb(|11)cc"]),
            (Code::AlternativeOpen, &["1122(aa|bbcc", "1122((aa|bb)cc", "aabb!(11"]),
            (
                Code::AlternativeInvalid,
                &["1122(aa*bb|cc)dd", "1122(aa[1-2]bb|cc)dd", "aabb(11|!(22))cc", "aabb(11{1-2}22)cc"],
            ),
            (Code::NegatedLengths, &["aabb!(11|2233)cc"]),
            (Code::NegatedInvalid, &["aabb!(1?)cc", "aabb!11cc", "aabb!!(11)cc", "aabb!((22|33))cc"]),
            (Code::BoundaryUnsupported, &["aabb(B)", "(L)aabb", "aabb!(W)"]),
            (Code::GapBounds, &["aabb{5-3}ccdd"]),
            (Code::GapAmbiguous, &["aabb[1-3]cc{2-3}ddee", "aabb{2-3}cc[1-3]ddee"]),
        ] {
            for text in texts {
                assert_eq!(code(text), Err(want), "{text}");
            }
        }
        assert_eq!(parse("dd[1-3]aabbcc", Offset::Start { from: 0, shift: 0 }).unwrap_err().code, Code::GapAmbiguous);
    }

    #[test]
    fn nesting_and_expansion_are_bounded() {
        let nested = |depth: usize| format!("aabb{}11{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(code(&nested(DEPTH_MAX)), Ok(()));
        assert_eq!(code(&nested(DEPTH_MAX + 1)), Err(Code::NestingTooDeep));
        assert_eq!(code(&format!("aabb({})", "(11|22)".repeat(10))), Ok(()));
        assert_eq!(code(&format!("aabb({})", "(11|22)".repeat(100))), Err(Code::AlternativeTooLarge));
        assert_eq!(code(&"(".repeat(10_000_000)), Err(Code::NestingTooDeep));
    }
}
