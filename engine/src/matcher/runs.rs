//! Stretches of a block in which the haystack repeats itself: zeros of a sparse file, padding, a flood made to be slow.
//!
//! A window that stands in such a stretch stands there again and again, and so do the candidates it brings. What a candidate looks at
//! is the same each time, as long as it looks no further than the stretch goes. So the windows of one repetition are looked at, and
//! those that follow are passed by:
//!
//! ```text
//!  begin        REACH     DISTANCE                                     REACH  end
//!    |------------|-----------|-------------- passed by ---------------|-------|
//!                   the same candidates as in all that are passed by
//! ```
//!
//! A candidate of the marked repetition is told so, because a signature that looks further than [`REACH`] beyond it, or that may match at
//! some offsets only, is not decided by it for those that follow: it is put off and run over the whole haystack, once.
//!
//! Only blocks with many hits are looked at, so clean files do not pay. Each block is taken by itself, so that the answer
//! does not depend on where a scan began.

use super::filter::Positions;
use std::ops::Range;

/// Bytes before and after a window within which a candidate is decided by one repetition.
pub(crate) const REACH: usize = 64;
/// Distances at which a haystack is compared with itself. Multiples of every stride, so that what is passed by was asked at the same
/// alignment; each of the periods from 1 to 16, and of those up to 30 the most, divides one of them.
const DISTANCES: [usize; 8] = [48, 56, 72, 80, 88, 104, 112, 120];
/// Bytes for each hit below which a block has so many that runs are looked for.
const DENSE: usize = 64;
/// Where no run began, another one is looked for so many bytes on: a shorter one would not be worth passing by.
const NEXT_TRY: usize = 256;
/// Widest window.
const WIDTH_MAX: usize = 8;

/// The runs of one block.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Where the anchors of candidates begin that stand for those passed by: ascending. An anchor begins less than [`WIDTH_MAX`] bytes
    /// before its window.
    marked: Vec<Range<usize>>,
}

impl Runs {
    /// Takes from `hits` in `block` those that only repeat others, and remembers which stand for them.
    pub(super) fn pass_by(&mut self, haystack: &[u8], block: Range<usize>, hits: &mut Positions) {
        self.marked.clear();
        if hits.len() * DENSE < block.len() {
            return;
        }
        let marked = &mut self.marked;
        let mut passed_by = 0..0;
        let mut next_try = block.start;
        hits.retain(|at| {
            if at >= next_try {
                next_try = at + NEXT_TRY;
                if let Some((distance, end)) = run_from(haystack, at, block.end) {
                    passed_by = at + REACH + distance..end - REACH - WIDTH_MAX;
                    marked.push(at + REACH - WIDTH_MAX..at + REACH + distance);
                    next_try = passed_by.end;
                }
            }
            !passed_by.contains(&at)
        });
    }

    /// Whether any were passed by.
    pub(super) fn any(&self) -> bool {
        !self.marked.is_empty()
    }

    /// Whether candidates whose anchor begins at `anchor` may stand for others that were passed by.
    pub(super) fn is_marked(&self, anchor: usize) -> bool {
        let after = self.marked.partition_point(|range| range.end <= anchor);
        self.marked.get(after).is_some_and(|range| range.contains(&anchor))
    }
}

/// The distance at which the haystack repeats itself from `at` on, and where that ends, when windows up to `block_end` can be passed by.
fn run_from(haystack: &[u8], at: usize, block_end: usize) -> Option<(usize, usize)> {
    let word = haystack.get(at..at + 8)?;
    let stretch = &haystack[at..haystack.len().min(block_end + REACH + WIDTH_MAX)];
    DISTANCES.into_iter().find_map(|distance| {
        let shifted = stretch.get(distance..)?;
        if !shifted.starts_with(word) {
            return None;
        }
        let end = distance + same(stretch, shifted);
        (end > 2 * REACH + distance + WIDTH_MAX).then_some((distance, at + end))
    })
}

/// How many bytes the two have in common from their start.
fn same(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count() * STEP;
    steps + a[steps..].iter().zip(&b[steps..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(haystack: &[u8], stride: usize) -> (Vec<usize>, Runs) {
        let mut hits = Positions::default();
        hits.reset(0..haystack.len());
        (0..haystack.len()).step_by(stride).for_each(|at| hits.push(at));
        let mut runs = Runs::default();
        runs.pass_by(haystack, 0..haystack.len(), &mut hits);
        (hits.iter().collect(), runs)
    }

    #[test]
    fn what_is_passed_by_has_a_marked_equal() {
        for period in (1..=16_u8).chain([18, 20, 22, 24, 26, 28, 30]) {
            let mut haystack: Vec<u8> = (0..100_u8).map(|i| i.wrapping_mul(83)).collect();
            haystack.extend((0..period).map(|i| i.wrapping_mul(59)).cycle().take(4000));
            haystack.extend([7, 7, 9]);
            for stride in [1, 4, 8] {
                let (kept, runs) = left(&haystack, stride);
                assert!(kept.len() * stride < 600, "{} of {} with period {period}", kept.len(), haystack.len());
                let around = |at: usize| &haystack[at - REACH..at + WIDTH_MAX + REACH];
                for at in (0..haystack.len()).step_by(stride).filter(|at| !kept.contains(at)) {
                    let equal = kept.iter().find(|&&kept| runs.is_marked(kept) && around(kept) == around(at));
                    assert!(equal.is_some(), "{at} with period {period}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_passed_by_where_nothing_repeats() {
        let haystack: Vec<u8> = (0..20_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (kept, runs) = left(&haystack, 4);
        assert_eq!(kept.len(), 5000);
        assert!(runs.marked.is_empty());
    }

    #[test]
    fn sparse_hits_stay() {
        let mut hits = Positions::default();
        hits.reset(0..16 << 10);
        (0..16 << 10).step_by(128).for_each(|at| hits.push(at));
        Runs::default().pass_by(&vec![0; 16 << 10], 0..16 << 10, &mut hits);
        assert_eq!(hits.len(), 128);
    }
}
