//! The loop of processors with vectors, written once: a backend brings the steps that differ, as a [`Vector`].
//!
//! A load of 64 bytes is the eight windows of a stretch at stride 8; further loads, `STRIDE` bytes apart, are the windows between.
//! The hits of one stretch of 64 starts are gathered in the bits of one word, so that they come out in ascending order and a
//! stretch without a hit costs one branch.
//!
//! There is no `unsafe` here. What implements [`Vector`] can be made only on a processor that has its instructions, so that its methods
//! are safe; and [`Words`] is the proof that an index is within the filter.

use super::positions::Positions;
use super::{Filter, STARTS, STRETCH};
use crate::layout::window_mask;
use std::ops::Range;
use zerocopy::byteorder::little_endian::U64;

/// The steps of a probe that each kind of processor does its own way, for several windows at once.
///
/// Its methods are to be inlined into one function that has the processor's instructions enabled: called from elsewhere they are right,
/// and slow.
pub(super) trait Vector: Copy {
    /// Eight lanes of 64 bits, in one register or several.
    type Lanes: Copy;
    /// A multiplier of hashes, made ready to multiply lanes by.
    type Key: Copy;

    /// `value` in each lane.
    fn splat(self, value: u64) -> Self::Lanes;

    /// `multiplier` made ready.
    fn key(self, multiplier: u64) -> Self::Key;

    /// Lane `n` is bytes `8 * n` to `8 * n + 7`, the first lowest.
    fn load(self, bytes: &[u8; 64]) -> Self::Lanes;

    /// The bits that are set in either.
    fn or(self, left: Self::Lanes, right: Self::Lanes) -> Self::Lanes;

    /// The bits that are set in both.
    fn and(self, left: Self::Lanes, right: Self::Lanes) -> Self::Lanes;

    /// [`crate::layout::WindowHash`] of each lane.
    fn hash(self, windows: Self::Lanes, key: Self::Key) -> Self::Lanes;

    /// The word that each hash is the index of.
    fn gather(self, words: Words<'_>, hashes: Self::Lanes) -> Self::Lanes;

    /// Bit `8 * n` is set when word `n` has the bits that hash `n` names: its bytes 1, 2 and 3, six bits of each. No other is.
    fn passing(self, words: Self::Lanes, hashes: Self::Lanes) -> u64;
}

/// The words of a filter. Having them proves that a 64-bit number that is shifted right by [`Words::shift`] is an index of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    words: &'a [U64],
    shift: u8,
}

impl<'a> Words<'a> {
    /// # Panics
    /// When there are not 2 to `log2` words.
    fn new(words: &'a [U64], log2: u8) -> Words<'a> {
        assert_eq!(1_u64.checked_shl(log2.into()), Some(words.len() as u64), "a filter of 2 to {log2} words");
        Words { words, shift: 64 - log2 }
    }

    /// All of them.
    pub(super) fn all(self) -> &'a [U64] {
        self.words
    }

    /// Bits by which a hash is shifted down to an index: up to 64, which leave 0.
    pub(super) fn shift(self) -> u8 {
        self.shift
    }
}

/// As [`super::portable::probe`], as far as whole stretches go; returns where it stopped.
#[inline(always)]
pub(super) fn probe<V: Vector, const WIDTH: usize, const STRIDE: usize>(
    vector: V,
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) -> usize {
    let words = Words::new(filter.words, filter.log2);
    let key = vector.key(filter.key);
    let fold = vector.splat(filter.fold);
    let mask = vector.splat(window_mask(WIDTH as u8));
    let mut at = range.start;
    while at + STARTS <= range.end {
        let Some(stretch) = haystack.get(at..at + STRETCH) else { break };
        let stretch: &[u8; STRETCH] = stretch.try_into().expect("a slice of that length");
        let mut found = 0;
        for start in (0..8).step_by(STRIDE) {
            let bytes = stretch[start..start + 64].try_into().expect("a slice of that length");
            let folded = vector.or(vector.load(bytes), fold);
            let windows = if WIDTH < 8 { vector.and(folded, mask) } else { folded };
            let hashes = vector.hash(windows, key);
            let words = vector.gather(words, hashes);
            found |= vector.passing(words, hashes) << start;
        }
        if found != 0 {
            hits.push_bits(found, at);
        }
        at += STARTS;
    }
    at
}
