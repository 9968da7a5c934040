//! Where a match begins, given where it ends.
//!
//! Scanners give ends. From an end, the elements are walked backwards: the set of places where the rest of the pattern may begin is kept, one
//! element after another, within [`REACH`] bytes. That is slow, and done for the few places that are shown.

use engine::Image;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use std::collections::BTreeSet;

/// How far before its end a beginning is searched for, in bytes.
const REACH: usize = 1 << 12;

/// Bytes that may be compared to find one beginning: a tenth of a second at most. Strings that people write take thousands.
const STEPS_MAX: usize = 1 << 22;

/// The last place at which a match of `pattern` that ends at `end` may begin; `None` when there is none within [`REACH`], or when finding it
/// would take more than [`STEPS_MAX`]: then only the end is told.
pub(super) fn start_of(pattern: &Pattern, offset: Offset, file: &[u8], images: &[Image], end: u64) -> Option<u64> {
    start_within(pattern, offset, file, images, end, STEPS_MAX)
}

fn start_within(
    pattern: &Pattern,
    offset: Offset,
    file: &[u8],
    images: &[Image],
    end: u64,
    mut steps: usize,
) -> Option<u64> {
    let end = usize::try_from(end).ok().filter(|end| *end <= file.len())?;
    let floor = end.saturating_sub(REACH);
    let mut places = BTreeSet::from([end]);
    for element in pattern.elements().iter().rev() {
        steps = steps.checked_sub(steps_of(element, places.len()))?;
        places = before(element, &places, file, floor);
    }
    let mut ranges = Vec::new();
    offset.each_range(file.len() as u64, images, |first, last| ranges.push(first..=last));
    let mut allowed = places.into_iter().rev().map(|place| place as u64);
    allowed.find(|place| ranges.iter().any(|range| range.contains(place)))
}

/// Most bytes that [`before`] compares, or places that it makes, for so many places.
fn steps_of(element: &Element, places: usize) -> usize {
    match element {
        Element::Bytes(bytes) => places.saturating_mul(bytes.len()),
        Element::Alternatives { strings, .. } => places.saturating_mul(strings.iter().map(|string| 1 + string.len()).sum()),
        Element::Gap { .. } => REACH + places,
        Element::Boundary(_) => places,
    }
}

/// Where `element` may begin so that it ends at one of `places`, from `floor` on.
fn before(element: &Element, places: &BTreeSet<usize>, file: &[u8], floor: usize) -> BTreeSet<usize> {
    let ends = |string: &[MaskedByte], place: usize| {
        let start = place.checked_sub(string.len()).filter(|start| *start >= floor)?;
        string.iter().zip(&file[start..place]).all(|(masked, byte)| masked.agrees(*byte)).then_some(start)
    };
    match element {
        Element::Bytes(bytes) => places.iter().filter_map(|place| ends(bytes, *place)).collect(),
        Element::Alternatives { strings, negated: false } => {
            places.iter().flat_map(|place| strings.iter().filter_map(move |string| ends(string, *place))).collect()
        }
        Element::Alternatives { strings, negated: true } => {
            let len = strings.first().map_or(0, Vec::len);
            let fits = places.iter().filter(|place| strings.iter().all(|string| ends(string, **place).is_none()));
            fits.filter_map(|place| place.checked_sub(len).filter(|start| *start >= floor)).collect()
        }
        Element::Gap { min, max } => gap(*min as usize, max.map(|max| max as usize), places, floor),
        Element::Boundary(boundary) => places.iter().copied().filter(|place| boundary.holds(file, *place)).collect(),
    }
}

/// The places `min` to `max` bytes before one of `places`, each once: O([`REACH`]), however much the ranges overlap.
fn gap(min: usize, max: Option<usize>, places: &BTreeSet<usize>, floor: usize) -> BTreeSet<usize> {
    let mut starts = BTreeSet::new();
    // Descending; what is above `lowest` was added for a higher place.
    let mut lowest = usize::MAX;
    for place in places.iter().rev() {
        let Some(last) = place.checked_sub(min).filter(|last| *last >= floor) else { break };
        let first = max.map_or(0, |max| place.saturating_sub(max)).max(floor);
        let end = lowest.min(last + 1);
        starts.extend(first..end);
        lowest = lowest.min(first);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clamav;
    use crate::record::Record;

    fn pattern(hex: &str) -> Pattern {
        match clamav::ndb(format!("N:0:*:{hex}")) {
            Ok(Some(Record::Body(body))) => body.pattern,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_start_that_would_take_too_long_is_not_told() {
        let file = [b"abab", &[b'-'; 100][..], b"cd"].concat();
        let start = |steps| start_within(&pattern("6162*6364"), Offset::Any, &file, &[], file.len() as u64, steps);
        assert_eq!((start(10_000), start(4000)), (Some(2), None));

        // Each gap lets thousands of places follow, and at each every string is tried.
        let strings = (0..300).map(|n| format!("{:06x}", n * 2)).collect::<Vec<_>>().join("|");
        let costly = pattern(&format!("000000{}", format!("*({strings})0000").repeat(3)));
        let zeros = vec![0; 10_000];
        assert_eq!(start_of(&costly, Offset::Any, &zeros, &[], 10_000), None);
        assert!(start_within(&costly, Offset::Any, &zeros, &[], 10_000, usize::MAX).is_some());
    }
}
