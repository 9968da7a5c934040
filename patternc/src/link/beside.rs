//! The bytes by which a window of one signature is told from the same window elsewhere.

use super::run::PricedRun;
use super::window::{NEAR_END_MAX, NEAR_MAX, Windows};
use crate::model::Model;
use engine::layout::NEAR_REACH;
use std::ops::Range;

/// What stands beside the windows of an anchor, and how common that is.
pub(super) struct Beside<'r> {
    run: &'r PricedRun,
    width: usize,
    /// Where in the run `four` begins.
    from: usize,
    /// Costs of the windows of four bytes around the anchor, place by place; none when they need not be told from others.
    four: Vec<f64>,
}

impl<'r> Beside<'r> {
    /// Looks up what the windows of `width` bytes that begin in `anchor` could be told from others by.
    pub(super) fn of(run: &'r PricedRun, width: usize, anchor: Range<usize>, model: &Model) -> Beside<'r> {
        let from = anchor.start.saturating_sub(NEAR_REACH);
        let four = run.costs(from..run.len().min(anchor.end + NEAR_END_MAX), NEAR_MAX, model);
        Beside { run, width, from, four }
    }

    /// For an anchor that is rare as it is: the longest bytes beside a window are as good as others, and cost no look-up.
    pub(super) fn of_rare(run: &'r PricedRun, width: usize) -> Beside<'r> {
        Beside { run, width, from: 0, four: Vec::new() }
    }

    /// The windows at `places`, and beside each those bytes in reach that a file where it stands is least likely to have there.
    pub(super) fn windows(&self, places: Range<usize>) -> Windows {
        Windows::of(&self.run.run().bytes, places, |at| self.near(at))
    }

    /// Where the bytes are that the window at `at` is best told from others by.
    ///
    /// The longest bytes beside a window are not the best: what stands before a common window is as common, and the one byte by which a
    /// signature differs from the code it was cut from may be after it.
    fn near(&self, at: usize) -> Range<usize> {
        let end = at + self.width;
        let after = end..self.run.len().min(end + NEAR_MAX);
        let before = at.saturating_sub(NEAR_REACH)..at;
        let (after_cost, before_cost) = (self.joint(at, after.end), self.joint(before.start, end));
        let after_is_better = (after_cost, before.len()) <= (before_cost, after.len());
        let (mut near, mut least) = if after_is_better { (after, after_cost) } else { (before, before_cost) };
        let last = (at + NEAR_END_MAX).min(self.run.len()).saturating_sub(NEAR_MAX);
        for start in end..=last {
            if let Some(&cost) = self.four.get(start - self.from).filter(|cost| **cost < least) {
                (near, least) = (start..start + NEAR_MAX, cost);
            }
        }
        near
    }

    /// How common the bytes from `start` to `end` are together, at most: as their rarest part of eight or four bytes is.
    fn joint(&self, start: usize, end: usize) -> f64 {
        if self.four.is_empty() {
            return 1.0;
        }
        let wide = self.run.wide(start, end);
        let four = (start..(end + 1).saturating_sub(NEAR_MAX)).filter_map(|at| self.four.get(at.checked_sub(self.from)?));
        wide.iter().chain(four).copied().fold(1.0, f64::min)
    }
}
