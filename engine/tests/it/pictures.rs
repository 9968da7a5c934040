//! Signatures that ask what a picture shows, from their text to what is found. Each case was tried with clamscan.

use crate::support::*;
use engine::{Database, FileScanner, Scanner, Verdict};
use patternc::blob::{self, EngineRange, Meta};
use patternc::clamav;
use patternc::record::Record;
use std::collections::BTreeSet;

/// A PNG of grey pixels, in stored blocks: one for each row.
fn png(rows: &[&[u8]]) -> Vec<u8> {
    let mut pixels = vec![0x78, 0x01];
    for (index, row) in rows.iter().enumerate() {
        let len = row.len() as u16 + 1;
        pixels.push(u8::from(index + 1 == rows.len()));
        pixels.extend([len.to_le_bytes(), (!len).to_le_bytes()].concat());
        pixels.push(0);
        pixels.extend_from_slice(row);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in rows.iter().flat_map(|row| [&[0], *row].concat()) {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    pixels.extend((b << 16 | a).to_be_bytes());
    let [width, height] = [rows[0].len() as u32, rows.len() as u32].map(u32::to_be_bytes);
    let header = [&width[..], &height, &[8, 0, 0, 0, 0]].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", &pixels), chunk(b"IEND", &[])].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks].concat()
}

fn chunk(kind: &[u8], bytes: &[u8]) -> Vec<u8> {
    let body = [kind, bytes].concat();
    let mut sum = u32::MAX;
    for byte in &body {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    [&(bytes.len() as u32).to_be_bytes()[..], &body, &(!sum).to_be_bytes()].concat()
}

/// A dark picture with a bright corner.
fn picture() -> Vec<u8> {
    png(&[b"\x10\x20\x30\xf0\xf8", b"\x11\x22\x33\xd0\xe0", b"\x12\x18\x20\x28\x30"])
}

/// What `sigtool --fuzzy-img` says of it.
const HASH: &str = "b2b24d4db5b24aaa";

/// Signatures whose expressions end with their highest number, which are their names.
fn records(expressions: &[&str], target: u8) -> Vec<Record> {
    let line = |expression: &&str| {
        let subsignatures = [&format!("fuzzy_img#{HASH}#0"), "fuzzy_img#0123456789abcdef", "49484452", "0/ID[A]T/"];
        let highest = expression.chars().rev().find(char::is_ascii_digit).and_then(|last| last.to_digit(10)).unwrap();
        let subsignatures = subsignatures[..=highest as usize].join(";");
        let line = format!("{expression};Engine:150-255,Target:{target};{expression};{subsignatures}");
        clamav::ldb(&line).unwrap_or_else(|fault| panic!("{line}: {fault}")).unwrap()
    };
    let mut records: Vec<Record> = expressions.iter().map(line).collect();
    records.sort();
    records
}

fn found_in(records: &[Record], file: &[u8]) -> BTreeSet<String> {
    let bytes = database(records);
    let database: Database<'_> = open(&bytes);
    assert_eq!(database.verify(), Ok(()));
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let found = scanner.signatures(&mut scratch, file).to_vec();
    let chunked = scanner.signatures_in_chunks(&mut scratch, file, 8).to_vec();
    let names = [found, chunked]
        .map(|found| found.iter().map(|found| database.name(found.signature()).into_owned()).collect::<BTreeSet<String>>());
    assert_eq!(names[0], names[1]);
    names[0].clone()
}

const HOLD: [&str; 8] = ["0", "2&0<2", "0&2", "(0|2)=2", "(0|2)>1,2", "0&(1=0)&2", "0&3", "1|2"];
const FAIL: [&str; 5] = ["1", "0=0", "2&0>2", "1&2", "1&3"];

#[test]
fn signatures_hold_where_the_picture_is() {
    let records = records(&[&HOLD[..], &FAIL].concat(), 0);
    let want: BTreeSet<String> = HOLD.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(found_in(&records, &picture()), want);
}

#[test]
fn what_cannot_be_decoded_shows_nothing() {
    let mut damaged = picture();
    *damaged.last_mut().unwrap() ^= 1;
    let records = records(&["0", "0=0"], 0);
    assert_eq!(found_in(&records, &damaged), BTreeSet::from(["0".to_owned()]), "the picture is whole before its last chunk");
    let damaged = &picture()[..60];
    assert_eq!(found_in(&records, damaged), BTreeSet::from(["0=0".to_owned()]));
    let behind = [b"x", &picture()[..]].concat();
    assert_eq!(found_in(&records, &behind), BTreeSet::from(["0=0".to_owned()]));
}

/// A picture above the limits, or a panic of the decoder, is never a clean verdict where a signature asks what it shows; the others are settled.
#[test]
fn a_picture_above_the_limits_is_no_clean_file() {
    let too_wide = [&b"BM"[..], &[0; 12], &[40, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 24, 0], &[0; 24], b"IHDR"].concat();
    let bytes = database(&records(&["0", "2"], 0));
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let names = |found: &[engine::Match]| found.iter().map(|found| database.name(found.signature()).into_owned()).collect();
    let found: Vec<String> = names(scanner.signatures(&mut scratch, &too_wide));
    assert_eq!(
        (found, scratch.exceeded().map(|id| database.name(id).into_owned())),
        (vec!["2".to_owned()], Some("0".to_owned()))
    );

    let dir = tempfile::tempdir().unwrap();
    let verdict = |bytes: &[u8]| {
        let path = dir.path().join("picture");
        std::fs::write(&path, bytes).unwrap();
        FileScanner::new(scanner.clone()).scan_file(&mut engine::files::FileScratch::default(), &path)
    };
    assert!(matches!(verdict(&too_wide), Verdict::Found { .. }));
    let Verdict::Failed(error) = verdict(&too_wide[..54]) else { panic!("a verdict on what was not looked at") };
    assert_eq!(error.code(), "limits-exceeded");
    assert!(error.to_string().contains("signature `0`"), "{error}");
    // Nothing asks here.
    let bytes = crate::support::database(&records(&["2"], 0));
    let database = open(&bytes);
    let scanner = Scanner::new(&database);
    assert!(scanner.signatures(&mut scratch, &too_wide[..54]).is_empty() && scratch.exceeded().is_none());
}

#[test]
fn only_files_of_the_target_are_asked() {
    assert_eq!(found_in(&records(&["0"], 5), &picture()).len(), 1);
    assert!(found_in(&records(&["0", "0=0"], 1), &picture()).is_empty());
}

#[test]
fn pictures_travel_in_blobs() {
    let records = records(&HOLD, 5);
    let channel = "test/all".parse().unwrap();
    let meta = Meta { channel, release: 1, created: 0, engine: EngineRange { min: 1, max: 1 } };
    assert_eq!(blob::decode(&blob::encode(&meta, &records).unwrap()).unwrap().records, records);
}
