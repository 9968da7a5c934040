//! Digests of files and of their parts, and allow lists.

use crate::support::*;
use corpus::executables::{self, PAGE};
use engine::layout::DigestOf;
use engine::{Backend, FileScanner, Scanner, SignatureId, Verdict};
use patternc::record::{Digest, Record};
use sha2::Digest as _;
use std::fs;
use std::ops::ControlFlow;

/// Names of what is found in `haystack`, ascending by end; every way to scan must agree on them.
fn names(records: &[Record], haystack: &[u8]) -> Vec<String> {
    let bytes = database(records);
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let found: Vec<_> = scanner.signatures(&mut scratch, haystack).to_vec();
    let portable = Scanner::with_backend(&database, Backend::PORTABLE);
    assert_eq!(portable.signatures_in_chunks(&mut scratch, haystack, 8), found);
    let ends: Vec<SignatureId> = scanner.ends(&mut scratch, haystack).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ends, found.iter().map(engine::Match::signature).collect::<Vec<_>>());
    found.iter().map(|found| database.name(found.signature()).into_owned()).collect()
}

fn section(name: &str, bytes: &[u8], size: Option<u64>) -> Record {
    hash(DigestOf::Section, name, Digest::Md5(md5_of(bytes)), size)
}

/// A program whose sections differ.
fn program(wide: bool) -> Vec<u8> {
    let mut file = executables::pe(wide, 3);
    for (index, page) in file.chunks_mut(PAGE).enumerate().skip(1) {
        page[7] = index as u8;
    }
    file
}

#[test]
fn sections_are_found_by_digests_of_each_kind_where_their_size_is_listed() {
    for wide in [false, true] {
        let file = program(wide);
        let page = |index: usize| &file[PAGE * (1 + index)..][..PAGE];
        let size = Some(PAGE as u64);
        let sha1 = Digest::Sha1(sha1::Sha1::digest(page(1)).into());
        let sha256 = Digest::Sha256(sha2::Sha256::digest(page(0)).into());
        let records = [
            section("first", page(0), size),
            section("last of any size", page(2), None),
            hash(DigestOf::Section, "by SHA-1", sha1, size),
            hash(DigestOf::Section, "by SHA-256", sha256, None),
            section("of another size", page(1), Some(PAGE as u64 - 1)),
            section("no section", &file, Some(file.len() as u64)),
            md5(page(1), size),
            clean_file(page(1), size),
        ];
        assert_eq!(names(&records, &file), ["first", "by SHA-256", "by SHA-1", "last of any size"]);
        // The same bytes, and no program.
        assert!(names(&records, &file[PAGE..]).is_empty());
    }
}

#[test]
fn a_section_ends_with_its_file() {
    let mut file = program(false);
    file.truncate(3 * PAGE + 100);
    let rest = &file[3 * PAGE..];
    let records = [section("cut", rest, Some(100)), section("whole", rest, Some(PAGE as u64))];
    assert_eq!(names(&records, &file), ["cut"]);
}

/// Header rows of 40 bytes from here on, in the executables of this test.
const ROWS: usize = 0x178;

#[test]
fn sections_that_lie_over_each_other_are_hashed_as_far_as_the_limit_allows() {
    let mut file = executables::pe(false, 9);
    let size = 4 << 20;
    file.resize(PAGE + size as usize, b'~');
    for (index, row) in file[ROWS..].chunks_mut(40).take(9).enumerate() {
        row[16..20].copy_from_slice(&(size - index as u32 * 0x200).to_le_bytes());
        row[20..24].copy_from_slice(&(PAGE as u32).to_le_bytes());
    }
    let first = &file[PAGE..][..size as usize];
    let listed = |len: u32| section("listed", first, Some(u64::from(len)));
    // One size alone is hashed once, however many sections have those bytes.
    assert_eq!(names(&[listed(size)], &file), ["listed"]);
    let records: Vec<Record> = (0..9).map(|index| listed(size - index * 0x200)).collect();
    assert_eq!(exceeded(&records, &file).as_deref(), Some("listed"));
}

#[test]
fn matches_of_every_kind_are_withdrawn_where_the_file_is_known_to_be_clean() {
    let file = program(false);
    let len = Some(file.len() as u64);
    let first = &file[PAGE..2 * PAGE];
    let found =
        [records(&[literal(b".s000001")]).remove(0), sha256(&file, len), md5(&file, len), section("section", first, None)];
    assert_eq!(names(&found, &file).len(), 4);
    let sha1 = Digest::Sha1(sha1::Sha1::digest(&file).into());
    let lists = [
        clean_file(&file, len),
        clean_file(&file, None),
        hash(DigestOf::CleanFile, "clean", sha1, len),
        hash(DigestOf::CleanFile, "clean", Digest::Sha256(sha2::Sha256::digest(&file).into()), None),
    ];
    for entry in lists {
        assert!(names(&[&found[..], std::slice::from_ref(&entry)].concat(), &file).is_empty(), "{entry:?}");
    }
    for other in [clean_file(&file, len.map(|len| len + 1)), clean_file(first, Some(PAGE as u64)), clean_file(b"", None)] {
        assert_eq!(names(&[&found[..], &[other]].concat(), &file).len(), 4);
    }
}

#[test]
fn a_list_of_one_maker_holds_for_signatures_of_all() {
    let found = records(&[literal(b"needle")]);
    let lists = [clean_file(b"a needle", None)];
    let source = |channel, records| patternc::link::LinkSource { channel, release: 1, root: [0; 32], records };
    let bytes = patternc::link::link(&[source("one/signatures", &found[..]), source("two/lists", &lists[..])]).unwrap();
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    assert!(scanner.signatures(&mut scratch, b"a needle").is_empty());
    assert_eq!(scratch.allowed().map(|by| database.channel(by)), Some("two/lists"));
    assert_eq!(scanner.signatures(&mut scratch, b"the needle").len(), 1);
    assert_eq!(scratch.allowed(), None);
}

#[test]
fn files_are_allowed_whether_their_digest_is_computed_at_once_or_beside_others() {
    let folder = tempfile::tempdir().unwrap();
    let large = [&vec![b'.'; 9 << 20][..], b"needle"].concat();
    let contents: [&[u8]; 5] = [b"a needle", b"hay", b"my needle", &large, b"known bad"];
    for (name, content) in ('a'..).zip(contents) {
        fs::write(folder.path().join(name.to_string()), content).unwrap();
    }
    let mut signatures = records(&[literal(b"needle")]);
    signatures.extend([clean_file(b"a needle", Some(8)), clean_file(&large, None), clean_file(b"known bad", None)]);
    let with_md5 = [&signatures[..], &[md5(b"known bad", None)]].concat();
    for (records, last) in [(signatures, "clean"), (with_md5, "allowed clean")] {
        let bytes = database(&records);
        let database = open(&bytes);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut verdicts = Vec::new();
            FileScanner::new(Scanner::new(&database)).scan_paths(&pool, &[folder.path().to_owned()], |verdict| {
                verdicts.push(match verdict {
                    Verdict::Clean { .. } => "clean".to_owned(),
                    Verdict::Found { .. } => "found".to_owned(),
                    Verdict::Allowed { by, .. } => format!("allowed {}", database.name(by)),
                    other => format!("{other:?}"),
                });
                ControlFlow::Continue(())
            });
            assert_eq!(verdicts, ["allowed clean", "clean", "found", "allowed clean", last]);
        }
    }
}

#[test]
fn a_digest_is_found_at_its_size_and_at_no_other() {
    let lens = [0, 1, 255, 65535, 65536, 65537, 131_071, 131_072];
    let of = |len: usize| vec![b'x'; len];
    let named = |name: String, len: usize, size: usize| {
        hash(DigestOf::File, &name, Digest::Sha256(sha2::Sha256::digest(of(len)).into()), Some(size as u64))
    };
    // The right digest at sizes that differ in their low or in their high bytes only.
    let records = lens
        .iter()
        .flat_map(|&len| [0, 1, 65536, 1 << 33].map(|more| named(format!("{len} bytes at {more}"), len, len + more)));
    let records: Vec<Record> = records.collect();
    open(&database(&records)).verify().unwrap();
    for len in lens {
        assert_eq!(names(&records, &of(len)), [format!("{len} bytes at 0")]);
    }
    assert!(names(&records, &of(2)).is_empty());
}

#[test]
fn of_a_long_digest_what_is_kept_decides_and_all_of_one_of_a_clean_file() {
    let file = b"some file";
    let differs_at = |of: DigestOf, at: usize| {
        let mut digest: [u8; 32] = sha2::Sha256::digest(file).into();
        digest[at] ^= 1;
        hash(of, "near", Digest::Sha256(digest), None)
    };
    let kept = |records: &[Record]| {
        let bytes = database(records);
        let sections = open(&bytes).sections().find(|(name, _)| *name == "digests");
        sections.unwrap().1
    };
    for (at, found) in [(0, false), (15, false), (16, true)] {
        let near = [differs_at(DigestOf::File, at)];
        assert_eq!((names(&near, file).len(), kept(&near)), (usize::from(found), 16), "byte {at}");
        let near = [md5(file, None), differs_at(DigestOf::CleanFile, at)];
        assert_eq!((names(&near, file).len(), kept(&near)), (1, 48), "byte {at}");
    }
}
