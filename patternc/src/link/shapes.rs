//! Which windows the tiers of a database test.
//!
//! A tier costs a probe for each stride of everything that is ever scanned, whoever is in it, so one signature must not have a tier
//! for itself unless it fits nowhere else.

use super::run::{Fold, PricedRun, run_lens, runs};
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
    pub(super) const fn region(self) -> usize {
        self.width + self.stride - 1
    }
}

/// The shapes of the tiers of one set of patterns: of each kind, bit `n` for shape `n` of [`SHAPES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shapes {
    /// Those that any pattern may use.
    any: u8,
    /// Those kept for patterns that fit no other, because they are cheap only as long as they have few windows.
    few: u8,
}

/// What a hit costs in probes: a branch that was not foreseen, a bucket, a comparison or two. About 19 ns beside 0.6 ns, measured as the
/// floors were.
const HIT_COST: f64 = 30.0;
/// Signatures of a tier for which the scanner needs no filter (`engine::matcher::few`).
const FEW_MAX: usize = 16;
/// Shapes that it does so with: those of stride 1, but for that of two bytes.
const FEW: u8 = 0b0110_0000;
/// What such a tier costs for each byte scanned, in probes: 14 to 17 GB/s beside 2.1 GB/s for a probe at each byte.
const FEW_COST: f64 = 0.125;

/// A pattern that the choice is tried with.
struct Sampled {
    prices: [f64; SHAPES.len()],
    /// Patterns it stands for.
    weight: f64,
}

/// Bytes in a row with which a pattern fits every shape.
const EVERY_SHAPE: usize = SHAPES[0].region();
/// Number of patterns by the bytes of their longest run; the last are those that fit every shape.
type Lengths = [usize; EVERY_SHAPE + 1];

impl Shapes {
    /// Patterns of one length that are priced, and of those that fit every shape; more would not change the choice.
    const SAMPLE_MAX: (usize, usize) = (512, 4096);

    /// Shapes that any pattern may use.
    #[cfg(test)]
    pub(super) fn of(any: u8) -> Shapes {
        Shapes { any, few: 0 }
    }

    /// The set that is cheapest to scan with for `patterns`, in which each that has an anchor has a place.
    ///
    /// O(patterns + sample × shapes × sets).
    pub(super) fn choose<'p>(patterns: impl Iterator<Item = &'p Pattern> + Clone, fold: Fold, model: &Model) -> Shapes {
        let mut lengths: Lengths = [0; _];
        let length = |pattern| run_lens(pattern, fold).max().unwrap_or(0).min(EVERY_SHAPE);
        let measured = patterns.map(|pattern| (pattern, length(pattern)));
        for (_, length) in measured.clone() {
            lengths[length] += 1;
        }
        let sample = sample(measured, &lengths, fold, model);
        let few = if fold == Fold::Exact { FEW } else { 0 };
        let sets = (1..=u8::MAX).flat_map(|set| {
            let kept = Shapes { any: set & !few, few: set & few };
            [Some(Shapes { any: set, few: 0 }), (kept.few != 0).then_some(kept)].into_iter().flatten()
        });
        let priced = sets.filter(|set| set.has_place_for(&lengths)).map(|set| (set.cost(&sample), set));
        let cheapest = priced.reduce(|best, next| if next.0 < best.0 { next } else { best });
        cheapest.filter(|_| !sample.is_empty()).map_or(Shapes::default(), |(_, set)| set)
    }

    /// Those that any pattern may use, each with its index.
    pub(super) fn any(self) -> impl Iterator<Item = (usize, Shape)> + Clone {
        shapes(self.any)
    }

    /// Those for patterns that fit in none of [`Shapes::any`].
    pub(super) fn few(self) -> impl Iterator<Item = (usize, Shape)> + Clone {
        shapes(self.few)
    }

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = (usize, Shape)> + Clone {
        shapes(self.any | self.few)
    }

    /// Whether every pattern that fits any shape fits one of these, and few those that are kept for few.
    fn has_place_for(self, lengths: &Lengths) -> bool {
        let least = |shapes: u8| self::shapes(shapes).map(|(_, shape)| shape.region()).min().unwrap_or(lengths.len());
        let shorter_than = |length: usize| lengths[2..length].iter().sum::<usize>();
        shorter_than(least(self.any | self.few)) == 0 && shorter_than(least(self.any)) <= FEW_MAX
    }

    /// Cost of scanning one byte, in probes of a small filter.
    fn cost(self, sample: &[Sampled]) -> f64 {
        let mut windows = [0.0; SHAPES.len()];
        let mut hits = 0.0;
        for Sampled { prices, weight } in sample {
            let cheapest = |shapes: u8| {
                let fitting = self::shapes(shapes).filter(|(index, _)| prices[*index].is_finite());
                fitting.min_by(|a, b| prices[a.0].total_cmp(&prices[b.0]))
            };
            if let Some((index, shape)) = cheapest(self.any).or_else(|| cheapest(self.few)) {
                windows[index] += weight * shape.stride as f64;
                hits += weight * prices[index];
            }
        }
        let probes: f64 = self.any().map(|(index, shape)| probe_cost(windows[index]) / shape.stride as f64).sum();
        probes + FEW_COST * self.few().count() as f64 + HIT_COST * hits
    }
}

/// The shapes of a set, each with its index.
fn shapes(set: u8) -> impl Iterator<Item = (usize, Shape)> + Clone {
    SHAPES.into_iter().enumerate().filter(move |(index, _)| set >> index & 1 == 1)
}

/// Some of the patterns, and their prices. Those of each length are sampled by themselves, so that one short literal among many long ones
/// counts as the one it is.
fn sample<'p>(
    patterns: impl Iterator<Item = (&'p Pattern, usize)>,
    lengths: &Lengths,
    fold: Fold,
    model: &Model,
) -> Vec<Sampled> {
    let mut seen: Lengths = [0; _];
    let mut sample = Vec::new();
    for (pattern, length) in patterns.filter(|(_, length)| *length >= 2) {
        let most = if length < EVERY_SHAPE { Shapes::SAMPLE_MAX.0 } else { Shapes::SAMPLE_MAX.1 };
        let every = lengths[length] / most + 1;
        if seen[length].is_multiple_of(every) {
            sample.push(Sampled { prices: prices(pattern, fold, model), weight: every as f64 });
        }
        seen[length] += 1;
    }
    sample
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
fn prices(pattern: &Pattern, fold: Fold, model: &Model) -> [f64; SHAPES.len()] {
    let mut prices = [f64::INFINITY; SHAPES.len()];
    for run in runs(pattern, fold) {
        let run = PricedRun::new(run, model);
        for (price, shape) in prices.iter_mut().zip(SHAPES).filter(|(_, shape)| shape.region() <= run.len()) {
            *price = price.min(run.cheapest_region(shape, model, None).price);
        }
    }
    prices
}

/// The least price of a region of any shape in `pattern`; infinite when there is none.
pub(super) fn least_price(pattern: &Pattern, fold: Fold, model: &Model) -> f64 {
    least(pattern, fold, model, |_, price| price)
}

/// The least that scanning one byte costs, in probes, for `pattern` in a tier of its own.
pub(super) fn cost_alone(pattern: &Pattern, fold: Fold, model: &Model) -> f64 {
    least(pattern, fold, model, |shape, price| 1.0 / shape.stride as f64 + HIT_COST * price)
}

/// The least `cost`, which grows with the price, of a region of any shape in `pattern`; infinite when there is none.
///
/// Most patterns have rare windows, whose price is little more than the floor of their shape, so most shapes need not be looked at: even their
/// floor costs as much.
fn least(pattern: &Pattern, fold: Fold, model: &Model, cost: impl Fn(Shape, f64) -> f64) -> f64 {
    let mut shapes = SHAPES.map(|shape| (cost(shape, shape.floor), shape));
    shapes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = f64::INFINITY;
    for run in runs(pattern, fold) {
        let fitting = shapes.iter().filter(|(_, shape)| shape.region() <= run.bytes.len()).copied();
        let fitting: Vec<(f64, Shape)> = fitting.take_while(|(floor, _)| *floor < least).collect();
        if fitting.is_empty() {
            continue;
        }
        let run = PricedRun::new(run, model);
        for (floor, shape) in fitting {
            if floor < least {
                least = least.min(cost(shape, run.cheapest_region(shape, model, None).price));
            }
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A literal of bytes that no model knows, told from others by `index`.
    fn rare(index: usize, len: usize) -> Pattern {
        let mut state = index as u64 + 1;
        let byte = |_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as u8 | 0x80
        };
        Pattern::literal(&(0..len).map(byte).collect::<Vec<u8>>()).unwrap()
    }

    fn chosen(short: usize, len: usize, fold: Fold) -> Shapes {
        let patterns: Vec<Pattern> =
            (0..10_000).map(|i| rare(i, 24)).chain((0..short).map(|i| rare(20_000 + i, len))).collect();
        Shapes::choose(patterns.iter(), fold, Model::shipped())
    }

    #[test]
    fn shapes_that_are_passed_by_would_cost_more() {
        let model = Model::shipped();
        let padding = Pattern::literal(&[0; 40]).unwrap();
        for pattern in (2..40).map(|len| rare(len, len)).chain([padding]) {
            for fold in [Fold::Exact, Fold::Folded] {
                let prices = prices(&pattern, fold, model);
                let cheapest = prices.into_iter().fold(f64::INFINITY, f64::min);
                assert_eq!(least_price(&pattern, fold, model).to_bits(), cheapest.to_bits());
                let costs = prices.iter().zip(SHAPES).map(|(price, shape)| 1.0 / shape.stride as f64 + HIT_COST * price);
                let cheapest = costs.fold(f64::INFINITY, f64::min);
                assert_eq!(cost_alone(&pattern, fold, model).to_bits(), cheapest.to_bits());
            }
        }
    }

    #[test]
    fn a_few_short_patterns_have_a_tier_of_their_own_and_the_long_ones_stay_as_they_are() {
        let long = chosen(0, 0, Fold::Exact);
        for len in 3..=5 {
            for short in [1, FEW_MAX] {
                let shapes = chosen(short, len, Fold::Exact);
                assert_eq!(shapes.any, long.any, "{short} of {len} bytes");
                assert_eq!(
                    shapes.few().map(|(_, shape)| (shape.width, shape.stride)).collect::<Vec<_>>(),
                    [(len.min(4), 1)]
                );
            }
        }
    }

    #[test]
    fn more_than_a_few_two_bytes_and_folded_ones_have_a_tier_with_a_filter() {
        for (short, len, fold) in [(FEW_MAX + 1, 4, Fold::Exact), (1, 2, Fold::Exact), (1, 4, Fold::Folded)] {
            let shapes = chosen(short, len, fold);
            assert_eq!(shapes.few, 0, "{short} of {len} bytes, {fold:?}");
            assert!(shapes.any().any(|(_, shape)| shape.region() <= len));
        }
    }
}
