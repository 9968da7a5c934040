//! The hex grammar of body signatures, from text to a [`Pattern`].
//!
//! ```text
//! pattern     = piece { gap piece }
//! piece       = [ byte near ] body [ near byte ]
//! body        = { byte | alternative | boundary | "{n}" }   n from 1 to 127, before the first other gap in braces: any-bytes
//! byte        = nibble nibble
//! nibble      = hex digit | "?"
//! gap         = "*" | "{n}" | "{n-m}" | "{-m}" | "{n-}"   a most of 0 is no limit
//! near        = "[n]" | "[n-m]"                           m up to 32
//! alternative = ["!"] "(" string { "|" [ string ] } ")"        an empty one: it may be left out
//! boundary    = ["!"] ( "(B)" | "(L)" | "(W)" )
//! string      = { byte | "(" string { "|" string } ")" | "{n}" }
//! ```
//!
//! A body needs two neighbouring fixed bytes outside alternatives, and a pattern of nothing but fixed bytes needs three: what
//! clamscan demands of its own anchors. `{n}` among bytes counts as text, so that `a{1}b` is `a??b`: two bytes.
//!
//! One pass over the text. Alternatives are expanded to plain lists of strings, all of them together at most
//! [`Pattern::LEN_MAX`] bytes.

mod alternative;
mod boundary;
mod bytes;
mod gap;
mod piece;

use engine::pattern::{Element, Offset, Pattern, PatternError};

use crate::diagnostic::{Code, Fault, quote};
use boundary::full_word;
use bytes::{Nibbles, nibble};
use gap::{Braces, Gap};
use piece::{Piece, Section};

/// Fewest bytes of a body that is nothing but fixed bytes.
const PLAIN_LEN_MIN: usize = 3;

/// What a pattern is part of, and how its bytes are spelled in files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// Whether it is part of a logical signature: then two bytes are enough.
    pub(super) subsignature: bool,
    /// Whether any modifier is given.
    pub(super) modified: bool,
    /// Letters stand for both their cases.
    pub(super) nocase: bool,
    /// Each byte is followed by a zero.
    pub(super) wide: bool,
    /// What stands beside the whole is no letter and no digit.
    pub(super) fullword: bool,
}

impl Context {
    /// The body of an `.ndb` or `.db` signature.
    pub(super) const BODY: Context =
        Context { subsignature: false, modified: false, nocase: false, wide: false, fullword: false };

    /// Bytes in the file for each byte of the text.
    fn bytes_per_byte(self) -> usize {
        if self.wide { 2 } else { 1 }
    }
}

pub(super) fn parse(text: &str, offset: Offset, context: Context) -> Result<Pattern, Fault> {
    let mut parser = Parser { text, at: 0, room: Pattern::LEN_MAX, braced: false, context, offset };
    let (mut pieces, gaps) = parser.pieces()?;
    full_word(&mut pieces, &parser)?;
    check_places(&pieces, &gaps, offset)?;
    if !context.subsignature {
        check_plain_len(&pieces)?;
    }
    let gaps = gaps.into_iter().map(|gap| Some(gap.element())).chain([None]);
    let elements = pieces.into_iter().zip(gaps).flat_map(|(piece, gap)| piece.elements.into_iter().chain(gap));
    Pattern::new(elements).map_err(|error| pattern_fault(&error))
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

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many bytes the strings of alternatives may still have.
    room: usize,
    /// Whether a gap in braces was met: from there on every `{n}` is a gap too.
    braced: bool,
    context: Context,
    /// Where the pattern may begin.
    offset: Offset,
}

/// What ends a section of a pattern.
enum End {
    Near(Gap),
    Far(Gap),
    Text,
}

impl Parser<'_> {
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
                    pieces.push(self.piece(&mut sections, &mut nears, pieces.is_empty())?);
                    gaps.push(gap);
                }
                End::Text => {
                    pieces.push(self.piece(&mut sections, &mut nears, pieces.is_empty())?);
                    return Ok((pieces, gaps));
                }
            }
        }
    }

    fn section(&mut self) -> Result<(Section, End), Fault> {
        let mut section = Section { nibbles: Nibbles::new(self.context), elements: Vec::new(), boundaries: Vec::new() };
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
                b'(' | b'!' => {
                    section.flush(self)?;
                    if let Some(boundary) = self.boundary() {
                        section.boundaries.push((section.elements.len(), boundary));
                    } else if byte == b'!' {
                        section.elements.push(self.negated()?);
                    } else {
                        let strings = self.alternative(1)?;
                        if section.elements.is_empty() && strings.iter().any(Vec::is_empty) {
                            let what = "clamscan never finds a piece that begins with an alternative which may be left out";
                            return Err(self.fault(Code::AlternativeEmpty, what));
                        }
                        section.elements.push(Element::Alternatives { strings, negated: false });
                    }
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
}

#[cfg(test)]
mod tests;
