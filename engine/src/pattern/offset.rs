//! Where in a file a pattern may begin.

use crate::image::Image;

/// Where a match of a pattern must begin.
///
/// What counts from the entry point or from sections needs a file that has them: in every other no match may begin. A file of several
/// programs has such a place in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offset {
    /// Anywhere.
    Any,
    /// From `from` to `from + shift`, both included, counted from the start of the file.
    Start {
        /// First allowed offset, in bytes.
        from: u64,
        /// How many bytes later it may still begin.
        shift: u64,
    },
    /// From `len - back` to `len - back + shift`, both included, where `len` is the length of the file.
    End {
        /// Distance of the first allowed offset from the end of the file, in bytes.
        back: u64,
        /// How many bytes later it may still begin.
        shift: u64,
    },
    /// From the entry point on.
    Entry {
        /// Bytes from the entry point to the first allowed offset.
        delta: i64,
        /// How many bytes later it may still begin.
        shift: u64,
    },
    /// From a place in a section on.
    Section {
        /// Which section, from 0.
        index: u8,
        /// Bytes from its start to the first allowed offset.
        from: u64,
        /// How many bytes later it may still begin.
        shift: u64,
    },
    /// From a place in the last section on.
    LastSection {
        /// Bytes from its start to the first allowed offset.
        from: u64,
        /// How many bytes later it may still begin.
        shift: u64,
    },
    /// From the start of a section to its end, both included.
    Within {
        /// Which section, from 0.
        index: u8,
        /// How many bytes behind the end it may still begin.
        shift: u64,
    },
    /// At the key of one of the strings of the version information.
    VersionInfo,
}

impl Offset {
    /// Whether it allows one offset in a file, or in each program of one.
    pub fn is_fixed(self) -> bool {
        match self {
            Offset::Start { shift, .. }
            | Offset::End { shift, .. }
            | Offset::Entry { shift, .. }
            | Offset::Section { shift, .. }
            | Offset::LastSection { shift, .. } => shift == 0,
            Offset::Any | Offset::Within { .. } | Offset::VersionInfo => false,
        }
    }

    /// Whether it names a place in a program: the entry point, a section, a string.
    pub fn needs_image(self) -> bool {
        !matches!(self, Offset::Any | Offset::Start { .. } | Offset::End { .. })
    }

    /// Calls `add` with the first and last of each range of offsets at which a match may begin in a file of `len` bytes that
    /// holds the programs `images`.
    ///
    /// `(0, u64::MAX)` for [`Offset::Any`]. A file shorter than `back` has no offset for [`Offset::End`].
    pub fn each_range(self, len: u64, images: &[Image], mut add: impl FnMut(u64, u64)) {
        let mut add_shifted = |from: u64, shift: u64| add(from, from.saturating_add(shift));
        match self {
            Offset::Any => return add(0, u64::MAX),
            Offset::Start { from, shift } => return add_shifted(from, shift),
            Offset::End { back, shift } => {
                if let Some(from) = len.checked_sub(back) {
                    add_shifted(from, shift);
                }
                return;
            }
            _ => {}
        }
        for image in images {
            if self == Offset::VersionInfo {
                let keys = image.version_keys.iter().map(|&key| image.base.saturating_add(u64::from(key)));
                keys.for_each(|key| add(key, key));
            } else if let Some((first, last)) = self.range_in(image) {
                add(image.base.saturating_add(first), image.base.saturating_add(last));
            }
        }
    }

    /// The first and last offset in a program, counted from its base.
    fn range_in(self, image: &Image) -> Option<(u64, u64)> {
        let (first, shift) = match self {
            Offset::Entry { delta, shift } => (image.entry.checked_add_signed(delta)?, shift),
            Offset::Section { index, from, shift } => (u64::from(image.section(index)?.start).saturating_add(from), shift),
            Offset::LastSection { from, shift } => (u64::from(image.last?.start).saturating_add(from), shift),
            Offset::Within { index, shift } => {
                let section = image.section(index)?;
                return Some((u64::from(section.start), section.end()?.saturating_add(shift)));
            }
            Offset::Any | Offset::Start { .. } | Offset::End { .. } | Offset::VersionInfo => return None,
        };
        Some((first, first.saturating_add(shift)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Section;

    #[test]
    fn offsets_count_from_either_end() {
        assert_eq!(ranges(Offset::End { back: 4, shift: 0 }, &[]), [(6, 6)]);
        assert_eq!(ranges(Offset::End { back: 11, shift: 0 }, &[]), []);
        assert_eq!(ranges(Offset::Start { from: 3, shift: 2 }, &[]), [(3, 5)]);
    }

    #[test]
    fn offsets_count_from_entry_points_and_sections_of_each_program() {
        let text = Section { start: 100, len: 20 };
        let image =
            Image { base: 0, entry: 10, sections: vec![Some(text), None], last: Some(text), version_keys: vec![3, 8] };
        let images = [image.clone(), Image { base: 1000, ..image }];
        assert_eq!(ranges(Offset::Entry { delta: -10, shift: 1 }, &images), [(0, 1), (1000, 1001)]);
        assert_eq!(ranges(Offset::Entry { delta: -11, shift: 1 }, &images), []);
        assert_eq!(ranges(Offset::Section { index: 0, from: 3, shift: 0 }, &images), [(103, 103), (1103, 1103)]);
        assert_eq!(ranges(Offset::Section { index: 1, from: 3, shift: 0 }, &images), []);
        assert_eq!(ranges(Offset::Section { index: 2, from: 3, shift: 0 }, &images), []);
        assert_eq!(ranges(Offset::LastSection { from: 0, shift: 2 }, &images[..1]), [(100, 102)]);
        assert_eq!(ranges(Offset::Within { index: 0, shift: 5 }, &images[..1]), [(100, 125)]);
        assert_eq!(ranges(Offset::VersionInfo, &images), [(3, 3), (8, 8), (1003, 1003), (1008, 1008)]);
        assert_eq!(ranges(Offset::Entry { delta: 0, shift: 0 }, &[]), []);
    }

    #[test]
    fn a_section_that_ends_beyond_32_bits_has_no_inside() {
        let huge = Some(Section { start: 100, len: u32::MAX });
        let images = [Image { base: 0, entry: 0, sections: vec![huge], last: huge, version_keys: Vec::new() }];
        assert_eq!(ranges(Offset::Within { index: 0, shift: 0 }, &images), []);
        assert_eq!(ranges(Offset::Section { index: 0, from: 0, shift: 0 }, &images), [(100, 100)]);
    }

    fn ranges(offset: Offset, images: &[Image]) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        offset.each_range(10, images, |first, last| ranges.push((first, last)));
        ranges
    }
}
