//! What boundaries ask for beside a match.

use engine::pattern::{Boundary, BoundaryClass, Element, Side};

/// The bytes that boundaries at the near end of `elements`, those on `side`, ask for beside them.
pub(super) fn margin<'p>(elements: impl IntoIterator<Item = &'p Element>, side: Side) -> Vec<u8> {
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

/// A gap of at least `len` bytes, the one at `index` of `elements`: what the boundaries beside it ask for, and anything.
pub(super) fn filled_gap(len: usize, elements: &[Element], index: usize) -> Vec<Option<u8>> {
    let start = margin(elements[..index].iter().rev(), Side::After);
    let end = margin(&elements[index + 1..], Side::Before);
    let given = |bytes: Vec<u8>| bytes.into_iter().map(Some).collect::<Vec<_>>();
    if start == end && !start.is_empty() && start.len() <= len.max(1) {
        // One stretch serves both sides.
        let stretch = start.iter().copied().cycle().take(len.max(start.len())).collect();
        return given(stretch);
    }
    let mut bytes = given(start);
    bytes.resize(bytes.len().max(len.saturating_sub(end.len())), None);
    bytes.extend(given(end));
    bytes
}
