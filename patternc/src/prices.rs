//! What a database will cost, before anything is scanned with it.
//!
//! A tier asks its filter once for each stride. What passes is a *hit*: a stored window, as often as the model says that it stands in files
//! of a class, or another that the filter passes by accident. Of the hits, those where the bytes beside the window stand too are
//! *candidates*, and each costs a look at its signature. Signatures that bring most are listed: they have no good anchor.

use crate::link::SIGNATURES_PER_WINDOW;
use crate::model::{CLASSES, Model};
use engine::layout::{FOLD, NEAR_REACH, Tier};
use engine::{Database, FileClass, SignatureId, StoredWindow};
use rayon::prelude::*;
use std::ops::AddAssign;

/// The prices of a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// Of each tier, in the order in which they are tested.
    pub tiers: Vec<TierPrice>,
    /// The signatures that bring most candidates, the dearest first; those that share a window bring all of its candidates each.
    pub dearest: Vec<SignaturePrice>,
}

/// The price of a tier.
#[derive(Clone, Debug, PartialEq)]
pub struct TierPrice {
    /// Bytes in a window.
    pub width: u8,
    /// Bytes between windows.
    pub stride: u8,
    /// Whether the case of letters does not count.
    pub folded: bool,
    /// Signatures anchored here.
    pub signatures: u32,
    /// Windows stored for them.
    pub windows: u64,
    /// Bytes of the filter.
    pub filter_bytes: u64,
    /// Bytes of buckets and entries.
    pub bucket_bytes: u64,
    /// Entries in the most crowded bucket.
    pub largest_bucket: u32,
    /// Signatures beyond the first [`SIGNATURES_PER_WINDOW`] that are found by one window: they have no other place to be found by.
    pub crowded: u32,
    /// Share of other windows that the filter passes.
    pub false_passes: f64,
    /// What it brings in each class, in the order of [`FileClass::ALL`].
    pub expected: [Expected; CLASSES],
}

/// What is expected of each KiB that is scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Windows that pass the filter.
    pub hits: f64,
    /// Signatures that are looked at.
    pub candidates: f64,
}

/// A signature that is dear to scan for.
#[derive(Clone, Debug, PartialEq)]
pub struct SignaturePrice {
    /// Its name.
    pub name: String,
    /// Its channel.
    pub channel: String,
    /// Index of its tier in [`Prices::tiers`].
    pub tier: usize,
    /// The class where it brings most.
    pub class: FileClass,
    /// Candidates that it brings for each MiB of files of that class.
    pub candidates_per_mib: f64,
    /// The window that brings most of them.
    pub window: Vec<u8>,
}

/// Signatures that are listed.
const DEAREST: usize = 10;
/// How often a window of so many bytes that the model does not know stands at a place all the same: files have more in common than a model
/// of bounded size can hold. Measured with literals cut from executables on other executables, scripts and documents.
fn unknown(width: usize) -> f64 {
    match width {
        8.. => 2e-9,
        6 | 7 => 6e-8,
        4 | 5 => 1e-7,
        3 => 1e-6,
        _ => 1e-5,
    }
}

/// By what a scanner finds a signature, and what that costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Found {
    /// By windows in tiers.
    Windows {
        /// Bytes of the shortest window.
        width: u8,
        /// Bytes between windows in that tier.
        stride: u8,
        /// Whether the case of letters does not count there.
        folded: bool,
        /// Fewest bytes that must stand at a place for the signature to be looked at: a window, and up to four beside it.
        bytes: u8,
        /// The class of files where it brings most candidates.
        class: FileClass,
        /// Candidates that it brings for each MiB of files of that class.
        candidates_per_mib: f64,
        /// The window that brings most of them.
        window: Vec<u8>,
    },
    /// By what stands at one offset in each file, or by a digest: no candidates.
    #[default]
    Directly,
    /// By nothing: it is evaluated for every file of its kind.
    Evaluated,
    /// By nothing, and it is never looked at.
    Never,
}

impl Found {
    /// Candidates for each MiB of the files where it brings most; infinite for what is evaluated for every file.
    pub fn candidates_per_mib(&self) -> f64 {
        match self {
            Found::Windows { candidates_per_mib, .. } => *candidates_per_mib,
            Found::Directly | Found::Never => 0.0,
            Found::Evaluated => f64::INFINITY,
        }
    }
}

impl Prices {
    /// What all tiers together bring in each class.
    pub fn by_class(&self) -> impl Iterator<Item = (FileClass, Expected)> + '_ {
        FileClass::ALL.into_iter().map(|class| {
            let mut sum = Expected::default();
            self.tiers.iter().for_each(|tier| sum += tier.expected[class as usize]);
            (class, sum)
        })
    }
}

impl AddAssign for Expected {
    fn add_assign(&mut self, other: Expected) {
        self.hits += other.hits;
        self.candidates += other.candidates;
    }
}

/// The prices of `database` by what `model` knows of files.
///
/// A window that several logical signatures share is one candidate of its tier; of [`Prices::dearest`] each brings all of it, as in [`each`].
/// O(n log n) in stored windows and those they lead to, a microsecond for each at most; 16 bytes for each window and 28 for each signature.
pub fn price(database: &Database<'_>, model: &Model) -> Prices {
    let mut tiers: Vec<TierPrice> = database.tiers().iter().map(|tier| TierPrice::of(database, tier)).collect();
    let mut brought = vec![[0_f32; CLASSES]; database.len()];
    let mut seen: Vec<(u8, u64, u32)> = Vec::new();
    let priced = tiers.clone();
    let look = |stored: StoredWindow| Some((stored, Shares::of(&stored, &priced[stored.tier], model)));
    each_window(database, look, |(stored, shares)| {
        let tier = &mut tiers[stored.tier];
        let per_kib = 1024.0 / f64::from(tier.stride);
        tier.windows += 1;
        for (class, candidates) in shares.candidates.into_iter().enumerate() {
            tier.expected[class].candidates += per_kib * candidates;
        }
        for signature in database.led_by(&stored) {
            if let Some(brought) = brought.get_mut(signature.index() as usize) {
                for (sum, candidates) in brought.iter_mut().zip(shares.candidates) {
                    *sum += (1024.0 * per_kib * candidates) as f32;
                }
            }
        }
        // The format has no more than sixteen tiers.
        seen.push((stored.tier as u8, stored.bytes, stored.signature.index()));
    });
    seen.par_sort_unstable();
    seen.dedup();
    let mut crowded: Vec<(u8, u32)> = Vec::new();
    let mut windows = Vec::with_capacity(seen.len());
    for signatures in seen.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        // A window that several signatures have is one hit.
        let (tier, window, _) = signatures[0];
        windows.push((tier, window));
        crowded.extend(signatures.iter().skip(SIGNATURES_PER_WINDOW.into()).map(|&(tier, _, signature)| (tier, signature)));
    }
    drop(seen);
    for block in windows.chunks(BLOCKS * BLOCK) {
        let shares: Vec<[f64; CLASSES]> =
            block.par_iter().map(|&(tier, window)| tiers[usize::from(tier)].shares(window, model)).collect();
        for (&(tier, _), shares) in block.iter().zip(shares) {
            let tier = &mut tiers[usize::from(tier)];
            let per_kib = 1024.0 / f64::from(tier.stride);
            for (expected, share) in tier.expected.iter_mut().zip(shares) {
                expected.hits += per_kib * share;
            }
        }
    }
    crowded.sort_unstable();
    crowded.dedup();
    for (tier, _) in crowded {
        tiers[usize::from(tier)].crowded += 1;
    }
    let dearest = dearest(database, &tiers, &brought, model);
    Prices { tiers, dearest }
}

/// By what each signature of `database` is found, by its index.
///
/// A window that several logical signatures share costs each of them the same as if it were its own: each is looked at when it is there.
/// Costs as [`price`], and 80 bytes for each signature.
pub fn each(database: &Database<'_>, model: &Model) -> Vec<Found> {
    let tiers: Vec<TierPrice> = database.tiers().iter().map(|tier| TierPrice::of(database, tier)).collect();
    let mut sums = vec![Sum::default(); database.len()];
    let look = |stored: StoredWindow| Some((stored, Shares::of(&stored, &tiers[stored.tier], model)));
    each_window(database, look, |(stored, shares)| {
        let tier = &tiers[stored.tier];
        let candidates = shares.candidates.map(|share| 1024.0 * 1024.0 / f64::from(tier.stride) * share);
        for signature in database.led_by(&stored) {
            if let Some(sum) = sums.get_mut(signature.index() as usize) {
                sum.add(&stored, &candidates, &tiers);
            }
        }
    });
    let mut found: Vec<Found> = sums.into_iter().map(|sum| sum.found(&tiers)).collect();
    for signature in database.never_led_to() {
        if let Some(found) = found.get_mut(signature.index() as usize) {
            *found = Found::Evaluated;
        }
    }
    found
}

/// Windows that one thread looks at at a time, and how many of such parts before their outcomes are put together.
const BLOCK: usize = 1 << 12;
const BLOCKS: usize = 16;

/// Calls `use_of` with what `look` makes of each stored window, in their order. Threads look, one uses, so that sums come out the same on any
/// number of processors. Some 10 MiB of memory.
fn each_window<T: Send>(
    database: &Database<'_>,
    look: impl Fn(StoredWindow) -> Option<T> + Sync,
    mut use_of: impl FnMut(T),
) {
    for tier in 0..database.tiers().len() {
        let len = database.windows_len(tier);
        let starts: Vec<usize> = (0..len).step_by(BLOCK).collect();
        for starts in starts.chunks(BLOCKS) {
            let block = |start: &usize| -> Vec<T> {
                database.windows_at(tier, *start..len.min(start + BLOCK)).filter_map(&look).collect()
            };
            let blocks: Vec<Vec<T>> = starts.par_iter().map(block).collect();
            blocks.into_iter().flatten().for_each(&mut use_of);
        }
    }
}

/// What the windows of one signature bring.
#[derive(Clone, Default)]
struct Sum {
    candidates: [f64; CLASSES],
    /// The tier with the shortest windows, by index.
    tier: Option<usize>,
    /// Fewest bytes of a window and beside it.
    bytes: u8,
    /// Of each window the most that it brings in a class, the greatest of those, and the window.
    dearest: (f64, u64, u8),
}

impl Sum {
    fn add(&mut self, stored: &StoredWindow, candidates: &[f64; CLASSES], tiers: &[TierPrice]) {
        let width = tiers[stored.tier].width;
        let bytes = width + stored.near_len;
        self.bytes = if self.tier.is_some() { self.bytes.min(bytes) } else { bytes };
        if self.tier.is_none_or(|tier| width < tiers[tier].width) {
            self.tier = Some(stored.tier);
        }
        for (sum, more) in self.candidates.iter_mut().zip(candidates) {
            *sum += more;
        }
        let most = candidates.iter().copied().fold(0.0, f64::max);
        if most > self.dearest.0 {
            self.dearest = (most, stored.bytes, width);
        }
    }

    fn found(self, tiers: &[TierPrice]) -> Found {
        let Some(tier) = self.tier.map(|tier| &tiers[tier]) else { return Found::Directly };
        let (class, candidates_per_mib) = FileClass::ALL
            .into_iter()
            .zip(self.candidates)
            .reduce(|worst, next| if next.1 > worst.1 { next } else { worst })
            .unwrap_or((FileClass::Other, 0.0));
        let (_, window, len) = self.dearest;
        let window = window.to_le_bytes()[..usize::from(len)].to_vec();
        let TierPrice { width, stride, folded, .. } = *tier;
        Found::Windows { width, stride, folded, bytes: self.bytes, class, candidates_per_mib, window }
    }
}

impl TierPrice {
    /// What is known of a tier before its windows are looked at.
    fn of(database: &Database<'_>, tier: &Tier) -> TierPrice {
        let false_passes = database.false_passes(tier);
        let by_accident = Expected { hits: 1024.0 / f64::from(tier.stride) * false_passes, candidates: 0.0 };
        TierPrice {
            width: tier.width,
            stride: tier.stride,
            folded: tier.fold != 0,
            signatures: tier.signatures.get(),
            windows: 0,
            filter_bytes: 8 << tier.filter_log2,
            bucket_bytes: (4 << tier.bucket_log2)
                + u64::from(tier.signatures.get()) * u64::from(tier.stride) * size_of::<engine::layout::Entry>() as u64,
            largest_bucket: database.largest_bucket(tier),
            crowded: 0,
            false_passes,
            expected: [by_accident; CLASSES],
        }
    }

    /// The share of places in each class where a stored window stands.
    fn shares(&self, window: u64, model: &Model) -> [f64; CLASSES] {
        let bytes = window.to_le_bytes();
        self.shares_of(&bytes[..usize::from(self.width)], model)
    }

    /// The share of places in each class where `bytes` stand; in a folded tier, in small letters or in capitals.
    fn shares_of(&self, bytes: &[u8], model: &Model) -> [f64; CLASSES] {
        let mut shares = known_shares(bytes, model);
        if self.folded {
            let capitals: Vec<u8> = bytes.iter().map(|byte| byte & !FOLD).collect();
            for (share, of_capitals) in shares.iter_mut().zip(known_shares(&capitals, model)) {
                *share += of_capitals;
            }
        }
        shares
    }
}

fn known_shares(bytes: &[u8], model: &Model) -> [f64; CLASSES] {
    let rare = unknown(bytes.len());
    model.known(bytes).unwrap_or_default().map(|share| share.max(rare))
}

/// What one stored window brings at each place, by class.
struct Shares {
    candidates: [f64; CLASSES],
}

impl Shares {
    fn of(stored: &StoredWindow, tier: &TierPrice, model: &Model) -> Shares {
        let mut candidates = tier.shares(stored.bytes, model);
        if candidates.iter().all(|&share| share <= 2.0 * unknown(usize::from(tier.width))) {
            // Of a window that the model does not know, no part tells more than how many bytes must stand there.
            let bytes = usize::from(tier.width) + usize::from(stored.near_len);
            return Shares { candidates: [unknown(bytes); CLASSES] };
        }
        let together = together(stored, usize::from(tier.width));
        // All of it stands together at most as often as its rarest part.
        for part in [8, 4].into_iter().flat_map(|width| together.windows(width)) {
            for (share, of_part) in candidates.iter_mut().zip(tier.shares_of(part, model)) {
                *share = share.min(of_part);
            }
        }
        Shares { candidates }
    }
}

/// The bytes of a window and those beside it, where they touch; else those beside it.
fn together(stored: &StoredWindow, width: usize) -> Vec<u8> {
    let (window, near) = (stored.bytes.to_le_bytes(), stored.near.to_le_bytes());
    let (window, near) = (&window[..width], &near[..usize::from(stored.near_len)]);
    let start = usize::from(stored.near_at);
    if start == NEAR_REACH + width {
        [window, near].concat()
    } else if start + near.len() == NEAR_REACH {
        [near, window].concat()
    } else {
        near.to_vec()
    }
}

/// The signatures that bring most in the class where they bring most.
fn dearest(database: &Database<'_>, tiers: &[TierPrice], brought: &[[f32; CLASSES]], model: &Model) -> Vec<SignaturePrice> {
    let worst = |brought: &[f32; CLASSES]| {
        let classes = FileClass::ALL.into_iter().zip(*brought);
        classes.reduce(|worst, next| if next.1 > worst.1 { next } else { worst }).unwrap_or((FileClass::Other, 0.0))
    };
    let mut ranked: Vec<(u32, FileClass, f32)> = brought
        .iter()
        .enumerate()
        .map(|(index, brought)| (index as u32, worst(brought).0, worst(brought).1))
        .filter(|(.., candidates)| *candidates > 0.0)
        .collect();
    ranked.sort_unstable_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    ranked.truncate(DEAREST);
    let mut listed: Vec<(SignaturePrice, f64)> = Vec::new();
    for &(_, class, candidates) in &ranked {
        let candidates_per_mib = f64::from(candidates);
        let (name, channel, window) = (String::new(), String::new(), Vec::new());
        listed.push((SignaturePrice { name, channel, tier: 0, class, candidates_per_mib, window }, 0.0));
    }
    let place_of = |signature: SignatureId| ranked.iter().position(|(index, ..)| *index == signature.index());
    let is_listed = |stored: &StoredWindow| database.led_by(stored).any(|signature| place_of(signature).is_some());
    each_window(
        database,
        |stored| is_listed(&stored).then_some(stored),
        |stored| {
            let tier = &tiers[stored.tier];
            let shares = Shares::of(&stored, tier, model);
            for signature in database.led_by(&stored) {
                let Some(place) = place_of(signature) else { continue };
                let share = shares.candidates[ranked[place].1 as usize];
                let (of_signature, most) = &mut listed[place];
                if share > *most {
                    *most = share;
                    of_signature.name = database.name(signature).into_owned();
                    database.channel(signature).clone_into(&mut of_signature.channel);
                    of_signature.tier = stored.tier;
                    of_signature.window = stored.bytes.to_le_bytes()[..usize::from(tier.width)].to_vec();
                }
            }
        },
    );
    listed.into_iter().map(|(of_signature, _)| of_signature).collect()
}
