//! What the signatures of a set have in common.

use super::run::{Fold, runs};
use super::shapes::{Shape, Shapes};
use engine::layout::WindowHash;
use engine::pattern::Pattern;
use std::collections::{BTreeSet, HashMap};

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

    /// Counts the windows of `shapes` in `patterns`. O(bytes of the patterns × widths).
    pub(super) fn count<'p>(patterns: impl Iterator<Item = &'p Pattern> + Clone, fold: Fold, shapes: Shapes) -> Crowd {
        let widths: BTreeSet<usize> = shapes.all().map(|(_, shape)| shape.width).collect();
        if widths.is_empty() {
            return Crowd::default();
        }
        let bytes: usize = patterns.clone().flat_map(|pattern| runs(pattern, fold)).map(|run| run.bytes.len()).sum();
        let log2 = (2 * bytes * widths.len()).max(1).ilog2().clamp(Crowd::LOG2_MIN, Crowd::LOG2_MAX) as u8;
        let weight = 1.0 / bytes.max(1 << 16) as f64;
        let mut crowd = Crowd { counts: vec![0; 1 << log2], log2, weight, anchored: HashMap::new() };
        for run in patterns.flat_map(|pattern| runs(pattern, fold)) {
            for window in widths.iter().flat_map(|&width| run.bytes.windows(width)) {
                let place = crowd.place(window);
                crowd.counts[place] = crowd.counts[place].saturating_add(1);
            }
        }
        crowd
    }

    /// The share of places in files where other signatures of the set let expect `window`.
    pub(super) fn share(&self, window: &[u8]) -> f64 {
        self.weight * f64::from(self.counts[self.place(window)].saturating_sub(1))
    }

    /// Whether as many signatures as may be are anchored at `window` in the tier of `shape`.
    pub(super) fn is_full(&self, shape: Shape, window: &[u8]) -> bool {
        let anchored = |key| self.anchored.get(&key).copied().unwrap_or(0);
        self.may_fill(window) && anchored((shape.width, shape.stride, number(window))) >= SIGNATURES_PER_WINDOW
    }

    /// Enters that a signature is anchored at the windows that begin in the first `stride` bytes of `region`.
    pub(super) fn anchor(&mut self, shape: Shape, region: &[u8]) {
        let windows: BTreeSet<&[u8]> = region.windows(shape.width).filter(|window| self.may_fill(window)).collect();
        for window in windows {
            let anchored = self.anchored.entry((shape.width, shape.stride, number(window))).or_default();
            *anchored = anchored.saturating_add(1);
        }
    }

    /// Whether more signatures have `window` than may be anchored at it.
    fn may_fill(&self, window: &[u8]) -> bool {
        self.counts[self.place(window)] > SIGNATURES_PER_WINDOW
    }

    fn place(&self, window: &[u8]) -> usize {
        // The width makes part of what is hashed, so that windows of one width do not count for another.
        let key = super::HASH_KEY.rotate_left(8 * window.len() as u32) | 1;
        WindowHash::new(number(window), key).index(self.log2)
    }
}

/// A window of up to eight bytes as a number, its first byte lowest.
fn number(window: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..window.len()].copy_from_slice(window);
    u64::from_le_bytes(bytes)
}
