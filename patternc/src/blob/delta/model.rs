//! How likely each bit of a record is, given everything that both sides have seen.
//!
//! Several contexts (what the byte is, the bytes before it, the neighbouring record at the same place, the continuation of the
//! longest match) each give a probability; a mixer weighs them in the logistic domain and learns the weights as it goes, as in
//! Mahoney's *lpaq1* (2007). What cannot be foreseen, such as digests, costs 8 bits a byte and little more; names and common
//! code cost a fraction. Rejected: zstd with the old records as its dictionary, which has whole bytes and offsets to say what
//! a neighbour and a few bits say here; `docs/delta.md` has the figures.
//!
//! Where a record goes is said before it, so it lies between two records that both sides have. As long as it agrees with one of
//! them, the next byte cannot be below that of the one or above that of the other, and bits that follow from this cost nothing.

use super::coder::{Chance, Coder, Numbers, Silent};
use super::shape::{Next, Role, Shape};

/// Contexts in tables, a match, and a constant.
const CONTEXTS: usize = 7;
const INPUTS: usize = CONTEXTS + 2;
/// Fewest bytes that a match is looked up by.
const MATCH_MIN: usize = 5;
const MATCH_HEADS_BITS: u32 = 16;
/// Sets of weights for each role: without a match, with a short one, with a long one.
const MATCH_CLASSES: usize = 3;
/// Largest weight, in 65,536ths: bits made to confuse the mixer cannot make it overflow.
const WEIGHT_MAX: i64 = 1 << 22;
/// Records that are shown to the model, in bytes: past these it has learned what it can, and it costs the terminal time.
const LEARN_BYTES_MAX: usize = 256 << 10;

/// Bytes that a match may go on from: those that come, of which there are fewer than in a bulk, and of the old records beside them. When
/// there are so many the older half is forgotten, as else all of a blob of a gibibyte could come to lie here.
const HISTORY_BYTES_MAX: usize = 32 << 20;

/// Logistic function of `x / 256`, at steps of one half from -8 to 8, in 65,536ths.
const LOGISTIC: [i32; 33] = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581,
    57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
];

const fn squash(x: i32) -> i32 {
    let x = if x > 2047 {
        2047
    } else if x < -2047 {
        -2047
    } else {
        x
    };
    let (at, part) = (((x >> 7) + 16).cast_unsigned() as usize, x & 127);
    (LOGISTIC[at] * (128 - part) + LOGISTIC[at + 1] * part + 64) >> 7
}

/// The inverse of [`squash`], by the 12 high bits.
static STRETCH: [i16; 4096] = {
    let mut table = [2047; 4096];
    let (mut x, mut from) = (-2047, 0);
    while x <= 2047 {
        let upto = (squash(x) >> 4).cast_unsigned() as usize;
        while from <= upto {
            table[from] = x as i16;
            from += 1;
        }
        x += 1;
    }
    table
};

fn stretch(p: u16) -> i32 {
    i32::from(STRETCH[usize::from(p >> 4)])
}

/// What is known of where a record belongs.
#[derive(Clone, Copy, Default)]
pub(super) struct Place<'a> {
    /// It comes after this one.
    pub(super) low: Option<&'a [u8]>,
    /// It comes before this one.
    pub(super) high: Option<&'a [u8]>,
    /// It takes the place of this one, which has the same kind and name.
    pub(super) instead_of: Option<&'a [u8]>,
}

/// Learns from records, and codes them.
pub(super) struct Model {
    slots: Vec<Chance>,
    slot_bits: u32,
    weights: Vec<[i32; INPUTS]>,
    matches: Matches,
    /// The last eight bytes of each stream.
    before: [u64; Role::STREAMS],
    lengths: Numbers,
    learned: usize,
}

/// Where a byte is that is to be coded.
struct Spot<'a> {
    /// What it is, and where in its part.
    role: Role,
    at: u32,
    /// Where it is in the record.
    index: usize,
    /// Where the record belongs, and its neighbours as long as it agrees with them.
    place: Place<'a>,
    bounds: &'a Bounds<'a>,
}

/// The byte that is being coded, as far as it is known.
struct Partial {
    hashes: [u32; CONTEXTS],
    expected: Option<u8>,
    set: usize,
    match_class: usize,
}

impl Model {
    /// A model for so many bytes of records, which decide how much it can remember: at most 28 MiB.
    pub(super) fn new(bytes: usize) -> Model {
        let slot_bits = (bytes.max(1) * 8).ilog2().clamp(12, 20);
        Model {
            slots: vec![Chance::EVEN; CONTEXTS << slot_bits],
            slot_bits,
            weights: vec![[1 << 14; INPUTS]; Role::COUNT * MATCH_CLASSES],
            matches: Matches::new(),
            before: [0; Role::STREAMS],
            lengths: Numbers::new(),
            learned: 0,
        }
    }

    /// Shows the model a record that both sides have: its bytes can be referred to and, while there is room, are learned from.
    pub(super) fn learn(&mut self, record: &[u8]) {
        if self.learned + record.len() <= LEARN_BYTES_MAX {
            self.learned += record.len();
            self.code(&mut Silent, Place::default(), record, record.len());
        } else {
            self.matches.extend(record);
        }
    }

    /// Codes a record of at most `len_max` bytes: `known` for a writer, nothing for a reader, which gets bytes of the right shape
    /// that are to be decoded, or what it has when there are more.
    pub(super) fn code(&mut self, coder: &mut impl Coder, place: Place<'_>, known: &[u8], len_max: usize) -> Vec<u8> {
        let mut shape = Shape::new();
        let mut out: Vec<u8> = Vec::with_capacity(known.len());
        let mut bounds = Bounds { low: place.low, high: place.high };
        let shared = place.instead_of.map_or(0, key_len);
        self.matches.forget();
        if let Some(old) = place.instead_of {
            self.matches.extend(old);
        }
        while out.len() < len_max {
            match shape.next() {
                Next::End => break,
                Next::Length => {
                    let left = (known.len() as u64).saturating_sub(out.len() as u64);
                    shape.has(self.lengths.code(coder, left));
                }
                Next::Byte(role, at) => {
                    let want = known.get(out.len()).copied().unwrap_or(0);
                    let byte = match place.instead_of {
                        Some(old) if out.len() < shared => old[out.len()],
                        _ => self.byte(coder, &Spot { role, at, index: out.len(), place, bounds: &bounds }, want),
                    };
                    bounds.pass(out.len(), byte);
                    self.matches.push(byte);
                    let before = &mut self.before[role.stream()];
                    *before = *before << 8 | u64::from(byte);
                    out.push(byte);
                    shape.take(byte);
                    if out.len() == shared {
                        // What comes is most likely what came after the name before: the old record lies that far back.
                        self.matches.point_back(place.instead_of.map_or(0, <[u8]>::len));
                    }
                }
            }
        }
        out
    }

    fn byte(&mut self, coder: &mut impl Coder, spot: &Spot<'_>, want: u8) -> u8 {
        let (least, most) = spot.bounds.at(spot.index);
        let partial = self.contexts(spot);
        let mut value = 0u8;
        for place in (0..8).rev() {
            // The least value with a 1 here; the largest with a 0 is one below.
            let one = value | 1 << place;
            let bit = if one > most {
                false
            } else if one - 1 < least {
                true
            } else {
                self.bit(coder, &partial, value, place, want >> place & 1 == 1)
            };
            value |= u8::from(bit) << place;
        }
        value
    }

    fn contexts(&self, spot: &Spot<'_>) -> Partial {
        let &Spot { role, at, index, place, bounds } = spot;
        let before = self.before[role.stream()];
        let last = |bytes: u32| before & ((1u64 << (8 * bytes)) - 1);
        let (near, closeness) = bounds.near(index);
        let near = place.instead_of.map_or(near, |old| old.get(index).copied());
        let near = near.map_or(0x100, u64::from) << 2 | closeness;
        let salt = (role as u64) << 56;
        let of = |kind: u64, content: u64| {
            let mixed = (content ^ salt ^ kind << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_shr(32) as u32
        };
        let hashes = [
            of(0, 0),
            of(1, last(1)),
            of(2, last(2)),
            of(3, last(3)),
            of(4, last(5)),
            of(5, near << 8 | last(1)),
            of(6, u64::from(at) << 8 | last(0)),
        ];
        let (expected, match_class) = self.matches.expected();
        let set = role as usize * MATCH_CLASSES + match_class.min(1) + usize::from(match_class > 15);
        Partial { hashes, expected, set, match_class }
    }

    fn bit(&mut self, coder: &mut impl Coder, partial: &Partial, value: u8, place: u32, bit: bool) -> bool {
        let node = u32::from(value >> place) << 4 | place;
        let mut inputs = [0; INPUTS];
        let mut found = [0; CONTEXTS];
        for (context, hash) in partial.hashes.iter().enumerate() {
            let slot = (hash ^ node.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b) >> (32 - self.slot_bits);
            found[context] = (context << self.slot_bits) + slot as usize;
            let chance = self.slots[found[context]];
            // What was seen once or twice says little.
            inputs[context] = (stretch(chance.p()) * chance.seen().min(4).cast_signed()) >> 2;
        }
        let expected = partial.expected.filter(|expected| (expected ^ value) >> place >> 1 == 0);
        let expected = expected.map(|byte| byte >> place & 1 == 1);
        if let Some(one) = expected {
            let sure = stretch(self.matches.right[partial.match_class].p());
            inputs[CONTEXTS] = if one { sure } else { -sure };
        }
        inputs[CONTEXTS + 1] = 64;
        let weights = &mut self.weights[partial.set];
        let sum: i64 = inputs.iter().zip(weights.iter()).map(|(&input, &weight)| i64::from(input) * i64::from(weight)).sum();
        let p = squash((sum >> 16).clamp(-2047, 2047) as i32);
        let bit = coder.code(bit, p.cast_unsigned() as u16);
        let error = i64::from((i32::from(bit) << 16) - p);
        for (weight, &input) in weights.iter_mut().zip(&inputs) {
            let step = (i64::from(input) * error + (1 << 16)) >> 17;
            *weight = (i64::from(*weight) + step).clamp(-WEIGHT_MAX, WEIGHT_MAX) as i32;
        }
        for at in found {
            self.slots[at].tell(bit, 255);
        }
        if let Some(one) = expected {
            self.matches.right[partial.match_class].tell(one == bit, 255);
        }
        bit
    }
}

/// Length of kind and name, by which a record is known; all of the record when it is none.
pub(super) fn key_len(record: &[u8]) -> usize {
    let mut shape = Shape::new();
    for (at, &byte) in record.iter().enumerate() {
        match shape.next() {
            Next::Byte(Role::Kind | Role::NameLen | Role::Name, _) => shape.take(byte),
            _ => return at,
        }
    }
    record.len()
}

/// The records on either side, as long as the one that is coded agrees with them.
struct Bounds<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

impl Bounds<'_> {
    /// Least and most that the byte at `index` can be.
    fn at(&self, index: usize) -> (u8, u8) {
        let byte = |record: Option<&[u8]>| record.and_then(|record| record.get(index).copied());
        let (least, most) = (byte(self.low).unwrap_or(0), byte(self.high).unwrap_or(u8::MAX));
        // Neighbours out of order are no neighbours; the result will be refused.
        if least <= most { (least, most) } else { (0, u8::MAX) }
    }

    /// The byte of a neighbour, and with how many it agrees so far.
    fn near(&self, index: usize) -> (Option<u8>, u64) {
        let near = self.low.or(self.high).and_then(|record| record.get(index).copied());
        (near, u64::from(self.low.is_some()) << 1 | u64::from(self.high.is_some()))
    }

    fn pass(&mut self, index: usize, byte: u8) {
        let agrees = |record: &&[u8]| record.get(index) == Some(&byte);
        self.low = self.low.filter(agrees);
        self.high = self.high.filter(agrees);
    }
}

/// Where the last bytes were seen before.
struct Matches {
    /// The last bytes seen, at most [`HISTORY_BYTES_MAX`] and a record.
    history: Vec<u8>,
    heads: Vec<u32>,
    /// Where the match goes on, and how long it has held; 0 for none.
    at: usize,
    len: usize,
    /// How often a match that has held so long is right.
    right: [Chance; 32],
}

impl Matches {
    fn new() -> Matches {
        Matches { history: Vec::new(), heads: vec![0; 1 << MATCH_HEADS_BITS], at: 0, len: 0, right: [Chance::EVEN; 32] }
    }

    fn forget(&mut self) {
        self.len = 0;
    }

    /// Goes on as so many bytes ago.
    fn point_back(&mut self, distance: usize) {
        self.at = self.history.len() - distance.min(self.history.len());
        self.len = 16;
    }

    fn expected(&self) -> (Option<u8>, usize) {
        if self.len == 0 {
            return (None, 0);
        }
        (self.history.get(self.at).copied(), self.len.min(31))
    }

    /// Forgets the older half of a history that is full.
    fn make_room(&mut self) {
        if self.history.len() < HISTORY_BYTES_MAX {
            return;
        }
        let gone = self.history.len() - HISTORY_BYTES_MAX / 2;
        self.history.drain(..gone);
        self.heads.iter_mut().for_each(|head| *head = head.saturating_sub(gone as u32));
        if self.at < gone {
            self.len = 0;
        }
        self.at = self.at.saturating_sub(gone);
    }

    fn push(&mut self, byte: u8) {
        self.make_room();
        if self.len > 0 && self.history.get(self.at) == Some(&byte) {
            self.len += 1;
            self.at += 1;
        } else {
            self.len = 0;
        }
        self.history.push(byte);
        let Some(head) = self.head() else { return };
        if self.len == 0 {
            self.at = self.heads[head] as usize;
            if self.at > 0 {
                let (old, new) = (&self.history[..self.at], &self.history[..]);
                self.len = old.iter().rev().zip(new.iter().rev()).take(31).take_while(|(a, b)| a == b).count();
                if self.len < MATCH_MIN {
                    self.len = 0;
                }
            }
        }
        self.heads[head] = self.history.len() as u32;
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.make_room();
        for &byte in bytes {
            self.history.push(byte);
            if let Some(head) = self.head() {
                self.heads[head] = self.history.len() as u32;
            }
        }
        self.len = 0;
    }

    fn head(&self) -> Option<usize> {
        let last = self.history.last_chunk::<MATCH_MIN>()?;
        let key = last.iter().fold(0u64, |key, &byte| key << 8 | u64::from(byte));
        Some((key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - MATCH_HEADS_BITS)) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_forgets_what_is_long_ago() {
        const RECORD: usize = 1 << 20;
        let mut matches = Matches::new();
        matches.extend(b"long ago and far away");
        for number in 0..70_u8 {
            matches.extend(&vec![number; RECORD]);
            assert!(matches.history.len() <= HISTORY_BYTES_MAX + RECORD);
        }
        matches.extend(b"a moment ago");
        let mut expected = |bytes: &[u8]| {
            matches.forget();
            for byte in bytes {
                matches.push(*byte);
            }
            matches.expected().0
        };
        assert_eq!(expected(b"a momen"), Some(b't'));
        assert_eq!(expected(b"long ag"), None);
    }
}
