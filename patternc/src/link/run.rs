//! Stretches of a pattern that windows can be taken from, and what their windows cost.

use super::shapes::Shape;
use crate::model::Model;
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
    pattern.elements().iter().enumerate().flat_map(move |(element, piece)| {
        let bytes = if let Element::Bytes(bytes) = piece { bytes.as_slice() } else { &[] };
        let stretches = bytes.chunk_by(move |a, b| serves(*a, fold) == serves(*b, fold)).scan(0, |next, stretch| {
            let shift = *next;
            *next += stretch.len();
            Some((shift, stretch))
        });
        let useful = stretches.filter(move |(_, stretch)| serves(stretch[0], fold));
        useful.map(move |(shift, stretch)| Run::of(element, shift, stretch, fold))
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

    /// Least price of a region of `shape`, in expected hits for each byte scanned, and where that region begins. `more` is added to what
    /// the model says of a window.
    pub(super) fn cheapest_region(&self, shape: Shape, model: &Model, more: impl Fn(&[u8]) -> f64) -> (f64, usize) {
        let Shape { width, stride, floor } = shape;
        let mut costs = if width == WIDE { self.wide.clone() } else { self.costs(0..self.len(), width, model) };
        if width < WIDE {
            // A part is at least as common as the whole, which the model may know where it does not know the part.
            for (at, &whole) in self.wide.iter().enumerate() {
                costs[at..=at + WIDE - width].iter_mut().for_each(|cost| *cost = cost.max(whole));
            }
        }
        for (cost, window) in costs.iter_mut().zip(self.run.bytes.windows(width)) {
            *cost += more(window);
        }
        let regions = costs.windows(stride).map(|windows| windows.iter().sum::<f64>() / stride as f64);
        let cheapest = regions.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        let (shift, price) = cheapest.expect("the run has room for a region");
        (price + floor, shift)
    }
}
