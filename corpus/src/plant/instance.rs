//! Strings that a pattern matches, and strings that it just does not.

use super::FILE_BYTES_MAX;
use super::margin::{filled_gap, margin};
use super::mould::Mould;
use super::oracle::ends;
use engine::pattern::{Element, MaskedByte, Offset, Pattern, Side};

/// What is chosen where a pattern leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The first of the alternatives, the least of a gap.
    Least,
    /// The last of the alternatives, the most of a gap; where there is no most, or one above 4,096, some bytes more than the least.
    Most,
    /// As the least, but the last gap that has a most, up to 4,096, is one byte longer than that: no match.
    Beyond,
}

/// Gaps of more bytes are not filled to their most.
const GAP_MOST: u32 = 4096;
/// What a gap has more than its least where it may have any.
const GAP_MORE: u32 = 37;

/// A string that `pattern` matches from its first byte to its last: the least of what each element allows, with `filler` where
/// anything goes; with the bytes beside it that a negated boundary asks for, when one does.
///
/// `None` for a pattern whose negated alternatives leave no room for a repeated byte, for boundaries that contradict their neighbours, and for
/// one that matches nothing below 1 MiB.
pub fn instance(pattern: &Pattern, filler: u8) -> Option<Vec<u8>> {
    instance_of(pattern, filler, Choice::Least)
}

/// [`instance`] with another choice than the least; with [`Choice::Beyond`], a string that is not matched so. `None` as well when there is
/// nothing to choose.
pub fn instance_of(pattern: &Pattern, filler: u8, choice: Choice) -> Option<Vec<u8>> {
    let mould = mould(pattern, filler, choice)?;
    let alone = mould.alone(filler);
    let enough = choice == Choice::Beyond || matches_whole(pattern, &alone, 0..alone.len());
    Some(if enough { alone } else { mould.beside(filler) })
}

/// [`instance_of`], with the bytes that are free left open.
pub(super) fn mould(pattern: &Pattern, filler: u8, choice: Choice) -> Option<Mould> {
    if choice != Choice::Least && !leaves(pattern, choice) {
        return None;
    }
    let fill = |masked: &MaskedByte| (masked.mask() != 0).then(|| masked.value() | (filler & !masked.mask()));
    let elements = pattern.elements();
    let last_gap = elements.iter().rposition(|element| most_of(element).is_some());
    let mut bytes = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        match element {
            Element::Bytes(string) => bytes.extend(string.iter().map(fill)),
            Element::Alternatives { strings, negated: false } => {
                let chosen = if choice == Choice::Most { strings.last() } else { strings.first() };
                bytes.extend(chosen?.iter().map(fill));
            }
            Element::Alternatives { strings, negated: true } => {
                bytes.extend(other_than(strings, filler)?.into_iter().map(Some));
            }
            Element::Gap { min, .. } => {
                let gap = match choice {
                    Choice::Most => most_of(element).unwrap_or(min.saturating_add(GAP_MORE)),
                    Choice::Beyond if Some(index) == last_gap => most_of(element)? + 1,
                    Choice::Least | Choice::Beyond => *min,
                };
                bytes.extend(filled_gap((gap as usize).min(FILE_BYTES_MAX + 1), elements, index));
            }
            Element::Boundary(_) => {}
        }
        if bytes.len() > FILE_BYTES_MAX {
            return None;
        }
    }
    let mould = Mould::new(margin(elements, Side::Before), bytes, margin(elements.iter().rev(), Side::After));
    let start = mould.before();
    let matches = matches_whole(pattern, &mould.beside(filler), start..start + mould.len());
    (matches == (choice != Choice::Beyond)).then_some(mould)
}

/// Whether a match of `pattern` is this range of `bytes`.
fn matches_whole(pattern: &Pattern, bytes: &[u8], range: std::ops::Range<usize>) -> bool {
    ends(pattern, Offset::Start { from: range.start as u64, shift: 0 }, bytes).contains(&range.end)
}

/// Whether `pattern` leaves a choice of that kind.
fn leaves(pattern: &Pattern, choice: Choice) -> bool {
    pattern.elements().iter().any(|element| match element {
        Element::Bytes(_) | Element::Boundary(_) | Element::Alternatives { negated: true, .. } => false,
        Element::Alternatives { negated: false, .. } => choice == Choice::Most,
        Element::Gap { min, max } => choice == Choice::Most && *max != Some(*min) || most_of(element).is_some(),
    })
}

/// The most bytes of a gap, if they are few.
fn most_of(element: &Element) -> Option<u32> {
    match element {
        Element::Gap { max: Some(max), .. } => Some(*max).filter(|max| *max <= GAP_MOST),
        _ => None,
    }
}

/// One byte over and over, `filler` if possible, that is none of `strings`.
fn other_than(strings: &[Vec<MaskedByte>], filler: u8) -> Option<Vec<u8>> {
    let is_one_of = |byte: u8| strings.iter().any(|string| string.iter().all(|masked| masked.agrees(byte)));
    let byte = (0..=u8::MAX).map(|step| filler.wrapping_add(step)).find(|&byte| !is_one_of(byte))?;
    Some(vec![byte; strings[0].len()])
}

/// An [`instance`] of `pattern` changed in one byte, so that `pattern` matches nowhere in it.
///
/// `None` when there is no instance, or no such byte.
pub fn near_miss(pattern: &Pattern, filler: u8) -> Option<Vec<u8>> {
    let mould = mould(pattern, filler, Choice::Least)?;
    let bytes = instance(pattern, filler)?;
    let place = if bytes.len() == mould.len() { 0 } else { mould.before() };
    mould.spoil(bytes, place, |changed| ends(pattern, Offset::Any, changed).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::naive;
    use engine::pattern::{Boundary, BoundaryClass};
    use patternc::record::Record;
    use std::collections::BTreeSet;

    fn fixed(text: &[u8]) -> Vec<MaskedByte> {
        text.iter().map(|&byte| MaskedByte::fixed(byte)).collect()
    }

    #[test]
    fn instances_keep_clear_of_negated_strings() {
        let not_a = Element::Alternatives { strings: vec![fixed(b"a"), fixed(b"b")], negated: true };
        let pattern = Pattern::new([Element::Bytes(fixed(b"xy")), not_a]).unwrap();
        assert_eq!(instance(&pattern, b'a').unwrap(), b"xyc");
        let nothing_left = Element::Alternatives { strings: vec![vec![MaskedByte::ANY]], negated: true };
        assert_eq!(instance(&Pattern::new([nothing_left]).unwrap(), 0), None);
    }

    #[test]
    fn each_choice_has_its_string() {
        let either = Element::Alternatives { strings: vec![fixed(b"p"), fixed(b"qq")], negated: false };
        let gap = |min, max| Element::Gap { min, max };
        let bytes = |text: &[u8]| Element::Bytes(fixed(text));
        let pattern = Pattern::new([bytes(b"ab"), gap(0, Some(2)), either, gap(1, Some(3)), bytes(b"z")]).unwrap();
        assert_eq!(instance(&pattern, b'.').unwrap(), b"abp.z");
        assert_eq!(instance_of(&pattern, b'.', Choice::Most).unwrap(), b"ab..qq...z");
        assert_eq!(instance_of(&pattern, b'.', Choice::Beyond).unwrap(), b"abp....z");
        let literal = Pattern::literal(b"abc").unwrap();
        assert_eq!(instance_of(&literal, b'.', Choice::Most), None);
        assert_eq!(instance_of(&literal, b'.', Choice::Beyond), None);
        let open = Pattern::new([bytes(b"ab"), gap(2, None), bytes(b"z")]).unwrap();
        assert_eq!(instance_of(&open, b'.', Choice::Most).unwrap().len(), 2 + 2 + GAP_MORE as usize + 1);
        assert_eq!(instance_of(&open, b'.', Choice::Beyond), None);
        let huge = Pattern::new([bytes(b"ab"), gap(u32::MAX - 1, None), bytes(b"z")]).unwrap();
        assert_eq!(instance(&huge, b'.'), None);
    }

    #[test]
    fn every_boundary_has_an_instance() {
        let word = || Element::Bytes(fixed(b"word"));
        for number in 0..Boundary::COUNT {
            let boundary = Boundary::from_number(number).unwrap();
            let (before, after) = if boundary.side == Side::Before { (true, false) } else { (false, true) };
            let at_end =
                [before.then_some(Element::Boundary(boundary)), Some(word()), after.then_some(Element::Boundary(boundary))];
            let pattern = Pattern::new(at_end.into_iter().flatten()).unwrap();
            let own = instance(&pattern, b'.').unwrap();
            assert_eq!(own.len() > 4, boundary.negated, "{boundary:?}");
            for min in 0..4 {
                let gap = Element::Gap { min, max: None };
                let middle = if before { [gap, Element::Boundary(boundary)] } else { [Element::Boundary(boundary), gap] };
                let pattern = Pattern::new([word()].into_iter().chain(middle).chain([word()])).unwrap();
                assert!(instance(&pattern, b'.').is_some(), "{boundary:?} {min}");
            }
        }
        let both = [Side::After, Side::Before].map(|side| Boundary { class: BoundaryClass::Word, side, negated: false });
        let [after, before] = both.map(Element::Boundary);
        let gap = Element::Gap { min: 0, max: Some(1) };
        let pattern = Pattern::new([word(), after, gap, before, word()]).unwrap();
        assert_eq!(instance(&pattern, b'.').unwrap(), b"word-word");
    }

    #[test]
    fn near_misses_of_patterns_alone() {
        let records = crate::compile(&crate::signatures()).records;
        for record in crate::compile(&crate::features()).records.into_iter().chain(records) {
            let Record::Body(body) = record else { continue };
            let near_miss = near_miss(&body.pattern, 0).unwrap();
            assert_eq!(naive::ends(&body.pattern, Offset::Any, &near_miss), BTreeSet::new(), "{}", body.name);
        }
    }
}
