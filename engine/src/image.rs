//! Where the entry point and the sections of an executable lie in its file.
//!
//! The headers are those of PE, ELF and Mach-O as crate `object` lays them out; which of their many contradictions make a file
//! unreadable, and how offsets are rounded, follows what clamscan does, because signatures were written against it. `docs/targets.md`
//! tells the rules. Headers are hostile: everything here is linear in their tables, and gives up instead of guessing.

mod elf;
mod imports;
mod macho;
mod ordinals;
mod pe;

use crate::FileKind;
use imports::NoText;

/// A program in a file: the whole file, or one part of a fat Mach-O file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Where the program begins in the file, in bytes. The other offsets count from here.
    pub base: u64,
    /// File offset of the entry point; 0 when the headers state none.
    pub entry: u64,
    /// The sections, in the order of the headers; `None` for one that lies outside the file. More than [`Image::SECTIONS_MAX`] only in a PE file.
    pub sections: Vec<Option<Section>>,
    /// The last section of the headers.
    pub last: Option<Section>,
    /// Where the keys of the strings of its version information begin, ascending; only a PE program has any.
    pub version_keys: Vec<u32>,
}

/// The import table of a file asks for more work than a file of its length may: entries of it are used again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the import table takes more steps to read than a file of its length may")]
pub struct ImportsTooLong;

/// The bytes of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Where it begins, in bytes from the base of its [`Image`].
    pub start: u32,
    /// How many bytes it has, after rounding; it may end outside the file.
    pub len: u32,
}

impl Image {
    /// Sections of a program that body signatures can name: the first of them.
    pub const SECTIONS_MAX: usize = 256;

    /// The programs of a file: none for files that are no executables, and for executables whose headers cannot be followed.
    ///
    /// O(headers); allocates for the sections.
    pub fn all_of(file: &[u8]) -> Vec<Image> {
        match FileKind::of(file) {
            Some(FileKind::Pe) => pe::image(file).into_iter().collect(),
            Some(FileKind::Elf) => elf::image(file).into_iter().collect(),
            Some(FileKind::MachO) => macho::images(file),
            _ => Vec::new(),
        }
    }

    /// What a PE file imports, as one text: `library.function` for each, in the order of the file, with commas between, in lower case; a
    /// function that is imported by number is named where its library is known to have fixed numbers, else `ord` and the number.
    ///
    /// `None` for files without an import table, and for those whose table clamscan gives up on. O(headers + text).
    ///
    /// # Errors
    /// [`ImportsTooLong`]; so the text is no longer than 8 MiB or four times the file.
    pub fn imports_of(file: &[u8]) -> Result<Option<Vec<u8>>, ImportsTooLong> {
        if FileKind::of(file) != Some(FileKind::Pe) {
            return Ok(None);
        }
        match imports::text(file) {
            Ok(text) => Ok(Some(text)),
            Err(NoText::Unreadable) => Ok(None),
            Err(NoText::TooLong) => Err(ImportsTooLong),
        }
    }

    /// Whether a file is PE32 and not PE32+.
    pub(crate) fn is_pe32(file: &[u8]) -> bool {
        pe::Headers::read(file).is_some_and(|headers| !headers.is_wide())
    }

    /// An image of these sections; `None` when there are none.
    fn new(entry: u64, sections: Vec<Option<Section>>) -> Option<Image> {
        let last = *sections.last()?;
        Some(Image { base: 0, entry, sections, last, version_keys: Vec::new() })
    }

    /// The section of this index.
    pub(crate) fn section(&self, index: u8) -> Option<Section> {
        *self.sections.get(usize::from(index))?
    }
}

impl Section {
    /// Where it ends; `None` when that is more than 32 bits can tell.
    pub(crate) fn end(self) -> Option<u64> {
        self.start.checked_add(self.len).map(u64::from)
    }
}
