//! Text made to hurt: refused by name, and soon.

use std::time::{Duration, Instant};

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
