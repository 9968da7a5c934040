//! The filter: one probe of a blocked Bloom filter for each stride of the haystack.
//!
//! Each stored window sets up to three bits of one 64-bit word, so a probe is one load, and a wrong yes costs a look into the bucket
//! table ([`super::tier`]) and no more. [`portable`] is the algorithm, window by window; [`vector`] is the same for several windows at
//! once, with the instructions of one processor, and reports the same positions in the same order.

#[cfg(test)]
mod equivalence;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod positions;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::layout::{WindowHash, window_mask};
pub(super) use positions::Positions;
use std::ops::Range;
use zerocopy::byteorder::little_endian::U64;

/// Which loop asks the filter. All find the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Loop);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loop {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Backend {
    /// The loop that runs everywhere.
    pub const PORTABLE: Backend = Backend(Loop::Portable);

    /// Every loop that this processor can run, the fastest first.
    pub fn available() -> Vec<Backend> {
        let mut loops = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            loops.extend(x86::Avx512::new().map(Loop::Avx512));
            loops.extend(x86::Avx2::new().map(Loop::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        loops.extend(neon::Neon::new().map(Loop::Neon));
        loops.push(Loop::Portable);
        loops.into_iter().map(Backend).collect()
    }

    /// The fastest loop of this processor.
    pub fn best() -> Backend {
        Backend::available().first().copied().unwrap_or(Backend::PORTABLE)
    }

    /// Its name: `portable`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Loop::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Loop::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Loop::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Loop::Neon(_) => "neon",
        }
    }
}

/// The filter of one tier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    key: u64,
    /// Set in each window before it is hashed.
    fold: u64,
    log2: u8,
    /// 2 to `log2` words: every index that a hash gives for `log2` is within.
    words: &'a [U64],
}

/// Starts that a loop takes at a time: their windows of up to eight bytes are read from one stretch, its bounds checked once.
const STARTS: usize = 64;
/// Bytes of that stretch.
const STRETCH: usize = STARTS + 8;

impl<'a> Filter<'a> {
    /// A filter of 2 to `log2` words, or `None` when there are not as many. Windows are hashed with `fold` set in them, under `key`.
    pub(super) fn new(words: &'a [U64], log2: u8, fold: u64, key: u64) -> Option<Filter<'a>> {
        let words = words.get(..1_usize.checked_shl(u32::from(log2))?)?;
        Some(Filter { key, fold, log2, words })
    }

    /// Makes `hits` the places where windows of `width` bytes that begin in `range`, at each `stride`-th byte from its start, pass.
    pub(super) fn hits(
        &self,
        (width, stride): (u8, u8),
        backend: Backend,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) {
        hits.reset(range.clone());
        // `Database::open` admits these pairs and no others.
        match (width, stride) {
            (8, 8) => self.probe::<8, 8>(backend, haystack, range, hits),
            (6, 8) => self.probe::<6, 8>(backend, haystack, range, hits),
            (5, 8) => self.probe::<5, 8>(backend, haystack, range, hits),
            (8, 4) => self.probe::<8, 4>(backend, haystack, range, hits),
            (4, 4) => self.probe::<4, 4>(backend, haystack, range, hits),
            (4, 1) => self.probe::<4, 1>(backend, haystack, range, hits),
            (3, 1) => self.probe::<3, 1>(backend, haystack, range, hits),
            _ => self.probe::<2, 1>(backend, haystack, range, hits),
        }
    }

    /// The hash of the window of `width` bytes at `at`.
    #[inline(always)]
    pub(super) fn hash(&self, width: u8, haystack: &[u8], at: usize) -> WindowHash {
        let window = (load(haystack, at, usize::from(width)) | self.fold) & window_mask(width);
        WindowHash::new(window, self.key)
    }

    fn probe<const WIDTH: usize, const STRIDE: usize>(
        &self,
        backend: Backend,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Positions,
    ) {
        let done = match backend.0 {
            Loop::Portable => range.start,
            #[cfg(target_arch = "x86_64")]
            Loop::Avx2(avx2) => avx2.probe::<WIDTH, STRIDE>(self, haystack, range.clone(), hits),
            #[cfg(target_arch = "x86_64")]
            Loop::Avx512(avx512) => avx512.probe::<WIDTH, STRIDE>(self, haystack, range.clone(), hits),
            #[cfg(target_arch = "aarch64")]
            Loop::Neon(neon) => neon.probe::<WIDTH, STRIDE>(self, haystack, range.clone(), hits),
        };
        portable::probe::<WIDTH, STRIDE>(self, haystack, done..range.end, hits);
    }

    /// Whether the window of `WIDTH` bytes at the low end of `bytes` may be a stored one.
    #[inline(always)]
    fn passes<const WIDTH: usize>(&self, bytes: u64) -> bool {
        let hash = WindowHash::new((bytes | self.fold) & window_mask(WIDTH as u8), self.key);
        let bits = hash.filter_bits();
        self.words.get(hash.index(self.log2)).is_some_and(|word| word.get() & bits == bits)
    }
}

/// The window of `width` bytes at `at`; bytes beyond the haystack count as zero.
#[inline(always)]
pub(super) fn load(haystack: &[u8], at: usize, width: usize) -> u64 {
    if let Some(bytes) = haystack.get(at..at + 8) {
        return u64::from_le_bytes(bytes.try_into().expect("eight bytes")) & window_mask(width as u8);
    }
    let mut bytes = [0; 8];
    let there = haystack.get(at..).unwrap_or_default();
    let len = there.len().min(width);
    bytes[..len].copy_from_slice(&there[..len]);
    u64::from_le_bytes(bytes)
}
