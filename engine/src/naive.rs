//! The oracle: patterns matched as their definition reads, slowly.
//!
//! From each allowed start, the set of places where the match so far may end is carried over the elements one by one. No table, no
//! anchor, no order of evaluation to get wrong; O(haystack² × elements) and worse. Every fast path must report what this reports.

use crate::pattern::{Element, MaskedByte, Offset, Pattern};
use std::collections::BTreeSet;

/// Where matches of `pattern` that begin at an `offset` allowed end in `haystack`: byte offsets in `0..=haystack.len()`.
pub fn ends(pattern: &Pattern, offset: Offset, haystack: &[u8]) -> BTreeSet<u64> {
    let Some((first, last)) = offset.range(haystack.len() as u64) else { return BTreeSet::new() };
    let starts = (0..=haystack.len()).filter(|&start| (first..=last).contains(&(start as u64)));
    starts.flat_map(|start| ends_from(pattern, start, haystack)).map(|end| end as u64).collect()
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
