//! Clean files to plant signatures in, one for each kind of file.

use super::Unplantable;
use crate::executables;
use engine::FileKind;
use engine::pattern::Offset;
use patternc::record::{Limits, Target};

/// What a carrier must have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    target: Target,
    /// Sections, if it is an executable.
    sections: usize,
    /// Carriers of several forms take turns by it.
    turn: usize,
    /// Whether version information is needed.
    version_info: bool,
    /// Whether something is to stand at the start of the file.
    from_start: bool,
    /// The image hash that the file must have.
    picture: Option<u64>,
}

/// A program with version information.
const VERSIONED: &[u8] = include_bytes!("../../clean/distlib-t32.exe");

impl Wanted {
    /// A carrier for files of a kind, with the sections that `offsets` count from.
    pub(super) fn new(
        target: Target,
        offsets: impl Iterator<Item = Offset>,
        limits: &Limits,
        turn: usize,
    ) -> Result<Wanted, Unplantable> {
        let (mut version_info, mut from_start) = (false, false);
        let needed = offsets.inspect(|offset| {
            version_info |= *offset == Offset::VersionInfo;
            from_start |= matches!(offset, Offset::Start { .. });
        });
        let needed = needed.map(|offset| match offset {
            Offset::Section { index, .. } | Offset::Within { index, .. } => usize::from(index) + 2,
            Offset::LastSection { .. } => 2,
            _ => 1,
        });
        let needed = needed.max().unwrap_or(1);
        let allowed = limits.sections.clone().unwrap_or(0..=u64::MAX);
        let sections = needed.max(usize::try_from(*allowed.start()).unwrap_or(usize::MAX));
        if sections > executables::SECTIONS_MAX || sections as u64 > *allowed.end() {
            return Err(Unplantable::Image);
        }
        Ok(Wanted { target, sections, turn, version_info, from_start, picture: None })
    }

    /// The same, with a picture of this hash for a carrier.
    pub(super) fn with_picture(self, hash: Option<u64>) -> Wanted {
        Wanted { picture: hash, ..self }
    }

    /// The carrier: a program where any file will do, so that other scanners take it as it stands and do not normalise it as text.
    pub(super) fn make(self) -> Result<Vec<u8>, Unplantable> {
        if let Some(hash) = self.picture {
            return super::picture::of_hash(hash).ok_or(Unplantable::Picture);
        }
        let (wide, big) = (self.turn.is_multiple_of(2), (self.turn / 2).is_multiple_of(2));
        let kind = match self.target {
            Target::Any => FileKind::Pe,
            Target::Kind(kind) => kind,
            _ => return Err(Unplantable::Image),
        };
        Ok(match kind {
            FileKind::Pe if self.version_info => VERSIONED.to_vec(),
            FileKind::Pe => executables::pe(wide, self.sections),
            FileKind::Elf => executables::elf(wide, big, self.sections),
            FileKind::MachO => executables::macho(wide, big, self.sections),
            FileKind::Ole2 => document(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            FileKind::Graphics => document(b"\x89PNG\r\n\x1a\n"),
            FileKind::Pdf => document(b"%PDF-1.4\n"),
            FileKind::Html => b"<html><head><title>A page</title></head>\n<body>\n<p>Some words.</p>\n".to_vec(),
            // Text needs no first bytes of its own.
            FileKind::Text if self.from_start => Vec::new(),
            FileKind::Text => b"Some words, and one line more.\n".to_vec(),
            FileKind::Mail => b"Received: from localhost\r\nSubject: some words\r\n\r\nSome words.\r\n".to_vec(),
            FileKind::Flash => document(b"FWS\x09"),
            FileKind::JavaClass => document(b"\xca\xfe\xba\xbe\0\0\0\x34"),
        })
    }
}

/// A file that begins like one of its kind, has bytes that no text has, and is empty otherwise.
fn document(magic: &[u8]) -> Vec<u8> {
    [magic, &[0, 1, 0x80, 0xff][..], &[0; 0x800]].concat()
}
