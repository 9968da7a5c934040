//! The common windows of one width, found by hash.
//!
//! A window's hash names a bucket and a byte that tells it from the others there. There are as many buckets as windows or more, so a
//! window costs the byte, its share of the bucket's count, and its shares: about two bytes once packed, whatever its width.

use super::{CLASSES, number, share_of};

/// Common windows and their shares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    log2: u8,
    /// Where the windows of each bucket begin; one more than buckets.
    bounds: Vec<u32>,
    /// What tells the windows of a bucket apart.
    checks: Vec<u8>,
    /// The level of each window's share in each class; 0 where it is not common.
    levels: Vec<[u8; CLASSES]>,
    /// What each window costs.
    costs: Vec<f32>,
    floor: u8,
}

/// Most buckets, and so about the most windows.
pub(super) const LOG2_MAX: u8 = 20;

impl Table {
    /// A table of `windows`; those for which a bucket has no room are left out. `floor` is the level of what is not in it.
    pub(super) fn build(windows: &[(u64, [u8; CLASSES])], floor: u8) -> Table {
        let log2 = (windows.len().max(1).ilog2() as u8).min(LOG2_MAX);
        let mut placed: Vec<(u32, u8, [u8; CLASSES])> = windows
            .iter()
            .map(|&(window, levels)| {
                let (bucket, check) = place(window, log2);
                (bucket as u32, check, levels)
            })
            .collect();
        placed.sort_unstable();
        // Two windows that cannot be told apart are one, as common as the commoner.
        placed.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 = std::array::from_fn(|class| commoner(kept.2[class], next.2[class]));
            }
            same
        });
        let mut counts = vec![0_u8; 1 << log2];
        for (bucket, ..) in &placed {
            counts[*bucket as usize] = counts[*bucket as usize].saturating_add(1);
        }
        let (checks, levels) = placed.into_iter().map(|(_, check, levels)| (check, levels)).unzip();
        Table::new(log2, &counts, checks, levels, floor)
            .expect("a bucket holds at most 256 checks, and one is never that full")
    }

    /// A table from its parts; `None` when the counts are not those of the windows.
    pub(super) fn new(log2: u8, counts: &[u8], checks: Vec<u8>, levels: Vec<[u8; CLASSES]>, floor: u8) -> Option<Table> {
        let mut end = 0;
        let mut bounds = Vec::with_capacity(counts.len() + 1);
        bounds.push(0);
        bounds.extend(counts.iter().map(|&count| {
            end += u32::from(count);
            end
        }));
        let sound = counts.len() == 1 << log2 && end as usize == checks.len() && checks.len() == levels.len();
        let costs = levels.iter().copied().map(cost).collect();
        sound.then_some(Table { log2, bounds, checks, levels, costs, floor })
    }

    pub(super) fn len(&self) -> usize {
        self.checks.len()
    }

    /// The largest share of a window that is not in it.
    pub(super) fn floor(&self) -> f64 {
        f64::from(share_of(self.floor))
    }

    pub(super) fn floor_level(&self) -> u8 {
        self.floor
    }

    /// The shares of `window` by class; `None` when it is common in none.
    pub(super) fn shares(&self, window: &[u8]) -> Option<[f32; CLASSES]> {
        Some(self.levels[self.find(number(window))?].map(share_of))
    }

    /// What storing `window`, its first byte lowest, costs, if it is common.
    pub(super) fn cost(&self, window: u64) -> Option<f32> {
        Some(self.costs[self.find(window)?])
    }

    /// Windows in each bucket.
    pub(super) fn counts(&self) -> impl Iterator<Item = u8> + '_ {
        self.bounds.windows(2).map(|pair| (pair[1] - pair[0]) as u8)
    }

    pub(super) fn checks(&self) -> &[u8] {
        &self.checks
    }

    pub(super) fn levels(&self) -> &[[u8; CLASSES]] {
        &self.levels
    }

    pub(super) fn log2(&self) -> u8 {
        self.log2
    }

    fn find(&self, window: u64) -> Option<usize> {
        let (bucket, check) = place(window, self.log2);
        let (first, end) = (*self.bounds.get(bucket)? as usize, *self.bounds.get(bucket + 1)? as usize);
        let at = self.checks[first..end].iter().position(|&other| other == check)?;
        Some(first + at)
    }
}

/// The level of the larger share; 0 is none.
pub(super) fn commoner(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { a.max(b) } else { a.min(b) }
}

/// The mean of the mean share and of the largest.
fn cost(levels: [u8; CLASSES]) -> f32 {
    let shares = levels.map(share_of);
    let mean = shares.iter().sum::<f32>() / CLASSES as f32;
    f32::midpoint(mean, shares.into_iter().fold(0.0, f32::max))
}

/// The bucket of a window among 2 to `log2`, and the byte that tells it from others there.
fn place(window: u64, log2: u8) -> (usize, u8) {
    // Two rounds, so that windows that differ in their last bytes only are spread as well. The key is part of the format.
    let folded = window.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = (folded ^ folded >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let bucket = (hash >> 1) >> (63 - log2);
    (bucket as usize, (hash >> (56 - log2)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_next_to_nothing_else() {
        let windows: Vec<(u64, [u8; CLASSES])> =
            (0..5000_u64).map(|i| (i.wrapping_mul(0x0123_4567_89ab_cdef), [(i % 20 + 1) as u8; CLASSES])).collect();
        let table = Table::build(&windows, 24);
        let lost = windows.iter().filter(|(window, levels)| {
            let shares = table.shares(&window.to_le_bytes()).unwrap();
            (shares[0] - share_of(levels[0])).abs() > f32::EPSILON * shares[0]
        });
        assert!(lost.count() < 40, "only windows that cannot be told apart share a place");
        let strangers = (0..100_000_u64).filter(|i| table.shares(&(i | 1 << 60).to_le_bytes()).is_some()).count();
        assert!(strangers < 1000, "{strangers} strangers of 100,000");
    }

    #[test]
    fn an_empty_table_holds_nothing() {
        assert_eq!(Table::build(&[], 20).shares(b"abcd"), None);
        assert_eq!(Table::default().shares(b"abcd"), None);
    }
}
