//! The haystack of one scan, and what is known of it as a file.

use crate::layout::{NO_PROGRAM, PROGRAM_TARGET_MASK, PROGRAM_TARGET_SHIFT};
use crate::pattern::Offset;
use crate::{FileKind, Image};
use std::sync::OnceLock;

/// A haystack and its facts. Threads that share a scan share it.
pub(crate) struct Subject<'h> {
    pub(crate) haystack: &'h [u8],
    /// A bit for each target whose signatures are looked for: any file, and the kind that this one is.
    targets: u16,
    /// Its programs: found when the first signature asks for them.
    images: OnceLock<Vec<Image>>,
}

impl<'h> Subject<'h> {
    /// The haystack as a file of the kind that its first bytes name. O(1): looks at the first KiB.
    pub(crate) fn new(haystack: &'h [u8]) -> Subject<'h> {
        let kind = FileKind::of(haystack).map_or(0, |kind| kind as u8);
        Subject { haystack, targets: 1 | 1 << kind, images: OnceLock::new() }
    }

    /// Whether a signature that says `program` of itself is looked for in files of this kind.
    #[inline(always)]
    pub(crate) fn admits(&self, program: u32) -> bool {
        self.targets >> ((program >> PROGRAM_TARGET_SHIFT) & PROGRAM_TARGET_MASK) & 1 != 0 && program != NO_PROGRAM
    }

    /// Whether signatures for files of the kind with this number, 0 for any, are looked for here.
    pub(crate) fn admits_target(&self, target: u8) -> bool {
        self.targets.checked_shr(target.into()).is_some_and(|targets| targets & 1 != 0)
    }

    /// Whether signatures for some of these targets, a bit each, are looked for in files of this kind.
    pub(crate) fn admits_some(&self, targets: u16) -> bool {
        self.targets & targets != 0
    }

    /// Its programs where it is a PE file; none else.
    pub(crate) fn pe_images(&self) -> &[Image] {
        if self.targets >> FileKind::Pe as u16 & 1 == 1 { self.images() } else { &[] }
    }

    /// Calls `add` with the first and the last place, both included, of each range in which `offset` lets a match begin.
    pub(crate) fn each_range(&self, offset: Offset, add: impl FnMut(u64, u64)) {
        let images = if offset.needs_image() { self.images() } else { &[] };
        offset.each_range(self.haystack.len() as u64, images, add);
    }

    /// The programs that it holds. O(headers) at the first call, O(1) after that.
    pub(crate) fn images(&self) -> &[Image] {
        self.images.get_or_init(|| Image::all_of(self.haystack))
    }
}
