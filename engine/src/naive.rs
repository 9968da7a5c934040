//! The oracle: patterns matched as their definition reads, slowly.
//!
//! From each allowed start, the set of places where the match so far may end is carried over the elements one by one. No table, no
//! anchor, no order of evaluation to get wrong; O(haystack² × elements) and worse. Every fast path must report what this reports.

use crate::image::Image;
use crate::pattern::{Boundary, BoundaryClass, Element, MaskedByte, Offset, Pattern, Side};
use std::collections::BTreeSet;

/// Where matches of `pattern` that begin at an `offset` allowed end in `haystack`: byte offsets in `0..=haystack.len()`.
///
/// What counts from entry points and sections does so from those of the executable that `haystack` is.
pub fn ends(pattern: &Pattern, offset: Offset, haystack: &[u8]) -> BTreeSet<u64> {
    ends_given(pattern, offset, haystack, &Image::all_of(haystack))
}

/// [`ends`] in a haystack that is said to hold the programs `images`.
pub fn ends_given(pattern: &Pattern, offset: Offset, haystack: &[u8], images: &[Image]) -> BTreeSet<u64> {
    let starts = (0..=haystack.len()).filter(|&start| may_begin(offset, start as i128, haystack.len() as i128, images));
    starts.flat_map(|start| ends_from(pattern, start, haystack)).map(|end| end as u64).collect()
}

/// Whether a match may begin at `start`.
fn may_begin(offset: Offset, start: i128, len: i128, images: &[Image]) -> bool {
    let among = |first: i128, shift: u64| first >= 0 && (first..=first + i128::from(shift)).contains(&start);
    let in_images = |place: &dyn Fn(&Image) -> Option<(i128, u64)>| {
        let of_image = |image: &Image| {
            place(image).is_some_and(|(first, shift)| first >= 0 && among(i128::from(image.base) + first, shift))
        };
        images.iter().any(of_image)
    };
    match offset {
        Offset::Any => true,
        Offset::Start { from, shift } => among(i128::from(from), shift),
        Offset::End { back, shift } => among(len - i128::from(back), shift),
        Offset::Entry { delta, shift } => in_images(&|image| Some((i128::from(image.entry) + i128::from(delta), shift))),
        Offset::Section { index, from, shift } => in_images(&|image| {
            let section = (*image.sections.get(usize::from(index))?)?;
            Some((i128::from(section.start) + i128::from(from), shift))
        }),
        Offset::LastSection { from, shift } => {
            in_images(&|image| Some((i128::from(image.last?.start) + i128::from(from), shift)))
        }
        Offset::VersionInfo => images
            .iter()
            .flat_map(|image| image.version_keys.iter().map(|&key| i128::from(image.base) + i128::from(key)))
            .any(|key| key == start),
        Offset::Within { index, shift } => in_images(&|image| {
            let section = (*image.sections.get(usize::from(index))?)?;
            let whole = section.start.checked_add(section.len).is_some();
            whole.then(|| (i128::from(section.start), u64::from(section.len).saturating_add(shift)))
        }),
    }
}

fn ends_from(pattern: &Pattern, start: usize, haystack: &[u8]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([start]);
    for element in pattern.elements() {
        reached = reached.iter().flat_map(|&at| after(element, at, haystack)).collect();
    }
    reached
}

/// Where `element` may end when it begins at `at`.
fn after(element: &Element, at: usize, haystack: &[u8]) -> Vec<usize> {
    let rest = &haystack[at..];
    let begins = |string: &[MaskedByte]| {
        rest.len() >= string.len() && string.iter().zip(rest).all(|(masked, &byte)| masked.agrees(byte))
    };
    match element {
        Element::Bytes(bytes) => begins(bytes).then_some(at + bytes.len()).into_iter().collect(),
        Element::Alternatives { strings, negated: false } => {
            strings.iter().filter(|string| begins(string)).map(|string| at + string.len()).collect()
        }
        Element::Alternatives { strings, negated: true } => {
            let fits = rest.len() >= strings[0].len() && !strings.iter().any(|string| begins(string));
            fits.then_some(at + strings[0].len()).into_iter().collect()
        }
        Element::Gap { min, max } => {
            let furthest = max.map_or(rest.len(), |max| rest.len().min(max as usize));
            (*min as usize..=furthest).map(|gap| at + gap).collect()
        }
        Element::Boundary(boundary) => {
            (is_boundary(*boundary, haystack, at) != boundary.negated).then_some(at).into_iter().collect()
        }
    }
}

/// Whether there is one of this class on this side of `at`, negated or not.
fn is_boundary(boundary: Boundary, haystack: &[u8], at: usize) -> bool {
    // The byte so many bytes away on that side, if the haystack goes so far.
    let byte = |distance: usize| match boundary.side {
        Side::Before => Some(haystack[at.checked_sub(distance)?]),
        Side::After => haystack.get(at + distance - 1).copied(),
    };
    let is_word = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'));
    let Some(nearest) = byte(1) else { return true };
    match (boundary.class, boundary.side) {
        (BoundaryClass::Word, Side::Before) => matches!(nearest, b' ' | b'-' | b'.' | b'/' | b'<' | b'@' | b'_'),
        (BoundaryClass::Word, Side::After) => {
            matches!(nearest, b'\n' | b'\r' | b' ' | b'"' | b'\'' | b'-' | b'/' | b'=' | b'>' | b'_')
        }
        (BoundaryClass::Line, Side::Before) => nearest == b'\n',
        (BoundaryClass::Line, Side::After) => nearest == b'\n' || nearest == b'\r' && byte(2) == Some(b'\n'),
        (BoundaryClass::NonAlphanumeric, _) => !is_word(Some(nearest)),
        (BoundaryClass::WideNonAlphanumeric, Side::Before) => !(nearest == 0 && is_word(byte(2))),
        (BoundaryClass::WideNonAlphanumeric, Side::After) => !(is_word(Some(nearest)) && byte(2).unwrap_or(0) == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_match_counts() {
        let text = |bytes: &[u8]| Element::Bytes(bytes.iter().map(|&b| MaskedByte::fixed(b)).collect());
        let gap = Element::Gap { min: 0, max: Some(3) };
        let pattern = Pattern::new([text(b"ab"), gap, text(b"c")]).unwrap();
        assert_eq!(ends(&pattern, Offset::Any, b"ab-ccc-c"), BTreeSet::from([4, 5, 6]));
        assert_eq!(ends(&pattern, Offset::Start { from: 1, shift: 5 }, b"ab-ccc-c"), BTreeSet::new());
    }
}
