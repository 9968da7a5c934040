//! Strings that a pattern matches, and strings that it nearly does.

use engine::naive;
use engine::pattern::{Boundary, BoundaryClass, Element, MaskedByte, Offset, Pattern, Side};

/// What a file needs to bear a pattern.
pub(crate) struct Instance {
    /// What stands before the match for its boundaries; nothing does at the start of a file as well, unless it is a negated one that asks.
    pub(crate) before: Vec<u8>,
    /// The match.
    pub(crate) bytes: Vec<u8>,
    /// What stands behind it.
    pub(crate) after: Vec<u8>,
}

impl Instance {
    /// The least of what each element allows, with `filler` where anything goes; `None` for a pattern whose negated alternatives leave no
    /// room for a repeated byte.
    pub(crate) fn of(pattern: &Pattern, filler: u8) -> Option<Instance> {
        let fill = |masked: &MaskedByte| masked.value() | (filler & !masked.mask());
        let elements = pattern.elements();
        let mut bytes = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            match element {
                Element::Bytes(string) => bytes.extend(string.iter().map(fill)),
                Element::Alternatives { strings, negated: false } => bytes.extend(strings[0].iter().map(fill)),
                Element::Alternatives { strings, negated: true } => bytes.extend(other_than(strings, filler)?),
                Element::Gap { min, .. } => bytes.extend(filled_gap(*min as usize, filler, elements, index)),
                Element::Boundary(_) => {}
            }
        }
        Some(Instance { before: margin(elements, Side::Before), bytes, after: margin(elements.iter().rev(), Side::After) })
    }
}

/// A string that `pattern` matches from its first byte to its last, with `filler` where anything goes; with the bytes beside it that a
/// negated boundary asks for, when one does.
///
/// `None` for a pattern whose negated alternatives leave no room for a repeated byte, and for boundaries that contradict their
/// neighbours.
pub fn instance(pattern: &Pattern, filler: u8) -> Option<Vec<u8>> {
    let Instance { before, bytes, after } = Instance::of(pattern, filler)?;
    let at_start = Offset::Start { from: 0, shift: 0 };
    if naive::ends(pattern, at_start, &bytes).contains(&(bytes.len() as u64)) {
        return Some(bytes);
    }
    let beside = [before, bytes, after].concat();
    (!naive::ends(pattern, Offset::Any, &beside).is_empty()).then_some(beside)
}

/// The bytes that boundaries at the near end of `elements`, those on `side`, ask for beside them.
fn margin<'p>(elements: impl IntoIterator<Item = &'p Element>, side: Side) -> Vec<u8> {
    let boundaries =
        elements.into_iter().map_while(|element| if let Element::Boundary(found) = element { Some(*found) } else { None });
    let mut margins = boundaries.filter(|boundary| boundary.side == side).map(beside);
    // One does for several when it is the same; else the oracle will say no.
    margins.next().unwrap_or_default()
}

/// Bytes beside which `boundary` holds.
fn beside(boundary: Boundary) -> Vec<u8> {
    let bytes: &[u8] = match (boundary.class, boundary.negated) {
        (BoundaryClass::Word, false) => b"-",
        (BoundaryClass::Line, false) => b"\n",
        (BoundaryClass::NonAlphanumeric, false) | (BoundaryClass::Word | BoundaryClass::Line, true) => b"~",
        (BoundaryClass::WideNonAlphanumeric, false) => b"~\0",
        (BoundaryClass::NonAlphanumeric, true) => b"a",
        (BoundaryClass::WideNonAlphanumeric, true) => b"a\0",
    };
    bytes.to_vec()
}

/// A gap of at least `min` bytes: what the boundaries beside it ask for, and `filler`.
fn filled_gap(min: usize, filler: u8, elements: &[Element], index: usize) -> Vec<u8> {
    let mut bytes = margin(elements[..index].iter().rev(), Side::After);
    let end = margin(&elements[index + 1..], Side::Before);
    if bytes != end || bytes.len() > min.max(1) {
        bytes.resize(bytes.len().max(min.saturating_sub(end.len())), filler);
        bytes.extend(end);
    } else if !bytes.is_empty() {
        // One stretch serves both sides.
        let stretch = bytes.clone();
        bytes = stretch.iter().copied().cycle().take(min.max(stretch.len())).collect();
    } else {
        bytes.resize(min, filler);
    }
    bytes
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
    let bytes = instance(pattern, filler)?;
    let len = bytes.len();
    spoil(bytes, 0..len, |changed| naive::ends(pattern, Offset::Any, changed).is_empty())
}

/// `bytes` with one byte of `places` changed so that `spoiled` holds. Places are tried from the middle on: a scanner that only
/// looks at a part is found out by a change outside it, and which part that is, nobody knows.
pub(crate) fn spoil(mut bytes: Vec<u8>, places: std::ops::Range<usize>, spoiled: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let middle = places.start + places.len() / 2;
    for at in (middle..places.end).chain(places.start..middle) {
        bytes[at] ^= 0x15;
        if spoiled(&bytes) {
            return Some(bytes);
        }
        bytes[at] ^= 0x15;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use patternc::record::Record;

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
    fn near_misses_match_nowhere() {
        for record in crate::compile(&crate::features()).records {
            let Record::Body(body) = record else { continue };
            let near_miss = near_miss(&body.pattern, 0).unwrap();
            assert!(naive::ends(&body.pattern, Offset::Any, &near_miss).is_empty(), "{}", body.name);
        }
    }
}
