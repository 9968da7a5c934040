//! The tables that turn places in a file into signatures: filters and buckets of the tiers, groups of fixed offsets.

use super::anchor::Choice;
use super::direct::Direct;
use super::key;
use super::run::Fold;
use super::shapes::{SHAPES, Shape};
use super::window::{Window, Windows};
use super::{LinkError, LinkOptions, too_many};
use crate::record::Target;
use engine::layout::{DirectEntry, DirectGroup, Entry, EntryPlace, ProgramOffset, Tier, WindowHash};
use std::collections::BTreeMap;
use zerocopy::little_endian::{U16, U32, U64};

/// Filter bits for each stored window. With 16, of which three are set, half a per cent of foreign windows pass.
const FILTER_BITS_PER_WINDOW: usize = 16;
/// Smallest filter: 4 KiB, which stays in the first-level cache and passes next to nothing for a small set.
const FILTER_LOG2_MIN: u32 = 9;
/// Buckets that one thread sorts at a time.
const BUCKETS_PER_THREAD: usize = 1 << 14;

/// The anchors of all tiers, while they are gathered: of the exact ones, then of the folded ones.
pub(super) struct TierTables {
    tiers: [[TierAnchors; SHAPES.len()]; 2],
}

impl Default for TierTables {
    fn default() -> TierTables {
        TierTables { tiers: [SHAPES.map(TierAnchors::of), SHAPES.map(TierAnchors::of)] }
    }
}

/// The anchors of one tier.
pub(super) struct TierAnchors {
    shape: Shape,
    targets: u16,
    /// Each signature with its windows.
    anchors: Vec<(u32, Windows)>,
}

/// The sections of the tiers, and the key that they were hashed with.
#[derive(Default)]
pub(super) struct BuiltTiers {
    pub(super) key: u64,
    pub(super) tiers: Vec<Tier>,
    pub(super) filters: Vec<U64>,
    pub(super) buckets: Vec<U32>,
    pub(super) entries: Vec<Entry>,
}

impl TierTables {
    pub(super) fn add(&mut self, choice: &Choice, target: Target, signature: u32) {
        let tier = &mut self.tiers[usize::from(choice.fold == Fold::Folded)][choice.shape];
        tier.add(choice.windows, target, signature);
    }

    /// The tables of the tiers that have signatures, hashed with the best of a few keys.
    pub(super) fn build(self, options: &LinkOptions<'_>) -> Result<BuiltTiers, LinkError> {
        let of_fold = |(fold, tiers): (u8, [TierAnchors; SHAPES.len()])| tiers.map(|anchors| (anchors.tier(fold), anchors));
        let all = [0_u8, 1].into_iter().zip(self.tiers).flat_map(of_fold);
        let tiers: Vec<(Tier, TierAnchors)> = all.filter(|(_, anchors)| !anchors.anchors.is_empty()).collect();
        if tiers.iter().map(|(_, anchors)| anchors.windows_len() as u64).sum::<u64>() > u64::from(u32::MAX) {
            return Err(too_many("stored windows", u64::from(u32::MAX)));
        }
        let mut built = BuiltTiers { key: key::choose(&tiers, options), ..BuiltTiers::default() };
        for (tier, anchors) in tiers {
            let (filter_log2, bucket_log2) = (tier.filter_log2, tier.bucket_log2);
            built.tiers.push(Tier {
                filter_first: U64::new(built.filters.len() as u64),
                bucket_first: U64::new(built.buckets.len() as u64),
                ..tier
            });
            let BuiltTiers { key, filters, buckets, entries, .. } = &mut built;
            add_filter(filters, &anchors, *key, filter_log2);
            add_buckets(buckets, entries, &anchors, *key, bucket_log2);
        }
        Ok(built)
    }
}

impl TierAnchors {
    pub(super) fn of(shape: Shape) -> TierAnchors {
        TierAnchors { shape, targets: 0, anchors: Vec::new() }
    }

    pub(super) fn add(&mut self, windows: Windows, target: Target, signature: u32) {
        self.targets |= 1 << target.number();
        self.anchors.push((signature, windows));
    }

    pub(super) fn windows_len(&self) -> usize {
        self.anchors.len() * self.shape.stride
    }

    /// All windows.
    pub(super) fn windows(&self) -> impl Iterator<Item = u64> + '_ {
        self.anchors.iter().flat_map(|(_, windows)| windows.bytes(self.shape))
    }

    /// All windows, each with its hash and its entry.
    fn entries(&self, key: u64) -> impl Iterator<Item = (WindowHash, Entry)> + '_ {
        let entry = move |signature, shift, window: Window| {
            let hash = WindowHash::new(window.bytes, key);
            let (near_len, near_at) = (window.near_len, window.near_at);
            let place = EntryPlace { shift, near_len, near_at, check: hash.check() };
            let (near, place) = (U32::new(window.near), U16::new(place.pack()));
            (hash, Entry { signature: U32::new(signature), near, place })
        };
        self.anchors.iter().flat_map(move |&(signature, windows)| {
            (0..).zip(windows.each(self.shape)).map(move |(shift, window)| entry(signature, shift, window))
        })
    }

    /// The tier of these anchors, but for where its tables begin.
    fn tier(&self, fold: u8) -> Tier {
        let filter_words = self.windows_len() * FILTER_BITS_PER_WINDOW / 64;
        Tier {
            width: self.shape.width as u8,
            stride: self.shape.stride as u8,
            filter_log2: log2_for(filter_words).max(FILTER_LOG2_MIN) as u8,
            bucket_log2: log2_for(self.windows_len() / 2) as u8,
            signatures: U32::new(self.anchors.len() as u32),
            filter_first: U64::ZERO,
            bucket_first: U64::ZERO,
            fold,
            reserved: 0,
            targets: U16::new(self.targets),
            reserved_2: [0; 4],
        }
    }
}

/// Appends the filter that lets the windows of `anchors` pass.
fn add_filter(filters: &mut Vec<U64>, anchors: &TierAnchors, key: u64, log2: u8) {
    let first = filters.len();
    filters.resize(first + (1 << log2), U64::ZERO);
    let filter = &mut filters[first..];
    anchors.windows().for_each(|window| {
        let hash = WindowHash::new(window, key);
        filter[hash.index(log2)] |= hash.filter_bits();
    });
}

/// Appends the buckets of a tier and their entries.
///
/// Counts the entries, which says where each bucket begins, puts each at the next place of its bucket, and sorts within buckets, most of which
/// have two. Sorting them all at once takes as much memory again. Threads that each fill a part of the buckets, and pass by the windows of the
/// others, took no less time.
fn add_buckets(buckets: &mut Vec<U32>, entries: &mut Vec<Entry>, anchors: &TierAnchors, key: u64, log2: u8) {
    let (first, first_bucket) = (entries.len(), buckets.len());
    buckets.resize(first_bucket + (1 << log2) + 1, U32::ZERO);
    // Of each bucket the next place to be filled; when all are, that is where it ends.
    let (start, next) = buckets[first_bucket..].split_first_mut().expect("there is one bound more than buckets");
    start.set(first as u32);
    anchors.windows().for_each(|window| next[WindowHash::new(window, key).index(log2)] += 1);
    let mut end = first as u32;
    for count in next.iter_mut() {
        end += std::mem::replace(count, U32::new(end)).get();
    }
    entries.resize(end as usize, Entry { signature: U32::ZERO, near: U32::ZERO, place: U16::ZERO });
    anchors.entries(key).for_each(|(hash, entry)| {
        let place = &mut next[hash.index(log2)];
        entries[place.get() as usize] = entry;
        *place += 1;
    });
    sort_buckets(&mut entries[first..], first as u32, next);
}

/// Sorts the entries of each bucket; buckets end at `ends`, counted from `first` before these entries.
fn sort_buckets(entries: &mut [Entry], first: u32, ends: &[U32]) {
    if ends.len() > BUCKETS_PER_THREAD {
        let (left, right) = ends.split_at(ends.len() / 2);
        let middle = left.last().map_or(first, |end| end.get());
        let (before, after) = entries.split_at_mut((middle - first) as usize);
        rayon::join(|| sort_buckets(before, first, left), || sort_buckets(after, middle, right));
        return;
    }
    let mut start = 0;
    for end in ends {
        let end = (end.get() - first) as usize;
        entries[start..end].sort_unstable_by_key(|entry| (entry.place.get(), entry.near.get(), entry.signature.get()));
        start = end;
    }
}

/// Least power of two of at least `count`.
fn log2_for(count: usize) -> u32 {
    count.max(1).next_power_of_two().trailing_zeros()
}

/// Signatures by their offset, while they are gathered: its kind, section and distance, and how far from there to how long a key.
#[derive(Default)]
pub(super) struct DirectTables {
    groups: BTreeMap<(u8, u8, u64, usize, usize), GroupEntries>,
}

#[derive(Default)]
struct GroupEntries {
    targets: u16,
    entries: Vec<DirectEntry>,
}

impl DirectTables {
    pub(super) fn add(&mut self, direct: &Direct, target: Target, signature: u32) {
        let mut key = [0; 4];
        key[..direct.key.len()].copy_from_slice(&direct.key);
        let (kind, section, distance, _) = ProgramOffset::of(direct.offset);
        let place = (kind as u8, section, distance, direct.key_shift, direct.key.len());
        let entry = DirectEntry { key: U32::new(u32::from_le_bytes(key)), signature: U32::new(signature) };
        let group = self.groups.entry(place).or_default();
        group.targets |= 1 << target.number();
        group.entries.push(entry);
    }

    pub(super) fn build(self) -> (Vec<DirectGroup>, Vec<DirectEntry>) {
        let (mut groups, mut entries) = (Vec::new(), Vec::new());
        for ((offset_kind, section, distance, key_shift, key_len), group) in self.groups {
            let GroupEntries { targets, entries: mut group } = group;
            group.sort_unstable_by_key(|entry| (entry.key.get(), entry.signature.get()));
            groups.push(DirectGroup {
                distance: U64::new(distance),
                key_shift: U32::new(key_shift as u32),
                offset_kind,
                section,
                key_len: key_len as u8,
                reserved: 0,
                first: U32::new(entries.len() as u32),
                count: U32::new(group.len() as u32),
                targets: U16::new(targets),
                reserved_2: [0; 2],
            });
            entries.append(&mut group);
        }
        (groups, entries)
    }
}
