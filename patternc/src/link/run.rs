//! Stretches of a pattern that windows can be taken from, and what their windows cost.

use super::crowd::Crowd;
use super::shapes::Shape;
use crate::model::{Model, numbers};
use engine::layout::FOLD;
use engine::pattern::{Element, MaskedByte, Pattern};
use std::ops::Range;

/// Whether the case of letters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// Windows are searched for as they stand.
    Exact,
    /// They are searched for with [`FOLD`] set in every byte.
    Folded,
}

/// Consecutive bytes that windows can be taken from.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The element that they lie in.
    pub(super) element: usize,
    /// Bytes from the start of that element to them.
    pub(super) shift: usize,
    /// What windows hold: the bytes themselves, or folded.
    pub(super) bytes: Vec<u8>,
    /// How files spell them: one way; folded, with small letters and with capitals.
    spellings: Vec<Vec<u8>>,
}

/// The runs of a pattern: its fixed bytes, and when folded also its letters of either case.
pub(super) fn runs(pattern: &Pattern, fold: Fold) -> impl Iterator<Item = Run> + '_ {
    stretches(pattern, fold).map(move |(element, shift, stretch)| Run::of(element, shift, stretch, fold))
}

/// How many bytes each of the [`runs`] of a pattern has.
pub(super) fn run_lens(pattern: &Pattern, fold: Fold) -> impl Iterator<Item = usize> + '_ {
    stretches(pattern, fold).map(|(.., stretch)| stretch.len())
}

/// The bytes of a pattern that are runs: the element, how many bytes of it stand before them, and they themselves.
fn stretches(pattern: &Pattern, fold: Fold) -> impl Iterator<Item = (usize, usize, &[MaskedByte])> + '_ {
    pattern.elements().iter().enumerate().flat_map(move |(element, piece)| {
        let bytes = if let Element::Bytes(bytes) = piece { bytes.as_slice() } else { &[] };
        let stretches = bytes.chunk_by(move |a, b| serves(*a, fold) == serves(*b, fold)).scan(0, |next, stretch| {
            let shift = *next;
            *next += stretch.len();
            Some((shift, stretch))
        });
        let useful = stretches.filter(move |(_, stretch)| serves(stretch[0], fold));
        useful.map(move |(shift, stretch)| (element, shift, stretch))
    })
}

/// Whether a byte of a pattern can be part of a window.
fn serves(byte: MaskedByte, fold: Fold) -> bool {
    byte.is_fixed() || fold == Fold::Folded && is_letter_of_either_case(byte)
}

/// Whether a byte of a pattern agrees with one letter, large or small, and with nothing else.
pub(crate) fn is_letter_of_either_case(byte: MaskedByte) -> bool {
    byte.mask() == !FOLD && (byte.value() | FOLD).is_ascii_lowercase()
}

/// Whether a pattern has letters of either case.
pub(super) fn has_letters_of_either_case(pattern: &Pattern) -> bool {
    let letters = |element: &Element| matches!(element, Element::Bytes(bytes) if bytes.iter().any(|byte| is_letter_of_either_case(*byte)));
    pattern.elements().iter().any(letters)
}

impl Run {
    fn of(element: usize, shift: usize, stretch: &[MaskedByte], fold: Fold) -> Run {
        let spelled = |case: u8| stretch.iter().map(|byte| byte.value() | case & !byte.mask()).collect();
        match fold {
            Fold::Exact => Run { element, shift, bytes: spelled(0), spellings: Vec::new() },
            Fold::Folded => Run {
                element,
                shift,
                bytes: stretch.iter().map(|byte| byte.value() | FOLD).collect(),
                spellings: vec![spelled(FOLD), spelled(0)],
            },
        }
    }
}

/// A run, and what its windows of eight bytes cost.
pub(super) struct PricedRun {
    run: Run,
    wide: Vec<f64>,
}

/// Bytes of the widest windows.
const WIDE: usize = 8;

impl PricedRun {
    pub(super) fn new(run: Run, model: &Model) -> PricedRun {
        let mut priced = PricedRun { run, wide: Vec::new() };
        priced.wide = priced.costs(0..priced.len(), WIDE, model);
        priced
    }

    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    pub(super) fn len(&self) -> usize {
        self.run.bytes.len()
    }

    /// Costs of the windows of eight bytes that lie between `start` and `end`.
    pub(super) fn wide(&self, start: usize, end: usize) -> &[f64] {
        self.wide.get(start..(end + 1).saturating_sub(WIDE)).unwrap_or_default()
    }

    /// Costs of the windows of `width` bytes in a part of the run: of all its spellings together.
    pub(super) fn costs(&self, part: Range<usize>, width: usize, model: &Model) -> Vec<f64> {
        let mut costs = Vec::with_capacity(part.len());
        let Some((first, others)) = self.run.spellings.split_first() else {
            model.costs(&self.run.bytes[part], width, |_, cost| costs.push(cost));
            return costs;
        };
        model.costs(&first[part.clone()], width, |_, cost| costs.push(cost));
        for spelling in others {
            model.costs(&spelling[part.clone()], width, |at, cost| costs[at] += cost);
        }
        costs
    }

    /// The cheapest region of `shape` of those that are not barred, or of all when each is: no window of it is [refused](is_refused), and
    /// at none are as many signatures anchored as may be. `crowd` adds to what the model says of a window.
    ///
    /// The price is never below the floor of `shape`. O(run), and O(run × stride) when the cheapest of all is barred.
    pub(super) fn cheapest_region(&self, shape: Shape, model: &Model, crowd: Option<&Crowd>) -> PricedRegion {
        let Shape { width, stride, floor } = shape;
        let mut costs = if width == WIDE { self.wide.clone() } else { self.costs(0..self.len(), width, model) };
        if width < WIDE {
            // A part is at least as common as the whole, which the model may know where it does not know the part.
            for (at, &whole) in self.wide.iter().enumerate() {
                costs[at..=at + WIDE - width].iter_mut().for_each(|cost| *cost = cost.max(whole));
            }
        }
        let bytes = &self.run.bytes;
        let shared = |window| crowd.map_or(0.0, |crowd| crowd.share(width, window));
        let prices: Vec<f64> = costs.iter().zip(numbers(bytes, width)).map(|(cost, window)| cost + shared(window)).collect();
        let price = |windows: &[f64]| floor + windows.iter().sum::<f64>() / stride as f64;
        let regions = prices.windows(stride).map(price).enumerate();
        let mut contested = false;
        let mut is_barred = |at: usize| {
            let region = &bytes[at..at + shape.region()];
            let mut windows = region.windows(width).zip(&costs[at..]);
            let is_refused = windows.any(|(window, &cost)| is_refused(window, cost));
            is_refused
                || crowd.is_some_and(|crowd| {
                    contested |= numbers(region, width).any(|window| crowd.may_fill(width, window));
                    contested && numbers(region, width).any(|window| crowd.is_full(shape, window))
                })
        };
        let cheapest = regions.clone().min_by(|a, b| a.1.total_cmp(&b.1));
        let (at, price) = cheapest.expect("the run has room for a region");
        if !is_barred(at) {
            return PricedRegion { price, at, barred: false, contested };
        }
        let allowed = regions.filter(|(at, _)| !is_barred(*at)).min_by(|a, b| a.1.total_cmp(&b.1));
        let (barred, (at, price)) = allowed.map_or((true, (at, price)), |allowed| (false, allowed));
        PricedRegion { price, at, barred, contested }
    }
}

/// A region that windows may be taken from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PricedRegion {
    /// Expected hits for each byte scanned.
    pub(super) price: f64,
    /// Where in its run it begins.
    pub(super) at: usize,
    /// Whether it is taken only for want of another.
    pub(super) barred: bool,
    /// Whether it depends on how many signatures were anchored elsewhere before.
    pub(super) contested: bool,
}

impl PricedRegion {
    /// Whether a signature that has both is better found by this one.
    pub(super) fn is_better_than(self, other: PricedRegion) -> bool {
        (self.barred, self.price) < (other.barred, other.price)
    }
}

/// A window that costs more than this stands once in 4 KiB of some class of files or more often. Refusing the four thousand commonest
/// instead, whatever their neighbours cost, took 38 % more candidates at 10,000 literals.
const COMMON: f64 = 1.0 / 4096.0;

/// Whether nothing that has another place is to be anchored at `window`, which costs `cost`, however rare the windows around it are.
fn is_refused(window: &[u8], cost: f64) -> bool {
    cost > COMMON || is_repetition(window)
}

/// Whether one byte or two make up the whole window, as in padding and in tables. Of two or three bytes every window would be, so there
/// only one byte counts.
fn is_repetition(window: &[u8]) -> bool {
    let period = if window.len() < 4 { 1 } else { 2 };
    window.iter().zip(&window[period..]).all(|(byte, next)| byte == next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_a_repetition_and_code_is_none() {
        for window in [&b"\0\0\0\0\0\0\0\0"[..], b"\xcc\xcc\xcc\xcc\xcc", b"a\0a\0a\0a\0", b"abab", b"ababa", b"aaa", b"aa"]
        {
            assert!(is_repetition(window), "{window:?}");
        }
        assert!(is_refused(b"abcdabcd", 2.0 * COMMON) && !is_refused(b"abcdabcd", COMMON / 2.0));
        for window in [&b"abcabcab"[..], b"abaa", b"\0\0\0\0\0\0\0\x01", b"ab", b"aba"] {
            assert!(!is_repetition(window), "{window:?}");
        }
    }
}
