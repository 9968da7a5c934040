//! How often a pattern matches in a file, where an offset allows it to.

use std::ops::Range;

use super::{Exceeded, Regex};

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
