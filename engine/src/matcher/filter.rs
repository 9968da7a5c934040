//! The filter: one probe of a blocked Bloom filter for each stride of the haystack, and the table that turns hits into candidates.
//!
//! Each stored window sets up to three bits of one 64-bit word, so a probe is one load, and a wrong yes costs a look into the bucket
//! table and no more. [`portable`] is the algorithm, window by window; the loops of one processor each ask the same questions for
//! several windows at once and report the same positions in the same order.

mod portable;
mod positions;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::database::Database;
use crate::layout::{Entry, EntryPlace, NEAR_REACH, Tier, WindowHash, window_mask};
use positions::Positions;
use std::ops::Range;
use zerocopy::byteorder::little_endian::{U32, U64};

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
        loops.push(Loop::Portable);
        loops.into_iter().map(Backend).collect()
    }

    /// The fastest loop of this processor.
    pub fn best() -> Backend {
        Backend::available().first().copied().unwrap_or(Backend::PORTABLE)
    }

    /// Its name: `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Loop::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Loop::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Loop::Avx512(_) => "avx512",
        }
    }
}

/// A signature whose anchor may begin at `anchor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) signature: u32,
    pub(crate) anchor: usize,
}

/// The filter of one tier.
#[derive(Clone, Copy, Debug)]
struct Filter<'a> {
    key: u64,
    /// Set in each window before it is hashed: [`Tier::fold_bits`].
    fold: u64,
    log2: u8,
    /// 2 to `log2` words: every index that a hash gives for `log2` is within.
    words: &'a [U64],
}

/// One tier of a database, its tables found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TierTable<'a> {
    width: u8,
    stride: u8,
    filter: Filter<'a>,
    bucket_log2: u8,
    bounds: &'a [U32],
    entries: &'a [Entry],
}

/// Starts that a loop takes at a time: their windows of up to eight bytes are read from one stretch, its bounds checked once.
const STARTS: usize = 64;
/// Bytes of that stretch.
const STRETCH: usize = STARTS + 8;

/// Hits of one block on their way to candidates.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    at: Positions,
    buckets: Vec<(u32, u32)>,
}

impl Hits {
    /// How many there were in the last block.
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}

impl<'a> TierTable<'a> {
    /// The tables of `tier`, which [`Database::open`] found to lie within their sections.
    pub(crate) fn new(database: &Database<'a>, tier: &Tier) -> TierTable<'a> {
        let filter_first = tier.filter_first.get() as usize;
        let bucket_first = tier.bucket_first.get() as usize;
        let words = &database.filters[filter_first..filter_first + (1 << tier.filter_log2)];
        TierTable {
            width: tier.width,
            stride: tier.stride,
            filter: Filter { key: database.hash_key(), fold: tier.fold_bits(), log2: tier.filter_log2, words },
            bucket_log2: tier.bucket_log2,
            bounds: &database.buckets[bucket_first..=bucket_first + (1 << tier.bucket_log2)],
            entries: database.entries,
        }
    }

    /// Calls `found` with each candidate whose window begins in `range`, which starts at a multiple of the stride.
    pub(crate) fn candidates(
        &self,
        backend: Backend,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Hits,
        mut found: impl FnMut(Candidate),
    ) {
        self.probe(backend, haystack, range, &mut hits.at);
        // All bounds are read before any entry is, so that the cache misses of a large table overlap.
        hits.buckets.clear();
        hits.buckets.extend(hits.at.iter().map(|at| self.bucket(haystack, at)));
        for (at, &(first, end)) in hits.at.iter().zip(&hits.buckets) {
            let Some(entries) = self.entries.get(first as usize..end as usize) else { continue };
            let check = self.hash(haystack, at).check();
            for entry in entries {
                let place = EntryPlace::unpack(entry.place.get());
                if place.check == check
                    && self.stands_beside(entry.near.get(), place, haystack, at)
                    && let Some(anchor) = at.checked_sub(usize::from(place.shift))
                {
                    found(Candidate { signature: entry.signature.get(), anchor });
                }
            }
        }
    }

    /// Makes `hits` the places where windows that begin in `range` pass the filter.
    fn probe(&self, backend: Backend, haystack: &[u8], range: Range<usize>, hits: &mut Positions) {
        hits.reset(range.clone());
        // `Database::open` admits these pairs and no others.
        match (self.width, self.stride) {
            (8, 8) => self.filter.probe::<8, 8>(backend, haystack, range, hits),
            (6, 8) => self.filter.probe::<6, 8>(backend, haystack, range, hits),
            (5, 8) => self.filter.probe::<5, 8>(backend, haystack, range, hits),
            (8, 4) => self.filter.probe::<8, 4>(backend, haystack, range, hits),
            (4, 4) => self.filter.probe::<4, 4>(backend, haystack, range, hits),
            (4, 1) => self.filter.probe::<4, 1>(backend, haystack, range, hits),
            (3, 1) => self.filter.probe::<3, 1>(backend, haystack, range, hits),
            _ => self.filter.probe::<2, 1>(backend, haystack, range, hits),
        }
    }

    /// Whether the bytes that an entry keeps stand where it says, beside the window at `at`.
    #[inline(always)]
    fn stands_beside(&self, near: u32, place: EntryPlace, haystack: &[u8], at: usize) -> bool {
        let len = usize::from(place.near_len.min(4));
        let Some(start) = (at + usize::from(place.near_at)).checked_sub(NEAR_REACH) else { return len == 0 };
        let found = match haystack.get(start..start + 4) {
            Some(bytes) => u32::from_le_bytes(bytes.try_into().expect("four bytes")),
            None => load(haystack, start, 4) as u32,
        };
        let there = haystack.len().saturating_sub(start) >= len;
        let mask = window_mask_or_none(len);
        there && (found | self.filter.fold as u32) & mask == near
    }

    fn hash(&self, haystack: &[u8], at: usize) -> WindowHash {
        let width = usize::from(self.width);
        let window = (load(haystack, at, width) | self.filter.fold) & window_mask(self.width);
        WindowHash::new(window, self.filter.key)
    }

    /// The entries of the bucket of the window at `at`: from which to which.
    fn bucket(&self, haystack: &[u8], at: usize) -> (u32, u32) {
        let bucket = self.hash(haystack, at).index(self.bucket_log2);
        let bound = |index: usize| self.bounds.get(index).map_or(0, |bound| bound.get());
        (bound(bucket), bound(bucket + 1))
    }
}

impl Filter<'_> {
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

/// The lowest `len` bytes of a `u32`; none for 0.
#[inline(always)]
fn window_mask_or_none(len: usize) -> u32 {
    if len == 0 { 0 } else { window_mask(len as u8) as u32 }
}

/// The window of `width` bytes at `at`; bytes beyond the haystack count as zero.
fn load(haystack: &[u8], at: usize, width: usize) -> u64 {
    if let Some(bytes) = haystack.get(at..at + 8) {
        return u64::from_le_bytes(bytes.try_into().expect("eight bytes")) & window_mask(width as u8);
    }
    let mut bytes = [0; 8];
    let there = haystack.get(at..).unwrap_or_default();
    let len = there.len().min(width);
    bytes[..len].copy_from_slice(&there[..len]);
    u64::from_le_bytes(bytes)
}
