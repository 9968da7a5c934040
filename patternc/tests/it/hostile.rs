//! Text made to hurt: refused by name, and soon.

use std::time::{Duration, Instant};

use patternc::clamav::{LDB_LINE_BYTES_MAX, LINE_BYTES_MAX};
use patternc::compile::{Compiler, Content, SourceKind};
use patternc::diagnostic::Code;
use proptest::prelude::*;

/// The code with which a line is refused.
fn refused(line: &[u8]) -> Code {
    let mut compiler = Compiler::new();
    compiler.add_text("hostile.ndb", SourceKind::Ndb, line);
    let compilation = compiler.finish();
    assert_eq!((compilation.account.lines, compilation.account.refused), (1, 1));
    compilation.diagnostics[0].code
}

#[test]
fn hostile_lines_are_refused_in_no_time() {
    let line = |hex: String| format!("N:0:*:{hex}").into_bytes();
    let start = Instant::now();
    assert_eq!(refused(&line("(".repeat(10_000_000))), Code::LineTooLong);
    assert_eq!(refused(&line("(".repeat(8_000))), Code::NestingTooDeep);
    assert_eq!(refused(&line(format!("aabb({})", "(00|11)".repeat(1_000)))), Code::AlternativeTooLarge);
    assert_eq!(refused(&line("aabb{99999999999}ccdd".into())), Code::GapTooLarge);
    assert_eq!(refused(&line(format!("aabb{{{}}}ccdd", "9".repeat(8_000)))), Code::GapTooLarge);
    assert_eq!(refused(&line("aabb{127}".repeat(900) + "z")), Code::HexDigit);
    assert_eq!(refused(&line("[".repeat(8_000))), Code::GapInvalid);
    assert_eq!(refused(&":".repeat(8_000).into_bytes()), Code::FieldCount);
    // Generous, for unoptimised builds on busy machines; optimised, all of it takes less than 10 ms.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn lines_of_10_mb_are_refused_in_every_kind() {
    let line = vec![b'a'; 10_000_000];
    let kinds = SourceKind::ALL.iter().filter(|kind| !matches!(kind.content(), Content::Container | Content::Unsupported));
    let start = Instant::now();
    for kind in kinds {
        let mut compiler = Compiler::new();
        compiler.add_text("hostile", *kind, &line);
        assert_eq!(compiler.finish().diagnostics[0].code, Code::LineTooLong, "{kind:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Lines of each kind with a hole for what is hostile, and the length in bytes up to which a line of the kind is looked at.
const FORMS: [(SourceKind, &str, usize); 17] = [
    (SourceKind::Db, "N=@", LINE_BYTES_MAX),
    (SourceKind::Ndb, "N:0:*:@", LINE_BYTES_MAX),
    (SourceKind::Ndb, "N:0:*:aabb@", LINE_BYTES_MAX),
    (SourceKind::Ndb, "N:0:@:aabbcc", LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;Target:0;@;aabb", LDB_LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;@;0;aabb", LDB_LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;Target:0;0;@", LDB_LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;Target:0;0&1;aabb;0/@/", LDB_LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;Target:0;0&1;aabb;@/a/", LDB_LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;Target:0;0&1;aabb;0(@", LDB_LINE_BYTES_MAX),
    (SourceKind::Ldb, "N;Target:0;0;fuzzy_img#@", LDB_LINE_BYTES_MAX),
    (SourceKind::Hdb, "@:7:N", LINE_BYTES_MAX),
    (SourceKind::Mdb, "@:d41d8cd98f00b204e9800998ecf8427e:N", LINE_BYTES_MAX),
    (SourceKind::Cdb, "N:*:*:@:*:*:*:*:*:*", LINE_BYTES_MAX),
    (SourceKind::Ftm, "1:*:@:N:CL_TYPE_ANY:CL_TYPE_ZIP", LINE_BYTES_MAX),
    (SourceKind::Info, "a.ndb:@:00", LINE_BYTES_MAX),
    (SourceKind::Cfg, "PE:@:1:2", LINE_BYTES_MAX),
];

#[test]
fn what_is_said_of_a_hostile_line_does_not_grow_with_it() {
    const SAID_BYTES_MAX: usize = 500;
    for unit in
        ["(", "((0|1)|", "!(", "[", "{", "{1-2}", "{1000000000}", "aabb{1000000000}", "[1-2]", "1&(", "(?:", "(a*)*{"]
    {
        for (kind, form, bytes_max) in FORMS {
            let hostile = |bytes: usize| form.replace('@', &unit.repeat(bytes / unit.len() + 1)).into_bytes();
            for (line, too_long) in [(hostile(bytes_max - 100), false), (hostile(10_000_000), true)] {
                let mut compiler = Compiler::new();
                compiler.add_text("hostile", kind, &line);
                let compilation = compiler.finish();
                let [diagnostic] = &compilation.diagnostics[..] else {
                    // To a regular expression some of them are characters and classes like others.
                    assert!(form.contains("/@/") && !too_long, "{form} {unit}: not refused");
                    continue;
                };
                assert_eq!(diagnostic.code == Code::LineTooLong, too_long, "{form} {unit}: {diagnostic}");
                assert!(diagnostic.message.len() <= SAID_BYTES_MAX, "{form} {unit}: {} bytes", diagnostic.message.len());
            }
        }
    }
}

#[test]
fn progress_counts_every_byte() {
    let text = "N:0:*:aabbcc\n".repeat(100_000);
    let (send, receive) = std::sync::mpsc::channel();
    let mut compiler = Compiler::new().on_progress(move |bytes| send.send(bytes).unwrap());
    compiler.add_text("many.ndb", SourceKind::Ndb, text.as_bytes());
    let compilation = compiler.finish();
    assert_eq!(receive.into_iter().sum::<u64>(), text.len() as u64);
    assert_eq!((compilation.records.len(), compilation.account.duplicates), (1, 99_999));
}

proptest! {
    #[test]
    fn lines_end_in_a_record_or_a_fault(line in "N:0:(\\*|[0-9]{1,3}|EOF-9),?:[a1?*(){}|!\\[\\]0-9-]{0,40}") {
        patternc::fuzzing::ndb_parse(line.as_bytes());
    }

    #[test]
    fn bytes_end_in_a_record_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        patternc::fuzzing::ndb_parse(&bytes);
        patternc::fuzzing::hash_parse(&bytes);
        patternc::fuzzing::db_parse(&bytes);
        patternc::fuzzing::side_file_parse(&bytes);
    }
}
