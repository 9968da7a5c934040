//! Programs as they stand in a database: found, and checked where they are used.

use super::Program;
use super::alternatives::Strings;
use crate::database::slice;
use crate::layout::{LITERAL_PROGRAM, Op, PROGRAM_ALIGN, PROGRAM_PLACE, ProgramElement, ProgramHead};
use crate::pattern::Boundary;
use zerocopy::FromBytes;

/// One element, its bytes found.
pub(super) enum Piece<'a> {
    Literal(&'a [u8]),
    Masked { values: &'a [u8], masks: &'a [u8] },
    Alternatives { strings: Strings<'a>, negated: bool },
    Gap { min: usize, max: Option<usize> },
    Boundary(Boundary),
}

impl<'a> Program<'a> {
    /// The elements that a signature's `program` names, or `None` when that is a literal or the section ends before they do.
    pub(crate) fn read(programs: &'a [u8], program: u32) -> Option<Program<'a>> {
        if program & LITERAL_PROGRAM != 0 {
            return None;
        }
        let bytes = programs.get(((program & PROGRAM_PLACE) as usize).checked_mul(PROGRAM_ALIGN)?..)?;
        let (head, rest) = ProgramHead::ref_from_prefix(bytes).ok()?;
        let (elements, data) =
            <[ProgramElement]>::ref_from_prefix_with_elems(rest, usize::from(head.elements.get())).ok()?;
        Some(Program { head, elements, data })
    }

    /// The values of the element that holds the anchor, from the start of the anchor on.
    pub(crate) fn anchor_bytes(&self) -> Option<&'a [u8]> {
        let element = self.elements.get(usize::from(self.head.anchor_element.get()))?;
        match self.piece(element)? {
            Piece::Literal(values) | Piece::Masked { values, .. } => values.get(usize::from(self.head.anchor_shift.get())..),
            Piece::Alternatives { .. } | Piece::Gap { .. } | Piece::Boundary(_) => None,
        }
    }

    /// Whether every element and the anchor can be read; a program that cannot matches nothing where it breaks.
    pub(crate) fn is_sound(&self) -> bool {
        let anchored = usize::from(self.head.anchor_element.get()) < self.elements.len();
        anchored && self.offset().is_some() && self.elements.iter().all(|element| self.piece(element).is_some())
    }

    /// Calls `add` with what the program matches, part by part: everything but where its anchor and its bytes lie.
    pub(crate) fn meaning(&self, add: &mut impl FnMut(&[u8])) {
        add(&[self.head.offset_kind, self.head.section]);
        add(&self.head.distance.get().to_le_bytes());
        add(&self.head.slack.get().to_le_bytes());
        for element in self.elements {
            add(&[element.op, element.flag]);
            add(&element.count.get().to_le_bytes());
            match self.piece(element) {
                Some(Piece::Literal(bytes)) => add(bytes),
                Some(Piece::Masked { values, masks }) => {
                    add(values);
                    add(masks);
                }
                Some(Piece::Alternatives { strings, .. }) => {
                    add(&(strings.bytes.len() as u64).to_le_bytes());
                    add(strings.bytes);
                }
                Some(Piece::Gap { min, max }) => {
                    add(&(min as u64).to_le_bytes());
                    add(&max.map_or(u64::MAX, |max| max as u64).to_le_bytes());
                }
                // Its number was added with the element.
                Some(Piece::Boundary(_)) | None => {}
            }
        }
    }

    /// Tries the match whose anchor begins at `anchor`. The ends of what it finds are in `work`.
    /// The longest literal that a match must hold besides the anchor, when a far gap stands between them.
    pub(crate) fn other_literal(&self) -> Option<&'a [u8]> {
        let pivot = usize::from(self.head.anchor_element.get());
        let far = (0..self.elements.len()).any(|index| self.is_far(index));
        let others = self.elements.iter().enumerate().filter(|(index, _)| far && *index != pivot);
        let literals = others.filter_map(|(_, element)| match self.piece(element)? {
            Piece::Literal(bytes) => Some(bytes),
            _ => None,
        });
        literals.max_by_key(|bytes| bytes.len())
    }

    pub(super) fn piece(&self, element: &ProgramElement) -> Option<Piece<'a>> {
        let count = u64::from(element.count.get());
        let bytes = |len: u64| slice(self.data, u64::from(element.a.get()), len);
        match element.op {
            // Linkers write no empty ones, and a search for one has no end.
            op if op == Op::Literal as u8 && count > 0 => Some(Piece::Literal(bytes(count)?)),
            op if op == Op::Masked as u8 => {
                let (values, masks) = bytes(2 * count)?.split_at(usize::from(element.count.get()));
                Some(Piece::Masked { values, masks })
            }
            op if op == Op::Alternatives as u8 => {
                let strings = Strings { left: element.count.get(), bytes: bytes(u64::from(element.b.get()))? };
                Some(Piece::Alternatives { strings, negated: element.flag != 0 })
            }
            op if op == Op::Gap as u8 || op == Op::FarGap as u8 => {
                let max = (element.flag == 0).then_some(element.b.get() as usize);
                Some(Piece::Gap { min: element.a.get() as usize, max })
            }
            op if op == Op::Boundary as u8 => Some(Piece::Boundary(Boundary::from_number(element.flag)?)),
            _ => None,
        }
    }
}
