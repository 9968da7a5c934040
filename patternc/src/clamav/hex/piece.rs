//! Pieces: what stands between two gaps, put together from its sections.

use engine::pattern::{Element, MaskedByte};

use super::boundary::{Place, Written};
use super::bytes::Nibbles;
use super::gap::Gap;
use super::{Context, Parser};
use crate::diagnostic::{Code, Fault};
use crate::link::is_letter_of_either_case;

/// What stands between two gaps.
pub(super) struct Piece {
    pub(super) elements: Vec<Element>,
    /// Whether it begins with a single byte and a `[n-m]`.
    pub(super) byte_first: bool,
    /// Whether it ends with a `[n-m]` and a single byte.
    pub(super) byte_last: bool,
    /// Whether it begins with a boundary.
    pub(super) boundary_first: bool,
    /// Whether it ends with a boundary.
    pub(super) boundary_last: bool,
    /// Its length when it is nothing but fixed bytes.
    pub(super) plain_len: Option<usize>,
}

/// What stands between two gaps, near or far.
pub(super) struct Section {
    pub(super) nibbles: Nibbles,
    pub(super) elements: Vec<Element>,
    /// Boundaries, and before which element each stands.
    pub(super) boundaries: Vec<(usize, Written)>,
}

impl Section {
    pub(super) fn flush(&mut self, parser: &Parser<'_>) -> Result<(), Fault> {
        let bytes = self.nibbles.take(parser)?;
        if !bytes.is_empty() {
            self.elements.push(Element::Bytes(bytes));
        }
        Ok(())
    }

    fn is_single_byte(&self, context: Context) -> bool {
        matches!(&self.elements[..], [Element::Bytes(bytes)] if bytes.len() == context.bytes_per_byte())
    }

    fn has_anchor(&self) -> bool {
        self.elements.iter().any(|element| match element {
            Element::Bytes(bytes) => bytes.windows(2).any(|pair| pair.iter().all(|byte| is_searched(*byte))),
            _ => false,
        })
    }

    fn plain_len(&self) -> Option<usize> {
        match &self.elements[..] {
            [Element::Bytes(bytes)] if self.boundaries.is_empty() && bytes.iter().all(|byte| is_searched(*byte)) => {
                Some(bytes.len())
            }
            _ => None,
        }
    }
}

impl Parser<'_> {
    /// Joins the sections of a piece and the near gaps between them.
    pub(super) fn piece(
        &self,
        sections: &mut Vec<Section>,
        nears: &mut Vec<Gap>,
        starts_pattern: bool,
    ) -> Result<Piece, Fault> {
        if matches!(&sections[..], [only] if only.elements.is_empty()) {
            return Err(self.fault(Code::PieceEmpty, "a gap needs bytes on both sides"));
        }
        let single: Vec<bool> = sections.iter().map(|section| section.is_single_byte(self.context)).collect();
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
        let (boundary_first, boundary_last) = self.place_boundaries(sections, body, starts_pattern)?;
        let nears = nears.drain(..).map(|gap| Some(gap.element())).chain([None]);
        let elements = sections.drain(..).zip(nears).flat_map(|(section, near)| section.elements.into_iter().chain(near));
        Ok(Piece { elements: elements.collect(), byte_first, byte_last, boundary_first, boundary_last, plain_len })
    }

    /// Puts the boundaries of a piece among its elements; whether one stands first, and last.
    fn place_boundaries(&self, sections: &mut [Section], body: usize, starts_pattern: bool) -> Result<(bool, bool), Fault> {
        let alone = sections.len() == 1;
        let fault = |what| Err(self.fault(Code::BoundaryUnsupported, what));
        let (mut boundary_first, mut boundary_last) = (false, false);
        for (index, section) in sections.iter_mut().enumerate() {
            let end = section.elements.len();
            let boundaries = std::mem::take(&mut section.boundaries);
            if index != body && !boundaries.is_empty() {
                return fault("a boundary stands beside the single byte of a `[n-m]`");
            }
            // From the last on, so that the places of those before stay what they are.
            for (at, boundary) in boundaries.into_iter().rev() {
                let (is_first, is_last) = (at == 0, at == end);
                if (is_first || is_last) && !alone {
                    return fault("a boundary stands beside a `[n-m]`");
                }
                if is_first && boundary_first || is_last && boundary_last {
                    return fault("two boundaries stand at one end of a piece");
                }
                boundary_first |= is_first;
                boundary_last |= is_last;
                let place = if is_first {
                    Place::First
                } else if is_last {
                    Place::Last
                } else {
                    Place::Within
                };
                section.elements.splice(at..at, boundary.elements(place, self, starts_pattern)?);
            }
        }
        Ok((boundary_first, boundary_last))
    }
}

/// Whether a byte can be searched for: it is fixed, or a letter in either case.
fn is_searched(byte: MaskedByte) -> bool {
    byte.is_fixed() || is_letter_of_either_case(byte)
}
