//! Normalised forms of a file: what is looked through in its place for signatures that are meant for web pages and text.
//!
//! Whoever writes such a signature counts on one case of letters, one kind of white space and no comments. A form is another
//! haystack: offsets count in it, and so do the ranges of matches. `docs/normalisation.md` tells the rules and how they were found.

mod entity;
mod html;
mod names;
mod script;
mod text;

use crate::FileKind;
use crate::kind::{holds_tag, is_wide_page, narrow_units, text::is_plain};
use html::PageForms;

/// A normalised form of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its name: `text`, or `without comments`, `without tags` or `scripts` of a page.
    pub name: &'static str,
    /// The bytes that are looked through.
    pub bytes: Vec<u8>,
    /// What counts as the size of the file for signatures that are limited to some: of text the file's own, of others the form's.
    pub file_len: u64,
    /// The kinds of files that signatures looked for in it are meant for, besides those for any file.
    pub kinds: Vec<FileKind>,
}

/// The normalised forms of a file, none when it is of a kind that is looked through as it stands, or too large. O(haystack).
pub fn forms(haystack: &[u8]) -> Vec<Form> {
    let mut forms = Forms::default();
    forms.make(haystack, FileKind::of(haystack), NORMALISED);
    let kinds = |targets: Targets| FileKind::ALL.into_iter().filter(|kind| targets >> *kind as u8 & 1 == 1).collect();
    let form = |(name, bytes, targets, file_len): (_, &[u8], _, _)| Form {
        name,
        bytes: bytes.to_vec(),
        file_len,
        kinds: kinds(targets),
    };
    forms.each(haystack.len() as u64).map(form).collect()
}

/// A bit for each target, as in [`crate::layout::Tier::targets`].
pub(crate) type Targets = u16;

/// Signatures for any file.
const ANY: Targets = 1;
const HTML: Targets = 1 << FileKind::Html as u8;
const TEXT: Targets = 1 << FileKind::Text as u8;
/// The targets for which files are normalised.
pub(crate) const NORMALISED: Targets = HTML | TEXT;

/// Larger files are not normalised, as in clamscan: pages, and text.
const HTML_BYTES_MAX: usize = 40 << 20;
const TEXT_BYTES_MAX: usize = 20 << 20;
/// A form without tags that is larger is not looked through.
const UNTAGGED_BYTES_MAX: usize = 8 << 20;
/// Memory that is kept for the next file, for each form.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Bytes in which the kind of text is told.
const HEAD: usize = 1024;

/// The normalised forms of one file; its memory serves for many.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    page: PageForms,
    text: Vec<u8>,
    /// A page in UTF-16, with one byte for each unit.
    narrow: Vec<u8>,
}

impl Forms {
    /// Makes the forms of `haystack`, a file of the kind `kind`, that signatures for `wanted` targets are looked for in.
    pub(crate) fn make(&mut self, haystack: &[u8], kind: Option<FileKind>, wanted: Targets) {
        self.clear();
        if wanted & NORMALISED == 0 {
            return;
        }
        let is_page = match kind {
            Some(FileKind::Html) => true,
            // Only where text is one byte for each character do tags further back count. Pictures of one format may be pages too.
            Some(FileKind::Text) => is_plain(&haystack[..haystack.len().min(HEAD)]) && holds_tag(haystack),
            Some(FileKind::Graphics) => haystack.starts_with(b"GIF") && holds_tag(haystack),
            _ => return,
        };
        if is_page {
            if haystack.len() <= HTML_BYTES_MAX {
                if is_wide_page(&haystack[..haystack.len().min(HEAD)]) {
                    narrow_units(haystack, &mut self.narrow);
                    html::normalise(&self.narrow, &mut self.page);
                } else {
                    html::normalise(haystack, &mut self.page);
                }
            }
        } else if kind == Some(FileKind::Text) && haystack.len() <= TEXT_BYTES_MAX && wanted & TEXT != 0 {
            text::normalise(haystack, &mut self.text);
        }
    }

    /// Each form with its name, the targets whose signatures are looked for in it, and what counts as the size of the file, of which there are
    /// `file_len` bytes.
    pub(crate) fn each(&self, file_len: u64) -> impl Iterator<Item = (&'static str, &[u8], Targets, u64)> {
        let PageForms { uncommented, untagged, scripts } = &self.page;
        let untagged = if untagged.len() > UNTAGGED_BYTES_MAX { &[] } else { &untagged[..] };
        let forms = [
            ("without comments", &uncommented[..], ANY | HTML),
            ("without tags", untagged, ANY | HTML),
            ("scripts", scripts, ANY | HTML | TEXT),
            ("text", &self.text, ANY | TEXT),
        ];
        let forms = forms.into_iter().filter(|(_, form, _)| !form.is_empty());
        forms.map(move |(name, form, targets)| {
            (name, form, targets, if name == "text" { file_len } else { form.len() as u64 })
        })
    }

    fn clear(&mut self) {
        let PageForms { uncommented, untagged, scripts } = &mut self.page;
        for form in [uncommented, untagged, scripts, &mut self.text, &mut self.narrow] {
            form.clear();
            form.shrink_to(KEPT_BYTES_MAX);
        }
    }
}
