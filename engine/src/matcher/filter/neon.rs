//! The vectors of 64-bit ARM: eight windows at a time with NEON, in four registers.
//!
//! NEON has no gather, so that the words are loaded one by one; what it saves is the rest of a probe. Eight windows are taken together,
//! because the answers of eight narrow to the eight bytes of one register, which is one move to the bits that are asked for.
//!
//! `unsafe` here is of three kinds: calling what needs NEON, which the value it is a method of has seen; loading from an array of the
//! length that is read; and loading words by indices that are in their table by construction.
#![allow(unsafe_code)]

use super::Filter;
use super::positions::Positions;
use super::vector::{self, Vector, Words};
use std::arch::aarch64::{
    uint64x2_t, vaddq_u64, vandq_u64, vceqq_u64, vcombine_u64, vcreate_u64, vdupq_n_s64, vdupq_n_u64, veorq_u64,
    vget_lane_u64, vgetq_lane_u64, vld1q_u8, vmovn_u16, vmovn_u64, vmull_u32, vmulq_u32, vorrq_u64, vpaddlq_u32,
    vreinterpret_u64_u8, vreinterpretq_s64_u64, vreinterpretq_u16_u32, vreinterpretq_u32_u64, vreinterpretq_u64_u8,
    vrev64q_u32, vshlq_n_u64, vshlq_u64, vshrq_n_u64, vuzp1q_u16, vuzp1q_u32,
};
use std::arch::is_aarch64_feature_detected;
use std::ops::Range;

/// The loop for processors with NEON. Having one proves that this processor is such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neon(());

impl Neon {
    pub(super) fn new() -> Option<Neon> {
        // Lanes are put together from bytes and from words as a little-endian processor numbers them.
        let able = cfg!(target_endian = "little") && is_aarch64_feature_detected!("neon");
        able.then_some(Neon(()))
    }

    /// [`vector::probe`].
    pub(super) fn probe<const WIDTH: usize, const STRIDE: usize>(
        self,
        filter: &Filter<'_>,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) -> usize {
        // SAFETY: `new` is the only way to make a `Neon`, and it saw the feature on this processor.
        unsafe { probe_neon::<WIDTH, STRIDE>(self, filter, haystack, range, hits) }
    }
}

#[target_feature(enable = "neon")]
fn probe_neon<const WIDTH: usize, const STRIDE: usize>(
    neon: Neon,
    filter: &Filter<'_>,
    haystack: &[u8],
    range: Range<usize>,
    hits: &mut Positions,
) -> usize {
    vector::probe::<Neon, WIDTH, STRIDE>(neon, filter, haystack, range, hits)
}

/// Eight lanes of 64 bits, two in each register.
type Lanes = [uint64x2_t; 4];

impl Vector for Neon {
    type Lanes = Lanes;
    type Key = uint64x2_t;

    #[inline(always)]
    fn splat(self, value: u64) -> Lanes {
        // SAFETY: `self` proves the feature.
        let pair = unsafe { vdupq_n_u64(value) };
        [pair; 4]
    }

    #[inline(always)]
    fn key(self, multiplier: u64) -> uint64x2_t {
        // SAFETY: `self` proves the feature.
        unsafe { vdupq_n_u64(multiplier) }
    }

    #[inline(always)]
    fn load(self, bytes: &[u8; 64]) -> Lanes {
        let (pairs, _) = bytes.as_chunks();
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { load_pair(&pairs[i]) })
    }

    #[inline(always)]
    fn or(self, left: Lanes, right: Lanes) -> Lanes {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { vorrq_u64(left[i], right[i]) })
    }

    #[inline(always)]
    fn and(self, left: Lanes, right: Lanes) -> Lanes {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { vandq_u64(left[i], right[i]) })
    }

    #[inline(always)]
    fn hash(self, windows: Lanes, key: uint64x2_t) -> Lanes {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { hash_pair(windows[i], key) })
    }

    #[inline(always)]
    fn gather(self, words: Words<'_>, hashes: Lanes) -> Lanes {
        // SAFETY: `self` proves the feature.
        each(|i| unsafe { gather_pair(words, hashes[i]) })
    }

    #[inline(always)]
    fn passing(self, words: Lanes, hashes: Lanes) -> u64 {
        // SAFETY: `self` proves the feature.
        let passing = each(|i| unsafe { pair_passes(words[i], hashes[i]) });
        // SAFETY: `self` proves the feature.
        let bytes = unsafe { narrowed(passing) };
        bytes & 0x0101_0101_0101_0101
    }
}

/// What `pair` says for each register.
#[inline(always)]
fn each(pair: impl Fn(usize) -> uint64x2_t) -> Lanes {
    [pair(0), pair(1), pair(2), pair(3)]
}

#[inline]
#[target_feature(enable = "neon")]
fn load_pair(bytes: &[u8; 16]) -> uint64x2_t {
    // SAFETY: the array has the 16 bytes that are read, and bytes are aligned anywhere.
    vreinterpretq_u64_u8(unsafe { vld1q_u8(bytes.as_ptr()) })
}

#[inline]
#[target_feature(enable = "neon")]
fn hash_pair(windows: uint64x2_t, key: uint64x2_t) -> uint64x2_t {
    // Each lane times the key, modulo 2^64: NEON multiplies 32 bits by 32. Low by high and high by low count 2^32 each.
    let crossed = vmulq_u32(vreinterpretq_u32_u64(windows), vrev64q_u32(vreinterpretq_u32_u64(key)));
    let high = vshlq_n_u64::<32>(vpaddlq_u32(crossed));
    let product = vaddq_u64(vmull_u32(vmovn_u64(windows), vmovn_u64(key)), high);
    veorq_u64(product, vshrq_n_u64::<32>(product))
}

#[inline]
#[target_feature(enable = "neon")]
fn gather_pair(words: Words<'_>, hashes: uint64x2_t) -> uint64x2_t {
    // A shift to the left by less than nothing is one to the right; by 64 it leaves 0.
    let index = vshlq_u64(hashes, vdupq_n_s64(-i64::from(words.shift())));
    let (low, high) = (vgetq_lane_u64::<0>(index) as usize, vgetq_lane_u64::<1>(index) as usize);
    // SAFETY: the index is a hash shifted down as `Words` says, so that it is within.
    let low = unsafe { words.all().get_unchecked(low) };
    // SAFETY: so is this one.
    let high = unsafe { words.all().get_unchecked(high) };
    vcombine_u64(vcreate_u64(low.get()), vcreate_u64(high.get()))
}

/// All bits of a lane are set when the word has the bits that the hash names; else none is.
#[inline]
#[target_feature(enable = "neon")]
fn pair_passes(words: uint64x2_t, hashes: uint64x2_t) -> uint64x2_t {
    let one = vdupq_n_u64(1);
    // A shift looks at the lowest byte of its count and at no other, so that each byte is cut to six bits once for all.
    let counts = vandq_u64(hashes, vdupq_n_u64(0x3f3f_3f3f_3f3f_3f3f));
    let first = vshlq_u64(one, vreinterpretq_s64_u64(vshrq_n_u64::<8>(counts)));
    let second = vshlq_u64(one, vreinterpretq_s64_u64(vshrq_n_u64::<16>(counts)));
    let third = vshlq_u64(one, vreinterpretq_s64_u64(vshrq_n_u64::<24>(counts)));
    let bits = vorrq_u64(vorrq_u64(first, second), third);
    vceqq_u64(vandq_u64(words, bits), bits)
}

/// The lowest byte of each lane, the first lowest.
#[inline]
#[target_feature(enable = "neon")]
fn narrowed(lanes: Lanes) -> u64 {
    let [a, b, c, d] = lanes;
    let (a, b) = (vreinterpretq_u32_u64(a), vreinterpretq_u32_u64(b));
    let (c, d) = (vreinterpretq_u32_u64(c), vreinterpretq_u32_u64(d));
    let (low, high) = (vreinterpretq_u16_u32(vuzp1q_u32(a, b)), vreinterpretq_u16_u32(vuzp1q_u32(c, d)));
    vget_lane_u64::<0>(vreinterpret_u64_u8(vmovn_u16(vuzp1q_u16(low, high))))
}
