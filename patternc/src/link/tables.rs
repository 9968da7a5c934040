//! The tables that turn places in a file into signatures: filters and buckets of the tiers, groups of fixed offsets.

use super::anchor::Choice;
use super::direct::Direct;
use super::key::{self, AuditedTier};
use super::run::Fold;
use super::shapes::{SHAPES, Shape};
use super::{LinkError, LinkOptions, too_many};
use crate::record::Target;
use engine::layout::{DirectEntry, DirectGroup, Entry, EntryPlace, ProgramOffset, Tier, WindowHash};
use rayon::slice::ParallelSliceMut;
use std::collections::BTreeMap;
use zerocopy::little_endian::{U16, U32, U64};

/// Filter bits for each stored window. With 16, of which three are set, half a per cent of foreign windows pass.
const FILTER_BITS_PER_WINDOW: usize = 16;
/// Smallest filter: 4 KiB, which stays in the first-level cache and passes next to nothing for a small set.
const FILTER_LOG2_MIN: u32 = 9;

/// The anchors of all tiers, while they are gathered: of the exact ones, then of the folded ones.
#[derive(Default)]
pub(super) struct TierTables {
    tiers: [[TierAnchors; SHAPES.len()]; 2],
}

#[derive(Default)]
struct TierAnchors {
    signatures: u32,
    targets: u16,
    /// Windows and their entries, which lack the check until the key of the hash is known.
    windows: Vec<(u64, Entry)>,
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
        tier.signatures += 1;
        tier.targets |= 1 << target.number();
        tier.windows.extend(choice.windows.iter().enumerate().map(|(shift, window)| {
            let (near_len, near_at) = (window.near_len, window.near_at);
            let place = EntryPlace { shift: shift as u8, near_len, near_at, check: 0 };
            let (near, place) = (U32::new(window.near), U16::new(place.pack()));
            (window.bytes, Entry { signature: U32::new(signature), near, place })
        }));
    }

    /// The tables of the tiers that have signatures, hashed with the best of a few keys.
    pub(super) fn build(self, options: &LinkOptions<'_>) -> Result<BuiltTiers, LinkError> {
        let of_fold = |(fold, tiers)| SHAPES.into_iter().zip(tiers).map(move |(shape, anchors)| (fold, shape, anchors));
        let all = [0_u8, 1].into_iter().zip(self.tiers).flat_map(of_fold);
        let tiers: Vec<(Tier, TierAnchors)> = all
            .filter(|(.., anchors): &(u8, Shape, TierAnchors)| anchors.signatures > 0)
            .map(|(fold, shape, anchors)| (anchors.tier(fold, shape), anchors))
            .collect();
        let audited: Vec<AuditedTier<'_>> =
            tiers.iter().map(|(tier, anchors)| AuditedTier { tier, windows: &anchors.windows }).collect();
        let mut built = BuiltTiers { key: key::choose(&audited, options), ..BuiltTiers::default() };
        for (tier, anchors) in tiers {
            let (filter_log2, bucket_log2) = (tier.filter_log2, tier.bucket_log2);
            built.tiers.push(Tier {
                filter_first: U64::new(built.filters.len() as u64),
                bucket_first: U64::new(built.buckets.len() as u64),
                ..tier
            });
            built.add_filter(&anchors.windows, filter_log2);
            built.add_buckets(anchors.windows, bucket_log2)?;
        }
        Ok(built)
    }
}

impl TierAnchors {
    /// The tier of these anchors, but for where its tables begin.
    fn tier(&self, fold: u8, shape: Shape) -> Tier {
        let filter_words = self.windows.len() * FILTER_BITS_PER_WINDOW / 64;
        Tier {
            width: shape.width as u8,
            stride: shape.stride as u8,
            filter_log2: log2_for(filter_words).max(FILTER_LOG2_MIN) as u8,
            bucket_log2: log2_for(self.windows.len() / 2) as u8,
            signatures: U32::new(self.signatures),
            filter_first: U64::ZERO,
            bucket_first: U64::ZERO,
            fold,
            reserved: 0,
            targets: U16::new(self.targets),
            reserved_2: [0; 4],
        }
    }
}

/// The filter of 2 to `log2` words that lets `windows` pass.
pub(super) fn filter(windows: &[(u64, Entry)], key: u64, log2: u8) -> Vec<u64> {
    let mut filter = vec![0_u64; 1 << log2];
    for (window, _) in windows {
        let hash = WindowHash::new(*window, key);
        filter[hash.index(log2)] |= hash.filter_bits();
    }
    filter
}

impl BuiltTiers {
    fn add_filter(&mut self, windows: &[(u64, Entry)], log2: u8) {
        self.filters.extend(filter(windows, self.key, log2).into_iter().map(U64::new));
    }

    fn add_buckets(&mut self, windows: Vec<(u64, Entry)>, log2: u8) -> Result<(), LinkError> {
        let place = |(window, entry): (u64, Entry)| {
            let hash = WindowHash::new(window, self.key);
            let place = EntryPlace { check: hash.check(), ..EntryPlace::unpack(entry.place.get()) };
            (hash.index(log2) as u32, Entry { place: U16::new(place.pack()), ..entry })
        };
        let mut placed: Vec<(u32, Entry)> = windows.into_iter().map(place).collect();
        placed.par_sort_unstable_by_key(|(bucket, entry)| {
            (*bucket, entry.place.get(), entry.near.get(), entry.signature.get())
        });
        let first = self.entries.len();
        if u32::try_from(first + placed.len()).is_err() {
            return Err(too_many("stored windows", u64::from(u32::MAX)));
        }
        let mut end = 0;
        for bucket in 0..=1_u32 << log2 {
            while end < placed.len() && placed[end].0 < bucket {
                end += 1;
            }
            self.buckets.push(U32::new((first + end) as u32));
        }
        self.entries.extend(placed.into_iter().map(|(_, entry)| entry));
        Ok(())
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
