//! Choosing the bytes by which a signature will be found.
//!
//! The longest run of fixed bytes is often a bad anchor: runs of zeros and the headers that every Visual Basic program shares are
//! long too. So each region that a tier could use is priced by how often its windows are expected in real files, and the
//! cheapest one wins.
//!
//! Which tiers there are is decided for the whole set first ([`Shapes::choose`]): a tier costs a probe for each stride of everything
//! that is ever scanned, whoever is in it, so one signature must not have a tier for itself unless it fits nowhere else.
//! `docs/matcher.md` has the reasons.
//!
//! Expectation comes from a model with two facts, that bytes of executables and text are not equally frequent and that a byte often
//! repeats the one before it or the one before that; and from the set itself ([`Crowd`]): a window that many signatures have is one
//! that many files have, and one whose bucket they would share. The rejected alternative, ranking by length alone, puts the
//! anchors of 3,000 of 59,000 real signatures on five shared headers.

use crate::record::Body;
use engine::layout::{NEAR_REACH, WindowHash, window_mask};
use engine::pattern::{Element, Offset, Pattern};
use std::collections::BTreeSet;

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
    floor: f64,
}

impl Shape {
    /// Bytes that an anchor must have, so that one aligned window lies within it wherever it stands.
    fn region(self) -> usize {
        self.width + self.stride - 1
    }
}

/// A set of [`SHAPES`]: bit `n` for shape `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shapes(u8);

/// What a hit costs in probes: a branch that was not foreseen, a bucket, a comparison or two. About 19 ns beside 0.6 ns, measured as the
/// floors were.
const HIT_COST: f64 = 30.0;

impl Shapes {
    /// Patterns that are priced; more would not change the choice.
    const SAMPLE_MAX: usize = 4096;

    /// The set that is cheapest to scan with for `patterns`, in which each that has an anchor has a place.
    ///
    /// O(patterns + sample × shapes × sets).
    pub(super) fn choose<'p>(patterns: impl Iterator<Item = &'p Pattern> + Clone) -> Shapes {
        let longest_run = |pattern| fixed_runs(pattern).map(|run| run.bytes.len()).max().unwrap_or(0);
        let (mut count, mut shortest) = (0, usize::MAX);
        for len in patterns.clone().map(longest_run).filter(|&len| len >= 2) {
            count += 1;
            shortest = shortest.min(len);
        }
        let every = count / Shapes::SAMPLE_MAX + 1;
        let sample: Vec<[f64; SHAPES.len()]> = patterns.step_by(every).map(prices).collect();
        let fits_all = |set: &Shapes| set.iter().any(|(_, shape)| shape.region() <= shortest);
        let sets = (1..=u8::MAX).map(Shapes).filter(fits_all);
        let cost = |set: &Shapes| set.cost(&sample, every as f64);
        sets.min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(Shapes(u8::MAX))
    }

    fn iter(self) -> impl Iterator<Item = (usize, Shape)> {
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

/// How often each window occurs in the signatures of the set.
///
/// Signatures are cut from files, so what is common among them is common in files like those; and signatures that share an anchor are
/// all tried where it stands. Counts are kept by hash, in a byte each: windows that share a place count together, which may move an
/// anchor for nothing and does no other harm.
pub(super) struct Crowd {
    counts: Vec<u8>,
    log2: u8,
    /// Hits for each byte scanned that one more occurrence in the set stands for.
    weight: f64,
}

impl Crowd {
    /// Fewest places, so that in a small set windows seldom share one.
    const LOG2_MIN: u32 = 14;
    /// Most places, 32 MiB of them.
    const LOG2_MAX: u32 = 25;

    /// Counts the windows of `shapes` in `patterns`. O(bytes of the patterns × widths).
    pub(super) fn count<'p>(patterns: impl Iterator<Item = &'p Pattern> + Clone, shapes: Shapes) -> Crowd {
        let widths: BTreeSet<usize> = shapes.iter().map(|(_, shape)| shape.width).collect();
        let bytes: usize = patterns.clone().flat_map(fixed_runs).map(|run| run.bytes.len()).sum();
        let log2 = (2 * bytes * widths.len()).max(1).ilog2().clamp(Crowd::LOG2_MIN, Crowd::LOG2_MAX) as u8;
        let mut crowd = Crowd { counts: vec![0; 1 << log2], log2, weight: 1.0 / bytes.max(1 << 16) as f64 };
        for run in patterns.flat_map(fixed_runs) {
            for window in widths.iter().flat_map(|&width| run.bytes.windows(width)) {
                let place = crowd.place(window);
                crowd.counts[place] = crowd.counts[place].saturating_add(1);
            }
        }
        crowd
    }

    /// The share of places in files where other signatures of the set let expect `window`.
    fn share(&self, window: &[u8]) -> f64 {
        self.weight * f64::from(self.counts[self.place(window)].saturating_sub(1))
    }

    fn place(&self, window: &[u8]) -> usize {
        let mut bytes = [0; 8];
        bytes[..window.len()].copy_from_slice(window);
        // The width makes part of what is hashed, so that windows of one width do not count for another.
        let key = super::HASH_KEY.rotate_left(8 * window.len() as u32) | 1;
        WindowHash::new(u64::from_le_bytes(bytes), key).index(self.log2)
    }
}

/// Where in a pattern the anchor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) element: usize,
    pub(super) shift: usize,
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
    pub(super) anchor: Anchor,
    /// The `stride` windows of the anchor, by their distance from its start.
    pub(super) windows: Vec<Window>,
}

/// A window to be stored, and what stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Its bytes, the first lowest.
    pub(super) bytes: u64,
    /// Up to four bytes beside it, the first lowest.
    pub(super) near: u32,
    pub(super) near_len: u8,
    /// Where they begin, counted from [`NEAR_REACH`] bytes before the window.
    pub(super) near_at: u8,
}

/// The cheapest anchor of `pattern` among `shapes`; `None` when it has no two fixed bytes in a row.
pub(super) fn choose(pattern: &Pattern, shapes: Shapes, crowd: &Crowd) -> Option<Choice> {
    let mut best: Option<(f64, usize, Run, usize)> = None;
    for run in fixed_runs(pattern) {
        for (index, shape) in shapes.iter().filter(|(_, shape)| shape.region() <= run.bytes.len()) {
            let (price, shift) = cheapest_region(&run.bytes, shape, |window| expected_share(window) + crowd.share(window));
            if best.as_ref().is_none_or(|(least, ..)| price < *least) {
                best = Some((price, index, run.clone(), shift));
            }
        }
    }
    let (_, index, run, shift) = best?;
    let Shape { width, stride, .. } = SHAPES[index];
    let windows = (shift..shift + stride).map(|at| Window::of(&run.bytes, at, width)).collect();
    Some(Choice { shape: index, anchor: Anchor { element: run.element, shift: run.shift + shift }, windows })
}

impl Window {
    /// The window of `width` bytes at `at` in a run of fixed bytes.
    fn of(run: &[u8], at: usize, width: usize) -> Window {
        let (before, after) = (at.min(NEAR_REACH), (run.len() - at - width).min(4));
        let (start, near_len, near_at) = if after >= before {
            (at + width, after, NEAR_REACH + width)
        } else {
            (at - before, before, NEAR_REACH - before)
        };
        let mut near = [0; 4];
        near[..near_len].copy_from_slice(&run[start..start + near_len]);
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&run[at..at + width]);
        Window {
            bytes: u64::from_le_bytes(bytes) & window_mask(width as u8),
            near: u32::from_le_bytes(near),
            near_len: near_len as u8,
            near_at: near_at as u8,
        }
    }
}

/// Consecutive fixed bytes.
#[derive(Clone, Debug)]
struct Run {
    /// The element that they lie in.
    element: usize,
    /// Bytes from the start of that element to them.
    shift: usize,
    bytes: Vec<u8>,
}

/// The runs of fixed bytes of a pattern.
fn fixed_runs(pattern: &Pattern) -> impl Iterator<Item = Run> + '_ {
    pattern.elements().iter().enumerate().flat_map(|(element, piece)| {
        let bytes = if let Element::Bytes(bytes) = piece { bytes.as_slice() } else { &[] };
        let stretches = bytes.chunk_by(|a, b| a.is_fixed() == b.is_fixed()).scan(0, |next, stretch| {
            let shift = *next;
            *next += stretch.len();
            Some((shift, stretch))
        });
        let fixed = stretches.filter(|(_, stretch)| stretch[0].is_fixed());
        fixed.map(move |(shift, stretch)| Run { element, shift, bytes: stretch.iter().map(|byte| byte.value()).collect() })
    })
}

/// For each shape, the least price of a region of it in `pattern`; infinite when there is none.
fn prices(pattern: &Pattern) -> [f64; SHAPES.len()] {
    let mut prices = [f64::INFINITY; SHAPES.len()];
    for run in fixed_runs(pattern) {
        for (price, shape) in prices.iter_mut().zip(SHAPES).filter(|(_, shape)| shape.region() <= run.bytes.len()) {
            *price = price.min(cheapest_region(&run.bytes, shape, expected_share).0);
        }
    }
    prices
}

/// Least price of a region of `shape` in `run`, in expected hits for each byte scanned, and where that region begins.
fn cheapest_region(run: &[u8], shape: Shape, share: impl Fn(&[u8]) -> f64) -> (f64, usize) {
    let shares: Vec<f64> = run.windows(shape.width).map(share).collect();
    let regions = shares.windows(shape.stride).map(|windows| windows.iter().sum::<f64>() / shape.stride as f64);
    let cheapest = regions.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    let (shift, price) = cheapest.expect("the run has room for a region");
    (price + shape.floor, shift)
}

/// The share of places in real files where `window` is expected to stand.
fn expected_share(window: &[u8]) -> f64 {
    let mut bits = 0.0;
    for (i, &byte) in window.iter().enumerate() {
        let repeats = |distance: usize| i >= distance && window[i - distance] == byte;
        bits += if repeats(1) {
            0.7
        } else if repeats(2) || repeats(4) {
            1.5
        } else {
            surprise(byte)
        };
    }
    f64::exp2(-bits)
}

/// Bits of surprise of a byte by itself.
fn surprise(byte: u8) -> f64 {
    match byte {
        0x00 => 2.0,
        0xff | b' ' => 4.5,
        0x01 | 0x48 | 0x8b | 0x89 | 0xcc | 0x90 | b'e' | b't' | b'a' => 5.5,
        b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'\n' | b'_' | b'.' | 0x02..=0x0f | 0x24 | 0xe8 => 6.5,
        _ => 8.0,
    }
}

/// A signature whose matches begin at one offset, and the key that tells it from others there.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    pub(super) from_end: bool,
    pub(super) distance: u64,
    /// Bytes from the start of the match to the key.
    pub(super) key_shift: usize,
    pub(super) key: Vec<u8>,
}

impl Direct {
    const KEY_MAX: usize = 4;

    /// How `body` is found by its offset; `None` when it may begin at several.
    pub(super) fn of(body: &Body) -> Option<Direct> {
        let (from_end, distance) = match body.offset {
            Offset::Start { from, shift: 0 } => (false, from),
            Offset::End { back, shift: 0 } => (true, back),
            _ => return None,
        };
        // Only the first element stands at a known place.
        let runs = fixed_runs(&body.pattern).take_while(|run| run.element == 0);
        let longest = runs.max_by_key(|run| run.bytes.len().min(Direct::KEY_MAX));
        let (key_shift, key) = longest.map(|run| (run.shift, run.bytes)).unwrap_or_default();
        Some(Direct { from_end, distance, key_shift, key: key.into_iter().take(Direct::KEY_MAX).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A literal of distinct, uncommon bytes.
    fn rare(len: usize) -> Pattern {
        let bytes: Vec<u8> = (0..len).map(|i| 0x83_u8.wrapping_add((i as u8).wrapping_mul(29))).collect();
        Pattern::literal(&bytes).unwrap()
    }

    fn choose_among(patterns: &[Pattern], shapes: Shapes) -> Vec<Option<Choice>> {
        let crowd = Crowd::count(patterns.iter(), shapes);
        patterns.iter().map(|pattern| choose(pattern, shapes, &crowd)).collect()
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
        let choices = choose_among(&patterns, Shapes(1));
        assert!(choices.iter().flatten().all(|choice| choice.anchor.shift >= 8), "each window has bytes of its own");
    }

    #[test]
    fn a_rare_short_region_is_preferred_to_a_long_common_one() {
        let mut bytes = vec![0; 64];
        bytes.extend(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa\xb7\x9e\xcd");
        let choice = choose_among(&[Pattern::literal(&bytes).unwrap()], Shapes(1))[0].clone().unwrap();
        assert_eq!(choice.anchor, Anchor { element: 0, shift: 64 });
    }

    #[test]
    fn every_pattern_with_two_fixed_bytes_has_a_place() {
        for len in 2..40 {
            let pattern = rare(len);
            let shapes = Shapes::choose(std::iter::once(&pattern));
            assert!(choose_among(&[pattern], shapes)[0].is_some(), "{len} bytes, {shapes:?}");
        }
        assert!(choose_among(&[rare(1)], Shapes(u8::MAX))[0].is_none());
    }

    #[test]
    fn one_short_pattern_does_not_bring_two_tiers_of_stride_1() {
        let patterns: Vec<Pattern> = (2..40).map(rare).collect();
        let shapes = Shapes::choose(patterns.iter());
        assert_eq!(shapes.iter().filter(|(_, shape)| shape.stride == 1).count(), 1);
        assert!(choose_among(&patterns, shapes).iter().all(Option::is_some));
    }

    #[test]
    fn the_bytes_beside_a_window_are_of_the_signature() {
        let run: Vec<u8> = (0..15).collect();
        let window = Window::of(&run, 2, 8);
        assert_eq!((window.bytes, window.near), (0x0908_0706_0504_0302, 0x0d0c_0b0a));
        assert_eq!((window.near_len, window.near_at), (4, 12));
        let window = Window::of(&run, 6, 8);
        assert_eq!((window.near, window.near_len, window.near_at), (0x0504_0302, 4, 0));
        let window = Window::of(&run[..11], 2, 8);
        assert_eq!((window.near, window.near_len, window.near_at), (0x0100, 2, 2));
    }
}
