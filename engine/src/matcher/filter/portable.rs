//! The loop that runs everywhere, and that says what the others must report.

use super::positions::Positions;
use super::{Filter, STARTS, STRETCH, load};
use std::ops::Range;

/// Appends to `hits` where windows of `WIDTH` bytes that begin in `range`, at each `STRIDE`-th byte from its start, pass.
pub(super) fn probe<const WIDTH: usize, const STRIDE: usize>(
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) {
    let mut at = range.start;
    while at + STARTS <= range.end {
        let Some(stretch) = haystack.get(at..at + STRETCH) else { break };
        let stretch: &[u8; STRETCH] = stretch.try_into().expect("a slice of that length");
        for start in (0..STARTS).step_by(STRIDE) {
            let window = u64::from_le_bytes(stretch[start..start + 8].try_into().expect("eight bytes"));
            if filter.passes::<WIDTH>(window) {
                hits.push(at + start);
            }
        }
        at += STARTS;
    }
    while at < range.end && at + WIDTH <= haystack.len() {
        if filter.passes::<WIDTH>(load(haystack, at, WIDTH)) {
            hits.push(at);
        }
        at += STRIDE;
    }
}
