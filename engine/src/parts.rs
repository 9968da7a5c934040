//! Signatures by digests of parts of an executable: a section, computed only where its size is listed, and what is imported.
//!
//! Sections may lie over each other, and headers have room for 65,535 of them. So what is hashed of one file is bounded by a multiple of
//! its length; a file that asks for more is reported as one that could not be scanned within its limits.

use crate::Image;
use crate::database::Database;
use crate::digest::{Kinds, any_signature, digest_hits, equal_to, has_any, md5_of_each};
use crate::layout::{DigestKind, DigestOf};
use crate::subject::Subject;
use std::ops::Range;

/// What of an executable is looked up, and where.
pub(crate) struct Parts<'p, 'd, K> {
    pub(crate) database: &'p Database<'d>,
    pub(crate) subject: &'p Subject<'p>,
    /// The kinds of digests that are asked for, of so many bytes.
    pub(crate) kinds_of: K,
}

/// Bytes of sections that are hashed: so many times the bytes of the file, and in a small one so many.
const HASHED_PER_BYTE: usize = 4;
const HASHED_MIN: usize = 16 << 20;

impl<K: Fn(DigestOf, usize) -> Kinds> Parts<'_, '_, K> {
    /// Calls `add` with each signature whose digest some part has, and the bytes that it stands for.
    ///
    /// O(headers), and O(bytes of parts) where one's size is listed; nothing for other files than PE, and without such signatures.
    ///
    /// # Errors
    /// A signature on which the work ran beyond its bounds; nothing of its kind was looked up then.
    pub(crate) fn find(&self, mut add: impl FnMut(u32, Range<usize>)) -> Result<(), u32> {
        let asks = |of| has_any(self.database, of) && !self.subject.pe_images().is_empty();
        let sections = if asks(DigestOf::Section) { self.find_sections(&mut add) } else { Ok(()) };
        let imports = if asks(DigestOf::Imports) { self.find_imports(&mut add) } else { Ok(()) };
        sections.and(imports)
    }

    fn find_imports(&self, mut add: impl FnMut(u32, Range<usize>)) -> Result<(), u32> {
        let haystack = self.subject.haystack;
        // clamscan has a text for PE32+, too, but looks for none there.
        if !Image::is_pe32(haystack) {
            return Ok(());
        }
        match Image::imports_of(haystack) {
            Ok(text) => {
                // A table that cannot be followed has no text, not an empty one.
                let Some(text) = text else { return Ok(()) };
                let kinds = (self.kinds_of)(DigestOf::Imports, text.len());
                digest_hits(self.database, DigestOf::Imports, kinds, &text, |id| add(id, 0..haystack.len()));
                Ok(())
            }
            Err(_) => Err(self.any_signature(DigestOf::Imports)),
        }
    }

    fn find_sections(&self, mut add: impl FnMut(u32, Range<usize>)) -> Result<(), u32> {
        let haystack = self.subject.haystack;
        let sections = self.sections();
        let mut room = haystack.len().saturating_mul(HASHED_PER_BYTE).max(HASHED_MIN);
        for (range, _) in &sections {
            room = room.checked_sub(range.len()).ok_or_else(|| self.any_signature(DigestOf::Section))?;
        }
        // As sections are listed by the thousand, MD5s of sections are computed side by side, as those of files are.
        let with_md5 = || sections.iter().filter(|(_, kinds)| kinds.contains(DigestKind::Md5)).map(|(range, _)| range);
        let inputs: Vec<&[u8]> = with_md5().map(|range| &haystack[range.clone()]).collect();
        for (range, digest) in with_md5().zip(md5_of_each(&inputs)) {
            let len = range.len() as u64;
            let mut found = |id| add(id, range.clone());
            equal_to(self.database, DigestOf::Section, DigestKind::Md5, len, &digest, &mut found);
        }
        for (range, kinds) in &sections {
            let kinds = kinds.without(DigestKind::Md5);
            let section = &haystack[range.clone()];
            digest_hits(self.database, DigestOf::Section, kinds, section, |id| add(id, range.clone()));
        }
        Ok(())
    }

    /// The sections whose sizes are listed, each range of bytes once, and the kinds of digests that are asked for of them.
    fn sections(&self) -> Vec<(Range<usize>, Kinds)> {
        let haystack = self.subject.haystack;
        let sections = self.subject.pe_images().iter().flat_map(|image| image.sections.iter().flatten());
        let ranges = sections
            .map(|section| section.start as usize..haystack.len().min(section.start as usize + section.len as usize));
        let mut ranges: Vec<Range<usize>> = ranges.filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges.dedup();
        let with_kinds = ranges.into_iter().map(|range| ((self.kinds_of)(DigestOf::Section, range.len()), range));
        with_kinds.filter(|(kinds, _)| !kinds.is_empty()).map(|(kinds, range)| (range, kinds)).collect()
    }

    /// One of those that ask for the work that went beyond its bounds.
    fn any_signature(&self, of: DigestOf) -> u32 {
        any_signature(self.database, of).unwrap_or_default()
    }
}
