//! MD5 of many files at once.
//!
//! Each step of MD5 waits for the one before, so a processor that could do several things at a time does one. The way out is not
//! within one file but between files: each lane of a vector takes the same step of another file. Lanes hold rows of words here,
//! `[u32; L]` with one word for each file, and are plain loops over them, which the compiler turns into vector instructions; the
//! `x86` module has the same loops compiled for wider vectors than every processor has.
//!
//! Files differ in length. They are taken longest first; a lane whose file ends takes the next one, so lanes run empty only at the very
//! end. Empty ones go on over the bytes of another and forget the result.
//!
//! One thread, warm, MB/s: the crate's MD5 480 to 670, four lanes with SSE2 2,000, sixteen with AVX2 3,500, sixteen with AVX-512 3,800.
//! SHA-1 and SHA-256 have no lanes: processors with instructions for them are as fast file by file, and sets of signatures
//! with more than a few sizes of them were not at hand.

use crate::layout::DigestKind;
use md5::{Digest as _, Md5};
use std::array;

#[cfg(target_arch = "x86_64")]
mod x86;

/// The loops of one kind of vector.
#[derive(Clone, Copy)]
struct Loops<const L: usize> {
    /// All lanes.
    all: Compress<L>,
    /// The last few.
    few: Compress<FEW>,
}

/// Lanes that every 64-bit processor has.
const FEW: usize = 4;

/// A digest of MD5.
pub(crate) type Md5Digest = [u8; DigestKind::Md5.digest_len()];

/// Bytes that a step of all rounds takes.
type Block = [u8; 64];
/// The state of `L` digests: a row for each of the four words.
type State<const L: usize> = [[u32; L]; 4];
/// Runs the state over as many blocks of each lane's bytes, which has at least those.
type Compress<const L: usize> = fn(&mut State<L>, &[&[Block]; L], usize);

/// The digest of each input, in their order. O(bytes); allocates a few words for each input.
pub(crate) fn md5_of_each(inputs: &[&[u8]]) -> Vec<Md5Digest> {
    if let [input] = inputs {
        return vec![Md5::digest(input).into()];
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(loops) = x86::best() {
        return in_lanes::<16>(inputs, loops);
    }
    in_lanes::<FEW>(inputs, Loops { all: compress, few: compress })
}

/// The bytes of one input as blocks: those it has, then those that end it.
struct Source<'a> {
    /// Which input.
    index: usize,
    whole: &'a [Block],
    end: [Block; 2],
    /// How many of `end` count, and where the digest goes once they are through.
    end_len: usize,
    in_end: bool,
    at: usize,
}

impl<'a> Source<'a> {
    /// Pads as RFC 1321, 3.1 and 3.2: a one bit, zeros, and the length in bits.
    fn new(index: usize, input: &'a [u8]) -> Source<'a> {
        let (whole, rest) = input.as_chunks::<64>();
        let mut end = [0; 128];
        end[..rest.len()].copy_from_slice(rest);
        end[rest.len()] = 0x80;
        let end_len = if rest.len() < 56 { 1 } else { 2 };
        end[64 * end_len - 8..64 * end_len].copy_from_slice(&(input.len() as u64).wrapping_mul(8).to_le_bytes());
        let (blocks, _) = end.as_chunks::<64>();
        Source { index, whole, end: [blocks[0], blocks[1]], end_len, in_end: whole.is_empty(), at: 0 }
    }

    /// The blocks that come next, at least one.
    fn blocks(&self) -> &[Block] {
        if self.in_end { &self.end[self.at..self.end_len] } else { &self.whole[self.at..] }
    }

    /// Goes on by `count` blocks; whether that was the last.
    fn advance(&mut self, count: usize) -> bool {
        self.at += count;
        if self.in_end {
            return self.at == self.end_len;
        }
        if self.at == self.whole.len() {
            (self.in_end, self.at) = (true, 0);
        }
        false
    }
}

fn in_lanes<const L: usize>(inputs: &[&[u8]], loops: Loops<L>) -> Vec<Md5Digest> {
    let mut digests = vec![Md5Digest::default(); inputs.len()];
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    order.sort_unstable_by_key(|index| inputs[*index].len());
    let mut state: State<L> = [[0; L]; 4];
    let mut next = |lane: usize, state: &mut State<L>| {
        let index = order.pop()?;
        (0..4).for_each(|word| state[word][lane] = INITIAL[word]);
        Some(Source::new(index, inputs[index]))
    };
    let mut lanes: [Option<Source<'_>>; L] = array::from_fn(|lane| next(lane, &mut state));
    while let Some(any) = lanes.iter().flatten().next() {
        let blocks = array::from_fn(|lane| lanes[lane].as_ref().unwrap_or(any).blocks());
        let count = lanes.iter().flatten().map(|source| source.blocks().len()).min().unwrap_or(0);
        run(&mut state, &blocks, &lanes.each_ref().map(Option::is_some), count, loops);
        for (lane, slot) in lanes.iter_mut().enumerate() {
            let Some(source) = slot else { continue };
            if source.advance(count) {
                for (word, bytes) in digests[source.index].as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    *bytes = state[word][lane].to_le_bytes();
                }
                *slot = next(lane, &mut state);
            }
        }
    }
    digests
}

/// Runs the lanes that are `taken`; when they are few, in narrower rows, which take half the time.
fn run<const L: usize>(state: &mut State<L>, blocks: &[&[Block]; L], taken: &[bool; L], count: usize, loops: Loops<L>) {
    let mut lanes = (0..L).filter(|lane| taken[*lane]);
    let few: [Option<usize>; FEW] = array::from_fn(|_| lanes.next());
    if L <= FEW || lanes.next().is_some() {
        return (loops.all)(state, blocks, count);
    }
    let [first, ..] = few;
    let few: [usize; FEW] = few.map(|lane| lane.or(first).unwrap_or(0));
    let mut narrow = [0, 1, 2, 3].map(|word: usize| few.map(|lane| state[word][lane]));
    (loops.few)(&mut narrow, &few.map(|lane| blocks[lane]), count);
    for (row, narrow) in state.iter_mut().zip(narrow) {
        for (lane, word) in few.into_iter().zip(narrow) {
            row[lane] = word;
        }
    }
}

/// RFC 1321, 3.3.
const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// RFC 1321, 3.4: by how much each round turns its words.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// RFC 1321, 3.4: the integer parts of 2^32 times the sines of 1 to 64.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// [`Compress`] for whichever vectors the code around it is compiled for.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // Loops over lanes are the form that becomes vectors.
fn compress<const L: usize>(state: &mut State<L>, lanes: &[&[Block]; L], count: usize) {
    for at in 0..count {
        let mut words = [[0; L]; 16];
        for lane in 0..L {
            let (bytes, _) = lanes[lane][at].as_chunks::<4>();
            for word in 0..16 {
                words[word][lane] = u32::from_le_bytes(bytes[word]);
            }
        }
        let before = *state;
        round::<0, L>(state, &words);
        round::<1, L>(state, &words);
        round::<2, L>(state, &words);
        round::<3, L>(state, &words);
        for (row, before) in state.iter_mut().zip(before) {
            for lane in 0..L {
                row[lane] = row[lane].wrapping_add(before[lane]);
            }
        }
    }
}

/// One round, written out so that each index is a constant: rows stay in registers then.
#[inline(always)]
fn round<const ROUND: usize, const L: usize>(state: &mut State<L>, words: &[[u32; L]; 16]) {
    step::<ROUND, 0, L>(state, words);
    step::<ROUND, 1, L>(state, words);
    step::<ROUND, 2, L>(state, words);
    step::<ROUND, 3, L>(state, words);
    step::<ROUND, 4, L>(state, words);
    step::<ROUND, 5, L>(state, words);
    step::<ROUND, 6, L>(state, words);
    step::<ROUND, 7, L>(state, words);
    step::<ROUND, 8, L>(state, words);
    step::<ROUND, 9, L>(state, words);
    step::<ROUND, 10, L>(state, words);
    step::<ROUND, 11, L>(state, words);
    step::<ROUND, 12, L>(state, words);
    step::<ROUND, 13, L>(state, words);
    step::<ROUND, 14, L>(state, words);
    step::<ROUND, 15, L>(state, words);
}

/// One step of all lanes. The four words swap their parts from step to step; their rows do not move, only their names do.
#[inline(always)]
fn step<const ROUND: usize, const STEP: usize, const L: usize>(state: &mut State<L>, words: &[[u32; L]; 16]) {
    let word = match ROUND {
        0 => STEP,
        1 => (5 * STEP + 1) % 16,
        2 => (3 * STEP + 5) % 16,
        _ => (7 * STEP) % 16,
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(|name| state[(name + 16 - STEP) % 4]);
    let mut row = [0; L];
    for lane in 0..L {
        let (b, c, d) = (b[lane], c[lane], d[lane]);
        let mixed = match ROUND {
            0 => d ^ (b & (c ^ d)),
            1 => c ^ (d & (b ^ c)),
            2 => b ^ c ^ d,
            _ => c ^ (b | !d),
        };
        let sum = a[lane].wrapping_add(SINES[16 * ROUND + STEP]).wrapping_add(words[word][lane]).wrapping_add(mixed);
        row[lane] = b.wrapping_add(sum.rotate_left(TURNS[ROUND][STEP % 4]));
    }
    state[(16 - STEP) % 4] = row;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every way to compute them that this processor has.
    fn by_all(inputs: &[&[u8]]) -> Vec<Vec<Md5Digest>> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
        let mut ways = vec![
            in_lanes::<1>(inputs, Loops { all: compress, few: compress }),
            in_lanes::<5>(inputs, Loops { all: compress, few: compress }),
            in_lanes::<FEW>(inputs, Loops { all: compress, few: compress }),
            md5_of_each(inputs),
        ];
        #[cfg(target_arch = "x86_64")]
        ways.extend(x86::available().map(|loops| in_lanes::<16>(inputs, loops)));
        ways
    }

    fn check(inputs: &[&[u8]]) {
        let want: Vec<Md5Digest> = inputs.iter().map(|input| Md5::digest(input).into()).collect();
        for found in by_all(inputs) {
            assert_eq!(found, want);
        }
    }

    #[test]
    fn every_length_around_the_borders_of_blocks_has_the_digest_of_the_rfc() {
        let bytes: Vec<u8> = (0..70_000_u32).map(|i| (i.wrapping_mul(i) >> 5) as u8).collect();
        let borders = [4096, 16384, 65536].into_iter().flat_map(|border: usize| border - 65..=border + 65);
        let inputs: Vec<&[u8]> = (0..=300).chain(borders).map(|len| &bytes[..len]).collect();
        check(&inputs);
        for input in &inputs {
            check(&[input]);
        }
    }

    #[test]
    fn no_input_has_no_digest() {
        check(&[]);
    }

    proptest! {
        #[test]
        fn lanes_do_not_mix(inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..60)) {
            check(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
