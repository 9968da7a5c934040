//! Masked bytes: compared, and searched for.

use super::moves::SEARCH_MIN;
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

/// Moves positions over masked bytes; whether there are steps to go on with.
pub(super) fn masked_forward(
    values: &[u8],
    masks: &[u8],
    haystack: &[u8],
    from: &Spans,
    into: &mut Spans,
    steps: &mut Steps,
) -> bool {
    let mut finder = None;
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(values.len()).map(|end| end.min(last)) else { continue };
        let mut try_at = |position: usize, steps: &mut Steps| {
            let len = masked_agreement(values, masks, &haystack[position..position + values.len()]);
            if len == values.len() {
                into.push_one(position + values.len());
            }
            steps.take_one(len)
        };
        let fixed = longest_fixed(masks);
        if last.saturating_sub(first) < SEARCH_MIN || fixed.is_empty() {
            if !(first..=last).all(|position| try_at(position, steps)) {
                return false;
            }
            continue;
        }
        if !steps.take((last - first) as u64 / BYTES_PER_STEP) {
            return false;
        }
        // Only where the longest run of whole bytes stands can the rest.
        let finder = finder.get_or_insert_with(|| memmem::Finder::new(&values[fixed.clone()]));
        let mut position = first;
        while let Some(shift) = finder.find(&haystack[position + fixed.start..last + fixed.end]) {
            position += shift + 1;
            if !try_at(position - 1, steps) || !steps.take(fixed.len() as u64 / BYTES_PER_STEP) {
                return false;
            }
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
