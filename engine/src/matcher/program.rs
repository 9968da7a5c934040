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

use super::runs::REACH;
use super::spans::Spans;
use crate::database::slice;
use crate::layout::{
    LITERAL_PROGRAM, LiteralHead, NO_PROGRAM, Op, PROGRAM_ALIGN, PROGRAM_PLACE, ProgramElement, ProgramHead, ProgramOffset,
};
use crate::pattern::Offset;
use crate::subject::Subject;
use memchr::memmem;
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

/// Whether bytes that begin so far before the anchor and are so many lie within [`REACH`] of each window of the anchor.
fn is_near(before: usize, len: usize) -> bool {
    before + ANCHOR_SHIFT_MAX <= REACH && len.saturating_sub(before) <= REACH
}

/// What a candidate that stands for others tells of them; see [`super::runs`].
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
    fn of_part(before: usize, haystack: &[u8], anchor: usize, agrees: impl Fn(usize, u8) -> bool) -> InRun {
        let reach_back = before.min(REACH - ANCHOR_SHIFT_MAX);
        let (Some(start), first) = (anchor.checked_sub(reach_back), before - reach_back) else { return InRun::Open };
        let part = &haystack[start.min(haystack.len())..haystack.len().min(anchor + REACH)];
        let all = part.iter().enumerate().all(|(index, &byte)| agrees(first + index, byte));
        if all { InRun::Open } else { InRun::Nothing }
    }
}

/// Most bytes between the start of an anchor and one of its windows.
const ANCHOR_SHIFT_MAX: usize = 7;
/// Bytes that are compared or passed over in one step.
const BYTES_PER_STEP: u64 = 64;

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

impl Strings<'_> {
    /// Steps that comparing all of them with one place may take.
    fn steps(&self) -> u64 {
        // Their bytes are values and masks.
        u64::from(self.left) + self.bytes.len() as u64 / (2 * BYTES_PER_STEP)
    }
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
    /// Where a match may begin.
    allowed: Spans,
    steps: Steps,
}

/// Steps taken: positions tried, and stretches of [`BYTES_PER_STEP`] bytes compared or passed over.
#[derive(Debug, Default)]
struct Steps {
    taken: u64,
    max: u64,
}

impl Steps {
    /// Takes so many; whether to go on.
    #[inline(always)]
    fn take(&mut self, steps: u64) -> bool {
        self.taken = self.taken.saturating_add(steps);
        self.taken <= self.max
    }

    /// Takes what trying one position costs at which `len` bytes agree; whether to go on.
    #[inline(always)]
    fn take_one(&mut self, len: usize) -> bool {
        self.take(1 + len as u64 / BYTES_PER_STEP)
    }
}

impl Workspace {
    /// The steps taken since the last call.
    pub(crate) fn take_steps(&mut self) -> u64 {
        std::mem::take(&mut self.steps.taken)
    }

    /// Adds the steps of a search through `len` bytes.
    pub(crate) fn add_search(&mut self, len: usize) {
        self.steps.take_one(len);
    }

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
            Piece::Alternatives { .. } | Piece::Gap { .. } => None,
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
                None => {}
            }
        }
    }

    /// Tries the match whose anchor begins at `anchor`. The ends of what it finds are in `work`.
    ///
    /// Tries at most [`NEAR_POSITIONS_MAX`] positions and those of one more element on each side.
    pub(crate) fn at_anchor(&self, subject: &Subject<'_>, anchor: usize, work: &mut Workspace) -> Outcome {
        self.try_at_anchor(subject, anchor, work).unwrap_or(Outcome::Nothing)
    }

    fn try_at_anchor(&self, subject: &Subject<'_>, anchor: usize, work: &mut Workspace) -> Option<Outcome> {
        let haystack = subject.haystack;
        work.steps.max = u64::MAX;
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
        self.allow(subject, &mut work.allowed);
        work.from.intersect(&work.allowed);
        let start = work.from.last()?;
        Some(if whole { Outcome::Matches { start } } else { Outcome::PartHolds })
    }

    /// Finds every match: its ends are in `work`. Returns the start of one that has the lowest end, the highest such start.
    ///
    /// O(elements × haystack) positions; gives up as soon as it has taken more than `steps_max` steps.
    pub(crate) fn run(&self, subject: &Subject<'_>, work: &mut Workspace, steps_max: u64) -> Option<usize> {
        work.steps.max = steps_max;
        let haystack = subject.haystack;
        self.allow(subject, &mut work.allowed);
        work.from.clone_from(&work.allowed);
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
            if !self.step_back(index, haystack, work) {
                return None;
            }
        }
        work.from.intersect(&work.allowed);
        work.from.last()
    }

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

    /// Where a match may begin; `None` for a kind of offset that is unknown.
    fn offset(&self) -> Option<Offset> {
        let ProgramHead { offset_kind, section, distance, slack, .. } = self.head;
        ProgramOffset::read(*offset_kind, *section, distance.get(), slack.get())
    }

    /// Makes `allowed` the places in this haystack where a match may begin.
    fn allow(&self, subject: &Subject<'_>, allowed: &mut Spans) {
        allowed.clear();
        let Some(offset) = self.offset() else { return };
        let len = subject.haystack.len();
        subject.each_range(offset, |first, last| {
            if let Ok(first) = usize::try_from(first) {
                allowed.push(first, usize::try_from(last).map_or(len, |last| last.min(len)));
            }
        });
        allowed.settle();
    }

    fn is_far(&self, index: usize) -> bool {
        self.elements.get(index).is_some_and(|element| element.op == Op::FarGap as u8)
    }

    fn is_open(&self, index: usize) -> bool {
        self.is_far(index) && self.elements.get(index).is_some_and(|element| element.flag != 0)
    }

    /// Moves the positions in `work.from` over element `index`; whether any are left, and steps to go on with.
    fn step(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> bool {
        let Workspace { from, into, steps, .. } = work;
        into.clear();
        let mut go_on = steps.take(from.ranges().len() as u64);
        match self.elements.get(index).and_then(|element| self.piece(element)) {
            None => {}
            Some(Piece::Literal(bytes)) => go_on &= literal_forward(bytes, haystack, from, into, steps),
            Some(Piece::Masked { values, masks }) => go_on &= masked_forward(values, masks, haystack, from, into, steps),
            Some(Piece::Alternatives { strings, negated }) => {
                go_on &= steps.take(strings.steps().saturating_mul(from.len() as u64));
                let moves = Alternatives { strings, negated };
                for position in from.positions().take_while(|_| go_on) {
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
        go_on && !from.is_empty()
    }

    /// Moves the positions in `work.from` back over element `index`; whether any are left, and steps to go on with.
    fn step_back(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> bool {
        let Workspace { from, into, steps, .. } = work;
        into.clear();
        let mut go_on = steps.take(from.ranges().len() as u64);
        match self.elements.get(index).and_then(|element| self.piece(element)) {
            None => {}
            Some(Piece::Literal(bytes)) => {
                for start in from.positions().filter_map(|position| position.checked_sub(bytes.len())) {
                    let len = agreement(bytes, &haystack[start..]);
                    if len == bytes.len() {
                        into.push_one(start);
                    }
                    go_on &= steps.take_one(len);
                    if !go_on {
                        break;
                    }
                }
            }
            Some(Piece::Masked { values, masks }) => {
                for start in from.positions().filter_map(|position| position.checked_sub(values.len())) {
                    let len = masked_agreement(values, masks, &haystack[start..start + values.len()]);
                    if len == values.len() {
                        into.push_one(start);
                    }
                    go_on &= steps.take_one(len);
                    if !go_on {
                        break;
                    }
                }
            }
            Some(Piece::Alternatives { strings, negated }) => {
                go_on &= steps.take(strings.steps().saturating_mul(from.len() as u64));
                let moves = Alternatives { strings, negated };
                for position in from.positions().take_while(|_| go_on) {
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
        go_on && !from.is_empty()
    }

    fn piece(&self, element: &ProgramElement) -> Option<Piece<'a>> {
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
    values.len() == bytes.len() && masks.len() == bytes.len() && masked_agreement(values, masks, bytes) == bytes.len()
}

/// How many of `bytes` agree with the values under the masks, all three being as many: all, or as many as were found to when one did not.
/// Eight at a time.
fn masked_agreement(values: &[u8], masks: &[u8], bytes: &[u8]) -> usize {
    let ((values, last_values), (masks, last_masks)) = (values.as_chunks(), masks.as_chunks());
    let (words, last_bytes) = bytes.as_chunks();
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let other = |((value, mask), bytes): ((&[u8; 8], &[u8; 8]), &[u8; 8])| word(bytes) & word(mask) != word(value);
    if let Some(index) = values.iter().zip(masks).zip(words).position(other) {
        return 8 * index;
    }
    let mut last = last_values.iter().zip(last_masks).zip(last_bytes);
    if last.all(|((value, mask), byte)| byte & mask == *value) { bytes.len() } else { 8 * words.len() }
}

/// How many bytes of `literal` stand at the start of `bytes`: all, or as many as were found to when one did not.
fn agreement(literal: &[u8], bytes: &[u8]) -> usize {
    const STEP: usize = 1024;
    let mut agreed = 0;
    for part in literal.chunks(STEP) {
        if !bytes.get(agreed..).is_some_and(|bytes| bytes.starts_with(part)) {
            break;
        }
        agreed += part.len();
    }
    agreed
}

/// Starts from which setting up a search pays.
const SEARCH_MIN: usize = 64;

/// Moves positions over a literal, which is not empty; whether there are steps to go on with.
fn literal_forward(literal: &[u8], haystack: &[u8], from: &Spans, into: &mut Spans, steps: &mut Steps) -> bool {
    let mut finder = None;
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(literal.len()).map(|end| end.min(last)) else { continue };
        if last.saturating_sub(first) < SEARCH_MIN {
            for start in first..=last {
                let len = agreement(literal, &haystack[start..]);
                if len == literal.len() {
                    into.push_one(start + literal.len());
                }
                if !steps.take_one(len) {
                    return false;
                }
            }
            continue;
        }
        if !steps.take((last - first) as u64 / BYTES_PER_STEP) {
            return false;
        }
        let finder = finder.get_or_insert_with(|| memmem::Finder::new(literal));
        let mut start = first;
        while let Some(shift) = finder.find(&haystack[start..last + literal.len()]) {
            start += shift + 1;
            into.push_one(start - 1 + literal.len());
            if !steps.take_one(literal.len()) {
                return false;
            }
        }
    }
    true
}

/// Moves positions over masked bytes; whether there are steps to go on with.
fn masked_forward(values: &[u8], masks: &[u8], haystack: &[u8], from: &Spans, into: &mut Spans, steps: &mut Steps) -> bool {
    let mut finder = None;
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(values.len()).map(|end| end.min(last)) else { continue };
        let mut try_at = |position: usize, steps: &mut Steps| {
            let len = masked_agreement(values, masks, &haystack[position..position + values.len()]);
            if len == values.len() {
                into.push_one(position + values.len());
            }
            steps.take_one(len)
        };
        let fixed = longest_fixed(masks);
        if last.saturating_sub(first) < SEARCH_MIN || fixed.is_empty() {
            if !(first..=last).all(|position| try_at(position, steps)) {
                return false;
            }
            continue;
        }
        if !steps.take((last - first) as u64 / BYTES_PER_STEP) {
            return false;
        }
        // Only where the longest run of whole bytes stands can the rest.
        let finder = finder.get_or_insert_with(|| memmem::Finder::new(&values[fixed.clone()]));
        let mut position = first;
        while let Some(shift) = finder.find(&haystack[position + fixed.start..last + fixed.end]) {
            position += shift + 1;
            if !try_at(position - 1, steps) || !steps.take(fixed.len() as u64 / BYTES_PER_STEP) {
                return false;
            }
        }
    }
    true
}

/// The longest run of masks that leave nothing open.
fn longest_fixed(masks: &[u8]) -> Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    for stretch in masks.chunk_by(|a, b| (*a == 0xff) == (*b == 0xff)) {
        if stretch[0] == 0xff && stretch.len() > longest.len() {
            longest = start..start + stretch.len();
        }
        start += stretch.len();
    }
    longest
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
