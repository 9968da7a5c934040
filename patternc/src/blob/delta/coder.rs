//! Arithmetic coding of bits, and of numbers.
//!
//! A bit costs `-log2` of the probability that it was given, so that what is foreseen well costs almost nothing. Whoever decodes
//! asks for the same probabilities in the same order; so one function that takes a [`Coder`] is both the writer and the reader, and
//! the two cannot part. All arithmetic is of whole numbers: every machine computes the same.
//!
//! The coder is the carryless one of Mahoney's *lpaq1* (2007), which narrows 32 bits and moves out leading bytes that are settled.

use crate::wire::WireError;

/// A probability of one half.
pub(super) const EVEN: u16 = 1 << 15;

/// Something that takes bits with their probabilities: a writer, a reader, or nobody.
pub(super) trait Coder {
    /// Codes a bit that is 1 with probability `p / 65,536`, which is not 0. A writer writes `bit` and returns it; a reader returns
    /// what was written, whatever `bit` is.
    fn code(&mut self, bit: bool, p: u16) -> bool;
}

/// Believes every bit: a model that is shown records learns, and nothing is written.
pub(super) struct Silent;

impl Coder for Silent {
    fn code(&mut self, bit: bool, _: u16) -> bool {
        bit
    }
}

/// The interval between `low` and `high`, both included, that the bits so far lead to.
#[derive(Clone, Copy)]
struct Interval {
    low: u32,
    high: u32,
}

impl Interval {
    const ALL: Interval = Interval { low: 0, high: u32::MAX };

    /// The last value of the part that belongs to 1. Both parts hold something: the leading bytes differ, so `high` is above `low`.
    fn middle(self, p: u16) -> u32 {
        self.low + ((u64::from(self.high - self.low) * u64::from(p)) >> 16) as u32
    }

    fn narrow(&mut self, bit: bool, middle: u32) {
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
    }

    /// The fewest bytes that tell a value in it, zeros taken to follow, and of such values the least.
    fn end(self) -> Vec<u8> {
        let Interval { low, high } = self;
        for len in 0..4_u32 {
            let below = u32::MAX.checked_shr(8 * len).unwrap_or(0);
            let rounded = low.checked_add(below).map(|value| value & !below);
            if let Some(value) = rounded.filter(|&value| value <= high) {
                return value.to_be_bytes()[..len as usize].to_vec();
            }
        }
        low.to_be_bytes().to_vec()
    }

    /// Whether the leading byte is settled; if it is, it is moved out.
    fn shift(&mut self) -> Option<u8> {
        if (self.low ^ self.high) >> 24 != 0 {
            return None;
        }
        let byte = (self.high >> 24) as u8;
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
        Some(byte)
    }
}

/// Writes bits.
pub(super) struct Encoder {
    interval: Interval,
    out: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Encoder {
        Encoder { interval: Interval::ALL, out: Vec::new() }
    }

    /// The bytes: no more than tell the last interval from others, as a reader takes zeros after the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.extend(self.interval.end());
        self.out
    }
}

impl Coder for Encoder {
    fn code(&mut self, bit: bool, p: u16) -> bool {
        let middle = self.interval.middle(p);
        self.interval.narrow(bit, middle);
        while let Some(byte) = self.interval.shift() {
            self.out.push(byte);
        }
        bit
    }
}

/// Reads bits. Any bytes can be read for ever; whoever reads knows how much there should be, and asks [`Decoder::finish`].
pub(super) struct Decoder<'a> {
    interval: Interval,
    value: u32,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Decoder<'a> {
        let mut decoder = Decoder { interval: Interval::ALL, value: 0, bytes, at: 0 };
        for _ in 0..4 {
            decoder.pull();
        }
        decoder
    }

    fn pull(&mut self) {
        self.value = self.value << 8 | u32::from(self.bytes.get(self.at).copied().unwrap_or(0));
        self.at += 1;
    }

    pub(super) fn fault(&self, what: &'static str) -> WireError {
        WireError { at: self.at.min(self.bytes.len()), what }
    }

    /// Checks that the bytes end as a writer ends them: the same bits have one spelling, and nothing can be hidden behind them.
    pub(super) fn finish(self) -> Result<(), WireError> {
        // What was read beyond the bytes that are settled.
        let settled = self.at - 4;
        let end = self.interval.end();
        match self.bytes.get(settled..) {
            Some(rest) if rest == end => Ok(()),
            Some(rest) if rest.len() > end.len() => Err(self.fault("there are bytes after the last edit")),
            Some(rest) if rest.len() == end.len() => Err(self.fault("the last bytes are not those that a writer ends with")),
            _ => Err(self.fault("the bytes end too early")),
        }
    }
}

impl Coder for Decoder<'_> {
    fn code(&mut self, _: bool, p: u16) -> bool {
        let middle = self.interval.middle(p);
        let bit = self.value <= middle;
        self.interval.narrow(bit, middle);
        while self.interval.shift().is_some() {
            self.pull();
        }
        bit
    }
}

/// A probability that learns: 22 bits of it, and in the 10 below how often it was asked, up to a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u32);

impl Chance {
    pub(super) const EVEN: Chance = Chance(1 << 31);

    /// The probability of a 1, in 65,536ths; neither 0 nor 65,536.
    pub(super) fn p(self) -> u16 {
        ((self.0 >> 16) as u16).clamp(32, u16::MAX - 31)
    }

    /// How often it was told, up to its limit.
    pub(super) fn seen(self) -> u32 {
        self.0 & 1023
    }

    /// Moves towards `bit` by one part in as many as were seen, and no less than one in `limit`, which is below 1,024.
    pub(super) fn tell(&mut self, bit: bool, limit: u32) {
        let seen = self.seen();
        let p = i64::from(self.0 >> 10);
        let goal = if bit { (1 << 22) - 1 } else { 0 };
        let moved = p + (goal - p) * 2 / (2 * i64::from(seen) + 3);
        self.0 = (moved.cast_unsigned() as u32) << 10 | (seen + 1).min(limit);
    }

    fn code(&mut self, coder: &mut impl Coder, bit: bool) -> bool {
        let bit = coder.code(bit, self.p());
        self.tell(bit, 255);
        bit
    }
}

/// A code of numbers that learns how large they are: the number of binary digits, then the digits, of which the first three are
/// foreseen and the others are not. For gaps between things that lie evenly it needs 1 per cent more than the best code (Golomb's),
/// for those that lie in clusters much less.
pub(super) struct Numbers {
    digits: [Chance; 64],
    leading: [[Chance; 8]; 64],
}

impl Numbers {
    /// Digits below the first that are foreseen.
    const LEADING: u32 = 3;

    pub(super) fn new() -> Numbers {
        Numbers { digits: [Chance::EVEN; 64], leading: [[Chance::EVEN; 8]; 64] }
    }

    /// Codes `value`, which is less than `u64::MAX`.
    pub(super) fn code(&mut self, coder: &mut impl Coder, value: u64) -> u64 {
        let shifted = value.wrapping_add(1).max(1);
        let wanted = shifted.ilog2();
        let mut node = 1;
        for place in (0..6).rev() {
            let bit = self.digits[node].code(coder, wanted >> place & 1 == 1);
            node = node << 1 | usize::from(bit);
        }
        let digits = node as u32 - 64;
        let mut read = 1u64;
        for place in (0..digits).rev() {
            let bit = shifted >> place & 1 == 1;
            let foreseen = digits - place <= Numbers::LEADING;
            let bit =
                if foreseen { self.leading[digits as usize][read as usize].code(coder, bit) } else { coder.code(bit, EVEN) };
            read = read << 1 | u64::from(bit);
        }
        read - 1
    }
}

/// A choice of one among few, which learns how often each is made, for each of some situations.
pub(super) struct Choices<const SITUATIONS: usize> {
    nodes: [[Chance; 4]; SITUATIONS],
}

impl<const SITUATIONS: usize> Choices<SITUATIONS> {
    pub(super) fn new() -> Self {
        Choices { nodes: [[Chance::EVEN; 4]; SITUATIONS] }
    }

    /// Codes `choice`, 0 to 3.
    pub(super) fn code(&mut self, coder: &mut impl Coder, situation: usize, choice: usize) -> usize {
        let nodes = &mut self.nodes[situation];
        let high = nodes[1].code(coder, choice >> 1 & 1 == 1);
        let node = 2 | usize::from(high);
        let low = nodes[node].code(coder, choice & 1 == 1);
        usize::from(high) << 1 | usize::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let numbers = [0, 1, 2, 7, 8, 1000, 999, 1001, u64::from(u32::MAX), u64::MAX - 1, 0];
        let bits = (0..3000u64).map(|i| (i * i % 7 < 2, [1, 300, EVEN, 65_000, u16::MAX][(i % 5) as usize]));
        let mut encoder = Encoder::new();
        let mut code = Numbers::new();
        for &number in &numbers {
            code.code(&mut encoder, number);
        }
        for (bit, p) in bits.clone() {
            encoder.code(bit, p);
        }
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        let mut code = Numbers::new();
        for &number in &numbers {
            assert_eq!(code.code(&mut decoder, 0), number);
        }
        for (bit, p) in bits {
            assert_eq!(decoder.code(false, p), bit);
        }
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn the_end_is_checked() {
        let mut encoder = Encoder::new();
        for i in 0..200 {
            encoder.code(i % 3 == 0, EVEN);
        }
        let bytes = encoder.finish();
        let read = |bytes: &[u8], bits: usize| {
            let mut decoder = Decoder::new(bytes);
            for _ in 0..bits {
                decoder.code(false, EVEN);
            }
            decoder.finish().is_ok()
        };
        assert!(read(&bytes, 200));
        for more in 1..=5 {
            assert!(!read(&[&bytes[..], &vec![0; more]].concat(), 200), "{more} bytes of zeros");
            assert!(!read(&[&bytes[..], &vec![0x5a; more]].concat(), 200), "{more} other bytes");
        }
        for fewer in 1..=8 {
            assert!(!read(&bytes[..bytes.len() - fewer], 200), "{fewer} bytes less");
        }
    }

    /// Gaps between things that lie evenly: the bound is that of the best code for a geometric distribution.
    #[test]
    fn gaps_cost_little_more_than_they_must() {
        let mut state = 1u64;
        let mut gap = || {
            let mut gap = 0;
            loop {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if (state >> 33).trailing_zeros() >= 10 {
                    return gap;
                }
                gap += 1;
            }
        };
        let gaps: Vec<u64> = (0..1000).map(|_| gap()).collect();
        let mut encoder = Encoder::new();
        let mut code = Numbers::new();
        for &gap in &gaps {
            code.code(&mut encoder, gap);
        }
        // log2(1024) + log2(e) bits each.
        let bound = 1000.0 * 11.4427 / 8.0;
        let found = encoder.finish().len() as f64;
        assert!(found < bound * 1.04, "{found} bytes, the bound is {bound}");
    }
}
