//! PE32 and PE32+: where a section lies is rounded as Windows rounds it, or nearly.

mod version;

use super::{Image, Section};
use object::pe::{
    IMAGE_DIRECTORY_ENTRY_IMPORT, IMAGE_DIRECTORY_ENTRY_RESOURCE, IMAGE_NT_OPTIONAL_HDR64_MAGIC, IMAGE_NT_SIGNATURE,
    ImageDataDirectory, ImageDosHeader, ImageFileHeader, ImageOptionalHeader32, ImageOptionalHeader64, ImageSectionHeader,
};
use object::{LittleEndian as LE, ReadRef, U32};

/// Raw pointers are multiples of it when they are none of the alignment that the header states.
const SECTOR: u32 = 0x200;
/// Addresses and memory sizes beyond are refused.
const ADDRESS_MAX: u32 = 0x7fff_ffff;

/// What headers say of where things lie.
pub(super) struct Headers<'f> {
    pub(super) file: &'f [u8],
    layout: Layout,
    table: &'f [ImageSectionHeader],
    /// What raw pointers and sizes are rounded to.
    align: u32,
}

/// The part of it that the optional header has. Both kinds of header have it at the same places.
struct Layout {
    wide: bool,
    entry: u32,
    section_align: u32,
    file_align: u32,
    headers_len: u32,
    /// Address and length of the import table; zeros when there is none.
    imports: (u32, u32),
    /// The address of the resources, when there are any.
    resources: Option<u32>,
}

pub(super) fn image(file: &[u8]) -> Option<Image> {
    let headers = Headers::read(file)?;
    let entry = headers.place(headers.layout.entry)?;
    let sections = headers.table.iter().map(|row| headers.section(row));
    let root = headers.layout.resources.and_then(|address| headers.place(address));
    let version_keys = root.map(|root| version::keys(file, root, |address| headers.place(address))).unwrap_or_default();
    Some(Image { version_keys, ..Image::new(entry, sections.collect())? })
}

impl<'f> Headers<'f> {
    pub(super) fn read(file: &'f [u8]) -> Option<Headers<'f>> {
        let dos = file.read_at::<ImageDosHeader>(0).ok()?;
        let mut at = u64::from(dos.e_lfanew.get(LE));
        if file.read::<U32<LE>>(&mut at).ok()?.get(LE) != IMAGE_NT_SIGNATURE {
            return None;
        }
        let header = file.read::<ImageFileHeader>(&mut at).ok()?;
        let layout = Layout::read(file, at, header.size_of_optional_header.get(LE))?;
        at += u64::from(header.size_of_optional_header.get(LE));
        let table = file.read_slice_at::<ImageSectionHeader>(at, usize::from(header.number_of_sections.get(LE))).ok()?;
        if table.iter().any(|row| row.virtual_address.get(LE).max(row.virtual_size.get(LE)) > ADDRESS_MAX) {
            return None;
        }
        let align = file_align(&layout, table);
        if table.iter().any(|row| row.size_of_raw_data.get(LE).checked_next_multiple_of(align.max(1)).is_none()) {
            return None;
        }
        Some(Headers { file, layout, table, align })
    }

    /// Whether it is PE32+.
    pub(super) fn is_wide(&self) -> bool {
        self.layout.wide
    }

    /// Address and length of the import table; zeros when there is none.
    pub(super) fn imports(&self) -> (u32, u32) {
        self.layout.imports
    }

    /// How many sections there are; [`Headers::place`] may look at each.
    pub(super) fn sections_len(&self) -> usize {
        self.table.len()
    }

    /// Where an address lies in the file: in the headers, or in the last section that it is in.
    pub(super) fn place(&self, address: u32) -> Option<u64> {
        let Layout { section_align, headers_len, .. } = self.layout;
        // Headers whose rounded size is more than 32 bits hold are taken for none.
        if address < headers_len.checked_next_multiple_of(section_align.max(1)).unwrap_or(0) {
            return Some(u64::from(address)).filter(|&place| place < self.file.len() as u64);
        }
        self.table.iter().rev().find_map(|row| {
            let section = self.section(row)?;
            let inside = address.checked_sub(down(row.virtual_address.get(LE), section_align))?;
            (inside < section.len).then(|| u64::from(section.start) + u64::from(inside))
        })
    }

    /// A section as it lies in the file; `None` when it is outside.
    fn section(&self, row: &ImageSectionHeader) -> Option<Section> {
        let start = down(row.pointer_to_raw_data.get(LE), self.align);
        let len = row.size_of_raw_data.get(LE).checked_next_multiple_of(self.align.max(1))?;
        let room = (self.file.len() as u64).saturating_sub(u64::from(start));
        (room > 0).then(|| Section { start, len: u32::try_from(room).map_or(len, |room| len.min(room)) })
    }
}

impl Layout {
    /// Reads the optional header at `at`, which has room for `len` bytes; its directories must fit.
    fn read(file: &[u8], at: u64, len: u16) -> Option<Layout> {
        let short = file.read_at::<ImageOptionalHeader32>(at).ok()?;
        let wide = short.magic.get(LE) == IMAGE_NT_OPTIONAL_HDR64_MAGIC;
        let (own_len, directories) = if wide {
            let long = file.read_at::<ImageOptionalHeader64>(at).ok()?;
            (size_of::<ImageOptionalHeader64>(), long.number_of_rva_and_sizes.get(LE))
        } else {
            (size_of::<ImageOptionalHeader32>(), short.number_of_rva_and_sizes.get(LE))
        };
        let directories = directories.min(16) as usize;
        if own_len + directories * size_of::<ImageDataDirectory>() > usize::from(len) {
            return None;
        }
        let directories = file.read_slice_at::<ImageDataDirectory>(at + own_len as u64, directories).ok()?;
        let imports = directories.get(IMAGE_DIRECTORY_ENTRY_IMPORT);
        let resources = directories.get(IMAGE_DIRECTORY_ENTRY_RESOURCE).filter(|table| table.size.get(LE) != 0);
        Some(Layout {
            wide,
            entry: short.address_of_entry_point.get(LE),
            section_align: short.section_alignment.get(LE),
            file_align: short.file_alignment.get(LE),
            headers_len: short.size_of_headers.get(LE),
            imports: imports.map_or((0, 0), |table| (table.virtual_address.get(LE), table.size.get(LE))),
            resources: resources.map(|table| table.virtual_address.get(LE)),
        })
    }
}

/// What raw pointers and sizes are rounded to: the stated alignment, unless a section shows that sectors are meant.
fn file_align(layout: &Layout, table: &[ImageSectionHeader]) -> u32 {
    let sectors = |row: &ImageSectionHeader| {
        let (pointer, len) = (row.pointer_to_raw_data.get(LE), row.size_of_raw_data.get(LE));
        len != 0 && pointer % layout.file_align.max(1) != 0 && pointer % SECTOR == 0
    };
    if table.iter().any(sectors) { SECTOR } else { layout.file_align }
}

/// The multiple of `align` at or below `value`; an alignment of 0 changes nothing.
fn down(value: u32, align: u32) -> u32 {
    value - value % align.max(1)
}
