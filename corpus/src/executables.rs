//! Small executables that do nothing, with sections to plant signatures in.
//!
//! Each has headers in its first [`PAGE`] bytes and then as many sections as were asked for, one page each. The entry point is
//! in the middle of the first section, where the format states one that scanners follow.

/// Bytes of the headers, and of each section.
pub const PAGE: usize = 0x1000;
/// Most sections whose headers fit the first page.
pub const SECTIONS_MAX: usize = 40;
/// What sections are filled with.
const FILLER: u8 = b'~';
/// From the start of the first section to the entry point.
const ENTRY: usize = PAGE / 2;

/// Writes numbers of 16, 32 and 64 bits, in one order of bytes.
struct Writer {
    bytes: Vec<u8>,
    big: bool,
}

impl Writer {
    fn new(big: bool) -> Writer {
        Writer { bytes: Vec::new(), big }
    }

    fn number<const N: usize>(&mut self, value: u64) {
        let little = value.to_le_bytes();
        let own = &little[..N];
        if self.big { self.bytes.extend(own.iter().rev()) } else { self.bytes.extend(own) }
    }

    fn halves(&mut self, values: &[u64]) {
        for &value in values {
            self.number::<2>(value);
        }
    }

    fn words(&mut self, values: &[u64]) {
        for &value in values {
            self.number::<4>(value);
        }
    }

    /// Addresses and sizes: 32 or 64 bits.
    fn natural(&mut self, wide: bool, values: &[u64]) {
        for &value in values {
            if wide { self.number::<8>(value) } else { self.number::<4>(value) }
        }
    }

    /// The headers, filled up to a page, and the sections.
    fn finish(mut self, sections: usize) -> Vec<u8> {
        assert!(self.bytes.len() <= PAGE, "the headers of {sections} sections take more than a page");
        self.bytes.resize(PAGE, 0);
        self.bytes.resize(PAGE * (1 + sections), FILLER);
        self.bytes
    }
}

/// Where section `index` lies, in the file and, counted from the base of the program, in memory.
fn place(index: usize) -> u64 {
    (PAGE * (1 + index)) as u64
}

/// A PE32 file; `wide`: a PE32+ file.
pub fn pe(wide: bool, sections: usize) -> Vec<u8> {
    const HEADER_AT: u64 = 0x80;
    let page = PAGE as u64;
    let mut out = Writer::new(false);
    out.bytes.extend(b"MZ");
    out.bytes.resize(0x3c, 0);
    out.words(&[HEADER_AT]);
    out.bytes.resize(HEADER_AT as usize, 0);
    out.bytes.extend(b"PE\0\0");
    out.halves(&[if wide { 0x8664 } else { 0x14c }, sections as u64]);
    out.words(&[0, 0, 0]);
    out.halves(&[if wide { 0xf0 } else { 0xe0 }, 0x102]);
    out.halves(&[if wide { 0x20b } else { 0x10b }, 0]);
    out.words(&[page, 0, 0, place(0) + ENTRY as u64, page]);
    if wide {
        out.natural(true, &[0x1_4000_0000]);
    } else {
        out.words(&[page, 0x40_0000]);
    }
    out.words(&[page, 0x200]);
    out.halves(&[4, 0, 0, 0, 4, 0]);
    out.words(&[0, place(sections), page, 0]);
    out.halves(&[3, 0]);
    out.natural(wide, &[0x10_0000, page, 0x10_0000, page]);
    out.words(&[0, 16]);
    out.words(&[0; 32]);
    for index in 0..sections {
        out.bytes.extend(format!(".s{index:06}").as_bytes());
        out.words(&[page, place(index), page, place(index), 0, 0, 0, 0x6000_0020]);
    }
    out.finish(sections)
}

/// A function that a program imports.
#[derive(Clone, Copy, Debug)]
pub enum Import<'a> {
    /// By its name.
    Name(&'a str),
    /// By its number.
    Number(u16),
}

/// A PE32 file, or PE32+ when `wide`, of one section, which begins with the import table of these libraries and their functions.
///
/// All of it must have room in a page.
pub fn importing(wide: bool, libraries: &[(&str, &[Import<'_>])]) -> Vec<u8> {
    const ROW: usize = 20;
    let directory = 0x98 + if wide { 112 } else { 96 } + 8;
    let table_len = ROW * (libraries.len() + 1);
    let mut rows = Writer::new(false);
    // What the rows refer to, behind them.
    let mut rest = Writer::new(false);
    for (name, functions) in libraries {
        let mut numbers = Vec::new();
        for function in *functions {
            numbers.push(match function {
                Import::Number(number) => u64::from(*number) | if wide { 1 << 63 } else { 1 << 31 },
                Import::Name(_) => (PAGE + table_len + rest.bytes.len()) as u64,
            });
            if let Import::Name(name) = function {
                rest.bytes.extend(b"\0\0");
                rest.bytes.extend(name.as_bytes());
                rest.bytes.push(0);
            }
        }
        let name_at = (PAGE + table_len + rest.bytes.len()) as u64;
        rest.bytes.extend(name.as_bytes());
        rest.bytes.push(0);
        let numbers_at = (PAGE + table_len + rest.bytes.len()) as u64;
        rest.natural(wide, &numbers);
        rest.natural(wide, &[0]);
        rows.words(&[numbers_at, 0, 0, name_at, numbers_at]);
    }
    rows.bytes.resize(table_len, 0);
    rows.bytes.extend(rest.bytes);
    assert!(rows.bytes.len() <= PAGE, "the import table takes more than a page");
    let mut file = pe(wide, 1);
    file[PAGE..][..rows.bytes.len()].copy_from_slice(&rows.bytes);
    file[directory..][..4].copy_from_slice(&(PAGE as u32).to_le_bytes());
    file[directory + 4..][..4].copy_from_slice(&(table_len as u32).to_le_bytes());
    file
}

/// An ELF file of 32 bits, or 64 when `wide`; `big`: the highest byte first.
pub fn elf(wide: bool, big: bool, sections: usize) -> Vec<u8> {
    let page = PAGE as u64;
    let (header_len, segment_len, section_len) = if wide { (64, 56, 64) } else { (52, 32, 40) };
    let base = 0x40_0000;
    let mut out = Writer::new(big);
    out.bytes.extend([0x7f, b'E', b'L', b'F', 1 + u8::from(wide), 1 + u8::from(big), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.halves(&[2, if wide { 62 } else { 3 }]);
    out.words(&[1]);
    out.natural(wide, &[base + place(0) + ENTRY as u64, header_len, header_len + segment_len]);
    out.words(&[0]);
    out.halves(&[header_len, segment_len, 1, section_len, sections as u64, 0]);
    let len = place(sections);
    if wide {
        out.words(&[1, 5]);
        out.natural(true, &[0, base, base, len, len, page]);
    } else {
        out.words(&[1, 0, base, base, len, len, 5, page]);
    }
    for index in 0..sections {
        out.words(&[0, 1]);
        out.natural(wide, &[6, base + place(index), place(index), page]);
        out.words(&[0, 0]);
        out.natural(wide, &[4, 0]);
    }
    out.finish(sections)
}

/// A Mach-O file of 32 bits, or 64 when `wide`, for PowerPC; `big`: the highest byte first.
pub fn macho(wide: bool, big: bool, sections: usize) -> Vec<u8> {
    const THREAD_LEN: u64 = 16 + 8;
    let len = place(sections);
    let (segment_len, section_len) = if wide { (72, 80) } else { (56, 68) };
    let segment_len = segment_len + section_len * sections as u64;
    let mut out = Writer::new(big);
    out.words(&[if wide { 0xfeed_facf } else { 0xfeed_face }, if wide { 0x0100_0012 } else { 18 }, 0, 2]);
    out.words(&[2, segment_len + THREAD_LEN, 0]);
    out.words(if wide { &[0] } else { &[] });
    out.words(&[if wide { 0x19 } else { 1 }, segment_len]);
    out.bytes.extend(b"__TEXT\0\0\0\0\0\0\0\0\0\0");
    out.natural(wide, &[0, len, 0, len]);
    out.words(&[7, 5, sections as u64, 0]);
    for index in 0..sections {
        out.bytes.extend(format!("__s{index:013}__TEXT\0\0\0\0\0\0\0\0\0\0").as_bytes());
        out.natural(wide, &[place(index), PAGE as u64]);
        out.words(&[place(index), 4, 0, 0, 0, 0, 0]);
        out.words(if wide { &[0] } else { &[] });
    }
    out.words(&[5, THREAD_LEN, 1, 2]);
    out.natural(wide, &[place(0) + ENTRY as u64]);
    out.words(if wide { &[] } else { &[0] });
    out.finish(sections)
}

/// A fat Mach-O file that holds `programs`, each at the start of a page.
pub fn fat(programs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Writer::new(true);
    out.words(&[0xcafe_babe, programs.len() as u64]);
    let mut at = PAGE;
    for program in programs {
        out.words(&[18, 0, at as u64, program.len() as u64, 12]);
        at += program.len().next_multiple_of(PAGE);
    }
    let mut bytes = out.finish(0);
    for program in programs {
        bytes.extend(program);
        bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::image::Section;
    use engine::{FileKind, Image};

    #[test]
    fn entry_points_and_sections_are_where_they_were_put() {
        let files = [false, true].into_iter().flat_map(|wide| {
            let elf = [false, true].map(|big| (FileKind::Elf, elf(wide, big, 3)));
            let macho = [false, true].map(|big| (FileKind::MachO, macho(wide, big, 3)));
            [(FileKind::Pe, pe(wide, 3))].into_iter().chain(elf).chain(macho)
        });
        for (kind, file) in files {
            assert_eq!(FileKind::of(&file), Some(kind));
            let section = |index| Some(Section { start: place(index) as u32, len: PAGE as u32 });
            let sections = (0..3).map(section).collect();
            let image =
                Image { base: 0, entry: place(0) + ENTRY as u64, sections, last: section(2), version_keys: Vec::new() };
            assert_eq!(Image::all_of(&file), [image], "{kind:?}");
        }
    }

    #[test]
    fn fat_files_hold_programs_at_their_places() {
        let programs = [macho(false, true, 1), macho(true, true, 2)];
        let images = Image::all_of(&fat(&programs));
        assert_eq!(images.iter().map(|image| image.base).collect::<Vec<_>>(), [PAGE as u64, 3 * PAGE as u64]);
        assert_eq!(images[1].sections, Image::all_of(&programs[1])[0].sections);
    }
}
