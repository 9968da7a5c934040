//! Harmless files that bear a signature, and files that almost do.
//!
//! What a pattern matches is written down by filling its gaps; the oracle then has the last word: what it does not confirm is not
//! given out.

use crate::executables;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
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

/// A string that `pattern` matches from its first byte to its last: the least of what each element allows, with `filler` where
/// anything goes.
///
/// `None` for a pattern whose negated alternatives leave no room for a repeated byte.
pub fn instance(pattern: &Pattern, filler: u8) -> Option<Vec<u8>> {
    let fill = |masked: &MaskedByte| masked.value() | (filler & !masked.mask());
    let mut bytes = Vec::new();
    for element in pattern.elements() {
        match element {
            Element::Bytes(string) => bytes.extend(string.iter().map(fill)),
            Element::Alternatives { strings, negated: false } => bytes.extend(strings[0].iter().map(fill)),
            Element::Alternatives { strings, negated: true } => bytes.extend(other_than(strings, filler)?),
            Element::Gap { min, .. } => bytes.resize(bytes.len() + *min as usize, filler),
        }
    }
    let at_start = Offset::Start { from: 0, shift: 0 };
    naive::ends(pattern, at_start, &bytes).contains(&(bytes.len() as u64)).then_some(bytes)
}

/// One byte over and over, `filler` if possible, that is none of `strings`.
fn other_than(strings: &[Vec<MaskedByte>], filler: u8) -> Option<Vec<u8>> {
    let is_one_of = |byte: u8| strings.iter().any(|string| string.iter().all(|masked| masked.agrees(byte)));
    let byte = (0..=u8::MAX).map(|step| filler.wrapping_add(step)).find(|&byte| !is_one_of(byte))?;
    Some(vec![byte; strings[0].len()])
}

/// An [`instance`] of `pattern` changed in one byte, so that `pattern` matches nowhere in it.
///
/// `None` when there is no instance, or no such byte.
pub fn near_miss(pattern: &Pattern, filler: u8) -> Option<Vec<u8>> {
    let bytes = instance(pattern, filler)?;
    let len = bytes.len();
    spoil(bytes, 0..len, |changed| naive::ends(pattern, Offset::Any, changed).is_empty())
}

/// `bytes` with one byte of `places` changed so that `spoiled` holds. Places are tried from the middle on: a scanner that only
/// looks at a part is found out by a change outside it, and which part that is, nobody knows.
fn spoil(mut bytes: Vec<u8>, places: std::ops::Range<usize>, spoiled: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let middle = places.start + places.len() / 2;
    for at in (middle..places.end).chain(places.start..middle) {
        bytes[at] ^= 0x15;
        if spoiled(&bytes) {
            return Some(bytes);
        }
        bytes[at] ^= 0x15;
    }
    None
}

/// Plants `body` in a small clean file of the kind that it is for, where its offset wants it.
///
/// `None` when there is no instance, when its offset cannot hold it, or when the file would be larger than 1 MiB.
pub fn plant(body: &Body) -> Option<Planted> {
    let instance = instance(&body.pattern, FILLER)?;
    let mut carrier = carrier(body)?;
    let image = Image::all_of(&carrier).into_iter().next();
    let place = match body.offset {
        Offset::Any => carrier.len(),
        Offset::Start { from, .. } => usize::try_from(from).ok().filter(|_| from < FILE_BYTES_MAX)?,
        Offset::End { back, .. } => {
            let after = back.checked_sub(instance.len() as u64).filter(|_| back < FILE_BYTES_MAX)?;
            carrier.resize(carrier.len() + instance.len() + after as usize, FILLER);
            carrier.len() - back as usize
        }
        offset => place_in(&image?, offset)?,
    };
    let hit = placed(&carrier, place, &instance);
    if !bears(body, &hit) {
        return None;
    }
    let places = place..place + instance.len();
    let near_miss = spoil(hit.clone(), places, |changed| !bears(body, changed));
    let before = body.offset.needs_image().then(|| first_place(&carrier, body.offset)).flatten();
    let misplaced = before.and_then(|first| Some(placed(&carrier, first.checked_sub(1)?, &instance)));
    let mut other_kind = hit.clone();
    other_kind[0] ^= 0x40;
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

/// `carrier` with `instance` written over it from `place` on.
fn placed(carrier: &[u8], place: usize, instance: &[u8]) -> Vec<u8> {
    let mut file = carrier.to_vec();
    file.resize(file.len().max(place + instance.len()), FILLER);
    file[place..place + instance.len()].copy_from_slice(instance);
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
    fn instances_keep_clear_of_negated_strings() {
        let fixed = |text: &[u8]| text.iter().map(|&byte| MaskedByte::fixed(byte)).collect::<Vec<_>>();
        let not_a = Element::Alternatives { strings: vec![fixed(b"a"), fixed(b"b")], negated: true };
        let pattern = Pattern::new([Element::Bytes(fixed(b"xy")), not_a]).unwrap();
        assert_eq!(instance(&pattern, b'a').unwrap(), b"xyc");
        let nothing_left = Element::Alternatives { strings: vec![vec![MaskedByte::ANY]], negated: true };
        assert_eq!(instance(&Pattern::new([nothing_left]).unwrap(), 0), None);
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
    fn near_misses_of_patterns_alone() {
        for body in bodies() {
            let near_miss = near_miss(&body.pattern, 0).unwrap();
            assert_eq!(naive::ends(&body.pattern, Offset::Any, &near_miss), BTreeSet::new(), "{}", body.name);
        }
    }

    #[test]
    fn digests_of_eicar_are_planted() {
        let planted = planted(&crate::records(&["eicar.hdb", "eicar.hsb", "mandiant.ndb"]));
        assert_eq!(planted.len(), 3 + 14);
        assert_eq!(planted.iter().filter(|(_, bytes)| *bytes == crate::eicar()).count(), 3);
    }
}
