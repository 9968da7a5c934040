//! Counting by hash, and counting exactly.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Counts of windows by a hash of few bits: never too low, up to the highest that is told apart.
pub(super) struct Sketch {
    counts: Vec<u16>,
}

impl Sketch {
    /// 32 MiB of counts: with 64 MB of windows four share one.
    const LOG2: u32 = 24;

    pub(super) fn new() -> Sketch {
        Sketch { counts: vec![0; 1 << Sketch::LOG2] }
    }

    pub(super) fn add(&mut self, window: u64) {
        let count = &mut self.counts[Sketch::place(window)];
        *count = count.saturating_add(1);
    }

    pub(super) fn count(&self, window: u64) -> u16 {
        self.counts[Sketch::place(window)]
    }

    /// The least count that no more than about `wanted` hashes reach.
    pub(super) fn threshold(&self, wanted: usize) -> u16 {
        let mut with_count = vec![0_usize; 1 << 16];
        for &count in &self.counts {
            with_count[usize::from(count)] += 1;
        }
        let mut reached = 0;
        let least = (0..with_count.len()).rev().find(|&count| {
            reached += with_count[count];
            reached > wanted
        });
        least.map_or(0, |count| (count as u16).saturating_add(1))
    }

    fn place(window: u64) -> usize {
        (window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Sketch::LOG2)) as usize
    }
}

/// Exact counts of windows.
#[derive(Default)]
pub(super) struct Exact {
    windows: HashMap<u64, Count, BuildHasherDefault<Multiply>>,
    file: u32,
    block: u32,
}

/// How often a window was seen.
#[derive(Default)]
struct Count {
    total: u32,
    files: u32,
    /// The file and the block, counted from 1, where it was last seen, and how often in that block.
    file: u32,
    block: u32,
    in_block: u32,
}

/// How often a window counts in one block.
const BLOCK_MAX: u32 = 64;

impl Exact {
    /// The windows that follow are of another block, of this file.
    pub(super) fn begin_block(&mut self, file: u32) {
        self.file = file + 1;
        self.block += 1;
    }

    pub(super) fn add(&mut self, window: u64) {
        let count = self.windows.entry(window).or_default();
        if count.block != self.block {
            (count.block, count.in_block) = (self.block, 0);
            count.files += u32::from(count.file != self.file);
            count.file = self.file;
        }
        count.in_block += 1;
        count.total += u32::from(count.in_block <= BLOCK_MAX);
    }

    /// The windows that so many files have and that were counted so often, with their counts, in no order.
    pub(super) fn common(self, files: u32, least: u32) -> Vec<(u64, u32)> {
        let common = self.windows.into_iter().filter(|(_, count)| count.files >= files && count.total >= least);
        common.map(|(window, count)| (window, count.total)).collect()
    }
}

/// A hash of one number: one multiplication and a fold.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let product = (self.0 ^ number).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 = product ^ product >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sketch_never_counts_too_low() {
        let mut sketch = Sketch::new();
        for window in 0..10_000_u64 {
            for _ in 0..window % 7 {
                sketch.add(window);
            }
        }
        assert!((0..10_000_u64).all(|window| u64::from(sketch.count(window)) >= window % 7));
        let least = sketch.threshold(3000);
        assert!((5..=7).contains(&least), "{least}: some 1400 windows were seen six times, as many five times");
    }

    #[test]
    fn within_a_block_a_window_counts_a_few_times() {
        let mut exact = Exact::default();
        for block in 0..6 {
            exact.begin_block(block / 2);
            (0..1000).for_each(|_| exact.add(7));
            exact.add(u64::from(block));
        }
        let mut common = exact.common(3, 1);
        common.sort_unstable();
        assert_eq!(common, [(7, 6 * BLOCK_MAX)]);
    }
}
