//! What the signatures of a set have in common.

use super::run::{Fold, run_lens, runs};
use super::shapes::{Shape, Shapes};
use crate::model::numbers;
use engine::layout::WindowHash;
use engine::pattern::Pattern;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Signatures that may be found by one window, as long as others have another place to be found by.
///
/// A bound on what one place in a file can cost, whatever the set: `docs/matcher.md` has what other values bring.
pub const SIGNATURES_PER_WINDOW: u8 = 32;

/// How often each window occurs in the signatures of the set, and how many were anchored where.
///
/// Signatures are cut from files, so what is common among them is common in files like those; and signatures that share an anchor are
/// all tried where it stands. Counts are kept by hash, in a byte each: windows that share a place count together, which may move an
/// anchor for nothing and does no other harm.
#[derive(Default)]
pub(super) struct Crowd {
    counts: Vec<u8>,
    log2: u8,
    /// Hits for each byte scanned that one more occurrence in the set stands for.
    weight: f64,
    /// Signatures anchored at each window of each width and stride, for windows that occur more often than may be anchored there. They
    /// are few, so they are counted exactly.
    anchored: HashMap<(usize, usize, u64), u8>,
}

impl Crowd {
    /// Fewest places, so that in a small set windows seldom share one.
    const LOG2_MIN: u32 = 14;
    /// Most places, 32 MiB of them.
    const LOG2_MAX: u32 = 25;
    /// Bytes of patterns whose windows are hashed together, before they are counted. Each takes four bytes for each width in the
    /// meantime, so this bounds memory, whatever the lengths of patterns are.
    const BLOCK_BYTES: usize = 4 << 20;

    /// Counts the windows of `shapes` in `patterns`. O(bytes of the patterns × widths).
    ///
    /// Threads hash the windows, one counts them: increments that need no order among threads overlap their cache misses.
    pub(super) fn count(patterns: &[&Pattern], fold: Fold, shapes: Shapes) -> Crowd {
        let widths: BTreeSet<usize> = shapes.all().map(|(_, shape)| shape.width).collect();
        if widths.is_empty() {
            return Crowd::default();
        }
        let lens: Vec<usize> = patterns.par_iter().map(|pattern| run_lens(pattern, fold).sum()).collect();
        let bytes: usize = lens.iter().sum();
        let log2 = (2 * bytes * widths.len()).max(1).ilog2().clamp(Crowd::LOG2_MIN, Crowd::LOG2_MAX) as u8;
        let weight = 1.0 / bytes.max(1 << 16) as f64;
        let crowd = Crowd { counts: Vec::new(), log2, weight, anchored: HashMap::new() };
        let places_in = |pattern: &&Pattern, places: &mut Vec<u32>| {
            for run in runs(pattern, fold) {
                for &width in &widths {
                    places.extend(numbers(&run.bytes, width).map(|window| crowd.place(width, window) as u32));
                }
            }
        };
        let mut counts = vec![0_u8; 1 << log2];
        for block in blocks(&lens, Crowd::BLOCK_BYTES) {
            let hashed = patterns[block].par_iter().fold(Vec::new, |mut places, pattern| {
                places_in(pattern, &mut places);
                places
            });
            for place in hashed.collect::<Vec<Vec<u32>>>().into_iter().flatten() {
                let count = &mut counts[place as usize];
                *count = count.saturating_add(1);
            }
        }
        Crowd { counts, ..crowd }
    }

    /// The share of places in files where other signatures of the set let expect `window`.
    pub(super) fn share(&self, width: usize, window: u64) -> f64 {
        self.weight * f64::from(self.counts[self.place(width, window)].saturating_sub(1))
    }

    /// Whether as many signatures as may be are anchored at `window` in the tier of `shape`.
    pub(super) fn is_full(&self, shape: Shape, window: u64) -> bool {
        let anchored = |key| self.anchored.get(&key).copied().unwrap_or(0);
        self.may_fill(shape.width, window) && anchored((shape.width, shape.stride, window)) >= SIGNATURES_PER_WINDOW
    }

    /// Enters that a signature is anchored at `windows` of `shape`.
    pub(super) fn anchor(&mut self, shape: Shape, windows: impl Iterator<Item = u64>) {
        let windows: BTreeSet<u64> = windows.filter(|window| self.may_fill(shape.width, *window)).collect();
        for window in windows {
            let anchored = self.anchored.entry((shape.width, shape.stride, window)).or_default();
            *anchored = anchored.saturating_add(1);
        }
    }

    /// Whether more signatures have `window` than may be anchored at it.
    pub(super) fn may_fill(&self, width: usize, window: u64) -> bool {
        self.counts[self.place(width, window)] > SIGNATURES_PER_WINDOW
    }

    fn place(&self, width: usize, window: u64) -> usize {
        // The width makes part of what is hashed, so that windows of one width do not count for another.
        let key = super::HASH_KEY.rotate_left(8 * width as u32) | 1;
        WindowHash::new(window, key).index(self.log2)
    }
}

/// Ranges of neighbours, which are so long, one after the other. Each is cut where it has `bytes` or more, so it has less than that and one.
fn blocks(lens: &[usize], bytes: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut held = 0;
        let is_last = |len: &usize| {
            held += len;
            held >= bytes
        };
        let end = lens[start..].iter().position(is_last).map_or(lens.len(), |last| start + last + 1);
        let block = std::mem::replace(&mut start, end)..end;
        (!block.is_empty()).then_some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_by_bytes() {
        let cut = |lens: &[usize]| blocks(lens, 10).collect::<Vec<_>>();
        assert!(cut(&[]).is_empty());
        assert_eq!(cut(&[0, 0, 0, 10, 1]), [0..4, 4..5]);
        assert_eq!(cut(&[3, 3, 3, 3, 3]), [0..4, 4..5]);
        assert_eq!(cut(&[65_535, 1, 65_535, 10]), [0..1, 1..3, 3..4]);
    }
}
