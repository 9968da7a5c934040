//! Mach-O, of 32 and 64 bits and both orders of bytes, and fat files that hold several.

use super::{Image, Section};
use object::macho::{CPU_TYPE_POWERPC, CPU_TYPE_POWERPC64, LC_UNIXTHREAD, MachHeader32, MachHeader64};
use object::read::macho::{FatArch, LoadCommandData, MachHeader, MachOFatFile32, Section as _, Segment};
use object::{Endian, Endianness};

/// More load commands are refused.
const COMMANDS_MAX: u32 = 1024;
/// More sections are refused.
const SECTIONS_MAX: usize = 255;
/// Bytes of a thread command before its registers: command, size, flavour, count.
const THREAD_HEAD: usize = 16;

pub(super) fn images(file: &[u8]) -> Vec<Image> {
    if !file.starts_with(b"\xca\xfe\xba\xbe") {
        return image(file).into_iter().collect();
    }
    let Ok(fat) = MachOFatFile32::parse(file) else { return Vec::new() };
    let image_of = |arch: &object::macho::FatArch32| {
        let image = image(arch.data(file).ok()?)?;
        Some(Image { base: u64::from(arch.offset()), ..image })
    };
    fat.arches().iter().filter_map(image_of).collect()
}

fn image(program: &[u8]) -> Option<Image> {
    match MachHeader32::<Endianness>::parse(program, 0) {
        Ok(header) => image_of(program, header),
        Err(_) => image_of(program, MachHeader64::<Endianness>::parse(program, 0).ok()?),
    }
}

/// What a load command may state: an address at which the program begins to run, and where sections lie in memory.
#[derive(Default)]
struct Parts {
    entry: Option<u64>,
    sections: Vec<Option<Section>>,
    addresses: Vec<u64>,
}

fn image_of<Mach: MachHeader<Endian = Endianness>>(program: &[u8], header: &Mach) -> Option<Image> {
    let endian = header.endian().ok()?;
    if header.ncmds(endian) > COMMANDS_MAX {
        return None;
    }
    let mut commands = header.load_commands(endian, program, 0).ok()?;
    let mut parts = Parts::default();
    while let Some(command) = commands.next().ok()? {
        if let Some((segment, rows)) = Mach::Segment::from_command(command).ok()? {
            parts.add_sections::<Mach>(segment.sections(endian, rows).ok()?, endian)?;
        } else if command.cmd() == LC_UNIXTHREAD {
            parts.entry = first_register(&command, header.cputype(endian), endian).or(parts.entry);
        }
    }
    let entry = parts.entry.map_or(Some(0), |address| parts.offset_of(address))?;
    Image::new(entry, parts.sections)
}

impl Parts {
    fn add_sections<Mach: MachHeader<Endian = Endianness>>(
        &mut self,
        rows: &[Mach::Section],
        endian: Endianness,
    ) -> Option<()> {
        for row in rows {
            // Sizes count in 32 bits, as in clamscan.
            let len = row.size(endian).into() as u32;
            let align = 1_u32.checked_shl(row.align(endian)).unwrap_or(1);
            let len = len.checked_next_multiple_of(align)?;
            self.sections.push(Some(Section { start: row.offset(endian), len }));
            self.addresses.push(row.addr(endian).into());
        }
        (self.sections.len() <= SECTIONS_MAX).then_some(())
    }

    /// Where an address lies: in the first section that it is in.
    fn offset_of(&self, address: u64) -> Option<u64> {
        self.addresses.iter().zip(&self.sections).find_map(|(&first, section)| {
            let (inside, section) = (address.checked_sub(first)?, (*section)?);
            (inside < u64::from(section.len)).then(|| u64::from(section.start) + inside)
        })
    }
}

/// The first register of a PowerPC thread, which is where it begins to run. Other processors' are not looked at.
fn first_register(command: &LoadCommandData<'_, Endianness>, cpu: u32, endian: Endianness) -> Option<u64> {
    let registers = command.raw_data().get(THREAD_HEAD..)?;
    match cpu {
        CPU_TYPE_POWERPC => Some(u64::from(endian.read_u32(*registers.first_chunk()?))),
        CPU_TYPE_POWERPC64 => Some(endian.read_u64(*registers.first_chunk()?)),
        _ => None,
    }
}
