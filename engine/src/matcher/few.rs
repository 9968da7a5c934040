//! Tiers of a few short windows, for which the filter is asked at every byte otherwise.
//!
//! Teddy (Langdale, in Hyperscan; here by way of the crate `aho-corasick`) compares the first bytes of some strings with 16 or 32
//! places at once. For up to [`WINDOWS_MAX`] windows that is seven times as fast as a filter at stride 1, 16.7 against 2.1 GB/s; with twice as many it
//! is slower. Where windows are longer and the stride is not 1, the filter wins for any number: 20 against 17 GB/s for one literal of
//! twelve bytes, 17 against 1.7 for 32.

use super::filter::Positions;
use crate::layout::Tier;
use aho_corasick::Span;
use aho_corasick::packed::{Config, Searcher};
use std::ops::Range;

/// Most windows of a tier that are searched for so.
const WINDOWS_MAX: usize = 16;
/// Narrowest window: two bytes stand everywhere.
const WIDTH_MIN: u8 = 3;
/// Bytes of a block for each window found, below which the filter takes over: finding one costs as much as asking it 30 times.
const DENSE: usize = 64;

/// The windows of a small tier.
#[derive(Clone, Debug)]
pub(super) struct Few {
    searcher: Searcher,
    width: usize,
}

impl Few {
    /// A search for the `windows` of `tier`; `None` when they are too many, when the filter is the better way, or when this processor or a
    /// damaged signature forbids it.
    pub(super) fn of<W>(tier: &Tier, windows: impl FnOnce() -> W) -> Option<Few>
    where
        W: Iterator<Item = Option<u64>>,
    {
        let few = (1..=WINDOWS_MAX).contains(&(tier.signatures.get() as usize));
        if !few || tier.stride != 1 || tier.fold != 0 || tier.width < WIDTH_MIN {
            return None;
        }
        let width = usize::from(tier.width);
        let mut windows: Vec<u64> = windows().take(WINDOWS_MAX + 1).collect::<Option<_>>()?;
        windows.sort_unstable();
        windows.dedup();
        if windows.is_empty() || windows.len() > WINDOWS_MAX {
            return None;
        }
        let windows: Vec<[u8; 8]> = windows.into_iter().map(u64::to_le_bytes).collect();
        let searcher = Config::new().builder().extend(windows.iter().map(|window| &window[..width])).build()?;
        Some(Few { searcher, width })
    }

    /// Makes `hits` the places in `range` where windows begin; `false` when there are so many that the filter is to say.
    pub(super) fn hits(&self, haystack: &[u8], range: Range<usize>, hits: &mut Positions) -> bool {
        hits.reset(range.clone());
        let end = haystack.len().min(range.end + self.width - 1);
        let mut start = range.start;
        while start < end
            && let Some(found) = self.searcher.find_in(haystack, Span { start, end })
        {
            if hits.len() * DENSE > range.len() {
                return false;
            }
            hits.push(found.start());
            start = found.start() + 1;
        }
        true
    }
}
