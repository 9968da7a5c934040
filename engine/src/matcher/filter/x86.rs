//! The loops for x86-64: eight windows at a time with AVX-512, four with AVX2.
//!
//! A load of 64 (or 32) bytes is eight (or four) windows at stride 8; further loads, `STRIDE` bytes apart, are the windows between.
//! The hits of one stretch of 64 starts are gathered in the bits of one word, so that they come out in ascending order and a
//! stretch without a hit costs one branch.
//!
//! `unsafe` here is of three kinds: calling a function that needs processor features, which the value it is a method of has seen;
//! loading from a slice whose length was checked; and gathering from a table by indices that are in it by construction.
#![allow(unsafe_code)]

use super::positions::Positions;
use super::{Filter, STARTS, STRETCH};
use crate::layout::window_mask;
use std::arch::x86_64::{
    __m256i, __m512i, _mm_cvtsi64_si128, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_pd, _mm256_cmpeq_epi64,
    _mm256_i64gather_epi64, _mm256_loadu_si256, _mm256_movemask_pd, _mm256_mul_epu32, _mm256_or_si256, _mm256_set1_epi64x,
    _mm256_slli_epi64, _mm256_sllv_epi64, _mm256_srl_epi64, _mm256_srli_epi64, _mm256_xor_si256, _mm512_and_si512,
    _mm512_bitshuffle_epi64_mask, _mm512_castsi256_si512, _mm512_castsi512_si256, _mm512_extracti64x4_epi64,
    _mm512_inserti64x4, _mm512_loadu_si512, _mm512_mullo_epi64, _mm512_or_si512, _mm512_set1_epi64, _mm512_srl_epi64,
    _mm512_srli_epi64, _mm512_xor_si512,
};
use std::ops::Range;

/// The loop for processors with AVX-512 F, DQ, BW and BITALG. Having one proves that this processor is such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn new() -> Option<Avx512> {
        let able = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bitalg");
        able.then_some(Avx512(()))
    }

    /// As [`super::portable::probe`], as far as whole stretches go; returns where it stopped.
    // `self` is the proof that the features are there.
    #[expect(clippy::unused_self)]
    pub(super) fn probe<const WIDTH: usize, const STRIDE: usize>(
        self,
        filter: &Filter<'_>,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) -> usize {
        // SAFETY: `new` is the only way to make an `Avx512`, and it saw the features on this processor.
        unsafe { probe_avx512::<WIDTH, STRIDE>(filter, haystack, range, hits) }
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bitalg")]
fn probe_avx512<const WIDTH: usize, const STRIDE: usize>(
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) -> usize {
    let vectors = Vectors512 {
        fold: _mm512_set1_epi64(filter.fold.cast_signed()),
        mask: _mm512_set1_epi64(window_mask(WIDTH as u8).cast_signed()),
        key: _mm512_set1_epi64(filter.key.cast_signed()),
        shift: 64 - i64::from(filter.log2),
    };
    let mut at = range.start;
    while at + STARTS <= range.end {
        let Some(stretch) = haystack.get(at..at + STRETCH) else { break };
        let stretch: &[u8; STRETCH] = stretch.try_into().expect("a slice of that length");
        let mut found = 0;
        for start in (0..8).step_by(STRIDE) {
            found |= vectors.passing::<WIDTH>(filter, stretch, start) << start;
        }
        if found != 0 {
            hits.push_bits(found, at);
        }
        at += STARTS;
    }
    at
}

/// What stays the same over a scan.
struct Vectors512 {
    fold: __m512i,
    mask: __m512i,
    key: __m512i,
    /// Bits by which a hash is shifted down to an index.
    shift: i64,
}

impl Vectors512 {
    /// Bit `8 * n` is set when the window at byte `start + 8 * n` of the stretch passes, for `n` from 0 to 7.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bitalg")]
    fn passing<const WIDTH: usize>(&self, filter: &Filter<'_>, stretch: &[u8; STRETCH], start: usize) -> u64 {
        const WINDOWS: usize = 64;
        debug_assert!(start + WINDOWS <= STRETCH);
        let bytes = stretch[start..start + WINDOWS].as_ptr();
        // SAFETY: the slice that the pointer is of has the 64 bytes that are read; no alignment is asked for.
        let loaded = unsafe { _mm512_loadu_si512(bytes.cast()) };
        let folded = _mm512_or_si512(loaded, self.fold);
        let windows = if WIDTH < 8 { _mm512_and_si512(folded, self.mask) } else { folded };
        let product = _mm512_mullo_epi64(windows, self.key);
        let hash = _mm512_xor_si512(product, _mm512_srli_epi64::<32>(product));
        let index = _mm512_srl_epi64(hash, _mm_cvtsi64_si128(self.shift));
        let words = filter.words.as_ptr().cast();
        // Two gathers of four words: one of eight takes longer on processors of one maker, and no less on the others'.
        let (low, high) = (_mm512_castsi512_si256(index), _mm512_extracti64x4_epi64::<1>(index));
        // SAFETY: each index has `filter.log2` bits, because the hash was shifted down by 64 less that, and there are 2 to
        // `filter.log2` words of eight bytes: all are within. No alignment is asked for.
        let low = unsafe { _mm256_i64gather_epi64::<8>(words, low) };
        // SAFETY: as before.
        let high = unsafe { _mm256_i64gather_epi64::<8>(words, high) };
        let words = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
        // Bit 8n+k of this: whether the bit of word n that byte k of hash n names is set.
        let named = _mm512_bitshuffle_epi64_mask(words, hash);
        (named >> 1) & (named >> 2) & (named >> 3) & 0x0101_0101_0101_0101
    }
}

/// The loop for processors with AVX2. Having one proves that this processor is such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn new() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// As [`super::portable::probe`], as far as whole stretches go; returns where it stopped.
    // `self` is the proof that the features are there.
    #[expect(clippy::unused_self)]
    pub(super) fn probe<const WIDTH: usize, const STRIDE: usize>(
        self,
        filter: &Filter<'_>,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) -> usize {
        // SAFETY: `new` is the only way to make an `Avx2`, and it saw the feature on this processor.
        unsafe { probe_avx2::<WIDTH, STRIDE>(filter, haystack, range, hits) }
    }
}

#[target_feature(enable = "avx2")]
fn probe_avx2<const WIDTH: usize, const STRIDE: usize>(
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) -> usize {
    let vectors = Vectors256 {
        fold: _mm256_set1_epi64x(filter.fold.cast_signed()),
        mask: _mm256_set1_epi64x(window_mask(WIDTH as u8).cast_signed()),
        key: _mm256_set1_epi64x(filter.key.cast_signed()),
        key_high: _mm256_set1_epi64x((filter.key >> 32).cast_signed()),
        shift: 64 - i64::from(filter.log2),
    };
    let mut at = range.start;
    while at + STARTS <= range.end {
        let Some(stretch) = haystack.get(at..at + STRETCH) else { break };
        let stretch: &[u8; STRETCH] = stretch.try_into().expect("a slice of that length");
        let mut found = 0;
        for start in (0..8).step_by(STRIDE) {
            for half in [0, 32] {
                found |= vectors.passing::<WIDTH>(filter, stretch, start + half) << (start + half);
            }
        }
        if found != 0 {
            hits.push_bits(found, at);
        }
        at += STARTS;
    }
    at
}

/// What stays the same over a scan.
struct Vectors256 {
    fold: __m256i,
    mask: __m256i,
    key: __m256i,
    key_high: __m256i,
    /// Bits by which a hash is shifted down to an index.
    shift: i64,
}

impl Vectors256 {
    /// Bit `8 * n` is set when the window at byte `start + 8 * n` of the stretch passes, for `n` from 0 to 3.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn passing<const WIDTH: usize>(&self, filter: &Filter<'_>, stretch: &[u8; STRETCH], start: usize) -> u64 {
        const WINDOWS: usize = 32;
        let bytes = stretch[start..start + WINDOWS].as_ptr();
        // SAFETY: the slice that the pointer is of has the 32 bytes that are read; no alignment is asked for.
        let loaded = unsafe { _mm256_loadu_si256(bytes.cast()) };
        let folded = _mm256_or_si256(loaded, self.fold);
        let windows = if WIDTH < 8 { _mm256_and_si256(folded, self.mask) } else { folded };
        let product = self.times_key(windows);
        let hash = _mm256_xor_si256(product, _mm256_srli_epi64::<32>(product));
        let index = _mm256_srl_epi64(hash, _mm_cvtsi64_si128(self.shift));
        // SAFETY: each index has `filter.log2` bits, because the hash was shifted down by 64 less that, and there are 2 to
        // `filter.log2` words of eight bytes: all are within. No alignment is asked for.
        let words = unsafe { _mm256_i64gather_epi64::<8>(filter.words.as_ptr().cast(), index) };
        let one = _mm256_set1_epi64x(1);
        let six_bits = _mm256_set1_epi64x(63);
        let first = _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64::<8>(hash), six_bits));
        let second = _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64::<16>(hash), six_bits));
        let third = _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64::<24>(hash), six_bits));
        let bits = _mm256_or_si256(_mm256_or_si256(first, second), third);
        let all = _mm256_cmpeq_epi64(_mm256_and_si256(words, bits), bits);
        let lanes = _mm256_movemask_pd(_mm256_castsi256_pd(all)).cast_unsigned();
        // Spreads the four bits to bytes: each product bit that is kept is one lane, moved up by seven for each lane before it.
        u64::from(lanes.wrapping_mul(0x0020_4081) & 0x0101_0101)
    }

    /// Each lane times the key, modulo 2^64: AVX2 multiplies 32 bits by 32.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn times_key(&self, windows: __m256i) -> __m256i {
        let low = _mm256_mul_epu32(windows, self.key);
        let crossed = _mm256_mul_epu32(_mm256_srli_epi64::<32>(windows), self.key);
        let other = _mm256_mul_epu32(windows, self.key_high);
        _mm256_add_epi64(low, _mm256_slli_epi64::<32>(_mm256_add_epi64(crossed, other)))
    }
}
