//! The filter loop, portable: one probe of a blocked Bloom filter for each stride of the haystack.
//!
//! Each stored window sets up to three bits of one 64-bit word, so a probe is one load, and a wrong yes costs a look into the bucket
//! table and no more. This is the specification of every vector loop to come: they must report the same candidates.

use crate::database::Database;
use crate::layout::{Entry, Tier, WindowHash, window_mask};
use std::ops::Range;
use zerocopy::byteorder::little_endian::{U32, U64};

/// A signature whose anchor may begin at `anchor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) signature: u32,
    pub(crate) anchor: usize,
}

/// One tier of a database, its tables found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TierTable<'a> {
    width: u8,
    stride: u8,
    key: u64,
    filter_log2: u8,
    bucket_log2: u8,
    filter: &'a [U64],
    bounds: &'a [U32],
    entries: &'a [Entry],
}

impl<'a> TierTable<'a> {
    /// The tables of `tier`, which [`Database::open`] found to lie within their sections.
    pub(crate) fn new(database: &Database<'a>, tier: &Tier) -> TierTable<'a> {
        let filter_first = tier.filter_first.get() as usize;
        let bucket_first = tier.bucket_first.get() as usize;
        TierTable {
            width: tier.width,
            stride: tier.stride,
            key: database.hash_key(),
            filter_log2: tier.filter_log2,
            bucket_log2: tier.bucket_log2,
            filter: &database.filters[filter_first..filter_first + (1 << tier.filter_log2)],
            bounds: &database.buckets[bucket_first..=bucket_first + (1 << tier.bucket_log2)],
            entries: database.entries,
        }
    }

    /// Appends to `hits` where windows that begin in `range` pass the filter. `range.start` is a multiple of the stride.
    pub(crate) fn probe(&self, haystack: &[u8], range: Range<usize>, hits: &mut Vec<usize>) {
        // `Database::open` admits these pairs and no others.
        match (self.width, self.stride) {
            (8, 8) => self.probe_loop::<8, 8>(haystack, range, hits),
            (8, 4) => self.probe_loop::<8, 4>(haystack, range, hits),
            (4, 4) => self.probe_loop::<4, 4>(haystack, range, hits),
            (4, 1) => self.probe_loop::<4, 1>(haystack, range, hits),
            (3, 1) => self.probe_loop::<3, 1>(haystack, range, hits),
            _ => self.probe_loop::<2, 1>(haystack, range, hits),
        }
    }

    fn probe_loop<const WIDTH: usize, const STRIDE: usize>(
        &self,
        haystack: &[u8],
        range: Range<usize>,
        hits: &mut Vec<usize>,
    ) {
        // A block of 64 starts is read through one array, so that the bounds are checked once for all its windows.
        const STARTS: usize = 64;
        const LOADED: usize = STARTS + 8;
        let mask = window_mask(WIDTH as u8);
        let mut at = range.start;
        while at + STARTS <= range.end {
            let Some(block) = haystack.get(at..at + LOADED) else { break };
            let block: &[u8; LOADED] = block.try_into().expect("a slice of that length");
            for start in (0..STARTS).step_by(STRIDE) {
                let window = u64::from_le_bytes(block[start..start + 8].try_into().expect("eight bytes")) & mask;
                if self.passes(window) {
                    hits.push(at + start);
                }
            }
            at += STARTS;
        }
        while at < range.end && at + WIDTH <= haystack.len() {
            if self.passes(load(haystack, at, WIDTH)) {
                hits.push(at);
            }
            at += STRIDE;
        }
    }

    #[inline(always)]
    fn passes(&self, window: u64) -> bool {
        let hash = WindowHash::new(window, self.key);
        let bits = hash.filter_bits();
        self.filter.get(hash.index(self.filter_log2)).is_some_and(|word| word.get() & bits == bits)
    }

    /// Calls `found` with each candidate that the stored windows equal to the one at `at` stand for.
    pub(crate) fn candidates(&self, haystack: &[u8], at: usize, mut found: impl FnMut(Candidate)) {
        let hash = WindowHash::new(load(haystack, at, usize::from(self.width)), self.key);
        let bucket = hash.index(self.bucket_log2);
        let bound = |index: usize| self.bounds.get(index).map_or(0, |bound| bound.get() as usize);
        let Some(entries) = self.entries.get(bound(bucket)..bound(bucket + 1).max(bound(bucket))) else { return };
        for entry in entries.iter().filter(|entry| entry.check.get() == hash.check()) {
            if let Some(anchor) = at.checked_sub(usize::from(entry.shift)) {
                found(Candidate { signature: entry.signature.get(), anchor });
            }
        }
    }
}

/// The window of `width` bytes at `at`; bytes beyond the haystack count as zero.
fn load(haystack: &[u8], at: usize, width: usize) -> u64 {
    let mut bytes = [0; 8];
    let there = haystack.get(at..).unwrap_or_default();
    let len = there.len().min(width);
    bytes[..len].copy_from_slice(&there[..len]);
    u64::from_le_bytes(bytes)
}
