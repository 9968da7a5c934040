//! Choosing the bytes by which a signature will be found.
//!
//! The longest run of fixed bytes is often a bad anchor: runs of zeros and the headers that every Visual Basic program shares are
//! long too. So each region that a tier could use is priced by how often its windows are expected in real files, and the
//! cheapest one wins; a narrower tier must be cheaper by more than what its loop costs every scan.
//!
//! Expectation comes from a model with two facts: bytes of executables and text are not equally frequent, and a byte often
//! repeats the one before it or the one before that. The rejected alternative, ranking by length alone, puts the anchors of
//! 3,000 of 59,000 real signatures on five shared headers.

use crate::record::Body;
use engine::layout::window_mask;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};

/// The windows that tiers test: width, stride and what a probe per stride costs every byte scanned, in expected candidates.
///
/// The last column keeps a signature out of a narrow tier unless its regions in the wide ones are that much commoner.
pub(super) const TIERS: [TierShape; 6] = [
    TierShape { width: 8, stride: 8, penalty: 0.0 },
    TierShape { width: 8, stride: 4, penalty: 1e-7 },
    TierShape { width: 4, stride: 4, penalty: 3e-6 },
    TierShape { width: 4, stride: 1, penalty: 1e-4 },
    TierShape { width: 3, stride: 1, penalty: 1e-3 },
    TierShape { width: 2, stride: 1, penalty: 1e-1 },
];

/// One family of windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct TierShape {
    pub(super) width: usize,
    pub(super) stride: usize,
    penalty: f64,
}

impl TierShape {
    /// Bytes that an anchor must have, so that one aligned window lies within it wherever it stands.
    fn region(self) -> usize {
        self.width + self.stride - 1
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
    /// Index into [`TIERS`].
    pub(super) tier: usize,
    pub(super) anchor: Anchor,
    /// The `stride` windows of the anchor, by their distance from its start.
    pub(super) windows: Vec<u64>,
}

/// The cheapest anchor of `pattern`; `None` when it has no two fixed bytes in a row.
pub(super) fn choose(pattern: &Pattern) -> Option<Choice> {
    let mut best: Option<(f64, usize, Anchor)> = None;
    for (element, run_shift, run) in fixed_runs(pattern) {
        for (tier, shape) in TIERS.iter().enumerate().filter(|(_, shape)| shape.region() <= run.len()) {
            let (price, shift) = cheapest_region(&run, *shape);
            if best.is_none_or(|(least, ..)| price < least) {
                best = Some((price, tier, Anchor { element, shift: run_shift + shift }));
            }
        }
    }
    let (_, tier, anchor) = best?;
    let Element::Bytes(bytes) = &pattern.elements()[anchor.element] else { return None };
    let TierShape { width, stride, .. } = TIERS[tier];
    let windows = (0..stride).map(|shift| window(&bytes[anchor.shift + shift..], width)).collect();
    Some(Choice { tier, anchor, windows })
}

/// Runs of fixed bytes: the element each lies in, how far from its start, and the bytes.
fn fixed_runs(pattern: &Pattern) -> impl Iterator<Item = (usize, usize, Vec<u8>)> + '_ {
    pattern.elements().iter().enumerate().flat_map(|(index, element)| {
        let bytes = if let Element::Bytes(bytes) = element { bytes.as_slice() } else { &[] };
        let runs = bytes.chunk_by(|a, b| a.is_fixed() == b.is_fixed()).scan(0, move |shift, run| {
            let start = *shift;
            *shift += run.len();
            Some((index, start, run))
        });
        let fixed = runs.filter(|(.., run)| run[0].is_fixed());
        fixed.map(|(index, start, run)| (index, start, run.iter().map(|byte| byte.value()).collect()))
    })
}

/// Least price of a region of `shape` in `run`, and where that region begins.
fn cheapest_region(run: &[u8], shape: TierShape) -> (f64, usize) {
    let prices: Vec<f64> = run.windows(shape.width).map(expected_share).collect();
    let regions = prices.windows(shape.stride).map(|windows| windows.iter().sum::<f64>() / shape.stride as f64);
    let cheapest = regions.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    let (shift, share) = cheapest.expect("the run has room for a region");
    (share + shape.penalty, shift)
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

/// The first `width` bytes, all fixed, as the hash takes them.
fn window(bytes: &[MaskedByte], width: usize) -> u64 {
    let mut window = [0; 8];
    for (slot, byte) in window.iter_mut().zip(&bytes[..width]) {
        *slot = byte.value();
    }
    u64::from_le_bytes(window) & window_mask(width as u8)
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
        let runs = fixed_runs(&body.pattern).take_while(|(element, ..)| *element == 0);
        let longest = runs.max_by_key(|(.., run)| run.len().min(Direct::KEY_MAX));
        let (key_shift, key) = longest.map(|(_, shift, run)| (shift, run)).unwrap_or_default();
        Some(Direct { from_end, distance, key_shift, key: key.into_iter().take(Direct::KEY_MAX).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_short_region_is_preferred_to_a_long_common_one() {
        let mut bytes = vec![0; 64];
        bytes.extend(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6\x83\xb5\xd9\xaa\xb7\x9e\xcd");
        let choice = choose(&Pattern::literal(&bytes).unwrap()).unwrap();
        assert_eq!((choice.tier, choice.anchor), (0, Anchor { element: 0, shift: 64 }));
    }

    #[test]
    fn each_run_length_has_its_tier() {
        let tier = |len: usize| {
            let bytes: Vec<u8> = (0..len).map(|i| 0x83u8.wrapping_add((i as u8).wrapping_mul(29))).collect();
            choose(&Pattern::literal(&bytes).unwrap()).map(|choice| choice.tier)
        };
        let tiers = [1, 2, 3, 4, 6, 7, 10, 11, 14, 15, 40].map(tier);
        let expected = [None, Some(5), Some(4), Some(3), Some(3), Some(2), Some(2), Some(1), Some(1), Some(0), Some(0)];
        assert_eq!(tiers, expected);
    }
}
