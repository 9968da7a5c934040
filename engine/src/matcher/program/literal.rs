//! Signatures that are one literal: compared as they stand.

use super::in_run::{InRun, is_near};
use super::work::BYTES_PER_STEP;
use crate::layout::{LITERAL_PROGRAM, LiteralHead, NO_PROGRAM, PROGRAM_ALIGN, PROGRAM_PLACE};
use memchr::memmem;
use std::ops::Range;
use zerocopy::FromBytes;

/// A program that is one literal, in place.
#[derive(Clone, Copy)]
pub(crate) struct Literal<'a> {
    bytes: &'a [u8],
    anchor_shift: usize,
}

impl<'a> Literal<'a> {
    /// The literal that a signature's `program` names, or `None` when that is no literal or the section ends before it does.
    pub(crate) fn read(programs: &'a [u8], program: u32) -> Option<Literal<'a>> {
        if program == NO_PROGRAM || program & LITERAL_PROGRAM == 0 {
            return None;
        }
        let bytes = programs.get(((program & PROGRAM_PLACE) as usize).checked_mul(PROGRAM_ALIGN)?..)?;
        let (head, rest) = LiteralHead::ref_from_prefix(bytes).ok()?;
        let bytes = rest.get(..usize::from(head.len.get())).filter(|bytes| !bytes.is_empty())?;
        Some(Literal { bytes, anchor_shift: usize::from(head.anchor_shift.get()) })
    }

    /// The bytes from the start of the anchor on.
    pub(crate) fn anchor_bytes(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.anchor_shift..)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where it stands, if it does, when its anchor begins at `anchor`.
    #[inline]
    pub(crate) fn at_anchor(&self, haystack: &[u8], anchor: usize) -> Option<Range<usize>> {
        let start = anchor.checked_sub(self.anchor_shift)?;
        let there = haystack.get(start..start + self.bytes.len())?;
        // The ends first, without a call: what is beside an anchor agrees in most false candidates, what is far from it in few.
        let ends_agree = match (self.bytes.first_chunk::<8>(), self.bytes.last_chunk::<8>()) {
            (Some(first), Some(last)) => there.first_chunk() == Some(first) && there.last_chunk() == Some(last),
            _ => true,
        };
        (ends_agree && there == self.bytes).then(|| start..start + self.bytes.len())
    }

    /// Steps that a comparison may take.
    pub(crate) fn steps(&self) -> u64 {
        1 + self.bytes.len() as u64 / BYTES_PER_STEP
    }

    /// Where it stands, ascending, overlapping ones too.
    pub(crate) fn places<'h>(&self, haystack: &'h [u8]) -> impl Iterator<Item = Range<usize>> + use<'a, 'h> {
        let (finder, bytes) = (memmem::Finder::new(self.bytes), self.bytes);
        // Two places are a period of the literal apart at least, and where it is periodic the next is often just that far.
        let period = least_period(bytes);
        let last_period = &bytes[bytes.len() - period..];
        let mut found: Option<usize> = None;
        std::iter::from_fn(move || {
            let from = found.map_or(0, |start| start + period);
            let follows = found.is_some() && haystack.get(from + bytes.len() - period..)?.starts_with(last_period);
            let start = if follows { from } else { from + finder.find(haystack.get(from..)?)? };
            found = Some(start);
            Some(start..start + bytes.len())
        })
    }

    /// What candidates in a run are decided by.
    pub(crate) fn in_run(&self, haystack: &[u8], anchor: usize) -> InRun {
        if is_near(self.anchor_shift, self.bytes.len()) {
            InRun::Decided
        } else {
            InRun::of_part(self.anchor_shift, haystack, anchor, |index, byte| {
                self.bytes.get(index).is_none_or(|&own| own == byte)
            })
        }
    }
}

/// The least distance at which `bytes` agree with themselves: their length, if no less. By the failure function of Knuth, Morris and
/// Pratt (1977), O(bytes).
fn least_period(bytes: &[u8]) -> usize {
    let mut borders = vec![0; bytes.len()];
    for end in 1..bytes.len() {
        let mut border = borders[end - 1];
        while border > 0 && bytes[border] != bytes[end] {
            border = borders[border - 1];
        }
        borders[end] = border + usize::from(bytes[border] == bytes[end]);
    }
    bytes.len() - borders.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_all_there_are(
            unit in prop::collection::vec(0..3_u8, 1..6),
            len in 1..20_usize,
            haystack in prop::collection::vec((prop::collection::vec(0..3_u8, 1..6), 1..30_usize), 0..6),
        ) {
            let cycle = |unit: &[u8], len: usize| unit.iter().copied().cycle().take(len).collect::<Vec<u8>>();
            let bytes = cycle(&unit, len);
            let mut haystack: Vec<u8> = haystack.iter().flat_map(|(unit, len)| cycle(unit, *len)).collect();
            haystack.extend(cycle(&unit, 2 * len));
            let literal = Literal { bytes: &bytes, anchor_shift: 0 };
            let starts = (0..haystack.len()).filter(|&start| haystack[start..].starts_with(&bytes));
            prop_assert!(literal.places(&haystack).map(|place| place.start).eq(starts));
        }
    }
}
