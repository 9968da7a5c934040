//! How often a pattern matches in a file, where an offset allows it to.

use std::ops::Range;

use super::{Exceeded, Regex};
use crate::pattern::Offset;

/// Where a pattern is searched for, and how.
///
/// What is before the place does not exist for the pattern: `^` and `\A` match there, look-behinds see nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the file, in bytes; 0 for a signature without an offset.
    pub from: usize,
    /// How many bytes later a match may begin, at most; `None` without an offset and for one without a shift.
    pub shift: Option<usize>,
    /// A match begins at `from` and nowhere else: an offset without a shift, and without flag `r`.
    pub anchored: bool,
    /// The file ends `shift` bytes after `from` for the pattern: flag `e`.
    pub confined: bool,
    /// All matches are counted, not only the first: flag `g`.
    pub global: bool,
}

impl Extent {
    /// The whole file, and the first match in it.
    pub const WHOLE: Extent = Extent { from: 0, shift: None, anchored: false, confined: false, global: false };

    /// Where it is searched for when `offset` lets a match begin from `first` to `last`; `None` for a place beyond what this machine can
    /// address.
    pub fn of(offset: Offset, first: u64, last: u64, ways: Ways) -> Option<Extent> {
        let Ways { global, rolling, encompass } = ways;
        if offset == Offset::Any {
            return Some(Extent { global, ..Extent::WHOLE });
        }
        let shift = usize::try_from(last - first).ok()?;
        let fixed = offset.is_fixed();
        Some(Extent {
            from: usize::try_from(first).ok()?,
            shift: (!fixed).then_some(shift),
            anchored: fixed && !rolling,
            confined: encompass,
            global,
        })
    }
}

/// What signatures ask of a search besides the options of the pattern. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// `g`: all matches count, not only the first.
    pub global: bool,
    /// `r`: an offset without a shift is the first place where a match may begin, not the only one.
    pub rolling: bool,
    /// `e`: the file ends, for the pattern, as many bytes after the offset as the shift says.
    pub encompass: bool,
}

/// Matches of a pattern in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// How many were counted.
    pub count: u64,
    /// The first one, in bytes of the file.
    pub first: Option<Range<usize>>,
}

impl Regex {
    /// Counts matches in `file`, one after another without overlap, up to `count_max`. After an empty match the search goes on
    /// one byte later.
    ///
    /// Costs what [`Regex::find`] costs, for each match from where the last one ended.
    ///
    /// # Errors
    /// [`Exceeded`] as [`Regex::find`]; what was counted before is lost.
    pub fn matches(&self, file: &[u8], extent: Extent, count_max: u64, steps: &mut u64) -> Result<Matches, Exceeded> {
        let mut matches = Matches::default();
        let Some(mut subject) = file.get(extent.from..) else { return Ok(matches) };
        if let Some(shift) = extent.shift.filter(|shift| extent.confined && *shift < subject.len()) {
            subject = &subject[..shift];
        }
        let mut at = 0;
        while matches.count < count_max {
            let Some(found) = self.find_in(subject, at, extent.anchored, steps)? else { break };
            if extent.shift.is_some_and(|shift| found.start > shift) {
                break;
            }
            at = found.end + usize::from(found.is_empty());
            matches.count += 1;
            matches.first.get_or_insert(extent.from + found.start..extent.from + found.end);
            if !extent.global {
                break;
            }
        }
        Ok(matches)
    }
}
