//! What a file is, as far as signatures care: told by its first bytes.
//!
//! A signature may be meant for files of one kind; `docs/targets.md` tells how the rules were found. [`crate::FileClass`] is another
//! thing: it says which bytes are common in a file, may be wrong at no cost but speed, and knows no OLE2 from a PDF.

mod markup;
pub(crate) mod text;

use markup::Markup;
pub(crate) use markup::{holds_tag, is_wide_page, narrow_units};
use memchr::memmem;

/// A kind of file that signatures can be meant for. The numbers are ClamAV's, and those of the database and of records.
///
/// Signatures for [`FileKind::Html`] and [`FileKind::Text`] are looked for in normalised forms of a file, not in its bytes
/// (`docs/normalisation.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FileKind {
    /// Executables of DOS and Windows: whatever begins with `MZ`.
    Pe = 1,
    /// OLE2 containers: old Office documents, installers, saved mails.
    Ole2 = 2,
    /// Web pages: what holds one of some tags in its first KiB. Text in which one stands further back is a page too, but of that kind
    /// only when it is normalised.
    Html = 3,
    /// Mails: what begins with one of some headers, or has two that belong together in its first KiB.
    Mail = 4,
    /// Pictures: PNG, JPEG, JPEG 2000, GIF, BMP, TIFF.
    Graphics = 5,
    /// Executables and libraries of Linux and its relatives.
    Elf = 6,
    /// Plain text, also UTF-16: the first KiB tells.
    Text = 7,
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

/// First bytes of other well-known files: what else their beginning may hold says nothing.
const OTHERS: [&[u8]; 44] = [
    b"PK\x03\x04",
    b"PK00PK\x03\x04",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"\x60\xea",
    b"xar!",
    b"EGGA",
    b"ALZ\x01",
    b"SZDD",
    b"MSCF\0\0\0\0",
    b"ITSF",
    b"070701",
    b"070702",
    b"070707",
    b"\x71\xc7",
    b"\xc7\x71",
    b"{\\rt",
    b"RIFF",
    b"RIFX",
    b"%!PS-Adobe-",
    b"begin ",
    b"#@~^",
    b"(This file must be converted with BinHex 4.0)",
    b"\x78\x9f\x3e\x22",
    b"\xb6\xb9\xac\xae\xfe\xff\xff\xff",
    b"[aliases]",
    b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F",
    b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3",
    b"HWP Document File V3.00 \x1a\x01\x02\x03\x04\x05",
    b".RMF",
    b"ID3",
    b"OggS",
    b"\xff\xfb\x90",
    b"\0\0\x01\xb3",
    b"\0\0\x01\xba",
    b"SIP-HIT (SIP/H",
    b"SQLite format 3\0",
    b"SYMC\x01\0",
    b"\x37\x7f\x06\x82",
    b"\x37\x7f\x06\x83",
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
];

/// First bytes of mails, of mailboxes, and of what mail programs put before them.
const MAILS: [&[u8]; 27] = [
    b"From ",
    b"From: ",
    b">From ",
    b"To: ",
    b"For: ",
    b"Date: ",
    b"Subject: ",
    b"Received: ",
    b"Received-SPF: ",
    b"Return-Path: ",
    b"Return-path: ",
    b"Message-ID: ",
    b"Message-Id: ",
    b"Delivered-To: ",
    b"Delivery-date: ",
    b"Envelope-to: ",
    b"X-Apparently-To: ",
    b"X-Envelope-From: ",
    b"X-Original-To: ",
    b"X-Real-To: ",
    b"X-Sieve: ",
    b"X-UIDL: ",
    b"X-EVS",
    b"X-Symantec-",
    b"v:\nReceived: ",
    b"v:\r\nReceived: ",
    b"Hi. This is the qmail-send",
];

impl FileKind {
    /// All of them, by their numbers.
    pub const ALL: [FileKind; 11] = [
        FileKind::Pe,
        FileKind::Ole2,
        FileKind::Html,
        FileKind::Mail,
        FileKind::Graphics,
        FileKind::Elf,
        FileKind::Text,
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
        let head = &bytes[..bytes.len().min(HEAD)];
        if OTHERS.iter().any(|magic| head.starts_with(magic)) || head.get(257..).is_some_and(|at| at.starts_with(b"ustar")) {
            return None;
        }
        if MAILS.iter().any(|start| head.starts_with(start)) {
            return Some(FileKind::Mail);
        }
        match markup::of_head(head) {
            Some(Markup::Archive) => return None,
            Some(Markup::Mail) => return Some(FileKind::Mail),
            Some(Markup::Html) => return Some(FileKind::Html),
            None => {}
        }
        if let Some(kind) = bytes.strip_prefix(b"\xca\xfe\xba\xbe").and_then(after_cafebabe) {
            return Some(kind);
        }
        if holds_pdf(head) {
            return Some(FileKind::Pdf);
        }
        text::is_text(head).then_some(FileKind::Text)
    }

    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<FileKind> {
        FileKind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its name in messages: `PE`, `OLE2`, `HTML`, `mail`, `graphics`, `ELF`, `text`, `Mach-O`, `PDF`, `Flash` or `Java class`.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Pe => "PE",
            FileKind::Ole2 => "OLE2",
            FileKind::Html => "HTML",
            FileKind::Mail => "mail",
            FileKind::Graphics => "graphics",
            FileKind::Elf => "ELF",
            FileKind::Text => "text",
            FileKind::MachO => "Mach-O",
            FileKind::Pdf => "PDF",
            FileKind::Flash => "Flash",
            FileKind::JavaClass => "Java class",
        }
    }

    /// Whether its signatures are looked for in normalised forms of a file only.
    pub fn is_normalised(self) -> bool {
        matches!(self, FileKind::Html | FileKind::Text)
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
            (b"M", Some(FileKind::Text)),
            (b"", None),
            (b"\x7fELF", Some(FileKind::Elf)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some(FileKind::Ole2)),
            (b"\xd0\xcf\x11\xe0", Some(FileKind::Text)),
            (b"GIF89a", Some(FileKind::Graphics)),
            (b"II*\x01", Some(FileKind::Text)),
            (b"CWS\x09", Some(FileKind::Flash)),
            (b"\xcf\xfa\xed\xfe", Some(FileKind::MachO)),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", Some(FileKind::MachO)),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", Some(FileKind::JavaClass)),
            (b"\xca\xfe\xba\xbe\0\x03\0\x2d", None),
            (b"\xca\xfe\xba\xbe", Some(FileKind::Text)),
            (b"%PDF-", Some(FileKind::Pdf)),
            (b"junk %PDF-1.4", Some(FileKind::Pdf)),
            (b"junk %pdf-1.4", Some(FileKind::Pdf)),
            (b"junk %PDF-x", Some(FileKind::Text)),
            (b"PK\x03\x04 %PDF-1.4", None),
            (b"MZ %PDF-1.4", Some(FileKind::Pe)),
            (b"hello, world\n", Some(FileKind::Text)),
        ];
        for (bytes, kind) in cases {
            assert_eq!(FileKind::of(bytes), kind, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_pdf_begins_in_the_first_kib() {
        for (at, kind) in [(1017, Some(FileKind::Pdf)), (1018, Some(FileKind::Text))] {
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
        assert_eq!(FileKind::ALL.map(|kind| kind as u8), [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]);
    }
}
