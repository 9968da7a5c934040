//! Sets of bytes: 256 bits.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    /// Every byte.
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn of(byte: u8) -> ByteSet {
        ByteSet::default().with(byte..=byte)
    }

    pub(super) fn with(mut self, bytes: std::ops::RangeInclusive<u8>) -> ByteSet {
        for byte in bytes {
            self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        self
    }

    pub(super) fn with_each(self, bytes: &[u8]) -> ByteSet {
        bytes.iter().fold(self, |set, byte| set.with(*byte..=*byte))
    }

    pub(super) fn or(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    pub(super) fn and(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(super) fn not(self) -> ByteSet {
        ByteSet(self.0.map(|word| !word))
    }

    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    /// With both cases of every ASCII letter it has. Bytes above 127 have no case: PCRE folds by the tables of the C locale.
    pub(super) fn folded(self) -> ByteSet {
        // Letters of both cases lie in word 1, 32 bits apart.
        const LOWER: u64 = 0x07ff_fffe << 32;
        let (lower, upper) = (self.0[1] & LOWER, self.0[1] & LOWER >> 32);
        let mut folded = self;
        folded.0[1] |= lower >> 32 | upper << 32;
        folded
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The only byte it has.
    pub(super) fn single(&self) -> Option<u8> {
        if self.len() == 1 { self.ranges().next().map(|(byte, _)| byte) } else { None }
    }

    /// Maximal runs of bytes it has, both ends included, ascending.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let mut next = 0u16;
        std::iter::from_fn(move || {
            let first = (next..256).find(|byte| self.has(*byte as u8))?;
            let end = (first..256).find(|byte| !self.has(*byte as u8)).unwrap_or(256);
            next = end;
            Some((first as u8, (end - 1) as u8))
        })
    }

    pub(super) fn digits() -> ByteSet {
        ByteSet::default().with(b'0'..=b'9')
    }

    pub(super) fn letters() -> ByteSet {
        ByteSet::default().with(b'a'..=b'z').with(b'A'..=b'Z')
    }

    /// `\w`: letters, digits and the underscore.
    pub(super) fn word() -> ByteSet {
        ByteSet::letters().or(ByteSet::digits()).with_each(b"_")
    }

    /// `\s`: blank, tab, line feed, vertical tab, form feed, carriage return.
    pub(super) fn space() -> ByteSet {
        ByteSet::default().with_each(b" \t\n\x0b\x0c\r")
    }

    /// `\h`: blank, tab, and Latin-1's no-break space, which PCRE counts without regard to locale.
    pub(super) fn horizontal() -> ByteSet {
        ByteSet::default().with_each(b" \t\xa0")
    }

    /// `\v`: what ends a line, with Latin-1's next line.
    pub(super) fn vertical() -> ByteSet {
        ByteSet::default().with_each(b"\n\x0b\x0c\r\x85")
    }

    /// The set of a POSIX class.
    pub(super) fn posix(name: &[u8]) -> Option<ByteSet> {
        let graphic = ByteSet::default().with(0x21..=0x7e);
        let alphanumeric = ByteSet::letters().or(ByteSet::digits());
        Some(match name {
            b"alpha" => ByteSet::letters(),
            b"lower" => ByteSet::default().with(b'a'..=b'z'),
            b"upper" => ByteSet::default().with(b'A'..=b'Z'),
            b"alnum" => alphanumeric,
            b"ascii" => ByteSet::default().with(0..=127),
            b"blank" => ByteSet::default().with_each(b" \t"),
            b"cntrl" => ByteSet::default().with(0..=31).with_each(&[127]),
            b"digit" => ByteSet::digits(),
            b"graph" => graphic,
            b"print" => graphic.with_each(b" "),
            b"punct" => ByteSet(std::array::from_fn(|word| graphic.0[word] & !alphanumeric.0[word])),
            b"space" => ByteSet::space(),
            b"word" => ByteSet::word(),
            b"xdigit" => ByteSet::digits().with(b'a'..=b'f').with(b'A'..=b'F'),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_touches_ascii_letters_only() {
        let bytes = |set: ByteSet| (0..=255).filter(|byte| set.has(*byte)).collect::<Vec<u8>>();
        assert_eq!(bytes(ByteSet::default().with_each(b"a").folded()), b"Aa");
        assert_eq!(bytes(ByteSet::default().with_each(b"Z@[`{\xe9").folded()), b"@Z[`z{\xe9");
        assert_eq!(ByteSet::ALL.folded(), ByteSet::ALL);
    }

    #[test]
    fn ranges_are_maximal() {
        let set = ByteSet::default().with(0..=3).with_each(&[5, 255]);
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(0, 3), (5, 5), (255, 255)]);
        assert_eq!(ByteSet::ALL.ranges().collect::<Vec<_>>(), [(0, 255)]);
        assert_eq!((ByteSet::of(9).single(), set.single()), (Some(9), None));
    }
}
