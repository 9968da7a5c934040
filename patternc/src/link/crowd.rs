//! What the signatures of a set have in common.

use super::run::{Fold, runs};
use super::shapes::Shapes;
use engine::layout::WindowHash;
use engine::pattern::Pattern;
use std::collections::BTreeSet;

/// How often each window occurs in the signatures of the set.
///
/// Signatures are cut from files, so what is common among them is common in files like those; and signatures that share an anchor are
/// all tried where it stands. Counts are kept by hash, in a byte each: windows that share a place count together, which may move an
/// anchor for nothing and does no other harm.
pub(super) struct Crowd {
    counts: Vec<u8>,
    log2: u8,
    /// Hits for each byte scanned that one more occurrence in the set stands for.
    weight: f64,
}

impl Crowd {
    /// Fewest places, so that in a small set windows seldom share one.
    const LOG2_MIN: u32 = 14;
    /// Most places, 32 MiB of them.
    const LOG2_MAX: u32 = 25;

    /// Counts the windows of `shapes` in `patterns`. O(bytes of the patterns × widths).
    pub(super) fn count<'p>(patterns: impl Iterator<Item = &'p Pattern> + Clone, fold: Fold, shapes: Shapes) -> Crowd {
        let widths: BTreeSet<usize> = shapes.iter().map(|(_, shape)| shape.width).collect();
        let bytes: usize = patterns.clone().flat_map(|pattern| runs(pattern, fold)).map(|run| run.bytes.len()).sum();
        let log2 = (2 * bytes * widths.len()).max(1).ilog2().clamp(Crowd::LOG2_MIN, Crowd::LOG2_MAX) as u8;
        let mut crowd = Crowd { counts: vec![0; 1 << log2], log2, weight: 1.0 / bytes.max(1 << 16) as f64 };
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

    fn place(&self, window: &[u8]) -> usize {
        let mut bytes = [0; 8];
        bytes[..window.len()].copy_from_slice(window);
        // The width makes part of what is hashed, so that windows of one width do not count for another.
        let key = super::HASH_KEY.rotate_left(8 * window.len() as u32) | 1;
        WindowHash::new(u64::from_le_bytes(bytes), key).index(self.log2)
    }
}
