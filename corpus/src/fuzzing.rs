//! What the targets of `fuzz/` do with their input, as functions, so that a crash file becomes an ordinary test.
//!
//! Each takes any bytes and panics when something that always holds does not. [`TARGETS`] names them all; their seeds, made by
//! [`seeds`] and committed under `fuzz/seeds`, are replayed by an ordinary test.

mod logical;

pub use logical::{ldb_parse, logical_equals_naive};

use crate::executables::{self, Import};
use crate::jpegs::Jpeg;
use crate::seal::Layout;
use crate::{instance, seal_blob, seal_database, seal_delta};
use engine::pattern::{Offset, Pattern};
use engine::{Database, FileKind, Image, Scanner, naive};
use patternc::blob::{self, EngineRange, Meta};
use patternc::clamav;
use patternc::fuzzing::{Packing, container, container_of};
use patternc::link::{LinkSource, link};
use patternc::record::{Body, Digest, DigestOf, Hash, Record};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The body of a fuzz target.
pub type Target = fn(&[u8]);

/// Every fuzz target by its name.
pub const TARGETS: [(&str, Target); 11] = [
    ("blob_decode", blob_decode),
    ("container_read", container_read),
    ("database_open_scan", database_open_scan),
    ("delta_apply", delta_apply),
    ("image_parse", image_parse),
    ("ldb_parse", ldb_parse),
    ("logical_equals_naive", logical_equals_naive),
    ("ndb_parse", ndb_parse),
    ("normalise", normalise),
    ("picture_hash", picture_hash),
    ("scan_equals_naive", scan_equals_naive),
];

/// Decodes `bytes` as a blob: as they stand, sealed, and as the unpacked records of one segment. What is accepted is encoded
/// to the same root, and decoded to the same blob.
pub fn blob_decode(bytes: &[u8]) {
    patternc::fuzzing::blob_decode(bytes);
    let mut sealed = bytes.to_vec();
    seal_blob(&mut sealed);
    patternc::fuzzing::blob_decode(&sealed);
    patternc::fuzzing::record_decode(bytes);
    patternc::fuzzing::blob_decode(&blob_of(bytes));
}

/// Reads `bytes` as a container, as they stand and sealed. What passes its check unpacks within its limits, and every line in it
/// is accounted for.
pub fn container_read(bytes: &[u8]) {
    patternc::fuzzing::container_read(bytes);
    patternc::fuzzing::container_compile(bytes);
    let mut sealed = bytes.to_vec();
    patternc::fuzzing::seal_container(&mut sealed);
    patternc::fuzzing::container_read(&sealed);
    patternc::fuzzing::container_compile(&sealed);
}

/// Opens `bytes` as a database, as they stand and sealed. What opens, scans.
pub fn database_open_scan(bytes: &[u8]) {
    open_and_scan(bytes);
    let mut sealed = bytes.to_vec();
    seal_database(&mut sealed);
    open_and_scan(&sealed);
}

fn open_and_scan(bytes: &[u8]) {
    let Ok(database) = Database::open(bytes) else { return };
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    for found in scanner.signatures(&mut scratch, &sample_haystack()) {
        let _ = (database.name(found.signature()), database.channel(found.signature()), found.range());
    }
    let _ = scanner.ends(&mut scratch, &sample_haystack());
    let _ = scanner.signatures(&mut scratch, &[0; 2000]);
    let _ = scanner.signatures(&mut scratch, &executables::pe(false, 2));
    let some: Vec<_> = database.windows().map(|window| window.signature).step_by(2).collect();
    let _ = Scanner::restricted(&database, &some).signatures(&mut scratch, &sample_haystack());
    let _ = (database.verify(), database.sources().count(), database.sections().count(), database.digest_counts().count());
}

/// Applies `bytes` as a delta to an empty blob, as they stand and sealed. What is made has the root that the delta names. Then as the old
/// blob and the delta: two bytes with the length of the records of the one, little-endian, these, and the other, which is sealed.
pub fn delta_apply(bytes: &[u8]) {
    patternc::fuzzing::delta_apply(bytes);
    let mut sealed = bytes.to_vec();
    seal_delta(&patternc::fuzzing::empty_blob(), &mut sealed);
    patternc::fuzzing::delta_apply(&sealed);
    let Some((len, rest)) = bytes.split_first_chunk() else { return };
    let (records, delta) = rest.split_at(rest.len().min(u16::from_le_bytes(*len).into()));
    let old = blob_of(records);
    let mut delta = delta.to_vec();
    seal_delta(&old, &mut delta);
    patternc::fuzzing::delta_apply_to(&old, &delta);
}

/// What [`delta_apply`] takes for an old blob of these records, and a delta.
fn records_and_delta(records: &[u8], delta: &[u8]) -> Vec<u8> {
    [&(records.len() as u16).to_le_bytes(), records, delta].concat()
}

/// Hashes `bytes` as a picture: the same twice, or refused the same twice. No decoder panics, which would be caught.
pub fn picture_hash(bytes: &[u8]) {
    let hash = engine::image_hash(bytes);
    assert!(!hash.as_ref().is_err_and(|error| error.to_string().contains("panicked")), "{hash:?}");
    assert_eq!(engine::image_hash(bytes), hash);
}

/// Reads `bytes` as an executable. Its sections begin in it, the text of its imports keeps its bound, and digests of its sections and imports
/// are found, unless they ask for more work than a file of its length may.
pub fn image_parse(bytes: &[u8]) {
    const SECTIONS_MAX: usize = 16;
    const TEXT_MAX: usize = 8 << 20;
    let mut parts = BTreeMap::new();
    let images = Image::all_of(bytes);
    if FileKind::of(bytes) == Some(FileKind::Pe) {
        for section in images.iter().flat_map(|image| image.sections.iter().flatten()).take(SECTIONS_MAX) {
            let rest = bytes.get(section.start as usize..).filter(|rest| !rest.is_empty()).expect("it begins in the file");
            let section = &rest[..rest.len().min(section.len as usize)];
            if !section.is_empty() {
                parts.insert((DigestOf::Section, Sha256::digest(section).into()), section.len() as u64);
            }
        }
    }
    let imports = Image::imports_of(bytes);
    if let Ok(Some(text)) = &imports {
        assert!(text.len() <= TEXT_MAX.max(4 * bytes.len()) && !images.is_empty());
        // What a PE32+ file imports is not looked for.
        if is_pe32(bytes) {
            parts.insert((DigestOf::Imports, Sha256::digest(text).into()), text.len() as u64);
        }
    }
    let record = |(number, ((of, digest), size)): (usize, (&(DigestOf, [u8; 32]), &u64))| {
        // Every second one for its size only.
        let size = Some(*size).filter(|size| number % 2 == 0 && *size > 0);
        Record::Hash(Hash { of: *of, name: format!("part-{number:02}"), digest: Digest::Sha256(*digest), size })
    };
    let records: Vec<Record> = parts.iter().enumerate().map(record).collect();
    let linked = database_of(&records);
    let database = Database::open(&linked).expect("a database just linked opens");
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let found: BTreeSet<u32> =
        scanner.signatures(&mut scratch, bytes).iter().map(|found| found.signature().index()).collect();
    assert!(found.len() == records.len() || scratch.exceeded().is_some(), "{found:?} of {records:?}");
}

/// Whether a file whose headers can be followed is PE32 and not PE32+.
fn is_pe32(bytes: &[u8]) -> bool {
    let at = |place: usize| bytes.get(place..place + 4).map(|four| u32::from_le_bytes(four.try_into().expect("four bytes")));
    let optional = at(0x3c).and_then(|header| at(header as usize + 24));
    optional.is_some_and(|magic| magic as u16 != 0x20b)
}

/// Parses `bytes` as lines of signatures, of bodies and of hashes, and as ignore rules, lists and switches. Each ends in a record that can be encoded and decoded, or in
/// a fault; records can be linked.
pub fn ndb_parse(bytes: &[u8]) {
    patternc::fuzzing::ndb_parse(bytes);
    patternc::fuzzing::hash_parse(bytes);
    patternc::fuzzing::db_parse(bytes);
    patternc::fuzzing::side_file_parse(bytes);
    let parsed = bytes.split(|&byte| byte == b'\n').filter_map(|line| clamav::ndb(line).ok()?);
    let records: Vec<Record> = parsed.collect();
    let database = link(&[source(&records)]).expect("an accepted signature has something to search for");
    assert_eq!(Database::open(&database).expect("a database just linked opens").verify(), Ok(()));
}

/// Normalises `bytes` as what they are, as a page and as text. Forms are of bounded length.
pub fn normalise(bytes: &[u8]) {
    for file in [bytes.to_vec(), [b"<html>", bytes].concat(), [b"<script>", bytes].concat(), [b"text ", bytes].concat()] {
        for form in engine::normalise::forms(&file) {
            assert!(form.bytes.len() <= 16 * file.len() + 64, "{}: {} of {}", form.name, form.bytes.len(), file.len());
        }
    }
}

/// Scans a haystack for signatures, both in `bytes`: lines of an `.ndb` file, an empty line, then the haystack, to which a
/// string that matches is added for each signature. The scanner finds what the oracle finds.
pub fn scan_equals_naive(bytes: &[u8]) {
    // The oracle takes time quadratic in the haystack, and more for gaps.
    const LINES_MAX: usize = 8;
    const LINE_BYTES_MAX: usize = 160;
    const HAYSTACK_BYTES_MAX: usize = 400;
    const RUN_BYTES: usize = 600;
    let split = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (lines, haystack) = split.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let lines = lines.split(|&byte| byte == b'\n').filter(|line| line.len() <= LINE_BYTES_MAX).take(LINES_MAX);
    let bodies: Vec<(Offset, Pattern)> = lines
        .filter_map(|line| match clamav::ndb(line).ok()?? {
            Record::Body(body) => Some((body.offset, body.pattern)),
            Record::Hash(_) | Record::Logical(_) => None,
        })
        .collect();
    let mut haystack = haystack[..haystack.len().min(HAYSTACK_BYTES_MAX)].to_vec();
    for (_, pattern) in &bodies {
        let room = HAYSTACK_BYTES_MAX - haystack.len();
        haystack.extend(instance(pattern, b'a').filter(|bytes| bytes.len() <= room).unwrap_or_default());
    }

    let named = |(index, (offset, pattern)): (usize, &(Offset, Pattern))| {
        let (name, target) = (index.to_string(), patternc::record::Target::Any);
        Record::Body(Body { name, target, offset: *offset, pattern: pattern.clone() })
    };
    let records: Vec<Record> = bodies.iter().enumerate().map(named).collect();
    let linked = link(&[source(&records)]).expect("an accepted signature has something to search for");
    let database = Database::open(&linked).expect("a database just linked opens");
    assert_equal(&database, &bodies, &haystack);
    // The same, before a run of its last few bytes and after it.
    let unit = haystack[haystack.len().saturating_sub(1 + bytes.len() % 16)..].to_vec();
    let run: Vec<u8> = unit.into_iter().cycle().take(if haystack.is_empty() { 0 } else { RUN_BYTES }).collect();
    assert_equal(&database, &bodies, &[&*haystack, &*run, &*haystack].concat());
}

fn assert_equal(database: &Database<'_>, bodies: &[(Offset, Pattern)], haystack: &[u8]) {
    let scanner = Scanner::new(database);
    let mut scratch = scanner.scratch();
    let found = scanner.ends(&mut scratch, haystack).into_iter();
    let found: BTreeSet<(String, u64)> =
        found.map(|(signature, end)| (database.name(signature).into_owned(), end)).collect();
    let ends = |(index, (offset, pattern)): (usize, &(Offset, Pattern))| {
        naive::ends(pattern, *offset, haystack).into_iter().map(move |end| (index.to_string(), end)).collect::<Vec<_>>()
    };
    assert_eq!(found, bodies.iter().enumerate().flat_map(ends).collect());
    let names: BTreeSet<String> = found.into_iter().map(|(name, _)| name).collect();
    let once = scanner.signatures(&mut scratch, haystack).iter().map(|m| database.name(m.signature()).into_owned());
    assert_eq!(once.collect::<BTreeSet<_>>(), names);
}

fn source(records: &[Record]) -> LinkSource<'_> {
    LinkSource { channel: "fuzz/samples", release: 1, root: [0; 32], records }
}

/// A blob of one segment whose unpacked bytes are `raw`, records or not. Only what `raw` itself gets wrong is wrong with it; where that is
/// something, all that can be passed over count as bodies, and at least one.
pub fn blob_of(raw: &[u8]) -> Vec<u8> {
    let header = Layout::of(blob::layout::HEADER);
    let entry = Layout::of(blob::layout::SEGMENT);
    let packed = zstd::bulk::compress(raw, 1).expect("zstd compresses any bytes");
    let mut bytes = patternc::fuzzing::empty_blob();
    bytes.truncate(header.len);
    header.put(&mut bytes, "segment_count", &1_u32.to_le_bytes());
    let passed = patternc::fuzzing::records_passed(raw).max(1);
    header.put(&mut bytes, "body_count", &u64::from(passed).to_le_bytes());
    let mut row = vec![0; entry.len];
    entry.put(&mut row, "digest", &Sha256::digest(raw));
    entry.put(&mut row, "raw_len", &(raw.len() as u32).to_le_bytes());
    entry.put(&mut row, "records", &passed.to_le_bytes());
    entry.put(&mut row, "packed_len", &(packed.len() as u32).to_le_bytes());
    bytes.extend(row);
    bytes.extend(packed);
    seal_blob(&mut bytes);
    bytes
}

/// Seeds for the target named `target`: name and bytes, the same at each call.
pub fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let named = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
    match target {
        "blob_decode" => {
            let records: Vec<u8> = sample_records().iter().flat_map(Record::encode).collect();
            vec![
                named("blob", sample_blob()),
                named("empty-blob", patternc::fuzzing::empty_blob()),
                named("records", records),
            ]
        }
        "container_read" => {
            let members = [("COPYING", "may be used"), ("a.ndb", "A.B:0:*:aabbccdd\nBad:0:*:aab\n"), ("b.ign2", "A.B\n")];
            let members = members.map(|(name, text)| (name, text.as_bytes()));
            vec![
                named("tar", container(Packing::Tar, &members)),
                named("gzip", container(Packing::Gzip, &members)),
                named("unlisted", container_of(Packing::Tar, &members[1..2])),
                named("empty", container_of(Packing::Tar, &[])),
            ]
        }
        "database_open_scan" => vec![named("database", sample_database()), named("empty-database", database_of(&[]))],
        "delta_apply" => {
            let empty = patternc::fuzzing::empty_blob();
            let nothing = blob::diff(&empty, &empty).expect("two blobs of one channel have a delta");
            let records: Vec<u8> = sample_records().iter().flat_map(Record::encode).collect();
            let old = blob_of(&records);
            let goes = blob::diff(&old, &empty).expect("two blobs of one channel have a delta");
            // A record of a kind that there is none of.
            let unknown = [&[5, 1, b'N', 0][..], &[0; 16], &[0]].concat();
            vec![
                named("delta", sample_delta()),
                named("nothing", nothing.clone()),
                named("pair-all-go", records_and_delta(&records, &goes)),
                named("pair-unknown-kind", records_and_delta(&unknown, &nothing)),
            ]
        }
        "image_parse" => {
            let imports = [("KERNEL32.dll", &[Import::Name("ExitProcess")][..]), ("OLEAUT32.dll", &[Import::Number(2)])];
            vec![
                named("pe32", executables::importing(false, &imports)),
                named("pe32-plus", executables::importing(true, &imports)),
                named("pe-sections", executables::pe(false, 3)),
                named("elf", executables::elf(true, false, 2)),
                named("macho", executables::macho(false, true, 2)),
                named("fat", executables::fat(&[executables::macho(true, true, 1)])),
            ]
        }
        "ldb_parse" => logical::parse_seeds(),
        "logical_equals_naive" => logical::equality_seeds(),
        "ndb_parse" => crate::features().map(|(name, text)| named(name, text.into())).into(),
        "normalise" => {
            let page = "<!DOCTYPE html><HTML><!-- a --><A HREF=\"B c\" d='e'>&amp;&#65;&eacute; F</A><STYLE>g {}</STYLE><IMG SRC=h>\u{e9}";
            let script =
                "var A='b'+\"c\",d=[1.50,{e:f}];/* g */function H(i){return eval(unescape('%41')+i)}//j\n</script>k";
            vec![
                named("page", page.into()),
                named("script", script.into()),
                named("text", "A  Line\r\n\tand\0 another\n".into()),
            ]
        }
        "picture_hash" => {
            let pictures: [(&str, &[u8]); 6] = [
                ("rgb.png", include_bytes!("../../engine/tests/pictures/rgb.png")),
                ("progressive.jpg", include_bytes!("../../engine/tests/pictures/progressive.jpg")),
                ("baseline.jpg", include_bytes!("../../engine/tests/pictures/baseline.jpg")),
                ("two-frames.gif", include_bytes!("../../engine/tests/pictures/two-frames.gif")),
                ("two-shades.bmp", include_bytes!("../../engine/tests/pictures/two-shades.bmp")),
                ("lzw.tif", include_bytes!("../../engine/tests/pictures/lzw.tif")),
            ];
            // One that goes over its pixels as often as a file may, and one that would do so more often.
            let scans = |scans| {
                let (width, height, components, in_scan) = (64, 32, 3, 1);
                Jpeg { progressive: false, width, height, components, in_scan, scans, scan_len: 1 }.bytes()
            };
            let made = [named("many-scans.jpg", scans(100)), named("too-many-scans.jpg", scans(200))];
            pictures.map(|(name, bytes)| named(name, bytes.into())).into_iter().chain(made).collect()
        }
        "scan_equals_naive" => {
            let [(_, text), ..] = crate::features();
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let haystack = String::from_utf8_lossy(&sample_haystack()).into_owned();
            let seed = |(index, lines): (usize, &[&str])| {
                named(&format!("features-{index}"), [&lines.join("\n"), "\n\n", &haystack].concat().into_bytes())
            };
            lines.chunks(6).enumerate().map(seed).collect()
        }
        _ => Vec::new(),
    }
}

/// Records of every kind and with every kind of element.
fn sample_records() -> Vec<Record> {
    crate::compile(&crate::features()).records
}

pub(crate) fn sample_blob() -> Vec<u8> {
    let engine = EngineRange { min: 1, max: 1 };
    let channel = blob::read_header(&patternc::fuzzing::empty_blob()).expect("an encoded blob has a header").channel;
    let meta = Meta { channel, release: 2, created: 0, engine };
    blob::encode(&meta, &sample_records()).expect("compiled records can be encoded")
}

pub(crate) fn sample_delta() -> Vec<u8> {
    blob::diff(&patternc::fuzzing::empty_blob(), &sample_blob()).expect("two blobs of one channel have a delta")
}

pub(crate) fn sample_database() -> Vec<u8> {
    database_of(&sample_records())
}

fn database_of(records: &[Record]) -> Vec<u8> {
    link(&[source(records)]).expect("an accepted signature has something to search for")
}

/// A string for each body of [`sample_records`].
fn sample_haystack() -> Vec<u8> {
    let mut haystack = Vec::new();
    for record in sample_records() {
        match record {
            Record::Body(body) => haystack.extend(instance(&body.pattern, b'.').unwrap_or_default()),
            Record::Hash(_) | Record::Logical(_) => haystack.extend(b"\0"),
        }
    }
    haystack
}
