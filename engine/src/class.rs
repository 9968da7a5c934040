//! What kind of file bytes are, told from their beginning alone.
//!
//! A class says which windows of bytes are common in a file: prologues in executables, words in text. It is coarse on purpose, costs a
//! look at the first KiB, and decides nothing about what is scanned for.

/// What a file is, as far as the bytes it has in common with others go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FileClass {
    /// Executables and libraries of Linux and its relatives.
    Elf = 0,
    /// Executables and libraries of Windows.
    Pe = 1,
    /// Executables and libraries of macOS.
    MachO = 2,
    /// Scripts, source, markup, mail: what people read.
    Text = 3,
    /// PDF, OLE2 (old Office, installers, saved mails), RTF, PostScript.
    Document = 4,
    /// Compressed or encrypted: archives, pictures, anything whose bytes look drawn by chance.
    Packed = 5,
    /// Everything else.
    Other = 6,
}

/// Bytes that are looked at.
const HEAD: usize = 1024;

impl FileClass {
    /// All of them, by their number.
    pub const ALL: [FileClass; 7] = [
        FileClass::Elf,
        FileClass::Pe,
        FileClass::MachO,
        FileClass::Text,
        FileClass::Document,
        FileClass::Packed,
        FileClass::Other,
    ];

    /// The class of a file that is or begins with `bytes`. Looks at the first KiB.
    pub fn of(bytes: &[u8]) -> FileClass {
        let head = &bytes[..bytes.len().min(HEAD)];
        if let Some(class) = FileClass::by_magic(head) {
            class
        } else if is_text(head) {
            FileClass::Text
        } else if is_even(head) {
            FileClass::Packed
        } else {
            FileClass::Other
        }
    }

    /// Its name in reports: `elf`, `pe`, `mach-o`, `text`, `document`, `packed` or `other`.
    pub fn name(self) -> &'static str {
        match self {
            FileClass::Elf => "elf",
            FileClass::Pe => "pe",
            FileClass::MachO => "mach-o",
            FileClass::Text => "text",
            FileClass::Document => "document",
            FileClass::Packed => "packed",
            FileClass::Other => "other",
        }
    }

    /// The class that a file's first bytes name.
    fn by_magic(head: &[u8]) -> Option<FileClass> {
        let word = |at: usize| head.get(at..at + 4).map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")));
        let class = match word(0)? {
            0x7f45_4c46 => FileClass::Elf,
            0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe => FileClass::MachO,
            // A fat binary and a Java class begin alike; the number that follows is a count of processors there, a version of 45 or more here.
            0xcafe_babe if word(4).is_some_and(|count| count < 45) => FileClass::MachO,
            0xd0cf_11e0 => FileClass::Document,
            // zip, gzip (two bytes), xz, 7z, zstd, rar, png, jpeg, cabinet, bzip2.
            0x504b_0304 | 0xfd37_7a58 | 0x377a_bcaf | 0x28b5_2ffd | 0x5261_7221 | 0x8950_4e47 | 0x4d53_4346 => {
                FileClass::Packed
            }
            start if matches!(start >> 16, 0x1f8b | 0xffd8) || start >> 8 == 0x0042_5a68 => FileClass::Packed,
            start if start >> 16 == 0x4d5a => FileClass::Pe,
            _ if head.starts_with(b"{\\rtf") || head.starts_with(b"%!PS") => FileClass::Document,
            _ if head.windows(5).any(|start| start == b"%PDF-") => FileClass::Document,
            _ => return None,
        };
        Some(class)
    }
}

/// Whether `head` has next to no control characters. Bytes of 0x80 and more are letters of some encoding.
fn is_text(head: &[u8]) -> bool {
    let wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let strange = head.iter().filter(|&&byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b));
    let high = head.iter().filter(|&&byte| byte >= 0x80).count();
    wide || (!head.is_empty() && strange.count() * 64 <= head.len() && high * 2 <= head.len())
}

/// Whether all bytes are about equally frequent: the number of equal pairs is not far above what chance gives.
fn is_even(head: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    for &byte in head {
        counts[usize::from(byte)] += 1;
    }
    let pairs: usize = counts.iter().map(|&count| count * count).sum();
    let by_chance = head.len() + head.len() * head.len() / 256;
    head.len() >= 256 && pairs * 2 <= by_chance * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_name_the_class() {
        let cases: [(&[u8], FileClass); 12] = [
            (b"\x7fELF\x02\x01\x01\0", FileClass::Elf),
            (b"MZ\x90\0\x03\0\0\0", FileClass::Pe),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", FileClass::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", FileClass::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", FileClass::Other),
            (b"#!/bin/sh\necho hello\n", FileClass::Text),
            (b"Received: from mail\r\n", FileClass::Text),
            (b"junk\n%PDF-1.7\n\x80\x81\x82\x83", FileClass::Document),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileClass::Document),
            (b"PK\x03\x04\x14\0\0\0", FileClass::Packed),
            (b"\x1f\x8b\x08\0\0\0\0\0", FileClass::Packed),
            (b"", FileClass::Other),
        ];
        for (bytes, class) in cases {
            assert_eq!(FileClass::of(bytes), class, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn bytes_drawn_by_chance_are_packed_and_tables_are_not() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 56) as u8
        };
        let even: Vec<u8> = std::iter::once(0).chain(std::iter::repeat_with(&mut draw)).take(4096).collect();
        assert_eq!(FileClass::of(&even), FileClass::Packed);
        let table: Vec<u8> = (0..4096_u32).flat_map(|i| (i * 16).to_le_bytes()).collect();
        assert_eq!(FileClass::of(&table), FileClass::Other);
    }

    #[test]
    fn classes_stand_in_the_order_of_their_numbers() {
        for (number, class) in FileClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
    }
}
