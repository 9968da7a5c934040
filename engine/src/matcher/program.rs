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

mod alternatives;
mod in_run;
mod literal;
mod masked;
mod moves;
mod probe;
mod read;
mod work;

use super::spans::Spans;
use crate::layout::{Op, ProgramElement, ProgramHead, ProgramOffset};
use crate::pattern::Offset;
use crate::subject::Subject;

pub(crate) use in_run::InRun;
pub(crate) use literal::Literal;
pub(crate) use work::Workspace;

/// A program in place.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    head: &'a ProgramHead,
    elements: &'a [ProgramElement],
    /// From the end of the element table to the end of the section: elements say where in it their bytes are.
    data: &'a [u8],
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

impl Program<'_> {
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
        let mut index = 0;
        while index < self.elements.len() {
            let Some(next) = self.step_over(index, haystack, work) else {
                work.ends.clear();
                return None;
            };
            index = next;
            // Past a gap without an upper bound only the lowest position matters.
            if self.is_open(index) {
                work.from.keep_first();
            }
        }
        std::mem::swap(&mut work.from, &mut work.ends);
        let lowest = work.ends.first()?;
        self.start_of(lowest, haystack, work)
    }

    /// The last start of a match that ends last; costs as [`Program::run`].
    pub(crate) fn last_start(&self, subject: &Subject<'_>, work: &mut Workspace, steps_max: u64) -> Option<usize> {
        self.run(subject, work, steps_max)?;
        let highest = work.ends.last()?;
        self.start_of(highest, subject.haystack, work)
    }

    /// The highest start of a match that ends at `end`, after [`Program::run`].
    fn start_of(&self, end: usize, haystack: &[u8], work: &mut Workspace) -> Option<usize> {
        work.from.set(end, end);
        for index in (0..self.elements.len()).rev() {
            if !self.step_back(index, haystack, work) {
                return None;
            }
        }
        work.from.intersect(&work.allowed);
        work.from.last()
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
}
