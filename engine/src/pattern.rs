//! Body patterns: what a signature looks for, as a value.
//!
//! A [`Pattern`] is the meaning of a hex signature with its spelling taken away: `aa????bb`, `aa{2}bb` and `AA{2-2}BB` are one
//! pattern. Compilers build it, the linker lowers it to a program of the database, and [`crate::naive`] matches it as it
//! stands, slowly, as the oracle for everything fast.
//!
//! # What a pattern matches
//!
//! A pattern is a sequence of [`Element`]s. It matches a range of the haystack when the range can be cut into consecutive
//! pieces, one for each element: a [`Element::Bytes`] piece has its length and agrees under its masks, an
//! [`Element::Alternatives`] piece is one of its strings (or, negated, is of their common length and none of them), a
//! [`Element::Gap`] piece is any bytes, as many as it allows, and an [`Element::Boundary`] piece is no byte at a place where the boundary
//! holds, in the whole haystack. Every such range counts: there is no longest, no first, no greedy
//! choice. What is reported is the set of ends of these ranges.

mod boundary;
mod offset;

pub use boundary::{Boundary, BoundaryClass, Side};
pub use offset::Offset;

use std::cmp::Ordering;

/// One byte under a mask: it agrees with `b` when `b & mask == value`.
///
/// `mask` is `0xff` for a fixed byte, `0xf0` or `0x0f` for a nibble, `0` for any byte; `value` has no bit outside `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaskedByte {
    value: u8,
    mask: u8,
}

impl MaskedByte {
    /// Any byte: `??`.
    pub const ANY: MaskedByte = MaskedByte { value: 0, mask: 0 };

    /// The byte `value` under `mask`; bits of `value` outside `mask` are dropped.
    pub fn new(value: u8, mask: u8) -> MaskedByte {
        MaskedByte { value: value & mask, mask }
    }

    /// Exactly `value`.
    pub fn fixed(value: u8) -> MaskedByte {
        MaskedByte { value, mask: 0xff }
    }

    /// The bits that must be found under [`mask`](MaskedByte::mask).
    pub fn value(self) -> u8 {
        self.value
    }

    /// The bits that are compared.
    pub fn mask(self) -> u8 {
        self.mask
    }

    /// Whether all eight bits are compared.
    pub fn is_fixed(self) -> bool {
        self.mask == 0xff
    }

    /// Whether `byte` agrees.
    pub fn agrees(self, byte: u8) -> bool {
        byte & self.mask == self.value
    }
}

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// Consecutive bytes, each under its mask.
    Bytes(Vec<MaskedByte>),
    /// One of several strings; negated: anything of their common length but these.
    Alternatives {
        /// The strings, sorted, none twice; of one length and none empty when `negated`. An empty string among others makes the piece
        /// optional.
        strings: Vec<Vec<MaskedByte>>,
        /// Whether the piece must be none of the strings.
        negated: bool,
    },
    /// At least `min` and at most `max` bytes of any value; no `max`: up to the end of the file.
    Gap {
        /// Fewest bytes.
        min: u32,
        /// Most bytes, not below `min`; `None` for no limit.
        max: Option<u32>,
    },
    /// No byte, where a boundary holds.
    Boundary(Boundary),
}

/// Why elements do not make a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing but gaps and boundaries, or nothing at all.
    #[error("the pattern has no byte to look for")]
    Empty,
    /// A gap with `max < min`.
    #[error("a gap of at least {min} and at most {max} bytes cannot be")]
    GapBounds {
        /// Fewest bytes asked for.
        min: u32,
        /// Most bytes allowed.
        max: u32,
    },
    /// An alternative with no string of any length, or a negated one with an empty string.
    #[error("an alternative is empty")]
    EmptyAlternative,
    /// A negated alternative whose strings differ in length.
    #[error("the strings of a negated alternative are {shortest} to {longest} bytes long; they must have one length")]
    NegatedLengths {
        /// Length of the shortest string, in bytes.
        shortest: usize,
        /// Length of the longest string, in bytes.
        longest: usize,
    },
    /// Longer than [`Pattern::LEN_MAX`] bytes of text, or more than [`Pattern::ELEMENTS_MAX`] elements.
    #[error(
        "the pattern is too large: {elements} elements, {bytes} bytes; at most {} and {} are allowed",
        Pattern::ELEMENTS_MAX,
        Pattern::LEN_MAX
    )]
    TooLarge {
        /// Number of elements.
        elements: usize,
        /// Bytes in all elements together.
        bytes: usize,
    },
}

/// A body pattern in normal form; see the [module](self) for what it matches.
///
/// Normal form, so that the usual spellings of one meaning are one value: exact gaps of up to [`Pattern::INLINE_GAP_MAX`] bytes are any-bytes of a
/// [`Element::Bytes`]; neighbouring bytes are one element, neighbouring gaps one gap; an alternative of one string is bytes; the
/// strings of an alternative are sorted and distinct, and so are boundaries at one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    elements: Elements,
}

/// The elements of a pattern. A linker holds millions, and most patterns have one: it needs no allocation of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Elements {
    One(Element),
    /// Any other number of them.
    Many(Box<[Element]>),
}

impl Pattern {
    /// Exact gaps up to this many bytes are written as any-bytes, so that one masked comparison steps over them.
    pub const INLINE_GAP_MAX: u32 = 32;
    /// Most elements.
    pub const ELEMENTS_MAX: usize = 4096;
    /// Most bytes in all elements together.
    pub const LEN_MAX: usize = 65_535;

    /// The pattern made of `elements`, in normal form.
    ///
    /// # Errors
    /// [`PatternError`] when the elements contradict themselves, hold nothing to look for, or are too many.
    pub fn new(elements: impl IntoIterator<Item = Element>) -> Result<Pattern, PatternError> {
        let elements = elements.into_iter();
        let mut normal: Vec<Element> = Vec::with_capacity(elements.size_hint().0.min(Pattern::ELEMENTS_MAX));
        let mut bytes_len = 0;
        for element in elements {
            let element = normalise(element)?;
            bytes_len += match &element {
                Element::Bytes(bytes) => bytes.len(),
                Element::Alternatives { strings, .. } => strings.iter().map(Vec::len).sum(),
                Element::Gap { .. } | Element::Boundary(_) => 0,
            };
            push(&mut normal, element);
            if normal.len() > Pattern::ELEMENTS_MAX || bytes_len > Pattern::LEN_MAX {
                return Err(PatternError::TooLarge { elements: normal.len(), bytes: bytes_len });
            }
        }
        let looks_for_something = normal.iter().any(|element| match element {
            Element::Bytes(bytes) => bytes.iter().any(|byte| byte.mask() != 0),
            Element::Alternatives { strings, .. } => strings.iter().all(|string| !string.is_empty()),
            Element::Gap { .. } | Element::Boundary(_) => false,
        });
        if !looks_for_something {
            return Err(PatternError::Empty);
        }
        for element in &mut normal {
            if let Element::Bytes(bytes) = element {
                bytes.shrink_to_fit();
            }
        }
        let elements = match normal.pop() {
            Some(only) if normal.is_empty() => Elements::One(only),
            last => {
                normal.extend(last);
                Elements::Many(normal.into())
            }
        };
        Ok(Pattern { elements })
    }

    /// The pattern that is `bytes` and nothing else.
    ///
    /// # Errors
    /// [`PatternError::Empty`] and [`PatternError::TooLarge`].
    pub fn literal(bytes: &[u8]) -> Result<Pattern, PatternError> {
        Pattern::new([Element::Bytes(bytes.iter().map(|&b| MaskedByte::fixed(b)).collect())])
    }

    /// Most fixed bytes in a row outside alternatives.
    pub fn longest_fixed_run(&self) -> usize {
        let bytes =
            self.elements().iter().map(|element| if let Element::Bytes(bytes) = element { bytes.as_slice() } else { &[] });
        let runs = bytes.flat_map(|bytes| bytes.split(|byte| !byte.is_fixed()));
        runs.map(<[MaskedByte]>::len).max().unwrap_or(0)
    }

    /// The elements, in order and in normal form; never empty.
    pub fn elements(&self) -> &[Element] {
        match &self.elements {
            Elements::One(only) => std::slice::from_ref(only),
            Elements::Many(elements) => elements,
        }
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Pattern) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Pattern) -> Ordering {
        self.elements().cmp(other.elements())
    }
}

/// Appends `element` to a normal list, joining it with its neighbour where both are of one kind.
fn push(normal: &mut Vec<Element>, element: Element) {
    match (normal.last_mut(), element) {
        (_, Element::Bytes(bytes)) if bytes.is_empty() => {}
        (Some(Element::Bytes(left)), Element::Bytes(right)) => left.extend(right),
        (Some(Element::Gap { min, max }), Element::Gap { min: more_min, max: more_max }) => {
            *min = min.saturating_add(more_min);
            *max = max.zip(more_max).map(|(a, b)| a.saturating_add(b));
        }
        (_, Element::Boundary(boundary)) => push_boundary(normal, boundary),
        (_, element) => normal.push(element),
    }
}

/// Adds `boundary` to those that end a normal list, in their order.
fn push_boundary(normal: &mut Vec<Element>, boundary: Boundary) {
    let others = normal.iter().rev().take_while(|element| matches!(element, Element::Boundary(_))).count();
    let first = normal.len() - others;
    let element = Element::Boundary(boundary);
    if let Err(place) = normal[first..].binary_search(&element) {
        normal.insert(first + place, element);
    }
}

/// One element alone in normal form.
fn normalise(element: Element) -> Result<Element, PatternError> {
    match element {
        Element::Gap { min, max: Some(max) } if max < min => Err(PatternError::GapBounds { min, max }),
        Element::Gap { min, max: Some(max) } if min == max && max <= Pattern::INLINE_GAP_MAX => {
            Ok(Element::Bytes(vec![MaskedByte::ANY; min as usize]))
        }
        Element::Bytes(_) | Element::Gap { .. } | Element::Boundary(_) => Ok(element),
        Element::Alternatives { mut strings, negated } => {
            strings.sort_unstable();
            strings.dedup();
            let lengths = || strings.iter().map(Vec::len);
            let (Some(shortest), Some(longest)) = (lengths().min(), lengths().max()) else {
                return Err(PatternError::EmptyAlternative);
            };
            if longest == 0 || negated && shortest == 0 {
                return Err(PatternError::EmptyAlternative);
            }
            if negated && shortest != longest {
                return Err(PatternError::NegatedLengths { shortest, longest });
            }
            if strings.len() == 1 && !negated {
                return Ok(Element::Bytes(strings.swap_remove(0)));
            }
            Ok(Element::Alternatives { strings, negated })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(bytes: &[u8]) -> Element {
        Element::Bytes(bytes.iter().map(|&b| MaskedByte::fixed(b)).collect())
    }

    #[test]
    fn spellings_of_one_meaning_are_one_value() {
        let gap = Element::Gap { min: 2, max: Some(2) };
        let any = Element::Bytes(vec![MaskedByte::ANY; 2]);
        let spelled = |middle: Element| Pattern::new([fixed(b"a"), middle, fixed(b"b")]).unwrap();
        assert_eq!(spelled(gap), spelled(any));
        assert_eq!(spelled(Element::Gap { min: 2, max: Some(2) }).elements().len(), 1);
    }

    #[test]
    fn neighbouring_gaps_add_up() {
        let pattern = Pattern::new([
            fixed(b"a"),
            Element::Gap { min: 1, max: Some(5) },
            Element::Gap { min: 3, max: None },
            fixed(b"b"),
        ]);
        assert_eq!(pattern.unwrap().elements()[1], Element::Gap { min: 4, max: None });
    }

    #[test]
    fn a_string_of_no_bytes_makes_the_others_optional() {
        let alternatives = |strings: &[&[u8]], negated| {
            let strings =
                strings.iter().map(|string| string.iter().map(|&byte| MaskedByte::fixed(byte)).collect()).collect();
            Pattern::new([Element::Alternatives { strings, negated }])
        };
        let optional = |strings: &[Vec<MaskedByte>]| Element::Alternatives { strings: strings.to_vec(), negated: false };
        let letter = || vec![MaskedByte::fixed(b'a')];
        let pattern = |strings: &[Vec<MaskedByte>]| Pattern::new([fixed(b"x"), optional(strings)]).unwrap();
        assert_eq!(pattern(&[letter(), vec![], vec![]]), pattern(&[vec![], letter()]));
        assert_eq!(pattern(&[letter(), vec![]]).elements().len(), 2);
        assert_eq!(alternatives(&[b"a", b""], false), Err(PatternError::Empty), "nothing at all would do");
        for (strings, negated) in [(&[&b""[..]][..], false), (&[], false), (&[b"", b"a"], true)] {
            assert_eq!(alternatives(strings, negated), Err(PatternError::EmptyAlternative));
        }
    }

    #[test]
    fn boundaries_at_one_place_are_a_set() {
        let boundary = |number| Element::Boundary(Boundary::from_number(number).unwrap());
        let pattern = |numbers: &[u8]| {
            let boundaries = numbers.iter().map(|&number| boundary(number));
            Pattern::new([fixed(b"a")].into_iter().chain(boundaries).chain([fixed(b"b"), boundary(0)])).unwrap()
        };
        assert_eq!(pattern(&[9, 2, 4, 2, 9]), pattern(&[2, 4, 9]));
        assert_eq!(pattern(&[9, 2, 4, 2, 9]).elements().len(), 6);
        assert_eq!(Pattern::new([boundary(2), Element::Bytes(vec![MaskedByte::ANY])]), Err(PatternError::Empty));
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        assert_eq!(Pattern::new([]), Err(PatternError::Empty));
        assert_eq!(Pattern::new([Element::Gap { min: 0, max: None }]), Err(PatternError::Empty));
        assert_eq!(
            Pattern::new([fixed(b"a"), Element::Gap { min: 5, max: Some(3) }]),
            Err(PatternError::GapBounds { min: 5, max: 3 })
        );
        let strings = vec![vec![MaskedByte::fixed(1)], vec![MaskedByte::fixed(1), MaskedByte::fixed(2)]];
        assert_eq!(
            Pattern::new([Element::Alternatives { strings, negated: true }]),
            Err(PatternError::NegatedLengths { shortest: 1, longest: 2 })
        );
    }
}
