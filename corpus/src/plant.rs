//! Harmless files that bear a signature, and files that almost do.
//!
//! What a pattern matches is written down by filling its gaps; the oracle then has the last word: what it does not confirm is not
//! given out.

use crate::executables;
use crate::instance::{Instance, spoil};
use engine::normalise::{self, Form};
use engine::pattern::{Element, Offset, Pattern};
use engine::{FileKind, Image, naive};
use patternc::record::{Body, Digest, Record, Target};

/// Harmless files made for one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// A file that the signature matches.
    pub hit: Vec<u8>,
    /// The same file but for one byte, which the signature does not match; `None` when one byte is not enough.
    pub near_miss: Option<Vec<u8>>,
    /// A file in which the same bytes stand one byte before the first place that an offset in a program allows; `None` for other
    /// offsets, and when the signature matches there too.
    pub misplaced: Option<Vec<u8>>,
    /// The file of the hit with its first byte changed, so that it is of another kind; `None` for signatures for any file.
    pub other_kind: Option<Vec<u8>>,
}

/// What signatures are planted in: a program, so that other scanners take it as it stands and do not normalise it as text.
const CARRIER: &[u8] = include_bytes!("../clean/setuptools-cli-64.exe");
/// What a file is filled up with.
const FILLER: u8 = b'~';
/// Largest planted file, in bytes; signatures that need a larger one are not planted.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Plants `body` in a small clean file of the kind that it is for, where its offset wants it.
///
/// `None` when there is no instance, when its offset cannot hold it, or when the file would be larger than 1 MiB.
pub fn plant(body: &Body) -> Option<Planted> {
    let instance = Instance::of(&body.pattern, FILLER)?;
    let mut carrier = carrier(body)?;
    let image = Image::all_of(&carrier).into_iter().next();
    let place = match body.offset {
        Offset::Any => carrier.len() + instance.before.len(),
        Offset::Start { from, .. } => usize::try_from(from).ok().filter(|_| from < FILE_BYTES_MAX)?,
        Offset::End { back, .. } => {
            let len = instance.bytes.len();
            let after = back.checked_sub(len as u64).filter(|_| back < FILE_BYTES_MAX)?;
            carrier.resize(carrier.len() + len + after as usize, FILLER);
            carrier.len() - back as usize
        }
        offset => place_in(&image?, offset)?,
    };
    let hit = placed(&carrier, place, &instance);
    if !bears(body, &hit) {
        return None;
    }
    let places = place..place + instance.bytes.len();
    let near_miss = spoil(hit.clone(), places, |changed| !bears(body, changed));
    let before = body.offset.needs_image().then(|| first_place(&carrier, body.offset)).flatten();
    let misplaced = before.and_then(|first| Some(placed(&carrier, first.checked_sub(1)?, &instance)));
    let mut other_kind = hit.clone();
    if let Some(first) = other_kind.first_mut() {
        *first ^= 0x40;
    }
    Some(Planted {
        hit,
        near_miss,
        misplaced: misplaced.filter(|file| !bears(body, file)),
        other_kind: Some(other_kind).filter(|file| !bears(body, file)),
    })
}

/// Whether `file` is of the kind that `body` is for and holds what it looks for.
fn bears(body: &Body, file: &[u8]) -> bool {
    let kind = match body.target {
        Target::Kind(kind) if kind.is_normalised() => {
            let bears =
                |form: &Form| form.kinds.contains(&kind) && !naive::ends(&body.pattern, body.offset, &form.bytes).is_empty();
            return normalise::forms(file).iter().any(bears);
        }
        Target::Kind(kind) => FileKind::of(file) == Some(kind),
        _ => true,
    };
    kind && !naive::ends(&body.pattern, body.offset, file).is_empty()
}

/// A clean file to plant `body` in. Executables of several kinds take turns, by the length of the pattern.
fn carrier(body: &Body) -> Option<Vec<u8>> {
    let Target::Kind(kind) = body.target else { return Some(CARRIER.to_vec()) };
    let sections = match body.offset {
        Offset::Section { index, .. } | Offset::Within { index, .. } => usize::from(index) + 2,
        _ => 3,
    };
    if sections > executables::SECTIONS_MAX {
        return None;
    }
    let turn = turn_of(&body.pattern);
    let (wide, big) = (turn.is_multiple_of(2), (turn / 2).is_multiple_of(2));
    let document = |magic: &[u8]| [magic, &[0, 1, 0x80, 0xff][..], &vec![0; 0x800]].concat();
    Some(match kind {
        FileKind::Pe => executables::pe(wide, sections),
        FileKind::Elf => executables::elf(wide, big, sections),
        FileKind::MachO => executables::macho(wide, big, sections),
        FileKind::Ole2 => document(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        FileKind::Graphics => document(b"\x89PNG\r\n\x1a\n"),
        FileKind::Pdf => document(b"%PDF-1.4\n"),
        // What stands at the start is to be the first of the file.
        FileKind::Html | FileKind::Text if matches!(body.offset, Offset::Start { .. }) => Vec::new(),
        FileKind::Html => b"<html><head><title>A page</title></head>\n<body>\n<p>Some words.</p>\n".to_vec(),
        FileKind::Text => b"Some words, and one line more.\n".to_vec(),
        FileKind::Mail => b"Received: from localhost\r\nSubject: some words\r\n\r\nSome words.\r\n".to_vec(),
        FileKind::Flash => document(b"FWS\x09"),
        FileKind::JavaClass => document(b"\xca\xfe\xba\xbe\0\0\0\x34"),
    })
}

/// Elements and bytes of a pattern together: what tells one signature from another well enough to take turns by.
fn turn_of(pattern: &Pattern) -> usize {
    let len = |element: &Element| if let Element::Bytes(bytes) = element { bytes.len() } else { 1 };
    pattern.elements().iter().map(len).sum()
}

/// Where a match with this offset may begin in a program: the first place, but in a section its last.
fn place_in(image: &Image, offset: Offset) -> Option<usize> {
    let place = match offset {
        Offset::Entry { delta, .. } => image.entry.checked_add_signed(delta)?,
        Offset::Section { index, from, .. } => u64::from((*image.sections.get(usize::from(index))?)?.start) + from,
        Offset::LastSection { from, .. } => u64::from(image.last?.start) + from,
        Offset::Within { index, .. } => {
            let section = (*image.sections.get(usize::from(index))?)?;
            u64::from(section.start) + u64::from(section.len)
        }
        Offset::Any | Offset::Start { .. } | Offset::End { .. } => return None,
    };
    // Headers stay as they are.
    usize::try_from(place).ok().filter(|&place| place >= executables::PAGE && place < FILE_BYTES_MAX as usize)
}

/// The first place at which a match with this offset may begin.
fn first_place(carrier: &[u8], offset: Offset) -> Option<usize> {
    let image = Image::all_of(carrier).into_iter().next()?;
    match offset {
        Offset::Within { index, .. } => Some((*image.sections.get(usize::from(index))?)?.start as usize),
        _ => place_in(&image, offset),
    }
}

/// `carrier` with `instance` written over it from `place` on, and what it asks for beside that where there is room.
fn placed(carrier: &[u8], place: usize, instance: &Instance) -> Vec<u8> {
    let Instance { before, bytes, after } = instance;
    let mut file = carrier.to_vec();
    let end = place + bytes.len();
    // A file that ends with the match stays so, as the offset may count from there; nothing to come is a boundary too.
    let after = if end == carrier.len() { &[][..] } else { after };
    file.resize(file.len().max(end + after.len()), FILLER);
    let start = place.saturating_sub(before.len());
    file[start..place].copy_from_slice(&before[before.len() - (place - start)..]);
    file[place..end].copy_from_slice(bytes);
    file[end..end + after.len()].copy_from_slice(after);
    file
}

/// A file for each of `records` that can be planted, with its name: the [`Planted::hit`] of a body signature, and the EICAR test
/// file for its digests. Other digests have no file.
pub fn planted(records: &[Record]) -> Vec<(String, Vec<u8>)> {
    let eicar = crate::records(&["eicar.hdb", "eicar.hsb"]);
    let digests: Vec<_> = eicar.iter().filter_map(digest).collect();
    let file = |record: &Record| match record {
        Record::Body(body) => Some(plant(body)?.hit),
        Record::Logical(_) => None,
        Record::FileHash(_) => digest(record).filter(|found| digests.contains(found)).map(|_| crate::eicar()),
    };
    records.iter().filter_map(|record| Some((record.name().to_owned(), file(record)?))).collect()
}

fn digest(record: &Record) -> Option<Digest> {
    match record {
        Record::Body(_) | Record::Logical(_) => None,
        Record::FileHash(hash) => Some(hash.digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn bodies() -> Vec<Body> {
        let sources = crate::signatures().into_iter().chain(crate::features()).collect::<Vec<_>>();
        let bodies = crate::compile(&sources).records.into_iter().filter_map(|record| match record {
            Record::Body(body) => Some(body),
            Record::FileHash(_) | Record::Logical(_) => None,
        });
        bodies.collect()
    }

    #[test]
    fn every_signature_has_a_file_that_bears_it_and_one_that_does_not() {
        for body in bodies() {
            let planted = plant(&body).unwrap_or_else(|| panic!("{} is not planted", body.name));
            let ends = |bytes: &[u8]| naive::ends(&body.pattern, body.offset, bytes);
            assert_ne!(ends(&planted.hit), BTreeSet::new(), "{}", body.name);
            let near_miss = planted.near_miss.unwrap_or_else(|| panic!("{} has no near miss", body.name));
            assert_eq!(ends(&near_miss), BTreeSet::new(), "{}", body.name);
            assert_eq!(planted.hit.iter().zip(&near_miss).filter(|(a, b)| a != b).count(), 1, "{}", body.name);
        }
    }

    #[test]
    fn offsets_that_cannot_hold_the_pattern_are_not_planted() {
        let pattern = Pattern::literal(b"four").unwrap();
        let body = |offset| Body { name: "n".to_owned(), target: Target::Any, offset, pattern: pattern.clone() };
        assert_eq!(plant(&body(Offset::End { back: 3, shift: 0 })), None);
        assert_eq!(plant(&body(Offset::Start { from: FILE_BYTES_MAX, shift: 0 })), None);
        let at_end = plant(&body(Offset::End { back: 6, shift: 0 })).unwrap();
        assert!(at_end.hit.ends_with(b"four~~"));
    }

    #[test]
    fn signatures_for_executables_are_planted_in_their_programs() {
        let offsets = [
            Offset::Any,
            Offset::Entry { delta: 5, shift: 0 },
            Offset::Entry { delta: -5, shift: 3 },
            Offset::Section { index: 2, from: 7, shift: 0 },
            Offset::LastSection { from: 9, shift: 0 },
            Offset::Within { index: 1, shift: 0 },
        ];
        for kind in [FileKind::Pe, FileKind::Elf, FileKind::MachO] {
            for (offset, text) in
                offsets.into_iter().flat_map(|offset| [(offset, "abcd"), (offset, "abcde"), (offset, "abcdef")])
            {
                let pattern = Pattern::literal(text.as_bytes()).unwrap();
                let body = Body { name: "n".to_owned(), target: Target::Kind(kind), offset, pattern };
                let planted = plant(&body).unwrap();
                assert!(bears(&body, &planted.hit));
                assert!(!bears(&body, &planted.near_miss.unwrap()));
                assert!(!bears(&body, &planted.other_kind.unwrap()));
                assert_eq!(planted.misplaced.is_some(), offset.needs_image());
            }
        }
    }

    #[test]
    fn digests_of_eicar_are_planted() {
        let planted = planted(&crate::records(&["eicar.hdb", "eicar.hsb", "mandiant.ndb"]));
        assert_eq!(planted.len(), 3 + 14);
        assert_eq!(planted.iter().filter(|(_, bytes)| *bytes == crate::eicar()).count(), 3);
    }
}
