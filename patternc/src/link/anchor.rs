//! Choosing the bytes by which a signature will be found.
//!
//! The longest run of fixed bytes is often a bad anchor: runs of zeros and the headers that every Visual Basic program shares are
//! long too. So each region that a tier could use is priced by how often its windows are expected in real files, and the
//! cheapest one wins. Which tiers there are is decided for the whole set first ([`Shapes::choose`]). `docs/matcher.md` has the reasons.
//!
//! Expectation comes from a [`Model`] of what files have in common; and from the set itself ([`Crowd`]): a window that many signatures
//! have is one that many files have, and one whose bucket they would share. The rejected alternative, ranking by length alone, puts
//! the anchors of 3,000 of 59,000 real signatures on five shared headers.

use super::beside::Beside;
use super::crowd::Crowd;
use super::run::{Fold, PricedRegion, PricedRun, has_letters_of_either_case, run_lens, runs};
use super::shapes::{SHAPES, Shape, Shapes, cost_alone};
use super::window::Windows;
use crate::model::Model;
use engine::pattern::Pattern;
use rayon::prelude::*;

/// Where in a pattern the anchor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Less than [`Pattern::ELEMENTS_MAX`].
    pub(super) element: u16,
    /// Bytes from the start of that element, less than [`Pattern::LEN_MAX`].
    pub(super) shift: u16,
}

impl Anchor {
    /// The anchor of a program that is never entered by one.
    pub(super) const START: Anchor = Anchor { element: 0, shift: 0 };
}

/// An anchor and the tier that tests for it.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Index into [`SHAPES`].
    pub(super) shape: usize,
    pub(super) fold: Fold,
    pub(super) anchor: Anchor,
    /// The `stride` windows of the anchor, by their distance from its start.
    pub(super) windows: Windows,
}

/// Chooses anchors for the patterns of one set.
pub(super) struct Chooser<'m> {
    model: &'m Model,
    exact: Tiers,
    folded: Tiers,
}

/// The tiers that patterns may be anchored in, and what is common among the patterns.
struct Tiers {
    fold: Fold,
    shapes: Shapes,
    crowd: Crowd,
}

/// Folded tiers must be that much cheaper for a pattern than exact ones before it asks for them.
const FOLD_GAIN: f64 = 2.0;

/// A region of this price or less is told from others by any bytes: the model knows none of its windows.
const RARE: f64 = 1e-7;

impl<'m> Chooser<'m> {
    /// Decides which tiers there will be for `patterns`, and counts what they have in common.
    pub(super) fn new(patterns: &[&Pattern], model: &'m Model) -> Chooser<'m> {
        let folds: Vec<bool> = patterns.par_iter().map(|pattern| is_better_folded(pattern, model)).collect();
        let of_fold =
            |fold: bool| patterns.iter().zip(&folds).filter(move |(_, folds)| **folds == fold).map(|(one, _)| *one);
        let exact = Shapes::choose(of_fold(false), Fold::Exact, model);
        let folded = Shapes::choose(of_fold(true), Fold::Folded, model);
        // Any pattern may use any tier, so all of them count for each.
        let tiers = |fold, shapes| Tiers { fold, shapes, crowd: Crowd::count(patterns, fold, shapes) };
        Chooser { model, exact: tiers(Fold::Exact, exact), folded: tiers(Fold::Folded, folded) }
    }

    /// Number of regions that an anchor of `pattern` may be chosen from. O(pattern).
    pub(super) fn options(&self, pattern: &Pattern) -> usize {
        let of_run = |len: usize, shapes: Shapes| {
            shapes.any().map(|(_, shape)| (len + 1).saturating_sub(shape.region())).sum::<usize>()
        };
        let of_tiers = |tiers: &Tiers| {
            let shapes = tiers.shapes;
            if shapes.any().next().is_none() {
                0
            } else {
                run_lens(pattern, tiers.fold).map(|len| of_run(len, shapes)).sum()
            }
        };
        of_tiers(&self.exact) + of_tiers(&self.folded)
    }

    /// The cheapest anchor of `pattern` as far as those are known that were [settled](Chooser::settle) before.
    pub(super) fn propose(&self, pattern: &Pattern) -> Proposal {
        let mut offers = Offers { best: None, contested: false };
        self.offer(pattern, &self.exact, self.exact.shapes.any(), &mut offers);
        self.offer(pattern, &self.folded, self.folded.shapes.any(), &mut offers);
        if offers.best.is_none() {
            self.offer(pattern, &self.exact, self.exact.shapes.few(), &mut offers);
        }
        Proposal { choice: offers.best.map(|best| best.choice(self.model)), contested: offers.contested }
    }

    /// The anchor of `pattern`: the cheapest, as long as there is room; `None` when it has nowhere two bytes in a row to search for.
    ///
    /// Where a window has as many signatures as it may have, those that come later are anchored elsewhere if they can, so patterns with
    /// the fewest [options](Chooser::options) must come first. What is `proposed` may be older than the anchors of others: few patterns have
    /// a window that so many others have, and only these are looked at again. So threads propose, and the outcome is as if there were one.
    pub(super) fn settle(&mut self, pattern: &Pattern, proposed: Proposal) -> Option<Choice> {
        let proposed = if proposed.contested { self.propose(pattern) } else { proposed };
        let choice = proposed.choice?;
        let tiers = if choice.fold == Fold::Exact { &mut self.exact } else { &mut self.folded };
        let shape = SHAPES[choice.shape];
        tiers.crowd.anchor(shape, choice.windows.bytes(shape));
        Some(choice)
    }

    /// Replaces the best of `offers` by a better region of `pattern` in tiers of `shapes`.
    fn offer(
        &self,
        pattern: &Pattern,
        tiers: &Tiers,
        shapes: impl Iterator<Item = (usize, Shape)> + Clone,
        offers: &mut Offers,
    ) {
        if shapes.clone().next().is_none() {
            return;
        }
        for run in runs(pattern, tiers.fold) {
            let fits = |shape: &Shape| shape.region() <= run.bytes.len();
            let mut best = offers.best.as_ref().map(|best| best.priced);
            if !shapes.clone().any(|(_, shape)| fits(&shape) && may_be_bettered(best, shape)) {
                continue;
            }
            let run = PricedRun::new(run, self.model);
            let mut taken = None;
            for (index, shape) in shapes.clone().filter(|(_, shape)| shape.region() <= run.len()) {
                if may_be_bettered(best, shape) {
                    let priced = run.cheapest_region(shape, self.model, Some(&tiers.crowd));
                    offers.contested |= priced.contested;
                    if best.is_none_or(|best| priced.is_better_than(best)) {
                        (best, taken) = (Some(priced), Some((priced, index)));
                    }
                }
            }
            if let Some((priced, shape)) = taken {
                offers.best = Some(Region { priced, fold: tiers.fold, shape, run });
            }
        }
    }
}

/// Whether `pattern` needs a folded tier, or is searched for more cheaply in one, each in a tier of its own.
fn is_better_folded(pattern: &Pattern, model: &Model) -> bool {
    if !has_letters_of_either_case(pattern) {
        return false;
    }
    let alone = |fold| cost_alone(pattern, fold, model);
    let folded = alone(Fold::Folded);
    folded.is_finite() && alone(Fold::Exact) > FOLD_GAIN * folded
}

/// An anchor that would be the best, if those that others have allow it.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    choice: Option<Choice>,
    /// Whether it depends on how many signatures were anchored elsewhere before.
    contested: bool,
}

/// The best of the regions of a pattern that were looked at.
struct Offers {
    best: Option<Region>,
    /// Whether any of them depended on how many signatures were anchored elsewhere before.
    contested: bool,
}

/// Whether a region of `shape` may be better than the best, as none costs less than the floor.
fn may_be_bettered(best: Option<PricedRegion>, shape: Shape) -> bool {
    best.is_none_or(|best| best.barred || shape.floor < best.price)
}

/// A region that windows may be taken from.
struct Region {
    priced: PricedRegion,
    fold: Fold,
    shape: usize,
    run: PricedRun,
}

impl Region {
    fn choice(self, model: &Model) -> Choice {
        let Shape { width, stride, floor } = SHAPES[self.shape];
        let PricedRegion { price, at, .. } = self.priced;
        let places = at..at + stride;
        let beside = if price - floor > RARE {
            Beside::of(&self.run, width, places.clone(), model)
        } else {
            Beside::of_rare(&self.run, width)
        };
        let run = self.run.run();
        let anchor = Anchor { element: run.element as u16, shift: (run.shift + at) as u16 };
        Choice { shape: self.shape, fold: self.fold, anchor, windows: beside.windows(places) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::layout::NEAR_REACH;

    /// A literal of distinct, uncommon bytes.
    fn rare(len: usize) -> Pattern {
        let bytes: Vec<u8> = (0..len).map(|i| 0x83_u8.wrapping_add((i as u8).wrapping_mul(29))).collect();
        Pattern::literal(&bytes).unwrap()
    }

    fn choose_among(patterns: &[Pattern], shapes: Shapes) -> Vec<Option<Choice>> {
        let mut chooser = chooser(patterns, shapes);
        patterns.iter().map(|pattern| choose(&mut chooser, pattern)).collect()
    }

    fn chooser(patterns: &[Pattern], shapes: Shapes) -> Chooser<'static> {
        let all: Vec<&Pattern> = patterns.iter().collect();
        let tiers = |fold, shapes| Tiers { fold, shapes, crowd: Crowd::count(&all, fold, shapes) };
        let (exact, folded) = (tiers(Fold::Exact, shapes), tiers(Fold::Folded, Shapes::default()));
        Chooser { model: Model::shipped(), exact, folded }
    }

    fn choose(chooser: &mut Chooser<'_>, pattern: &Pattern) -> Option<Choice> {
        let proposed = chooser.propose(pattern);
        chooser.settle(pattern, proposed)
    }

    /// The run of a literal.
    fn run_of(bytes: &[u8]) -> PricedRun {
        PricedRun::new(runs(&Pattern::literal(bytes).unwrap(), Fold::Exact).next().unwrap(), Model::shipped())
    }

    #[test]
    fn a_window_that_many_signatures_have_is_left_for_one_that_few_have() {
        let shared = b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa\xb7\x9e\xcd";
        let own = |i: u8| {
            (0..15_usize)
                .map(move |k| 0x91_u8.wrapping_mul(i).wrapping_add((k as u8).wrapping_mul(23)) | 0x80)
                .collect::<Vec<u8>>()
        };
        let patterns: Vec<Pattern> =
            (1..40).map(|i| Pattern::literal(&[shared.as_slice(), &own(i)].concat()).unwrap()).collect();
        let choices = choose_among(&patterns, Shapes::of(1));
        assert!(choices.iter().flatten().all(|choice| choice.anchor.shift >= 8), "each window has bytes of its own");
    }

    #[test]
    fn a_rare_short_region_is_preferred_to_a_long_common_one() {
        let mut bytes = vec![0; 64];
        bytes.extend(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa\xb7\x9e\xcd");
        let choice = choose_among(&[Pattern::literal(&bytes).unwrap()], Shapes::of(1))[0].clone().unwrap();
        assert_eq!(choice.anchor, Anchor { element: 0, shift: 64 });
    }

    #[test]
    fn padding_and_the_commonest_windows_are_anchors_only_of_what_has_nothing_else() {
        let model = Model::shipped();
        let cost = |window: &&u64| model.cost(&window.to_le_bytes());
        let commonest = model.commonest(8).iter().max_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap().to_le_bytes();
        let common = [0xcc_u8; 12].into_iter().chain(commonest).chain([0; 12]).collect::<Vec<u8>>();
        let only = [0x90; 40];
        let patterns: Vec<Pattern> =
            [[&common[..], b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9"].concat(), only.to_vec()]
                .iter()
                .map(|bytes| Pattern::literal(bytes).unwrap())
                .collect();
        let choices = choose_among(&patterns, Shapes::of(1 << 3));
        assert_eq!(usize::from(choices[0].as_ref().unwrap().anchor.shift), common.len());
        assert!(choices[1].is_some(), "nothing but padding");
    }

    #[test]
    fn a_window_is_the_anchor_of_so_many_signatures_and_the_others_move() {
        let shared = b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9";
        // Forty that have nothing else, between forty that have bytes of their own which cost more.
        let own = |i: u8| [&shared[..], &[0x48, 0x8b, 0x05, i, 0, 0, 0x48, 0x89, i, 0, 0, 0]].concat();
        let patterns: Vec<Pattern> = (0..80_u8)
            .map(|i| if i % 2 == 0 { Pattern::literal(&own(i)) } else { Pattern::literal(shared) })
            .map(Result::unwrap)
            .collect();
        let mut chooser = chooser(&patterns, Shapes::of(1 << 3));
        let mut by_options: Vec<&Pattern> = patterns.iter().collect();
        by_options.sort_by_key(|pattern| chooser.options(pattern));
        assert_eq!((chooser.options(by_options[0]), chooser.options(by_options[79])), (1, 13));
        // All are proposed before any is settled, as threads do: most of what they propose has no room any more.
        let proposed: Vec<Proposal> = by_options.iter().map(|pattern| chooser.propose(pattern)).collect();
        let at_shared: Vec<bool> = by_options
            .iter()
            .zip(proposed)
            .map(|(pattern, proposed)| chooser.settle(pattern, proposed).unwrap().anchor.shift == 0)
            .collect();
        assert!(at_shared[..40].iter().all(|shared| *shared), "they have nothing else");
        assert!(at_shared[40..].iter().all(|shared| !shared), "they have another place");
    }

    #[test]
    fn every_pattern_with_two_fixed_bytes_has_a_place() {
        for len in 2..40 {
            let pattern = rare(len);
            let shapes = Shapes::choose(std::iter::once(&pattern), Fold::Exact, Model::shipped());
            assert!(choose_among(&[pattern], shapes)[0].is_some(), "{len} bytes, {shapes:?}");
        }
        assert!(choose_among(&[rare(1)], Shapes::of(u8::MAX))[0].is_none());
    }

    #[test]
    fn one_short_pattern_does_not_bring_two_tiers_of_stride_1() {
        let patterns: Vec<Pattern> = (2..40).map(rare).collect();
        let shapes = Shapes::choose(patterns.iter(), Fold::Exact, Model::shipped());
        assert_eq!(shapes.all().filter(|(_, shape)| shape.stride == 1).count(), 1);
        assert!(choose_among(&patterns, shapes).iter().all(Option::is_some));
    }

    #[test]
    fn the_bytes_beside_a_window_are_the_rarest_in_reach() {
        // What compilers put between functions, and after it bytes that tell this signature from others.
        let run = b"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x40\x00\x8d\xd3\x15\x9a";
        let priced = run_of(run);
        let beside = Beside::of(&priced, 8, 0..4, Model::shipped());
        let shape = Shape { width: 8, stride: 4, floor: 0.0 };
        for (at, window) in beside.windows(0..4).each(shape).enumerate() {
            assert_eq!(window.bytes, u64::from_le_bytes(run[at..at + 8].try_into().unwrap()));
            let start = at + usize::from(window.near_at) - NEAR_REACH;
            let len = usize::from(window.near_len);
            assert_eq!(window.near.to_le_bytes()[..len], run[start..start + len]);
            assert!(start + len > 14 && start >= at + 8, "window {at}: {start} and {len} more");
        }
    }

    #[test]
    fn bytes_beside_a_window_are_within_reach_and_within_the_signature() {
        for (len, width, stride) in
            [(8, 8, 1), (11, 8, 4), (15, 8, 8), (40, 8, 8), (4, 4, 1), (2, 2, 1), (9, 2, 1), (7, 4, 4)]
        {
            let run: Vec<u8> = (0..len).map(|i: u8| 0x83_u8.wrapping_add(i.wrapping_mul(29))).collect();
            for first in 0..=run.len() + 1 - width - stride {
                let priced = run_of(&run);
                let beside = Beside::of(&priced, width, first..first + stride, Model::shipped());
                let places = first..first + stride;
                let windows = beside.windows(places.clone());
                for (at, window) in places.zip(windows.each(Shape { width, stride, floor: 0.0 })) {
                    let start = at + usize::from(window.near_at) - NEAR_REACH;
                    assert!(window.near_at < 16 && start + usize::from(window.near_len) <= run.len());
                    assert!(window.near_len > 0 || run.len() == width, "{len} {width} {at}");
                }
            }
        }
    }
}
