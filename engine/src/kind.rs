//! What a file is, as far as signatures care: told by its first bytes.
//!
//! A signature may be meant for files of one kind; `docs/targets.md` tells how the rules were found. [`crate::FileClass`] is another
//! thing: it says which bytes are common in a file, may be wrong at no cost but speed, and knows no OLE2 from a PDF.

use memchr::memmem;

/// A kind of file that signatures can be meant for. The numbers are ClamAV's, and those of the database and of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FileKind {
    /// Executables of DOS and Windows: whatever begins with `MZ`.
    Pe = 1,
    /// OLE2 containers: old Office documents, installers, saved mails.
    Ole2 = 2,
    /// Pictures: PNG, JPEG, JPEG 2000, GIF, BMP, TIFF.
    Graphics = 5,
    /// Executables and libraries of Linux and its relatives.
    Elf = 6,
    /// Executables and libraries of macOS, also fat ones.
    MachO = 9,
    /// PDF documents.
    Pdf = 10,
    /// Flash films.
    Flash = 11,
    /// Compiled Java classes.
    JavaClass = 12,
}

/// Bytes in which a PDF may begin.
const HEAD: usize = 1024;

/// First bytes that name a kind.
const KINDS: [(&[u8], FileKind); 18] = [
    (b"MZ", FileKind::Pe),
    (b"\x7fELF", FileKind::Elf),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind::Ole2),
    (b"%PDF-", FileKind::Pdf),
    (b"\x89PNG", FileKind::Graphics),
    (b"\xff\xd8\xff", FileKind::Graphics),
    (b"\0\0\0\x0cjP  \r\n\x87\n", FileKind::Graphics),
    (b"GIF", FileKind::Graphics),
    (b"BM", FileKind::Graphics),
    (b"II*\0", FileKind::Graphics),
    (b"MM", FileKind::Graphics),
    (b"\xfe\xed\xfa\xce", FileKind::MachO),
    (b"\xfe\xed\xfa\xcf", FileKind::MachO),
    (b"\xce\xfa\xed\xfe", FileKind::MachO),
    (b"\xcf\xfa\xed\xfe", FileKind::MachO),
    (b"FWS", FileKind::Flash),
    (b"CWS", FileKind::Flash),
    (b"ZWS", FileKind::Flash),
];

/// First bytes of other well-known files: a PDF within one of them does not make it a PDF.
const OTHERS: [&[u8]; 16] = [
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"MSCF\0\0\0\0",
    b"ITSF",
    b"{\\rtf",
    b"RIFF",
    b"%!PS-Adobe-",
    b"Received: ",
    b"Return-Path: ",
    b"From ",
    b"From: ",
    b"Subject: ",
];

impl FileKind {
    /// All of them, by their numbers.
    pub const ALL: [FileKind; 8] = [
        FileKind::Pe,
        FileKind::Ole2,
        FileKind::Graphics,
        FileKind::Elf,
        FileKind::MachO,
        FileKind::Pdf,
        FileKind::Flash,
        FileKind::JavaClass,
    ];

    /// The kind of a file that is or begins with `bytes`; `None` for every other. Looks at the first KiB.
    pub fn of(bytes: &[u8]) -> Option<FileKind> {
        if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return Some(*kind);
        }
        if let Some(rest) = bytes.strip_prefix(b"\xca\xfe\xba\xbe") {
            return after_cafebabe(rest);
        }
        let head = &bytes[..bytes.len().min(HEAD)];
        let other = OTHERS.iter().any(|magic| head.starts_with(magic));
        (!other && holds_pdf(head)).then_some(FileKind::Pdf)
    }

    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<FileKind> {
        FileKind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its name in messages: `PE`, `OLE2`, `graphics`, `ELF`, `Mach-O`, `PDF`, `Flash` or `Java class`.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Pe => "PE",
            FileKind::Ole2 => "OLE2",
            FileKind::Graphics => "graphics",
            FileKind::Elf => "ELF",
            FileKind::MachO => "Mach-O",
            FileKind::Pdf => "PDF",
            FileKind::Flash => "Flash",
            FileKind::JavaClass => "Java class",
        }
    }

    /// Whether its files have entry points and sections.
    pub fn is_executable(self) -> bool {
        matches!(self, FileKind::Pe | FileKind::Elf | FileKind::MachO)
    }
}

/// Fat Mach-O files and Java classes begin alike. What follows is how many programs there are, or a version from 45 on.
fn after_cafebabe(rest: &[u8]) -> Option<FileKind> {
    match *rest.first_chunk::<4>()? {
        [0, 0, 0, 0..0x20] => Some(FileKind::MachO),
        [0, 0, 0, 0x20..0x80] => Some(FileKind::JavaClass),
        _ => None,
    }
}

/// Whether `%PDF-` or `%pdf-`, any byte and a dot stand in `head`.
fn holds_pdf(head: &[u8]) -> bool {
    let dotted = |at: usize| head.get(at + 6) == Some(&b'.');
    [b"%PDF-", b"%pdf-"].into_iter().any(|magic| memmem::find_iter(head, magic).any(dotted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_name_the_kind() {
        let cases: [(&[u8], Option<FileKind>); 22] = [
            (b"MZ", Some(FileKind::Pe)),
            (b"MZ is also how a text may begin", Some(FileKind::Pe)),
            (b"M", None),
            (b"", None),
            (b"\x7fELF", Some(FileKind::Elf)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some(FileKind::Ole2)),
            (b"\xd0\xcf\x11\xe0", None),
            (b"GIF89a", Some(FileKind::Graphics)),
            (b"II*\x01", None),
            (b"CWS\x09", Some(FileKind::Flash)),
            (b"\xcf\xfa\xed\xfe", Some(FileKind::MachO)),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", Some(FileKind::MachO)),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", Some(FileKind::JavaClass)),
            (b"\xca\xfe\xba\xbe\0\x03\0\x2d", None),
            (b"\xca\xfe\xba\xbe", None),
            (b"%PDF-", Some(FileKind::Pdf)),
            (b"junk %PDF-1.4", Some(FileKind::Pdf)),
            (b"junk %pdf-1.4", Some(FileKind::Pdf)),
            (b"junk %PDF-x", None),
            (b"PK\x03\x04 %PDF-1.4", None),
            (b"MZ %PDF-1.4", Some(FileKind::Pe)),
            (b"hello, world\n", None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(FileKind::of(bytes), kind, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_pdf_begins_in_the_first_kib() {
        for (at, kind) in [(1017, Some(FileKind::Pdf)), (1018, None)] {
            assert_eq!(FileKind::of(&[&vec![1; at][..], b"%PDF-1.4"].concat()), kind, "{at}");
        }
    }

    #[test]
    fn numbers_name_kinds() {
        for number in 0..=u8::MAX {
            assert_eq!(
                FileKind::from_number(number).map_or(0, |kind| kind as u8),
                [0, number][usize::from(FileKind::from_number(number).is_some())]
            );
        }
        assert_eq!(FileKind::ALL.map(|kind| kind as u8), [1, 2, 5, 6, 9, 10, 11, 12]);
    }
}
