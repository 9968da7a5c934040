//! Masked bytes: compared, and searched for.

use super::moves::SEARCH_MIN;
use super::probe::Probes;
use super::work::{BYTES_PER_STEP, Steps};
use crate::matcher::spans::Spans;
use memchr::memmem;
use std::ops::Range;

/// How many of `bytes` agree with the values under the masks, all three being as many: all, or as many as were found to when one did not.
/// Eight at a time.
pub(super) fn masked_agreement(values: &[u8], masks: &[u8], bytes: &[u8]) -> usize {
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

/// Fewest whole bytes in a row by which a search finds the rest.
const WHOLE_MIN: usize = 4;

/// Moves positions over masked bytes; whether there are steps to go on with.
pub(super) fn masked_forward(
    values: &[u8],
    masks: &[u8],
    haystack: &[u8],
    from: &Spans,
    into: &mut Spans,
    steps: &mut Steps,
) -> bool {
    let mut search = None;
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(values.len()).map(|end| end.min(last)) else { continue };
        // `searched` bytes were compared there before.
        let mut try_after = |searched: usize, position: usize| {
            let len = masked_agreement(values, masks, &haystack[position..position + values.len()]);
            if len == values.len() {
                into.push_one(position + values.len());
            }
            steps.take_one(searched + len)
        };
        let mut try_at = |position: usize| try_after(0, position);
        if last.saturating_sub(first) < SEARCH_MIN {
            if !(first..=last).all(try_at) {
                return false;
            }
            continue;
        }
        let go_on = match search.get_or_insert_with(|| Search::of(values, masks)) {
            Search::Every => (first..=last).all(&mut try_at),
            Search::Probes(probes) => probes.each(haystack, first..=last, &mut try_at),
            Search::Whole { fixed, finder } => {
                let searched = fixed.len();
                each_whole(finder, &haystack[..last + fixed.end], first + fixed.start, |found| {
                    try_after(searched, found - fixed.start)
                })
            }
        };
        if !(go_on && steps.take((last - first) as u64 / BYTES_PER_STEP)) {
            return false;
        }
    }
    true
}

/// How masked bytes are searched for.
enum Search<'v> {
    /// By their longest run of whole bytes: only where that stands can the rest.
    Whole { fixed: Range<usize>, finder: Box<memmem::Finder<'v>> },
    /// By the few of them that are rarest.
    Probes(Probes),
    /// They are all open: they stand everywhere.
    Every,
}

impl<'v> Search<'v> {
    fn of(values: &'v [u8], masks: &[u8]) -> Search<'v> {
        let fixed = longest_fixed(masks);
        if fixed.len() >= WHOLE_MIN {
            return Search::Whole { finder: Box::new(memmem::Finder::new(&values[fixed.clone()])), fixed };
        }
        Probes::of(values, masks).map_or(Search::Every, Search::Probes)
    }
}

/// Calls `found` with each place from `start` on where the finder's bytes stand, until it says to stop; whether it never did.
fn each_whole(finder: &memmem::Finder<'_>, haystack: &[u8], start: usize, mut found: impl FnMut(usize) -> bool) -> bool {
    let mut next = start;
    while let Some(shift) = haystack.get(next..).and_then(|rest| finder.find(rest)) {
        next += shift + 1;
        if !found(next - 1) {
            return false;
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
