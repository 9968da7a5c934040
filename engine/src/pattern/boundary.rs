//! Boundaries: conditions on the bytes beside a place, which take no byte themselves.

/// A condition on what stands before or behind a place of a haystack.
///
/// Where the haystack begins or ends, every boundary is; elsewhere the bytes of its [`class`](Boundary::class) tell. Negated, it
/// holds where the boundary is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boundary {
    /// Which bytes make a boundary.
    pub class: BoundaryClass,
    /// Where they stand.
    pub side: Side,
    /// Whether there must be none.
    pub negated: bool,
}

/// Which bytes make a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BoundaryClass {
    /// What stands beside words of text and of markup: see [`BoundaryClass::WORD_BEFORE`] and [`BoundaryClass::WORD_AFTER`].
    Word = 0,
    /// A line feed; behind a place also a carriage return with a line feed.
    Line = 1,
    /// A byte that is no ASCII letter and no digit.
    NonAlphanumeric = 2,
    /// No ASCII letter and no digit with a zero behind it: two bytes. A letter or digit that is the haystack's last byte counts as one with
    /// a zero.
    WideNonAlphanumeric = 3,
}

impl BoundaryClass {
    /// Every class, by its number.
    pub const ALL: [BoundaryClass; 4] =
        [BoundaryClass::Word, BoundaryClass::Line, BoundaryClass::NonAlphanumeric, BoundaryClass::WideNonAlphanumeric];

    /// The bytes before which a word begins.
    pub const WORD_BEFORE: &[u8] = b" -./<@_";
    /// The bytes behind which a word has ended.
    pub const WORD_AFTER: &[u8] = b"\n\r \"'-/=>_";
}

/// A side of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// What ends there.
    Before = 0,
    /// What begins there.
    After = 1,
}

impl Boundary {
    /// How many there are.
    pub const COUNT: u8 = 16;

    /// Its number, below [`Boundary::COUNT`]: the class in bits 0 and 1, the side in bit 2, bit 3 set when negated.
    pub fn number(self) -> u8 {
        self.class as u8 | (self.side as u8) << 2 | u8::from(self.negated) << 3
    }

    /// The boundary with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Boundary> {
        let class = BoundaryClass::ALL[usize::from(number & 3)];
        let side = if number & 4 == 0 { Side::Before } else { Side::After };
        (number < Boundary::COUNT).then_some(Boundary { class, side, negated: number & 8 != 0 })
    }

    /// Whether it holds at `place`, which is at most `haystack.len()`. O(1).
    pub fn holds(self, haystack: &[u8], place: usize) -> bool {
        let is_boundary = match self.side {
            Side::Before => self.class.ends(&haystack[..place]),
            Side::After => self.class.begins(&haystack[place..]),
        };
        is_boundary != self.negated
    }
}

impl BoundaryClass {
    /// Whether one ends where `before` does.
    fn ends(self, before: &[u8]) -> bool {
        let Some((&last, rest)) = before.split_last() else { return true };
        match self {
            BoundaryClass::Word => BoundaryClass::WORD_BEFORE.contains(&last),
            BoundaryClass::Line => last == b'\n',
            BoundaryClass::NonAlphanumeric => !last.is_ascii_alphanumeric(),
            BoundaryClass::WideNonAlphanumeric => last != 0 || !rest.last().is_some_and(u8::is_ascii_alphanumeric),
        }
    }

    /// Whether one begins where `behind` does.
    fn begins(self, behind: &[u8]) -> bool {
        let Some((&first, rest)) = behind.split_first() else { return true };
        match self {
            BoundaryClass::Word => BoundaryClass::WORD_AFTER.contains(&first),
            BoundaryClass::Line => first == b'\n' || behind.starts_with(b"\r\n"),
            BoundaryClass::NonAlphanumeric => !first.is_ascii_alphanumeric(),
            BoundaryClass::WideNonAlphanumeric => {
                !first.is_ascii_alphanumeric() || rest.first().is_some_and(|&second| second != 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(class: BoundaryClass, side: Side, haystack: &[u8], place: usize) -> bool {
        let positive = Boundary { class, side, negated: false };
        let holds = positive.holds(haystack, place);
        assert_eq!(Boundary { negated: true, ..positive }.holds(haystack, place), !holds);
        holds
    }

    #[test]
    fn numbers_come_back() {
        for number in 0..Boundary::COUNT {
            assert_eq!(Boundary::from_number(number).map(Boundary::number), Some(number));
        }
        assert_eq!(Boundary::from_number(Boundary::COUNT), None);
        assert_eq!(Boundary::from_number(255), None);
    }

    #[test]
    fn a_haystack_begins_and_ends_with_every_boundary() {
        for class in BoundaryClass::ALL {
            let letters = if class == BoundaryClass::WideNonAlphanumeric { b"a\0b\0" } else { b"abcd" };
            assert!(holds(class, Side::Before, letters, 0));
            assert!(holds(class, Side::After, letters, 4));
            assert!(!holds(class, Side::Before, letters, 2));
            assert!(!holds(class, Side::After, letters, 2));
        }
    }

    #[test]
    fn words_begin_and_end_with_other_bytes() {
        let bytes = |side| -> Vec<u8> {
            let place = |byte| if side == Side::Before { [byte, b'x'] } else { [b'x', byte] };
            (0..=255).filter(|&byte| holds(BoundaryClass::Word, side, &place(byte), 1)).collect()
        };
        assert_eq!(bytes(Side::Before), b" -./<@_");
        assert_eq!(bytes(Side::After), b"\n\r \"'-/=>_");
    }

    #[test]
    fn lines_end_with_a_line_feed_and_whatever_return_is_before_it() {
        let class = BoundaryClass::Line;
        assert!(holds(class, Side::After, b"x\r\ny", 1) && holds(class, Side::After, b"x\ny", 1));
        assert!(!holds(class, Side::After, b"x\ry", 1) && !holds(class, Side::After, b"x\r", 1));
        assert!(holds(class, Side::Before, b"x\r\ny", 3) && holds(class, Side::Before, b"\ny", 1));
        assert!(!holds(class, Side::Before, b"x\ry", 2));
    }

    #[test]
    fn letters_and_digits_are_told_from_all_others() {
        let class = BoundaryClass::NonAlphanumeric;
        for byte in 0..=255_u8 {
            let expected = !byte.is_ascii_alphanumeric();
            assert_eq!(holds(class, Side::Before, &[byte, b'x'], 1), expected);
            assert_eq!(holds(class, Side::After, &[b'x', byte], 1), expected);
        }
    }

    #[test]
    fn wide_letters_have_a_zero_behind_them() {
        let class = BoundaryClass::WideNonAlphanumeric;
        for (before, expected) in [(&b"a\0"[..], false), (b"-a\0", false), (b"a\0\0", true), (b"a", true), (b"\0", true)] {
            assert_eq!(holds(class, Side::Before, before, before.len()), expected, "{before:?}");
        }
        for (behind, expected) in [(&b"a\0"[..], false), (b"a", false), (b"a\x80", true), (b"\0a", true), (b"-", true)] {
            assert_eq!(holds(class, Side::After, behind, 0), expected, "{behind:?}");
        }
    }
}
