//! PE32 and PE32+: where a section lies is rounded as Windows rounds it, or nearly.

use super::{Image, Section};
use object::pe::{
    IMAGE_NT_OPTIONAL_HDR64_MAGIC, IMAGE_NT_SIGNATURE, ImageDataDirectory, ImageDosHeader, ImageFileHeader,
    ImageOptionalHeader32, ImageOptionalHeader64, ImageSectionHeader,
};
use object::{LittleEndian as LE, ReadRef, U32};

/// Raw pointers are multiples of it when they are none of the alignment that the header states.
const SECTOR: u32 = 0x200;
/// Addresses and memory sizes beyond are refused.
const ADDRESS_MAX: u32 = 0x7fff_ffff;

/// What of the optional header says where things lie. Both kinds of header have it at the same places.
struct Layout {
    entry: u32,
    section_align: u32,
    file_align: u32,
    headers_len: u32,
}

pub(super) fn image(file: &[u8]) -> Option<Image> {
    let dos = file.read_at::<ImageDosHeader>(0).ok()?;
    let mut at = u64::from(dos.e_lfanew.get(LE));
    if file.read::<U32<LE>>(&mut at).ok()?.get(LE) != IMAGE_NT_SIGNATURE {
        return None;
    }
    let header = file.read::<ImageFileHeader>(&mut at).ok()?;
    let layout = layout(file, at, header.size_of_optional_header.get(LE))?;
    at += u64::from(header.size_of_optional_header.get(LE));
    let table = file.read_slice_at::<ImageSectionHeader>(at, usize::from(header.number_of_sections.get(LE))).ok()?;
    if table.iter().any(|row| row.virtual_address.get(LE).max(row.virtual_size.get(LE)) > ADDRESS_MAX) {
        return None;
    }
    let align = file_align(&layout, table);
    if table.iter().any(|row| row.size_of_raw_data.get(LE).checked_next_multiple_of(align.max(1)).is_none()) {
        return None;
    }
    let last = section(file, table.last()?, align);
    let entry = entry(file, &layout, table, align)?;
    let sections = table.iter().take(Image::SECTIONS_MAX).map(|row| section(file, row, align));
    Some(Image { base: 0, entry, sections: sections.collect(), last })
}

/// Reads the optional header at `at`, which has room for `len` bytes; its directories must fit.
fn layout(file: &[u8], at: u64, len: u16) -> Option<Layout> {
    let short = file.read_at::<ImageOptionalHeader32>(at).ok()?;
    let (own_len, directories) = if short.magic.get(LE) == IMAGE_NT_OPTIONAL_HDR64_MAGIC {
        let long = file.read_at::<ImageOptionalHeader64>(at).ok()?;
        (size_of::<ImageOptionalHeader64>(), long.number_of_rva_and_sizes.get(LE))
    } else {
        (size_of::<ImageOptionalHeader32>(), short.number_of_rva_and_sizes.get(LE))
    };
    let needed = own_len + directories.min(16) as usize * size_of::<ImageDataDirectory>();
    (needed <= usize::from(len)).then(|| Layout {
        entry: short.address_of_entry_point.get(LE),
        section_align: short.section_alignment.get(LE),
        file_align: short.file_alignment.get(LE),
        headers_len: short.size_of_headers.get(LE),
    })
}

/// What raw pointers and sizes are rounded to: the stated alignment, unless a section shows that sectors are meant.
fn file_align(layout: &Layout, table: &[ImageSectionHeader]) -> u32 {
    let sectors = |row: &ImageSectionHeader| {
        let (pointer, len) = (row.pointer_to_raw_data.get(LE), row.size_of_raw_data.get(LE));
        len != 0 && pointer % layout.file_align.max(1) != 0 && pointer % SECTOR == 0
    };
    if table.iter().any(sectors) { SECTOR } else { layout.file_align }
}

/// A section as it lies in the file; `None` when it is outside.
fn section(file: &[u8], row: &ImageSectionHeader, align: u32) -> Option<Section> {
    let start = down(row.pointer_to_raw_data.get(LE), align);
    let len = row.size_of_raw_data.get(LE).checked_next_multiple_of(align.max(1))?;
    let room = (file.len() as u64).saturating_sub(u64::from(start));
    (room > 0).then(|| Section { start, len: u32::try_from(room).map_or(len, |room| len.min(room)) })
}

/// Where the entry point lies: in the headers, or in the last section that its address is in.
fn entry(file: &[u8], layout: &Layout, table: &[ImageSectionHeader], align: u32) -> Option<u64> {
    // Headers whose rounded size is more than 32 bits hold are taken for none.
    let headers_len = layout.headers_len.checked_next_multiple_of(layout.section_align.max(1)).unwrap_or(0);
    if layout.entry < headers_len {
        return Some(u64::from(layout.entry)).filter(|&entry| entry < file.len() as u64);
    }
    table.iter().rev().find_map(|row| {
        let section = section(file, row, align)?;
        let inside = layout.entry.checked_sub(down(row.virtual_address.get(LE), layout.section_align))?;
        (inside < section.len).then(|| u64::from(section.start) + u64::from(inside))
    })
}

/// The multiple of `align` at or below `value`; an alignment of 0 changes nothing.
fn down(value: u32, align: u32) -> u32 {
    value - value % align.max(1)
}
