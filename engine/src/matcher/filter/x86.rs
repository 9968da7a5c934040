//! The vectors of x86-64: eight windows at a time with AVX-512, four with AVX2.
//!
//! `unsafe` here is of three kinds: calling what needs processor features, which the value it is a method of has seen; loading from a
//! slice whose length was checked; and gathering from a table by indices that are in it by construction.
#![allow(unsafe_code)]

use super::Filter;
use super::positions::Positions;
use super::vector::{self, Vector, Words};
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

    /// [`vector::probe`].
    pub(super) fn probe<const WIDTH: usize, const STRIDE: usize>(
        self,
        filter: &Filter<'_>,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) -> usize {
        // SAFETY: `new` is the only way to make an `Avx512`, and it saw the features on this processor.
        unsafe { probe_avx512::<WIDTH, STRIDE>(self, filter, haystack, range, hits) }
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bitalg")]
fn probe_avx512<const WIDTH: usize, const STRIDE: usize>(
    avx512: Avx512,
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) -> usize {
    vector::probe::<Avx512, WIDTH, STRIDE>(avx512, filter, haystack, range, hits)
}

impl Vector for Avx512 {
    type Lanes = __m512i;
    type Key = __m512i;

    #[inline(always)]
    fn splat(self, value: u64) -> __m512i {
        // SAFETY: `self` proves the feature.
        unsafe { _mm512_set1_epi64(value.cast_signed()) }
    }

    #[inline(always)]
    fn key(self, multiplier: u64) -> __m512i {
        self.splat(multiplier)
    }

    #[inline(always)]
    fn load(self, bytes: &[u8; 64]) -> __m512i {
        // SAFETY: `self` proves the feature. The array has the 64 bytes that are read; no alignment is asked for.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn or(self, left: __m512i, right: __m512i) -> __m512i {
        // SAFETY: `self` proves the feature.
        unsafe { _mm512_or_si512(left, right) }
    }

    #[inline(always)]
    fn and(self, left: __m512i, right: __m512i) -> __m512i {
        // SAFETY: `self` proves the feature.
        unsafe { _mm512_and_si512(left, right) }
    }

    #[inline(always)]
    fn hash(self, windows: __m512i, key: __m512i) -> __m512i {
        // SAFETY: `self` proves the features.
        unsafe { hash_avx512(windows, key) }
    }

    #[inline(always)]
    fn gather(self, words: Words<'_>, hashes: __m512i) -> __m512i {
        // SAFETY: `self` proves the features.
        unsafe { gather_avx512(words, hashes) }
    }

    #[inline(always)]
    fn passing(self, words: __m512i, hashes: __m512i) -> u64 {
        // SAFETY: `self` proves the features.
        unsafe { passing_avx512(words, hashes) }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bitalg")]
fn hash_avx512(windows: __m512i, key: __m512i) -> __m512i {
    let product = _mm512_mullo_epi64(windows, key);
    _mm512_xor_si512(product, _mm512_srli_epi64::<32>(product))
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bitalg")]
fn gather_avx512(words: Words<'_>, hashes: __m512i) -> __m512i {
    let index = _mm512_srl_epi64(hashes, _mm_cvtsi64_si128(words.shift().into()));
    // Two gathers of four words: one of eight takes longer on processors of one maker, and no less on the others'.
    let (low, high) = (_mm512_castsi512_si256(index), _mm512_extracti64x4_epi64::<1>(index));
    let words = words.all().as_ptr().cast();
    // SAFETY: each index is a hash shifted down as `Words` says, so that it is within; words have the eight bytes by which indices are
    // scaled. No alignment is asked for.
    let low = unsafe { _mm256_i64gather_epi64::<8>(words, low) };
    // SAFETY: as before.
    let high = unsafe { _mm256_i64gather_epi64::<8>(words, high) };
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512bitalg")]
fn passing_avx512(words: __m512i, hashes: __m512i) -> u64 {
    // Bit 8n+k of this: whether the bit of word n that byte k of hash n names is set.
    let named = _mm512_bitshuffle_epi64_mask(words, hashes);
    (named >> 1) & (named >> 2) & (named >> 3) & 0x0101_0101_0101_0101
}

/// The loop for processors with AVX2. Having one proves that this processor is such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn new() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// [`vector::probe`].
    pub(super) fn probe<const WIDTH: usize, const STRIDE: usize>(
        self,
        filter: &Filter<'_>,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) -> usize {
        // SAFETY: `new` is the only way to make an `Avx2`, and it saw the feature on this processor.
        unsafe { probe_avx2::<WIDTH, STRIDE>(self, filter, haystack, range, hits) }
    }
}

#[target_feature(enable = "avx2")]
fn probe_avx2<const WIDTH: usize, const STRIDE: usize>(
    avx2: Avx2,
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) -> usize {
    vector::probe::<Avx2, WIDTH, STRIDE>(avx2, filter, haystack, range, hits)
}

/// Eight lanes of 64 bits, four in each register.
type Halves = [__m256i; 2];

impl Vector for Avx2 {
    type Lanes = Halves;
    /// The multiplier and its upper half.
    type Key = (__m256i, __m256i);

    #[inline(always)]
    fn splat(self, value: u64) -> Halves {
        // SAFETY: `self` proves the feature.
        let half = unsafe { _mm256_set1_epi64x(value.cast_signed()) };
        [half, half]
    }

    #[inline(always)]
    fn key(self, multiplier: u64) -> (__m256i, __m256i) {
        (self.splat(multiplier)[0], self.splat(multiplier >> 32)[0])
    }

    #[inline(always)]
    fn load(self, bytes: &[u8; 64]) -> Halves {
        let (halves, _) = bytes.as_chunks();
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { load_avx2(&halves[i]) })
    }

    #[inline(always)]
    fn or(self, left: Halves, right: Halves) -> Halves {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { _mm256_or_si256(left[i], right[i]) })
    }

    #[inline(always)]
    fn and(self, left: Halves, right: Halves) -> Halves {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { _mm256_and_si256(left[i], right[i]) })
    }

    #[inline(always)]
    fn hash(self, windows: Halves, key: (__m256i, __m256i)) -> Halves {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { hash_avx2(windows[i], key) })
    }

    #[inline(always)]
    fn gather(self, words: Words<'_>, hashes: Halves) -> Halves {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { gather_avx2(words, hashes[i]) })
    }

    #[inline(always)]
    fn passing(self, words: Halves, hashes: Halves) -> u64 {
        // SAFETY: `self` proves the feature.
        let [low, high] = [0, 1].map(|i| unsafe { passing_avx2(words[i], hashes[i]) });
        low | high << 32
    }
}

/// What `half` says for each register.
#[inline(always)]
fn each(half: impl Fn(usize) -> __m256i) -> Halves {
    [half(0), half(1)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_avx2(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn hash_avx2(windows: __m256i, (key, key_high): (__m256i, __m256i)) -> __m256i {
    // Each lane times the key, modulo 2^64: AVX2 multiplies 32 bits by 32.
    let low = _mm256_mul_epu32(windows, key);
    let crossed = _mm256_mul_epu32(_mm256_srli_epi64::<32>(windows), key);
    let other = _mm256_mul_epu32(windows, key_high);
    let product = _mm256_add_epi64(low, _mm256_slli_epi64::<32>(_mm256_add_epi64(crossed, other)));
    _mm256_xor_si256(product, _mm256_srli_epi64::<32>(product))
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather_avx2(words: Words<'_>, hashes: __m256i) -> __m256i {
    let index = _mm256_srl_epi64(hashes, _mm_cvtsi64_si128(words.shift().into()));
    // SAFETY: each index is a hash shifted down as `Words` says, so that it is within; words have the eight bytes by which indices are
    // scaled. No alignment is asked for.
    unsafe { _mm256_i64gather_epi64::<8>(words.all().as_ptr().cast(), index) }
}

/// Bit `8 * n` is set when word `n` of the four has the bits that its hash names.
#[inline]
#[target_feature(enable = "avx2")]
fn passing_avx2(words: __m256i, hashes: __m256i) -> u64 {
    let one = _mm256_set1_epi64x(1);
    let six_bits = _mm256_set1_epi64x(63);
    let first = _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64::<8>(hashes), six_bits));
    let second = _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64::<16>(hashes), six_bits));
    let third = _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srli_epi64::<24>(hashes), six_bits));
    let bits = _mm256_or_si256(_mm256_or_si256(first, second), third);
    let all = _mm256_cmpeq_epi64(_mm256_and_si256(words, bits), bits);
    let lanes = _mm256_movemask_pd(_mm256_castsi256_pd(all)).cast_unsigned();
    // Spreads the four bits to bytes: each product bit that is kept is one lane, moved up by seven for each lane before it.
    u64::from(lanes.wrapping_mul(0x0020_4081) & 0x0101_0101)
}
