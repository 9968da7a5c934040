//! Diagnostics, each with its text.
//!
//! `golden/NAME.in` is a signature file whose first line is `# KIND`, KIND being the extension it would have; `golden/NAME.out`
//! is what the compiler says; `golden/containers.out` is what it says of containers that the test makes, and
//! `golden/subsignatures.out` what it makes of hex texts with modifiers.
//! `TITER_BLESS=1 cargo test -p patternc golden` rewrites the `.out` files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use engine::pattern::{Boundary, Element, MaskedByte, Offset, Pattern};
use patternc::clamav::{byte_compare, modifier, pcre};
use patternc::compile::{Compiler, SourceKind, Unsigned};
use patternc::diagnostic::Code;
use patternc::fuzzing::{Makers, Packing, container, container_of, seal_container, signed_container};
use patternc::record::{Record, Subsignature, Target};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")
}

fn files(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What the compiler says about a golden file.
fn said(input: &Path) -> String {
    let bytes = fs::read(input).unwrap();
    let first_line = bytes.split(|&byte| byte == b'\n').next().unwrap();
    let kind = str::from_utf8(first_line).unwrap().strip_prefix("# ").unwrap().to_owned();
    let temporary = tempfile::tempdir().unwrap();
    let source = temporary.path().join(input.with_extension(kind).file_name().unwrap());
    fs::write(&source, bytes).unwrap();

    let mut compiler = Compiler::new();
    compiler.add_file(&source).unwrap();
    let compilation = compiler.finish();
    let account = compilation.account;
    assert_eq!(account.accepted + account.refused, account.lines);
    assert_eq!(account.by_code.values().sum::<u64>(), account.refused);
    let mut said = String::new();
    for mut diagnostic in compilation.diagnostics {
        diagnostic.file = source.file_name().unwrap().to_string_lossy().into_owned();
        writeln!(said, "{diagnostic}").unwrap();
    }
    for record in compilation.records {
        writeln!(said, "{}", spell(&record)).unwrap();
    }
    writeln!(said, "{} lines, {} accepted, {} duplicates", account.lines, account.accepted, account.duplicates).unwrap();
    said
}

/// A record in one line, its pattern in hex.
fn spell(record: &Record) -> String {
    match record {
        Record::Logical(logical) => {
            let subsignatures: Vec<String> = logical.subsignatures.iter().map(spell_subsignature).collect();
            let (target, limits) = (logical.target, &logical.limits);
            format!("{:?}: {target:?} {limits:?} {}: {}", logical.name, logical.expression, subsignatures.join("; "))
        }
        Record::Hash(hash) => {
            format!("{:?}: {} {:?}, size {:?}", hash.name, record.kind(), hash.digest, hash.size)
        }
        Record::Body(body) => {
            let name: String = body.name.chars().take(50).collect();
            let target = match body.target {
                Target::Kind(kind) => format!("{}: ", kind.name()),
                _ => String::new(),
            };
            format!("{name:?}: {target}{:?}: {}", body.offset, spell_pattern(body.pattern.elements()))
        }
    }
}

fn spell_pattern(elements: &[Element]) -> String {
    elements.iter().map(spell_element).collect::<Vec<String>>().join(" ")
}

fn spell_subsignature(subsignature: &Subsignature) -> String {
    match subsignature {
        Subsignature::Bytes { offset, any_of } => {
            let spell = |pattern: &Pattern| pattern.elements().iter().map(spell_element).collect::<Vec<String>>().join(" ");
            format!("{offset:?}: {}", any_of.iter().map(spell).collect::<Vec<String>>().join(" or "))
        }
        Subsignature::Regex(regex) => format!("{:?}: {}/{}/ {:?}", regex.offset, regex.trigger, regex.pattern, regex.flags),
        Subsignature::ByteCompare { trigger, compare } => format!("{trigger}: {compare:?}"),
        Subsignature::Image { hash } => format!("image {hash:016x}"),
        other => panic!("{other:?}"),
    }
}

fn spell_element(element: &Element) -> String {
    match element {
        Element::Bytes(bytes) => bytes.iter().copied().map(spell_byte).collect(),
        Element::Gap { min, max } => format!("{{{min}-{}}}", max.map(|max| max.to_string()).unwrap_or_default()),
        Element::Alternatives { strings, negated } => {
            let strings: Vec<String> = strings.iter().map(|bytes| bytes.iter().copied().map(spell_byte).collect()).collect();
            format!("{}({})", if *negated { "!" } else { "" }, strings.join("|"))
        }
        Element::Boundary(Boundary { class, side, negated }) => {
            format!("{}({class:?} {side:?})", if *negated { "!" } else { "" })
        }
    }
}

fn spell_byte(byte: MaskedByte) -> String {
    match byte.mask() {
        0xff => format!("{:02x}", byte.value()),
        0xf0 => format!("{:x}?", byte.value() >> 4),
        0x0f => format!("?{:x}", byte.value()),
        0xdf => format!("'{}'", char::from(byte.value()).to_ascii_lowercase()),
        _ => "??".to_owned(),
    }
}

#[test]
fn diagnostics_are_as_recorded() {
    let bless = std::env::var_os("TITER_BLESS").is_some();
    let mut differ = Vec::new();
    for input in files("in") {
        let (output, said) = (input.with_extension("out"), said(&input));
        if bless {
            fs::write(&output, &said).unwrap();
        }
        let recorded = fs::read_to_string(&output).unwrap_or_default();
        if recorded != said {
            differ.push(format!("{}:\n{said}", input.display()));
        }
    }
    assert!(differ.is_empty(), "TITER_BLESS=1 rewrites what differs:\n{}", differ.join("\n"));
}

/// A container of each kind of fault, by name.
fn faulty_containers() -> Vec<(&'static str, Vec<u8>)> {
    let good = container(Packing::Gzip, &[("a.ndb", b"A:0:*:aabbccdd\nB:0:*:aab\n"), ("b.cbc", b"ClamBC\n")]);
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut cut = good[..good.len() - 20].to_vec();
    seal_container(&mut cut);
    let zeros = vec![0; 4 << 20];
    vec![
        ("header.cud", b"not a container".to_vec()),
        ("changed.cud", changed),
        ("unsigned.cvd", good.clone()),
        ("foreign.cvd", signed_container(&Makers::for_tests(), Packing::Tar, &[])),
        ("cut.cud", cut),
        ("folder.cud", container(Packing::Tar, &[("x/a.ndb", b"")])),
        ("bomb.cud", container(Packing::Gzip, &[("a.ndb", &zeros)])),
        ("unlisted.cud", container_of(Packing::Tar, &[("a.ndb", b"A:0:*:aabbccdd\n")])),
        ("nested.cud", container(Packing::Tar, &[("good.cud", &good)])),
        ("good.cud", good),
    ]
}

#[test]
fn containers_are_as_recorded() {
    let mut said = String::new();
    for (name, bytes) in faulty_containers() {
        let kind = SourceKind::of_path(Path::new(name)).unwrap();
        let mut compiler =
            if kind == SourceKind::Cud { Compiler::new().unsigned(Unsigned::Accept) } else { Compiler::new() };
        compiler.add_text(name, kind, &bytes);
        for diagnostic in compiler.finish().diagnostics {
            writeln!(said, "{diagnostic}").unwrap();
        }
    }
    let output = folder().join("containers.out");
    if std::env::var_os("TITER_BLESS").is_some() {
        fs::write(&output, &said).unwrap();
    }
    assert_eq!(fs::read_to_string(&output).unwrap_or_default(), said, "TITER_BLESS=1 rewrites it");
}

#[test]
fn subsignatures_are_as_recorded() {
    let mut said = String::new();
    for subsignature in SUBSIGNATURES {
        let (hex, modifiers) = subsignature.split_once("::").unwrap();
        match modifier::parse(modifiers).and_then(|modifiers| modifier::apply(hex, Offset::Any, modifiers)) {
            Ok(patterns) => {
                let spelled: Vec<String> = patterns.iter().map(|pattern| spell_pattern(pattern.elements())).collect();
                writeln!(said, "{subsignature} = {}", spelled.join(" or ")).unwrap();
            }
            Err(fault) => writeln!(said, "{subsignature}: {fault}").unwrap(),
        }
    }
    let output = folder().join("subsignatures.out");
    if std::env::var_os("TITER_BLESS").is_some() {
        fs::write(&output, &said).unwrap();
    }
    assert_eq!(fs::read_to_string(&output).unwrap_or_default(), said, "TITER_BLESS=1 rewrites it");
}

const SUBSIGNATURES: &[&str] = &[
    "61::",
    "6162::",
    "6130::i",
    "616?::i",
    "6130::w",
    "61??{1}63::w",
    "6130(62|63)*6465::wia",
    "6130!(62)::i",
    "6130::x",
    "6130::i::w",
];

/// Regular expressions and byte comparisons, as their parsers understand them.
#[test]
fn other_subsignatures_are_as_recorded() {
    let mut said = String::new();
    for text in OTHER_SUBSIGNATURES {
        let parsed = if pcre::is_pcre(text) {
            pcre::parse(text, Target::Any).map(|parsed| format!("{parsed:?}"))
        } else {
            byte_compare::parse(text).map(|parsed| format!("{parsed:?}"))
        };
        match parsed {
            Ok(parsed) => writeln!(said, "{text} = {parsed}").unwrap(),
            Err(fault) => writeln!(said, "{text}: {fault}").unwrap(),
        }
    }
    let output = folder().join("other-subsignatures.out");
    if std::env::var_os("TITER_BLESS").is_some() {
        fs::write(&output, &said).unwrap();
    }
    assert_eq!(fs::read_to_string(&output).unwrap_or_default(), said, "TITER_BLESS=1 rewrites it");
}

const OTHER_SUBSIGNATURES: &[&str] = &[
    "0/a b/",
    "EOF-32,8:(0>1)&2/a/b\\/c/gise",
    "/a/",
    "0/a/z",
    "0/(a/",
    "0/(?<=a+)b/",
    "0/(?R)/",
    "EP+0/a/",
    "EP+0:0/a/",
    "1(>>4#ib4#>5,<0x100)",
    "1(<<2#hle8#=255)",
    "1(4#ib4#=5)",
    "1(>>4#i4#=5)",
    "1(>>4#ib3#=5)",
];

#[test]
fn every_code_has_a_golden() {
    let recorded: String = files("out").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let shown: BTreeSet<&str> = recorded.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !shown.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
