//! Which windows the tiers of a database test.
//!
//! A tier costs a probe for each stride of everything that is ever scanned, whoever is in it, so one signature must not have a tier
//! for itself unless it fits nowhere else.

use super::run::{Fold, PricedRun, runs};
use crate::model::Model;
use engine::pattern::Pattern;

/// The windows that tiers may test.
pub(super) const SHAPES: [Shape; 8] = [
    Shape { width: 8, stride: 8, floor: 2e-7 },
    Shape { width: 6, stride: 8, floor: 1e-6 },
    Shape { width: 5, stride: 8, floor: 2.5e-6 },
    Shape { width: 8, stride: 4, floor: 6e-8 },
    Shape { width: 4, stride: 4, floor: 4e-6 },
    Shape { width: 4, stride: 1, floor: 1.6e-5 },
    Shape { width: 3, stride: 1, floor: 1e-4 },
    Shape { width: 2, stride: 1, floor: 1e-3 },
];

/// One family of windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) stride: usize,
    /// Hits for each byte scanned that even a region of uncommon bytes brings: files repeat one another more than the model knows.
    /// Measured with literals cut from executables on other executables, scripts and documents (`Scanner::profile`).
    pub(super) floor: f64,
}

impl Shape {
    /// Bytes that an anchor must have, so that one aligned window lies within it wherever it stands.
    pub(super) fn region(self) -> usize {
        self.width + self.stride - 1
    }
}

/// A set of [`SHAPES`]: bit `n` for shape `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shapes(pub(super) u8);

/// What a hit costs in probes: a branch that was not foreseen, a bucket, a comparison or two. About 19 ns beside 0.6 ns, measured as the
/// floors were.
const HIT_COST: f64 = 30.0;

impl Shapes {
    /// Patterns that are priced; more would not change the choice.
    const SAMPLE_MAX: usize = 4096;

    /// The set that is cheapest to scan with for `patterns`, in which each that has an anchor has a place.
    ///
    /// O(patterns + sample × shapes × sets).
    pub(super) fn choose<'p>(patterns: impl Iterator<Item = &'p Pattern> + Clone, fold: Fold, model: &Model) -> Shapes {
        let longest_run = |pattern| runs(pattern, fold).map(|run| run.bytes.len()).max().unwrap_or(0);
        let (mut count, mut shortest) = (0, usize::MAX);
        for len in patterns.clone().map(longest_run).filter(|&len| len >= 2) {
            count += 1;
            shortest = shortest.min(len);
        }
        if count == 0 {
            return Shapes::default();
        }
        let every = count / Shapes::SAMPLE_MAX + 1;
        let sample: Vec<[f64; SHAPES.len()]> = patterns.step_by(every).map(|pattern| prices(pattern, fold, model)).collect();
        let fits_all = |set: &Shapes| set.iter().any(|(_, shape)| shape.region() <= shortest);
        let sets = (1..=u8::MAX).map(Shapes).filter(fits_all);
        let cost = |set: &Shapes| set.cost(&sample, every as f64);
        sets.min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(Shapes(u8::MAX))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (usize, Shape)> {
        SHAPES.into_iter().enumerate().filter(move |(index, _)| self.0 >> index & 1 == 1)
    }

    /// Cost of scanning one byte, in probes of a small filter; each pattern of the sample stands for `weight` ones.
    fn cost(self, sample: &[[f64; SHAPES.len()]], weight: f64) -> f64 {
        let mut windows = [0.0; SHAPES.len()];
        let mut hits = 0.0;
        for prices in sample {
            let cheapest = self.iter().min_by(|a, b| prices[a.0].total_cmp(&prices[b.0]));
            if let Some((index, shape)) = cheapest.filter(|(index, _)| prices[*index].is_finite()) {
                windows[index] += weight * shape.stride as f64;
                hits += weight * prices[index];
            }
        }
        let probes: f64 = self.iter().map(|(index, shape)| probe_cost(windows[index]) / shape.stride as f64).sum();
        probes + HIT_COST * hits
    }
}

/// What a probe costs in a filter for that many windows: the nearer its cache, the less.
fn probe_cost(windows: f64) -> f64 {
    let bytes = 2.0 * windows;
    match bytes {
        ..32e3 => 1.0,
        ..1e6 => 1.3,
        ..8e6 => 2.0,
        _ => 4.0,
    }
}

/// For each shape, the least price of a region of it in `pattern`; infinite when there is none.
pub(super) fn prices(pattern: &Pattern, fold: Fold, model: &Model) -> [f64; SHAPES.len()] {
    let mut prices = [f64::INFINITY; SHAPES.len()];
    for run in runs(pattern, fold) {
        let run = PricedRun::new(run, model);
        for (price, shape) in prices.iter_mut().zip(SHAPES).filter(|(_, shape)| shape.region() <= run.len()) {
            *price = price.min(run.cheapest_region(shape, model, |_| 0.0).0);
        }
    }
    prices
}

/// The least that scanning one byte costs, in probes, for a pattern of these prices in a tier of its own.
pub(super) fn cost_alone(prices: &[f64; SHAPES.len()]) -> f64 {
    let costs = prices.iter().zip(SHAPES).map(|(price, shape)| 1.0 / shape.stride as f64 + HIT_COST * price);
    costs.fold(f64::INFINITY, f64::min)
}
