//! The key of the window hash: chosen so that what is common in files is not let pass by accident.
//!
//! A filter passes about one in two hundred windows that are not in it, whichever they are. Were one of those a run of zeros, every
//! sparse file would be slow. So a few keys are tried, and the one is taken with which the commonest windows of the model pass
//! least, each weighed by how common it is. Windows that are stored pass with every key and so decide nothing.

use super::tables::TierAnchors;
use super::{HASH_KEY, LinkOptions};
use crate::model::Model;
use engine::layout::{Tier, WindowHash, window_mask};
use rayon::prelude::*;

/// Keys that are tried for a small set.
const KEYS_MAX: usize = 64;
/// Windows that are hashed for trials altogether, so that a million signatures still have four keys tried and link in much the same time.
const HASHED_MAX: usize = 16 << 20;

/// The best key for `tiers` of those that follow from [`LinkOptions::key`].
pub(super) fn choose(tiers: &[(Tier, TierAnchors)], options: &LinkOptions<'_>) -> u64 {
    let windows: usize = tiers.iter().map(|(_, anchors)| anchors.windows_len()).sum();
    let keys = (HASHED_MAX / windows.max(1)).clamp(1, KEYS_MAX);
    let audit = |key: u64| {
        let passing = tiers.iter().map(|(tier, anchors)| passing(tier, anchors, key, options.model));
        (passing.sum::<f64>(), key)
    };
    let audited: Vec<(f64, u64)> =
        keys_from(options.key).take(keys).collect::<Vec<u64>>().into_par_iter().map(audit).collect();
    let best = audited.into_iter().reduce(|best, next| if next.0 < best.0 { next } else { best });
    best.map_or(HASH_KEY, |(_, key)| key)
}

/// Odd numbers without end: a constant and what follows from it, or what follows from a secret.
fn keys_from(secret: Option<u64>) -> impl Iterator<Item = u64> {
    // splitmix64 (Steele, Lea and Flood 2014) spreads consecutive states over all numbers.
    let spread = |state: u64| {
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31 | 1
    };
    let start = secret.unwrap_or(HASH_KEY);
    let drawn = (1_u64..).map(move |turn| spread(start.wrapping_add(turn.wrapping_mul(HASH_KEY))));
    secret.is_none().then_some(HASH_KEY).into_iter().chain(drawn)
}

/// How many of the commonest windows pass for each byte scanned, under `key`, the filter of a tier with these anchors.
///
/// Of the filter only the words are made that those ask: they are few, and stay in a cache while all windows go by.
fn passing(tier: &Tier, anchors: &TierAnchors, key: u64, model: &Model) -> f64 {
    let Tier { width, stride, filter_log2, .. } = *tier;
    let commonest = model.commonest(usize::from(width));
    if commonest.is_empty() {
        return 0.0;
    }
    let asked = |window: u64| WindowHash::new((window | tier.fold_bits()) & window_mask(width), key);
    let mut is_asked = vec![0_u64; (1_usize << filter_log2).div_ceil(64)];
    for &window in commonest {
        let word = asked(window).index(filter_log2);
        is_asked[word / 64] |= 1 << (word % 64);
    }
    let mut filter = vec![0_u64; 1 << filter_log2];
    anchors.windows().for_each(|window| {
        let hash = WindowHash::new(window, key);
        let word = hash.index(filter_log2);
        if is_asked[word / 64] >> (word % 64) & 1 != 0 {
            filter[word] |= hash.filter_bits();
        }
    });
    let passes = |window: &&u64| {
        let hash = asked(**window);
        filter[hash.index(filter_log2)] & hash.filter_bits() == hash.filter_bits()
    };
    let cost = |window: &u64| model.cost(&window.to_le_bytes()[..usize::from(width)]);
    commonest.iter().filter(passes).map(cost).sum::<f64>() / f64::from(stride)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::shapes::Shape;
    use crate::link::window::Windows;
    use crate::record::Target;
    use zerocopy::little_endian::{U16, U32, U64};

    #[test]
    fn the_key_that_is_chosen_lets_less_of_the_commonest_pass_than_others_do() {
        let mut anchors = TierAnchors::of(Shape { width: 8, stride: 1, floor: 0.0 });
        for i in 1..4000_u64 {
            let window = i.wrapping_mul(0x0bad_cafe_dead_beef) | 0x8000_0000_0000_0001;
            anchors.add(Windows::of(&window.to_le_bytes(), 0..1, |_| 8..8), Target::Any, 0);
        }
        let tier = Tier {
            width: 8,
            stride: 8,
            filter_log2: 10,
            bucket_log2: 11,
            signatures: U32::new(500),
            filter_first: U64::ZERO,
            bucket_first: U64::ZERO,
            fold: 0,
            reserved: 0,
            targets: U16::ZERO,
            reserved_2: [0; 4],
        };
        let audited = (tier, anchors);
        let passing = |key| passing(&audited.0, &audited.1, key, Model::shipped());
        let least = passing(choose(std::slice::from_ref(&audited), &LinkOptions::default()));
        let others: Vec<f64> = keys_from(None).take(KEYS_MAX).map(passing).collect();
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        assert!(least < mean / 2.0, "{least}, {mean} on average");
        assert!(others.iter().all(|other| least <= *other));
    }

    #[test]
    fn a_secret_gives_keys_of_its_own_and_always_the_same() {
        let keys = |secret| keys_from(secret).take(9).collect::<Vec<u64>>();
        assert_eq!(keys(Some(7)), keys(Some(7)));
        assert!(keys(Some(7)).iter().all(|key| key % 2 == 1));
        assert!(keys(Some(7)).iter().all(|key| !keys(Some(8)).contains(key) && !keys(None).contains(key)));
        assert_eq!(keys(None)[0], HASH_KEY);
    }
}
