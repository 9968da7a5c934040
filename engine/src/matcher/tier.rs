//! One tier: from windows that pass its filter to candidates.
//!
//! A hit is a window that passed. Its bucket holds the stored windows with the same hash bits, each with a few bytes of the signature that
//! stand beside the window; those that agree with the haystack become candidates. The steps are taken for all hits of a block, one
//! after the other: first all bounds are read, then all entries, so that the cache misses of a large table overlap.

use super::few::Few;
use super::filter::{Backend, Filter, Positions, load};
use super::runs::Runs;
use crate::database::Database;
use crate::layout::{Entry, EntryPlace, NEAR_REACH, WindowHash, window_mask};
use std::borrow::Cow;
use std::ops::Range;
use zerocopy::byteorder::little_endian::{U32, U64};

/// A signature whose anchor may begin at `anchor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) signature: u32,
    pub(crate) anchor: usize,
    /// Whether it stands for others, which were passed by; see [`super::runs`].
    pub(crate) repeats: bool,
}

/// One tier of a database, its tables found.
#[derive(Clone, Debug)]
pub(crate) struct TierTable<'a> {
    width: u8,
    stride: u8,
    fold: u64,
    /// Targets of its signatures, a bit each.
    targets: u16,
    key: u64,
    filter_log2: u8,
    bucket_log2: u8,
    words: Cow<'a, [U64]>,
    bounds: Cow<'a, [U32]>,
    entries: Cow<'a, [Entry]>,
    /// Finds the windows of a small tier without asking the filter at each byte.
    few: Option<Few>,
}

/// Memory for the hits of one block on their way to candidates.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    at: Positions,
    runs: Runs,
    buckets: Vec<Bucket>,
    candidates: Vec<Candidate>,
}

impl Hits {
    /// How many there were in the last block, those passed by left out.
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}

/// The entries that a window may be one of: from which to which, and the check that it must have.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: u32,
    end: u32,
    check: u8,
}

/// Entries in a bucket from which those of a window are searched for instead of gone through.
const CROWDED: usize = 12;
/// Bytes around a window that entries may be compared with: from [`NEAR_REACH`] before it on.
const AROUND: usize = 20;
/// Filter bits for each stored window in a table of its own, as in the linker's.
const FILTER_BITS_PER_WINDOW: usize = 16;
/// Smallest filter of such a table.
const FILTER_LOG2_MIN: u8 = 9;

impl<'a> TierTable<'a> {
    /// The tables of tier `index`, which [`Database::open`] found to lie within their sections.
    pub(crate) fn new(database: &Database<'a>, index: usize) -> TierTable<'a> {
        let tier = &database.tiers[index];
        let filter_first = tier.filter_first.get() as usize;
        let bucket_first = tier.bucket_first.get() as usize;
        TierTable {
            width: tier.width,
            stride: tier.stride,
            fold: tier.fold_bits(),
            targets: tier.targets.get(),
            key: database.hash_key(),
            filter_log2: tier.filter_log2,
            bucket_log2: tier.bucket_log2,
            words: Cow::Borrowed(&database.filters[filter_first..filter_first + (1 << tier.filter_log2)]),
            bounds: Cow::Borrowed(&database.buckets[bucket_first..=bucket_first + (1 << tier.bucket_log2)]),
            entries: Cow::Borrowed(database.entries),
            few: Few::of(tier, || database.entries_of(index).map(|entry| Some(database.stored_window(index, entry)?.bytes))),
        }
    }

    /// Tables of their own for those signatures and parts anchored in tier `index` that are `wanted`; `None` when there are none.
    ///
    /// O(windows of the tier).
    pub(crate) fn part(database: &Database<'a>, index: usize, wanted: impl Fn(u32) -> bool) -> Option<TierTable<'a>> {
        let tier = &database.tiers[index];
        let windows = database.entries_of(index).filter(|entry| wanted(entry.signature.get()));
        let windows: Vec<(u64, Entry)> =
            windows.filter_map(|entry| Some((database.stored_window(index, entry)?.bytes, *entry))).collect();
        if windows.is_empty() {
            return None;
        }
        let log2_for = |count: usize| count.max(1).next_power_of_two().trailing_zeros() as u8;
        let filter_log2 = log2_for(windows.len() * FILTER_BITS_PER_WINDOW / 64).max(FILTER_LOG2_MIN);
        let bucket_log2 = log2_for(windows.len() / 2);
        let few = Few::of(tier, || windows.iter().map(|(window, _)| Some(*window)));
        let mut words = vec![0; 1 << filter_log2];
        let mut placed = Vec::with_capacity(windows.len());
        for (window, entry) in windows {
            let hash = WindowHash::new(window, database.hash_key());
            words[hash.index(filter_log2)] |= hash.filter_bits();
            placed.push((hash.index(bucket_log2), entry));
        }
        // Stable: within a bucket of the database they stood in the order that is wanted here.
        placed.sort_by_key(|(bucket, entry)| (*bucket, entry.place.get(), entry.near.get()));
        let bound = |bucket| U32::new(placed.partition_point(|(of, _)| *of < bucket) as u32);
        Some(TierTable {
            width: tier.width,
            stride: tier.stride,
            fold: tier.fold_bits(),
            targets: tier.targets.get(),
            key: database.hash_key(),
            filter_log2,
            bucket_log2,
            words: words.into_iter().map(U64::new).collect(),
            bounds: (0..=1 << bucket_log2).map(bound).collect(),
            entries: placed.into_iter().map(|(_, entry)| entry).collect(),
            few,
        })
    }

    /// Targets of its signatures, a bit each; in files of none of them it finds nothing that counts.
    pub(crate) fn targets(&self) -> u16 {
        self.targets
    }

    /// The candidates whose window begins in `block`, which starts at a multiple of the stride.
    pub(crate) fn candidates<'h>(
        &self,
        backend: Backend,
        haystack: &[u8],
        block: Range<usize>,
        hits: &'h mut Hits,
    ) -> &'h [Candidate] {
        let Hits { at, runs, buckets, candidates } = hits;
        candidates.clear();
        let Some(filter) = Filter::new(&self.words, self.filter_log2, self.fold, self.key) else { return candidates };
        let few = self.few.as_ref().filter(|_| backend != Backend::PORTABLE);
        if !few.is_some_and(|few| few.hits(haystack, block.clone(), at)) {
            filter.hits((self.width, self.stride), backend, haystack, block.clone(), at);
        }
        runs.pass_by(haystack, block, at);
        buckets.clear();
        buckets.extend(at.iter().map(|at| self.bucket(filter.hash(self.width, haystack, at))));
        for (at, bucket) in at.iter().zip(&*buckets) {
            let Some(entries) = self.entries.get(bucket.first as usize..bucket.end as usize) else { continue };
            let mut found = |entry: &Entry| {
                let shift = EntryPlace::unpack(entry.place.get()).shift;
                if let Some(anchor) = at.checked_sub(usize::from(shift)) {
                    candidates.push(Candidate { signature: entry.signature.get(), anchor, repeats: false });
                }
            };
            if entries.len() >= CROWDED {
                self.search(entries, bucket.check, haystack, at, found);
            } else if let Some(around) = haystack.get(at.wrapping_sub(NEAR_REACH)..).and_then(<[u8]>::first_chunk) {
                entries.iter().filter(|entry| self.agrees(entry, bucket.check, around)).for_each(found);
            } else {
                let agree = |entry: &&Entry| self.agrees_at_border(entry, bucket.check, haystack, at);
                entries.iter().filter(agree).for_each(&mut found);
            }
        }
        if runs.any() {
            let mark = |candidate: &mut Candidate| candidate.repeats = runs.is_marked(candidate.anchor);
            candidates.iter_mut().for_each(mark);
        }
        candidates
    }

    /// Whether an entry is one of the window that has `check` and stands in `around`, [`NEAR_REACH`] bytes after its start.
    ///
    /// One branch for all: which part disagrees nobody can foresee.
    #[inline(always)]
    fn agrees(&self, entry: &Entry, check: u8, around: &[u8; AROUND]) -> bool {
        const MASKS: [u32; 8] = [0, 0xff, 0xffff, 0x00ff_ffff, !0, !0, !0, !0];
        let place = EntryPlace::unpack(entry.place.get());
        let start = usize::from(place.near_at & 15);
        let found = u32::from_le_bytes(around[start..start + 4].try_into().expect("four bytes")) | self.fold as u32;
        let other = (found & MASKS[usize::from(place.near_len & 7)]) ^ entry.near.get();
        other | u32::from(place.check ^ check) == 0
    }

    /// Calls `found` with those of the `entries` of a crowded bucket that agree with the window at `at`.
    ///
    /// They ascend by place and then by the bytes beside, so this takes O(places × log entries + found).
    #[cold]
    fn search(&self, entries: &[Entry], check: u8, haystack: &[u8], at: usize, mut found: impl FnMut(&Entry)) {
        let place_of = |entry: &Entry| entry.place.get();
        let check_of = |place: u16| EntryPlace::unpack(place).check;
        let mut rest = &entries[entries.partition_point(|entry| check_of(place_of(entry)) < check)..];
        while let Some(place) = rest.first().map(place_of).filter(|&place| check_of(place) == check) {
            let (group, others) = rest.split_at(rest.partition_point(|entry| place_of(entry) <= place).max(1));
            if let Some(near) = self.beside(EntryPlace::unpack(place), haystack, at) {
                let from = group.partition_point(|entry| entry.near.get() < near);
                group[from..].iter().take_while(|entry| entry.near.get() == near).for_each(&mut found);
            }
            rest = others;
        }
    }

    /// As [`TierTable::agrees`] where the haystack has not as many bytes around the window.
    #[cold]
    fn agrees_at_border(&self, entry: &Entry, check: u8, haystack: &[u8], at: usize) -> bool {
        let place = EntryPlace::unpack(entry.place.get());
        place.check == check && self.beside(place, haystack, at) == Some(entry.near.get())
    }

    #[inline(always)]
    fn bucket(&self, hash: WindowHash) -> Bucket {
        let index = hash.index(self.bucket_log2);
        let (first, end) = match self.bounds.get(index..index + 2) {
            Some(bounds) => (bounds[0].get(), bounds[1].get()),
            None => (0, 0),
        };
        Bucket { first, end, check: hash.check() }
    }

    /// The bytes that stand in the haystack where an entry of the window at `at` keeps some; `None` when it ends before.
    #[inline(always)]
    fn beside(&self, place: EntryPlace, haystack: &[u8], at: usize) -> Option<u32> {
        let len = place.near_len.min(4);
        if len == 0 {
            return Some(0);
        }
        let start = (at + usize::from(place.near_at)).checked_sub(NEAR_REACH)?;
        let found = match haystack.get(start..start + 4) {
            Some(bytes) => u32::from_le_bytes(bytes.try_into().expect("four bytes")),
            None if haystack.len().checked_sub(start)? >= usize::from(len) => load(haystack, start, 4) as u32,
            None => return None,
        };
        Some((found | self.fold as u32) & window_mask(len) as u32)
    }
}
