//! ELF, of 32 and 64 bits and both orders of bytes.

use super::{Image, Section};
use object::elf::{ELFCLASS32, ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, ReadRef};

/// More segments are refused.
const SEGMENTS_MAX: u16 = 128;

pub(super) fn image(file: &[u8]) -> Option<Image> {
    let &[_, _, _, _, class, data] = file.first_chunk()?;
    let endian = match data {
        ELFDATA2LSB => Endianness::Little,
        ELFDATA2MSB => Endianness::Big,
        _ => return None,
    };
    match class {
        ELFCLASS32 => image_of::<FileHeader32<Endianness>>(file, endian),
        ELFCLASS64 => image_of::<FileHeader64<Endianness>>(file, endian),
        _ => None,
    }
}

fn image_of<Elf: FileHeader<Endian = Endianness>>(file: &[u8], endian: Endianness) -> Option<Image> {
    let header = file.read_at::<Elf>(0).ok()?;
    let entry = entry(file, header, endian)?;
    let count = usize::from(header.e_shnum(endian));
    if usize::from(header.e_shentsize(endian)) != size_of::<Elf::SectionHeader>() || count > Image::SECTIONS_MAX {
        return None;
    }
    let table = file.read_slice_at::<Elf::SectionHeader>(header.e_shoff(endian).into(), count).ok()?;
    // Offsets and sizes count in 32 bits; what is above them is cut off, as in clamscan.
    let section = |row: &Elf::SectionHeader| {
        let (start, len) = (row.sh_offset(endian).into() as u32, row.sh_size(endian).into() as u32);
        Some(Section { start, len })
    };
    Image::new(entry, table.iter().map(section).collect())
}

/// Where the entry point lies: in the first segment that its address is in; 0 when no address is stated, or no segment.
fn entry<Elf: FileHeader<Endian = Endianness>>(file: &[u8], header: &Elf, endian: Endianness) -> Option<u64> {
    let (address, count): (u64, u16) = (header.e_entry(endian).into(), header.e_phnum(endian));
    if count == 0 {
        return Some(0);
    }
    if usize::from(header.e_phentsize(endian)) != size_of::<Elf::ProgramHeader>() || count > SEGMENTS_MAX {
        return None;
    }
    let table = file.read_slice_at::<Elf::ProgramHeader>(header.e_phoff(endian).into(), usize::from(count)).ok()?;
    if address == 0 {
        return Some(0);
    }
    table.iter().find_map(|segment| {
        let inside = address.checked_sub(segment.p_vaddr(endian).into())?;
        (inside < segment.p_memsz(endian).into()).then(|| segment.p_offset(endian).into().saturating_add(inside))
    })
}
