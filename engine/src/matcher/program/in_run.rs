//! What a candidate in a run of the haystack tells of the others there.

use super::Program;
use super::read::Piece;
use crate::layout::ProgramOffset;
use crate::matcher::runs::REACH;

/// What a candidate that stands for others tells of them; see [`crate::matcher::runs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InRun {
    /// They come to what it comes to.
    Decided,
    /// None of them matches.
    Nothing,
    /// They may match where it does not, or the other way round.
    Open,
}

impl InRun {
    /// Open, unless a byte within [`REACH`] of every window of the anchor disagrees. `agrees` tells by the index of the byte, the anchor
    /// being at `before`.
    pub(super) fn of_part(before: usize, haystack: &[u8], anchor: usize, agrees: impl Fn(usize, u8) -> bool) -> InRun {
        let reach_back = before.min(REACH - ANCHOR_SHIFT_MAX);
        let (Some(start), first) = (anchor.checked_sub(reach_back), before - reach_back) else { return InRun::Open };
        let part = &haystack[start.min(haystack.len())..haystack.len().min(anchor + REACH)];
        let all = part.iter().enumerate().all(|(index, &byte)| agrees(first + index, byte));
        if all { InRun::Open } else { InRun::Nothing }
    }
}

impl Program<'_> {
    /// What candidates in a run are decided by.
    pub(crate) fn in_run(&self, haystack: &[u8], anchor: usize) -> InRun {
        let shift = usize::from(self.head.anchor_shift.get());
        let element = self.elements.get(usize::from(self.head.anchor_element.get()));
        let (values, masks) = match element.and_then(|element| self.piece(element)) {
            Some(Piece::Literal(values)) => (values, None),
            Some(Piece::Masked { values, masks }) => (values, Some(masks)),
            _ => return InRun::Nothing,
        };
        let anywhere = self.head.offset_kind == ProgramOffset::Any as u8;
        if anywhere && self.elements.len() == 1 && is_near(shift, values.len()) {
            return InRun::Decided;
        }
        InRun::of_part(shift, haystack, anchor, |index, byte| match (values.get(index), masks) {
            (None, _) => true,
            (Some(&value), None) => byte == value,
            (Some(&value), Some(masks)) => masks.get(index).is_none_or(|mask| byte & mask == value),
        })
    }
}

/// Whether bytes that begin so far before the anchor and are so many lie within [`REACH`] of each window of the anchor.
pub(super) fn is_near(before: usize, len: usize) -> bool {
    before + ANCHOR_SHIFT_MAX <= REACH && len.saturating_sub(before) <= REACH
}

/// Most bytes between the start of an anchor and one of its windows.
const ANCHOR_SHIFT_MAX: usize = 7;
