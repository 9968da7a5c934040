//! Signatures for one kind of file, and offsets from entry points and sections.

use crate::support::*;
use corpus::executables::{self, PAGE};
use engine::image::Section;
use engine::pattern::{Offset, Pattern};
use engine::{FileKind, Image, Scanner};
use patternc::record::{Body, Record, Target};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A body signature for files of one kind.
type Targeted = (Target, Case);

fn targeted_records(cases: &[Targeted]) -> Vec<Record> {
    let body = |(index, (target, (offset, pattern))): (usize, &Targeted)| {
        Record::Body(Body { name: format!("s{index}"), target: *target, offset: *offset, pattern: pattern.clone() })
    };
    cases.iter().enumerate().map(body).collect()
}

fn executable() -> impl Strategy<Value = Vec<u8>> {
    (0..4_u8, any::<bool>(), any::<bool>(), 1..4_usize).prop_map(|(kind, wide, big, sections)| match kind {
        0 => executables::pe(wide, sections),
        1 => executables::elf(wide, big, sections),
        2 => executables::macho(wide, big, sections),
        _ => executables::fat(&[executables::macho(wide, big, sections), executables::macho(!wide, big, 2)]),
    })
}

fn offset() -> impl Strategy<Value = Offset> {
    let near = 0..40_u64;
    prop_oneof![
        1 => Just(Offset::Any),
        3 => (-20..20_i64, 0..20_u64).prop_map(|(delta, shift)| Offset::Entry { delta, shift }),
        3 => (0..4_u8, near.clone(), 0..20_u64).prop_map(|(index, from, shift)| Offset::Section { index, from, shift }),
        1 => (near, 0..20_u64).prop_map(|(from, shift)| Offset::LastSection { from, shift }),
        2 => (0..4_u8, 0..20_u64).prop_map(|(index, shift)| Offset::Within { index, shift }),
        1 => Just(Offset::VersionInfo),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    let kind = prop::sample::select(&FileKind::ALL[..]).prop_map(Target::Kind);
    prop_oneof![1 => Just(Target::Any), 2 => Just(Target::Kind(FileKind::Pe)), 2 => kind]
}

/// Where bytes are written: near what offsets count from, in the first program or a later one.
fn place() -> impl Strategy<Value = usize> {
    let anchors = prop::sample::select(vec![PAGE, PAGE + PAGE / 2, 2 * PAGE, 3 * PAGE, 4 * PAGE, 5 * PAGE, 6 * PAGE]);
    (anchors, 0..80_usize).prop_map(|(anchor, more)| anchor + more - 40)
}

proptest! {
    // The oracle takes its time with files of several pages.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_scanner_finds_what_the_oracle_finds_in_executables(
        cases in prop::collection::vec((target(), case(), offset()), 1..8),
        mut file in executable(),
        places in prop::collection::vec((place(), any::<prop::sample::Index>()), 0..12),
    ) {
        let cases: Vec<Targeted> = cases.into_iter().map(|(target, (_, pattern), offset)| (target, (offset, pattern))).collect();
        for (place, which) in places {
            let bytes = instance(&cases[which.index(cases.len())].1.1, b'a');
            if let Some(there) = file.get_mut(place..place + bytes.len()).filter(|_| place >= PAGE) {
                there.copy_from_slice(&bytes);
            }
        }
        let linked = database(&targeted_records(&cases));
        let database = open(&linked);
        database.verify().unwrap();
        let kind = FileKind::of(&file);
        let meant = |target: Target| target == Target::Any || Some(target) == kind.map(Target::Kind);
        let all: Vec<Case> = cases.iter().map(|(_, case)| case.clone()).collect();
        let want: BTreeSet<(u32, u64)> =
            expected(&all, &file).into_iter().filter(|(id, _)| meant(cases[*id as usize].0)).collect();
        let scanner = Scanner::new(&database);
        prop_assert_eq!(&found(&scanner, &file), &want);
        let names = |matches: &[engine::Match]| matches.iter().map(|m| m.signature().index()).collect::<BTreeSet<_>>();
        let mut scratch = scanner.scratch();
        let want: BTreeSet<u32> = want.into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(names(scanner.signatures(&mut scratch, &file)), want.clone());
        prop_assert_eq!(names(scanner.signatures_in_chunks(&mut scratch, &file, 512)), want);
    }

    /// Headers are hostile: whatever they say, sections stay few and nothing panics.
    #[test]
    fn broken_headers_are_survived(
        mut file in executable(),
        changes in prop::collection::vec((0..400_usize, any::<u8>()), 0..12),
        len in 0..20_000_usize,
    ) {
        for (at, value) in changes {
            file[at] = value;
        }
        file.truncate(len);
        for image in Image::all_of(&file) {
            prop_assert!(image.sections.len() <= Image::SECTIONS_MAX);
        }
    }
}

#[test]
fn a_signature_is_found_in_files_of_its_kind_only() {
    let literal = || Pattern::literal(b"the same bytes in each").unwrap();
    let kinds = std::iter::once(Target::Any).chain(FileKind::ALL.map(Target::Kind));
    let cases: Vec<Targeted> = kinds.map(|target| (target, (Offset::Any, literal()))).collect();
    let fixed = FileKind::ALL.map(|kind| (Target::Kind(kind), (Offset::End { back: 22, shift: 0 }, literal())));
    let cases: Vec<Targeted> = cases.into_iter().chain(fixed).collect();
    let linked = database(&targeted_records(&cases));
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    let heads: [&[u8]; 12] = [
        b"\0\0\0\0of no kind, ",
        b"MZ",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"<html> ",
        b"From: me\n\n",
        b"GIF89a",
        b"\x7fELF",
        b"plain text, ",
        b"\xcf\xfa\xed\xfe",
        b"%PDF-1.7 ",
        b"CWS",
        b"\xca\xfe\xba\xbe\0\0\0\x32",
    ];
    for (index, head) in heads.into_iter().enumerate() {
        let file = [head, b"the same bytes in each"].concat();
        let ids: BTreeSet<u32> = found(&scanner, &file).into_iter().map(|(id, _)| id).collect();
        let index = index as u32;
        let want = if index == 0 { BTreeSet::from([0]) } else { BTreeSet::from([0, index, index + 11]) };
        assert_eq!(ids, want, "{}", head.escape_ascii());
    }
}

/// Where in a header a number is written, and which.
type Change = (usize, u32);

/// The entry point, and start and length of the first section.
type Facts = (u32, Option<(u32, u32)>);

/// How sections of a PE file are rounded; each line is what clamscan was seen to do.
#[test]
fn sections_of_pe_files_are_rounded_as_clamscan_does() {
    const ENTRY: usize = 0xa8;
    const SECTION_ALIGN: usize = 0xb8;
    const FILE_ALIGN: usize = 0xbc;
    const HEADERS_LEN: usize = 0xd4;
    const OPTIONAL_LEN: usize = 0x94;
    const VIRTUAL_SIZE: usize = 0x180;
    const ADDRESS: usize = 0x184;
    const LEN: usize = 0x188;
    const POINTER: usize = 0x18c;
    let page = PAGE as u32;
    let facts = |changes: &[(usize, u32)]| {
        let mut file = executables::pe(false, 2);
        for (at, value) in changes {
            file[*at..*at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let image = Image::all_of(&file).pop()?;
        Some((image.entry as u32, image.sections[0].map(|Section { start, len }| (start, len))))
    };
    let half = page / 2;
    let cases: [(&str, &[Change], Option<Facts>); 17] = [
        ("as it is", &[], Some((page + half, Some((page, page))))),
        ("a pointer within a sector", &[(POINTER, page + 0x10)], Some((page + half, Some((page, page))))),
        (
            "an alignment of 16",
            &[(FILE_ALIGN, 16), (POINTER, page + 0x10)],
            Some((page + half + 0x10, Some((page + 0x10, page)))),
        ),
        ("no alignment", &[(FILE_ALIGN, 0), (POINTER, page + 3)], Some((page + half + 3, Some((page + 3, page))))),
        (
            "sectors in spite of the alignment",
            &[(FILE_ALIGN, page), (POINTER, 0xe00)],
            Some((0xe00 + half, Some((0xe00, page)))),
        ),
        ("a size within a sector", &[(LEN, 0xe01)], Some((page + half, Some((page, page))))),
        ("a size beyond the end", &[(LEN, 0x7fff_0000)], Some((page + half, Some((page, 2 * page))))),
        ("a size that cannot be rounded", &[(LEN, u32::MAX)], None),
        ("a pointer beyond the end", &[(POINTER, 9 * page), (ENTRY, 2 * page)], Some((2 * page, None))),
        ("the entry point in no section", &[(ENTRY, 9 * page)], None),
        ("the entry point in the headers", &[(ENTRY, 0x200)], Some((0x200, Some((page, page))))),
        ("headers of no length", &[(ENTRY, 0x200), (HEADERS_LEN, 0)], None),
        ("headers rounded up to a section", &[(ENTRY, 0xf00), (HEADERS_LEN, 1)], Some((0xf00, Some((page, page))))),
        ("an address within a page", &[(ADDRESS, page + 0x10)], Some((page + half, Some((page, page))))),
        (
            "that address, unrounded",
            &[(ADDRESS, page + 0x10), (SECTION_ALIGN, 0)],
            Some((page + half - 0x10, Some((page, page)))),
        ),
        ("a size in memory of 2 GiB", &[(VIRTUAL_SIZE, 1 << 31)], None),
        ("directories beyond their header", &[(OPTIONAL_LEN, 0x0102_00df)], None),
    ];
    for (what, changes, want) in cases {
        assert_eq!(facts(changes), want, "{what}");
    }
}
