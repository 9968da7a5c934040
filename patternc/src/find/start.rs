//! Where a match begins, given where it ends.
//!
//! Scanners give ends. From an end, the elements are walked backwards: the set of places where the rest of the pattern may begin is kept, one
//! element after another, within [`REACH`] bytes. That is slow, and done for the few places that are shown.

use engine::Image;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use std::collections::BTreeSet;

/// How far before its end a beginning is searched for, in bytes.
const REACH: usize = 1 << 12;

/// The last place at which a match of `pattern` that ends at `end` may begin; `None` when there is none within [`REACH`].
pub(super) fn start_of(pattern: &Pattern, offset: Offset, file: &[u8], images: &[Image], end: u64) -> Option<u64> {
    let end = usize::try_from(end).ok().filter(|end| *end <= file.len())?;
    let floor = end.saturating_sub(REACH);
    let mut places = BTreeSet::from([end]);
    for element in pattern.elements().iter().rev() {
        places = before(element, &places, file, floor);
    }
    let mut ranges = Vec::new();
    offset.each_range(file.len() as u64, images, |first, last| ranges.push(first..=last));
    let mut allowed = places.into_iter().rev().map(|place| place as u64);
    allowed.find(|place| ranges.iter().any(|range| range.contains(place)))
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
