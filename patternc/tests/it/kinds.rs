//! Files of every kind, and what becomes of them.

use std::fs;
use std::path::PathBuf;

use patternc::compile::{Compilation, Compiler, Content, SourceKind};
use patternc::diagnostic::Code;

fn compile_file(name: &str, bytes: &[u8]) -> Compilation {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let mut compiler = Compiler::new();
    compiler.add_file(&path).unwrap();
    let compilation = compiler.finish();
    let account = &compilation.account;
    assert_eq!(account.accepted + account.refused, account.lines);
    assert_eq!(account.by_kind.values().map(|kind| kind.by_code.values().sum::<u64>()).sum::<u64>(), account.refused);
    compilation
}

#[test]
fn kinds_that_are_not_supported_are_told_once_with_their_lines() {
    let unsupported: Vec<SourceKind> =
        SourceKind::ALL.iter().copied().filter(|kind| kind.content() == Content::Unsupported).collect();
    assert!(unsupported.contains(&SourceKind::Cbc) && unsupported.contains(&SourceKind::Yara));
    for kind in unsupported {
        let compilation = compile_file(&format!("a.{}", kind.as_str()), b"# comment\none\n\ntwo\nthree");
        let [diagnostic] = &compilation.diagnostics[..] else { panic!("{kind:?}: {:?}", compilation.diagnostics) };
        assert_eq!((diagnostic.code, diagnostic.line), (Code::KindUnsupported, 0));
        assert!(
            diagnostic.message.contains(kind.about()) && diagnostic.message.ends_with("lines left out: 3"),
            "{}",
            diagnostic.message
        );
        assert_eq!(compilation.account.by_kind[kind.as_str()].refused, 3);
    }
}

#[test]
fn other_files_are_told_and_not_dropped() {
    for name in ["a.xyz", "noextension", "a.cvd.sign"] {
        let compilation = compile_file(name, b"one\ntwo\n");
        assert_eq!(compilation.diagnostics[0].code, Code::KindUnknown, "{name}");
        assert_eq!(compilation.account.refused, 2);
    }
}

#[test]
fn signatures_of_unwanted_programs_are_read_like_others() {
    let hash = b"d41d8cd98f00b204e9800998ecf8427e:7:PUA.H\n";
    for (name, bytes) in
        [("a.ndu", &b"PUA.N:0:*:aabbccdd\n"[..]), ("a.hdu", hash), ("a.hsu", hash), ("a.db", b"Old=aabbccdd")]
    {
        let compilation = compile_file(name, bytes);
        assert_eq!((compilation.records.len(), compilation.diagnostics.len()), (1, 0), "{name}");
    }
}

#[test]
fn notes_are_accepted_and_make_no_record() {
    let info =
        format!("ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:X:X:maker:1353093303\na.ndb:17:{}\nDSIG:abc\n", "ab".repeat(32));
    let compilation = compile_file("a.info", info.as_bytes());
    assert_eq!((compilation.records.len(), compilation.account.accepted), (0, 3));
    let compilation = compile_file("a.cfg", b"PE:0xb4ff:13:23\nDOCUMENT:0x5:11:13\n");
    assert_eq!((compilation.records.len(), compilation.account.accepted), (0, 2));
}

#[test]
fn line_ends_and_byte_order_marks_are_read_as_by_clamscan() {
    let names = |bytes: &[u8]| -> Vec<String> {
        compile_file("a.db", bytes).records.into_iter().map(patternc::record::Record::into_name).collect()
    };
    assert_eq!(names(b"A=aabbccdd\r\n\r\n\nB=aabbccdd"), ["A", "B"]);
    assert_eq!(names("\u{feff}A=aabbccdd\n".as_bytes()), ["\u{feff}A"]);
}

#[test]
fn records_know_the_file_and_the_line_they_come_from() {
    let mut compiler = Compiler::new();
    compiler.add_text("a.ndb", SourceKind::Ndb, b"# comment\nB:0:*:aabbccdd\n\nbad\nA:0:*:aabbccdd\n");
    compiler.add_text("b.ndb", SourceKind::Ndb, b"A:0:*:aabbccdd\nC:0:*:aabbccdd");
    compiler.add_text("c.fp", SourceKind::Fp, b"d41d8cd98f00b204e9800998ecf8427e:7:D\n");
    compiler.add_text("d.ign2", SourceKind::Ign2, b"B\n");
    let compilation = compiler.finish();
    let origins: Vec<_> = compilation
        .records
        .iter()
        .enumerate()
        .map(|(index, record)| {
            let origin = compilation.origin(index).unwrap();
            (record.name(), origin.file, origin.line)
        })
        .collect();
    // What two lines made comes from the first of them.
    assert_eq!(origins, [("A", "a.ndb", 5), ("C", "b.ndb", 2), ("D", "c.fp", 1)]);
    assert_eq!(compilation.origin(3), None);
}
