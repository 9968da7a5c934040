//! Verification: the program of one signature, run over the haystack.
//!
//! A program steps a set of positions over its elements, one after the other: "the match so far may end at any of these". Bytes
//! keep the positions after which they stand and move them past themselves; a gap widens each position to a range; an
//! alternative moves each by its strings' lengths. There is no recursion and no backtracking, and every way to match is found,
//! because all of them advance together.
//!
//! From a candidate the set starts at the anchor and is stepped both ways, up to the ends of the signature or up to a *far* gap.
//! A far gap would let one candidate walk the whole file, and a file full of candidates cost its square. So a signature with far
//! gaps is only noted when the part around its anchor holds, and then run once per file, from its first element, over sets
//! that begin as "anywhere allowed": O(elements × file), however many candidates there were. The same becomes of a candidate
//! whose near gaps leave more than [`NEAR_POSITIONS_MAX`] positions to try, so that no candidate costs more than that.

use super::spans::Spans;
use crate::database::slice;
use crate::layout::{
    LITERAL_PROGRAM, LiteralHead, NO_PROGRAM, Op, PROGRAM_ALIGN, ProgramElement, ProgramHead, ProgramOffset,
};
use std::ops::Range;
use zerocopy::FromBytes;
use zerocopy::byteorder::little_endian::U16;

/// A program in place.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    head: &'a ProgramHead,
    elements: &'a [ProgramElement],
    /// From the end of the element table to the end of the section: elements say where in it their bytes are.
    data: &'a [u8],
}

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
        let bytes = programs.get(((program & !LITERAL_PROGRAM) as usize).checked_mul(PROGRAM_ALIGN)?..)?;
        let (head, rest) = LiteralHead::ref_from_prefix(bytes).ok()?;
        let bytes = rest.get(..usize::from(head.len.get()))?;
        Some(Literal { bytes, anchor_shift: usize::from(head.anchor_shift.get()) })
    }

    /// The bytes from the start of the anchor on.
    pub(crate) fn anchor_bytes(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.anchor_shift..)
    }

    /// Where it stands, if it does, when its anchor begins at `anchor`.
    pub(crate) fn at_anchor(&self, haystack: &[u8], anchor: usize) -> Option<Range<usize>> {
        let start = anchor.checked_sub(self.anchor_shift)?;
        haystack.get(start..)?.starts_with(self.bytes).then(|| start..start + self.bytes.len())
    }
}

/// One element, its bytes found.
enum Piece<'a> {
    Literal(&'a [u8]),
    Masked { values: &'a [u8], masks: &'a [u8] },
    Alternatives { strings: Strings<'a>, negated: bool },
    Gap { min: usize, max: Option<usize> },
}

/// The strings of an alternative: values and masks.
#[derive(Clone)]
struct Strings<'a> {
    left: u16,
    bytes: &'a [u8],
}

impl<'a> Iterator for Strings<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (len, rest) = U16::read_from_prefix(self.bytes).ok()?;
        let len = usize::from(len.get());
        let (values, rest) = rest.split_at_checked(len)?;
        let (masks, rest) = rest.split_at_checked(len)?;
        self.bytes = rest;
        Some((values, masks))
    }
}

/// Positions that one candidate may try on either side of its anchor.
const NEAR_POSITIONS_MAX: usize = 4096;

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No match around this anchor.
    Nothing,
    /// Matches: their ends are in the workspace, and the last of their starts is this.
    Matches {
        /// Highest start of a match around this anchor.
        start: usize,
    },
    /// The part around the anchor holds; whether the whole does, [`Program::run`] tells.
    PartHolds,
}

/// Position sets that one worker reuses.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    from: Spans,
    into: Spans,
    ends: Spans,
}

impl Workspace {
    /// The ends of the matches that the last call found, ascending.
    pub(crate) fn ends(&self) -> &Spans {
        &self.ends
    }
}

impl<'a> Program<'a> {
    /// The elements that a signature's `program` names, or `None` when that is a literal or the section ends before they do.
    pub(crate) fn read(programs: &'a [u8], program: u32) -> Option<Program<'a>> {
        if program & LITERAL_PROGRAM != 0 {
            return None;
        }
        let bytes = programs.get((program as usize).checked_mul(PROGRAM_ALIGN)?..)?;
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
            Piece::Alternatives { .. } | Piece::Gap { .. } => None,
        }
    }

    /// Whether every element and the anchor can be read; a program that cannot matches nothing where it breaks.
    pub(crate) fn is_sound(&self) -> bool {
        let anchored = usize::from(self.head.anchor_element.get()) < self.elements.len();
        anchored && self.elements.iter().all(|element| self.piece(element).is_some())
    }

    /// Tries the match whose anchor begins at `anchor`. The ends of what it finds are in `work`.
    ///
    /// Tries at most [`NEAR_POSITIONS_MAX`] positions and those of one more element on each side.
    pub(crate) fn at_anchor(&self, haystack: &[u8], anchor: usize, work: &mut Workspace) -> Outcome {
        self.try_at_anchor(haystack, anchor, work).unwrap_or(Outcome::Nothing)
    }

    fn try_at_anchor(&self, haystack: &[u8], anchor: usize, work: &mut Workspace) -> Option<Outcome> {
        let pivot = usize::from(self.head.anchor_element.get());
        let start = anchor.checked_sub(usize::from(self.head.anchor_shift.get()))?;
        // The anchor's own element first: nearly every false candidate ends here, on one comparison.
        work.from.set(start, start);
        if !self.step(pivot, haystack, work) {
            return None;
        }
        let mut whole = true;
        let mut tried = 0;
        for index in pivot + 1..self.elements.len() {
            tried += work.from.len();
            if self.is_far(index) || tried > NEAR_POSITIONS_MAX {
                whole = false;
                break;
            }
            if !self.step(index, haystack, work) {
                return None;
            }
        }
        std::mem::swap(&mut work.from, &mut work.ends);
        work.from.set(start, start);
        tried = 0;
        for index in (0..pivot).rev() {
            tried += work.from.len();
            if self.is_far(index) || tried > NEAR_POSITIONS_MAX {
                return Some(Outcome::PartHolds);
            }
            if !self.step_back(index, haystack, work) {
                return None;
            }
        }
        let (first, last) = self.start_range(haystack)?;
        work.from.clip(first, last);
        let start = work.from.last()?;
        Some(if whole { Outcome::Matches { start } } else { Outcome::PartHolds })
    }

    /// Finds every match: its ends are in `work`. Returns the start of one that has the lowest end, the highest such start.
    ///
    /// O(elements × haystack) steps.
    pub(crate) fn run(&self, haystack: &[u8], work: &mut Workspace) -> Option<usize> {
        let (first, last) = self.start_range(haystack)?;
        work.from.set(first, last.min(haystack.len()));
        for index in 0..self.elements.len() {
            if !self.step(index, haystack, work) {
                work.ends.clear();
                return None;
            }
            // Past a gap without an upper bound only the lowest position matters.
            if self.is_open(index + 1) {
                work.from.keep_first();
            }
        }
        std::mem::swap(&mut work.from, &mut work.ends);
        let lowest = work.ends.first()?;
        work.from.set(lowest, lowest);
        for index in (0..self.elements.len()).rev() {
            self.step_back(index, haystack, work);
        }
        work.from.clip(first, last);
        work.from.last()
    }

    /// First and last allowed start in this haystack.
    fn start_range(&self, haystack: &[u8]) -> Option<(usize, usize)> {
        let len = haystack.len() as u64;
        let first = match self.head.offset_kind {
            kind if kind == ProgramOffset::Any as u8 => return Some((0, haystack.len())),
            kind if kind == ProgramOffset::Start as u8 => self.head.distance.get(),
            _ => len.checked_sub(self.head.distance.get())?,
        };
        let last = first.saturating_add(self.head.slack.get()).min(len);
        Some((usize::try_from(first).ok()?, usize::try_from(last).ok()?))
    }

    fn is_far(&self, index: usize) -> bool {
        self.elements.get(index).is_some_and(|element| element.op == Op::FarGap as u8)
    }

    fn is_open(&self, index: usize) -> bool {
        self.is_far(index) && self.elements.get(index).is_some_and(|element| element.flag != 0)
    }

    /// Moves the positions in `work.from` over element `index`; whether any are left.
    fn step(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> bool {
        let Workspace { from, into, .. } = work;
        into.clear();
        match self.elements.get(index).and_then(|element| self.piece(element)) {
            None => {}
            Some(Piece::Literal(bytes)) => literal_forward(bytes, haystack, from, into),
            Some(Piece::Masked { values, masks }) => masked_forward(values, masks, haystack, from, into),
            Some(Piece::Alternatives { strings, negated }) => {
                let moves = Alternatives { strings, negated };
                for position in from.positions() {
                    moves.each_len(
                        |len| haystack.get(position..position.checked_add(len)?),
                        |len| into.push_one(position + len),
                    );
                }
            }
            Some(Piece::Gap { min, max }) => {
                for &(first, last) in from.ranges() {
                    let furthest = max.map_or(haystack.len(), |max| last.saturating_add(max).min(haystack.len()));
                    into.push(first.saturating_add(min), furthest);
                }
            }
        }
        into.settle();
        std::mem::swap(from, into);
        !from.is_empty()
    }

    /// Moves the positions in `work.from` back over element `index`; whether any are left.
    fn step_back(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> bool {
        let Workspace { from, into, .. } = work;
        into.clear();
        match self.elements.get(index).and_then(|element| self.piece(element)) {
            None => {}
            Some(Piece::Literal(bytes)) => {
                for position in from.positions() {
                    if haystack.get(..position).is_some_and(|before| before.ends_with(bytes)) {
                        into.push_one(position - bytes.len());
                    }
                }
            }
            Some(Piece::Masked { values, masks }) => {
                for position in from.positions() {
                    let start = position.checked_sub(values.len());
                    if let Some(start) = start.filter(|&start| agrees(values, masks, &haystack[start..position])) {
                        into.push_one(start);
                    }
                }
            }
            Some(Piece::Alternatives { strings, negated }) => {
                let moves = Alternatives { strings, negated };
                for position in from.positions() {
                    moves.each_len(
                        |len| haystack.get(position.checked_sub(len)?..position),
                        |len| into.push_one(position - len),
                    );
                }
            }
            Some(Piece::Gap { min, max }) => {
                for &(first, last) in from.ranges() {
                    let Some(nearest) = last.checked_sub(min) else { continue };
                    into.push(max.map_or(0, |max| first.saturating_sub(max)), nearest);
                }
            }
        }
        into.settle();
        std::mem::swap(from, into);
        !from.is_empty()
    }

    fn piece(&self, element: &ProgramElement) -> Option<Piece<'a>> {
        let count = u64::from(element.count.get());
        let bytes = |len: u64| slice(self.data, u64::from(element.a.get()), len);
        match element.op {
            op if op == Op::Literal as u8 => Some(Piece::Literal(bytes(count)?)),
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
            _ => None,
        }
    }
}

impl Spans {
    fn push_one(&mut self, position: usize) {
        self.push(position, position);
    }
}

/// An alternative as the lengths by which it can move a position.
struct Alternatives<'a> {
    strings: Strings<'a>,
    negated: bool,
}

impl Alternatives<'_> {
    /// Calls `found` with each length whose bytes, got from `bytes_of`, the alternative accepts.
    fn each_len<'h>(&self, bytes_of: impl Fn(usize) -> Option<&'h [u8]>, mut found: impl FnMut(usize)) {
        if self.negated {
            let Some((values, _)) = self.strings.clone().next() else { return };
            let Some(bytes) = bytes_of(values.len()) else { return };
            if !self.strings.clone().any(|(values, masks)| agrees(values, masks, bytes)) {
                found(values.len());
            }
            return;
        }
        for (values, masks) in self.strings.clone() {
            if bytes_of(values.len()).is_some_and(|bytes| agrees(values, masks, bytes)) {
                found(values.len());
            }
        }
    }
}

/// Whether `bytes`, as many as there are values, agree with them under the masks.
fn agrees(values: &[u8], masks: &[u8], bytes: &[u8]) -> bool {
    values.len() == bytes.len() && values.iter().zip(masks).zip(bytes).all(|((value, mask), byte)| byte & mask == *value)
}

fn literal_forward(literal: &[u8], haystack: &[u8], from: &Spans, into: &mut Spans) {
    let Some(&lead) = literal.first() else { return };
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(literal.len()).map(|end| end.min(last)) else { continue };
        let Some(leads) = haystack.get(first..=last) else { continue };
        for shift in memchr::memchr_iter(lead, leads) {
            if haystack[first + shift..].starts_with(literal) {
                into.push_one(first + shift + literal.len());
            }
        }
    }
}

fn masked_forward(values: &[u8], masks: &[u8], haystack: &[u8], from: &Spans, into: &mut Spans) {
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(values.len()).map(|end| end.min(last)) else { continue };
        for position in first..=last {
            if agrees(values, masks, &haystack[position..position + values.len()]) {
                into.push_one(position + values.len());
            }
        }
    }
}
