//! The haystack of one scan, and what is known of it as a file.

use crate::layout::{NO_PROGRAM, PROGRAM_TARGET_MASK, PROGRAM_TARGET_SHIFT};
use crate::pattern::Offset;
use crate::{FileKind, Image, image_hash};
use std::sync::OnceLock;

/// A haystack and its facts: a file as it stands, or a normalised form of one. Threads that share a scan share it.
pub(crate) struct Subject<'h> {
    pub(crate) haystack: &'h [u8],
    /// What counts as the size of the file, which a form of it may have more or fewer bytes than.
    pub(crate) file_len: u64,
    kind: Option<FileKind>,
    /// A bit for each target whose signatures are looked for: any file, and the kind that this one is.
    targets: u16,
    /// Its programs: found when the first signature asks for them.
    images: OnceLock<Vec<Image>>,
    /// What it shows: found out when the first signature asks.
    picture_hash: OnceLock<Result<Option<u64>, TooCostly>>,
}

/// A picture that was not decoded, as that might take too much, or whose decoder panicked. Its hash is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooCostly;

impl<'h> Subject<'h> {
    /// The haystack as a file of the kind that its first bytes name. O(1): looks at the first KiB.
    pub(crate) fn new(haystack: &'h [u8]) -> Subject<'h> {
        let kind = FileKind::of(haystack);
        // What is normalised is looked for in normalised forms only.
        let targets = kind.filter(|kind| !kind.is_normalised()).map_or(1, |kind| 1 | 1 << kind as u8);
        Subject {
            haystack,
            file_len: haystack.len() as u64,
            kind,
            targets,
            images: OnceLock::new(),
            picture_hash: OnceLock::new(),
        }
    }

    /// A normalised form of a file that counts as one of `file_len` bytes, in which signatures for `targets` are looked for.
    pub(crate) fn form(form: &'h [u8], targets: u16, file_len: u64) -> Subject<'h> {
        Subject {
            haystack: form,
            file_len,
            kind: None,
            targets,
            images: OnceLock::from(Vec::new()),
            picture_hash: OnceLock::from(Ok(None)),
        }
    }

    /// What kind of file it is.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        self.kind
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

    /// Its hash where it is a picture that can be decoded. O(1) for files of other kinds and after the first call, else O(pixels).
    pub(crate) fn picture_hash(&self) -> Result<Option<u64>, TooCostly> {
        if self.kind != Some(FileKind::Graphics) {
            return Ok(None);
        }
        *self.picture_hash.get_or_init(|| match image_hash(self.haystack) {
            Ok(hash) => Ok(Some(hash)),
            Err(error) if error.is_limit() => Err(TooCostly),
            Err(_) => Ok(None),
        })
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
