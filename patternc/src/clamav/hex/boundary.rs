//! Boundaries: `(B)`, `(L)`, `(W)`, and with `!` before them.
//!
//! At an end of a piece a boundary is a condition on what stands beside the piece, and at the ends of a file it always holds. Between the
//! bytes of a piece it is a byte of its own, of the class: `aabb(W)ccdd` has five. So clamscan reads them; negated and first, it
//! counts them as a byte too. Which bytes make a word boundary depends on where it stands.

use engine::pattern::{Boundary, BoundaryClass, Element, MaskedByte, Offset, Side};

use super::{Parser, Piece};
use crate::diagnostic::{Code, Fault};

/// A boundary as the text has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    class: BoundaryClass,
    negated: bool,
}

/// Where in a piece a boundary stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Last,
    Within,
}

impl Parser<'_> {
    /// The boundary that begins here, if one does; reads over it.
    pub(super) fn boundary(&mut self) -> Option<Written> {
        let rest = &self.text.as_bytes()[self.at..];
        let (negated, rest) = rest.strip_prefix(b"!").map_or((false, rest), |rest| (true, rest));
        let class = match rest {
            [b'(', b'B', b')', ..] => BoundaryClass::Word,
            [b'(', b'L', b')', ..] => BoundaryClass::Line,
            [b'(', b'W', b')', ..] => BoundaryClass::NonAlphanumeric,
            _ => return None,
        };
        self.at += 3 + usize::from(negated);
        Some(Written { class, negated })
    }
}

impl Written {
    /// What it is at its place in a piece, which begins a pattern or not.
    pub(super) fn elements(self, place: Place, parser: &Parser<'_>, starts_pattern: bool) -> Result<Vec<Element>, Fault> {
        let Written { class, negated } = self;
        let fault = |what: &str| Err(parser.fault(Code::BoundaryUnsupported, what));
        let beside = |class, side, negated| Element::Boundary(Boundary { class, side, negated });
        if parser.context.wide {
            // Of the others clamscan reads some as of one byte and some as of two.
            return match (class, negated, place) {
                (BoundaryClass::NonAlphanumeric, false, Place::First) => {
                    Ok(vec![beside(BoundaryClass::WideNonAlphanumeric, Side::Before, false)])
                }
                (BoundaryClass::NonAlphanumeric, false, Place::Last) => {
                    Ok(vec![beside(BoundaryClass::WideNonAlphanumeric, Side::After, false)])
                }
                _ => fault("of wide boundaries only `(W)` first or last in a piece is supported"),
            };
        }
        Ok(match (place, negated) {
            (Place::First, false) => vec![beside(class, Side::Before, false)],
            (Place::Last, _) => vec![beside(class, Side::After, negated)],
            (Place::First, true) if starts_pattern && parser.offset != Offset::Any => {
                return fault("a negated boundary at a fixed offset never holds in clamscan");
            }
            // A line feed of its own, but no return that belongs to one.
            (Place::Within, true) if class == BoundaryClass::Line => {
                vec![beside(class, Side::After, true), Element::Bytes(vec![MaskedByte::ANY])]
            }
            (Place::First | Place::Within, _) => vec![byte_of(class, negated)],
        })
    }
}

/// A byte, or a line end, that makes a boundary; negated: a byte that makes none.
fn byte_of(class: BoundaryClass, negated: bool) -> Element {
    let fixed = |bytes: &[u8]| bytes.iter().map(|&byte| MaskedByte::fixed(byte)).collect::<Vec<_>>();
    let each = |bytes: &mut dyn Iterator<Item = u8>| bytes.map(|byte| fixed(&[byte])).collect::<Vec<_>>();
    match class {
        BoundaryClass::Line if negated => Element::Alternatives { strings: vec![fixed(b"\n")], negated },
        BoundaryClass::Line => Element::Alternatives { strings: vec![fixed(b"\n"), fixed(b"\r\n")], negated },
        BoundaryClass::Word => {
            let mut bytes = BoundaryClass::WORD_BEFORE.iter().chain(BoundaryClass::WORD_AFTER).copied();
            Element::Alternatives { strings: each(&mut bytes), negated }
        }
        BoundaryClass::NonAlphanumeric | BoundaryClass::WideNonAlphanumeric => {
            let mut bytes = (0..=u8::MAX).filter(u8::is_ascii_alphanumeric);
            Element::Alternatives { strings: each(&mut bytes), negated: !negated }
        }
    }
}

/// The boundaries of whole words, before the first piece and behind the last.
pub(super) fn full_word(pieces: &mut [Piece], parser: &Parser<'_>) -> Result<(), Fault> {
    let class = if parser.context.wide { BoundaryClass::WideNonAlphanumeric } else { BoundaryClass::NonAlphanumeric };
    let boundary = |side| Element::Boundary(Boundary { class, side, negated: false });
    let (Some(first), true) = (pieces.first_mut(), parser.context.fullword) else { return Ok(()) };
    let is_bounded = |bounded: bool| {
        let message = "a boundary stands where the modifier `f` asks for another";
        if bounded { Err(parser.fault(Code::BoundaryUnsupported, message)) } else { Ok(()) }
    };
    is_bounded(first.boundary_first)?;
    first.elements.insert(0, boundary(Side::Before));
    let Some(last) = pieces.last_mut() else { return Ok(()) };
    is_bounded(last.boundary_last)?;
    last.elements.push(boundary(Side::After));
    Ok(())
}
