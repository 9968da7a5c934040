//! Files for body signatures.

use super::carrier::Wanted;
use super::instance::{Choice, mould};
use super::layout::{Laid, Piece, lay};
use super::oracle::bears_body;
use super::{FILLER, PlantedFile, Unplantable, What, confirmed};
use engine::pattern::{Element, Pattern};
use patternc::record::{Body, Limits, Record};

pub(super) fn plant(body: &Body) -> Result<Vec<PlantedFile>, Unplantable> {
    let wanted = Wanted::new(body.target, [body.offset].into_iter(), &Limits::default(), turn_of(&body.pattern))?;
    let laid = |choice, misplaced| {
        let mould = mould(&body.pattern, FILLER, choice)?;
        let piece = Piece { offset: body.offset, mould, repetition: 0, misplaced };
        Some(lay(wanted, &[&piece], &(0..=u64::MAX)).map(|laid| (laid, piece)))
    };
    let (Laid { file: hit, places }, piece) = laid(Choice::Least, false).ok_or(Unplantable::Pattern)??;
    if !bears_body(body, &hit) {
        return Err(Unplantable::Unconfirmed);
    }
    let near_miss = piece.mould.spoil(hit.clone(), places[0], |changed| !bears_body(body, changed));
    let with = |choice, misplaced| laid(choice, misplaced)?.ok().map(|(laid, _)| laid.file);
    let other_kind = [&[hit[0] ^ 0x40], &hit[1..]].concat();
    let files = [
        (What::Hit, Some(hit)),
        (What::HitMost, with(Choice::Most, false)),
        (What::NearMiss, near_miss),
        (What::GapTooLong, with(Choice::Beyond, false)),
        (What::Misplaced, body.offset.needs_image().then(|| with(Choice::Least, true)).flatten()),
        (What::OtherKind, Some(other_kind)),
    ];
    let files = files.into_iter().filter_map(|(what, bytes)| Some(PlantedFile { what, bytes: bytes? }));
    Ok(confirmed(&Record::Body(body.clone()), files))
}

/// Elements and bytes of a pattern together: what tells one signature from another well enough to take turns by.
pub(super) fn turn_of(pattern: &Pattern) -> usize {
    let len = |element: &Element| if let Element::Bytes(bytes) = element { bytes.len() } else { 1 };
    pattern.elements().iter().map(len).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{FILE_BYTES_MAX, bears};
    use super::*;
    use engine::FileKind;
    use engine::pattern::Offset;
    use patternc::record::Target;

    fn body(target: Target, offset: Offset, text: &[u8]) -> Body {
        Body { name: "n".to_owned(), target, offset, pattern: Pattern::literal(text).unwrap() }
    }

    #[test]
    fn offsets_that_cannot_hold_the_pattern_are_not_planted() {
        let planted = |offset| plant(&body(Target::Any, offset, b"four"));
        assert_eq!(planted(Offset::End { back: 3, shift: 0 }), Err(Unplantable::Places));
        assert_eq!(planted(Offset::Start { from: FILE_BYTES_MAX as u64, shift: 0 }), Err(Unplantable::FileTooLarge));
        assert_eq!(planted(Offset::End { back: u64::MAX, shift: 0 }), Err(Unplantable::FileTooLarge));
        assert!(planted(Offset::End { back: 6, shift: 0 }).unwrap()[0].bytes.ends_with(b"four~~"));
    }

    #[test]
    fn version_information_is_planted() {
        let offset = Offset::VersionInfo;
        let text: Vec<u8> = "Company".bytes().chain([0, 0]).chain("Nobody".bytes()).flat_map(|letter| [letter, 0]).collect();
        let body = body(Target::Kind(FileKind::Pe), offset, &text);
        let made: Vec<What> = plant(&body).unwrap().iter().map(|file| file.what).collect();
        assert_eq!(made, [What::Hit, What::NearMiss, What::Misplaced, What::OtherKind]);
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
                let body = body(Target::Kind(kind), offset, text.as_bytes());
                let files = plant(&body).unwrap();
                let made: Vec<What> = files.iter().map(|file| file.what).collect();
                let misplaced = offset.needs_image().then_some(What::Misplaced);
                let expected = [What::Hit, What::NearMiss].into_iter().chain(misplaced).chain([What::OtherKind]);
                assert_eq!(made, expected.collect::<Vec<_>>(), "{kind:?} {offset:?}");
                let record = Record::Body(body);
                assert!(files.iter().all(|file| bears(&record, &file.bytes) == file.what.is_hit()));
            }
        }
    }
}
