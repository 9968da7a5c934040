//! Rules that take signatures away, as clamscan follows them.

use md5::{Digest as _, Md5};
use patternc::compile::{Compilation, Compiler, SourceKind};

const NDB: &[u8] = b"A.B:0:*:aabbccdd\nC.D:0:*:aabbccdd\r\nE.F (Clam):0:*:aabbccdd\n";
const HDB: &[u8] = b"d41d8cd98f00b204e9800998ecf8427e:7:H.H\n";
const DB: &[u8] = b"Old.Sig=aabbccdd\n";

fn compile(sources: &[(SourceKind, &[u8])]) -> Compilation {
    let mut compiler = Compiler::new();
    for (kind, text) in sources {
        compiler.add_text(kind.as_str(), *kind, text);
    }
    let compilation = compiler.finish();
    assert_eq!(compilation.diagnostics, []);
    compilation
}

/// Names that are left when `rules` stand before and after the signatures; it must make no difference.
fn left(rules: &str) -> Vec<String> {
    let signatures = [(SourceKind::Ndb, NDB), (SourceKind::Hdb, HDB), (SourceKind::Db, DB)];
    let rules = (SourceKind::Ign2, rules.as_bytes());
    let before = compile(&[&[rules], &signatures[..]].concat());
    let after = compile(&[&signatures[..], &[rules]].concat());
    assert_eq!(before.records, after.records);
    assert_eq!(before.account, after.account);
    assert_eq!(before.account.ignored, 5 - before.records.len() as u64);
    before.records.iter().map(|record| record.name().to_owned()).collect()
}

fn md5(line: &str) -> String {
    Md5::digest(line).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rules_are_for_every_kind_and_every_order() {
    assert_eq!(left("# nothing\n"), ["A.B", "C.D", "E.F", "Old.Sig", "H.H"]);
    assert_eq!(left("A.B\r\n\r\nH.H\nOld.Sig"), ["C.D", "E.F"]);
    assert_eq!(left("x.ndb:17:C.D\n"), ["A.B", "E.F", "Old.Sig", "H.H"]);
}

#[test]
fn names_are_whole_and_as_they_are_written() {
    assert_eq!(left("a.b\nA\nA.B \nA.B.UNOFFICIAL\n").len(), 5);
    assert_eq!(left("E.F\n").len(), 5, "the line has `E.F (Clam)`");
    assert_eq!(left("E.F (Clam)\n").len(), 4);
}

#[test]
fn a_digest_means_one_line_without_its_end() {
    let rules = [
        format!("A.B:{}\n", md5("A.B:0:*:aabbccdd").to_uppercase()),
        format!("C.D:{}\n", md5("C.D:0:*:aabbccdd")),
        format!("H.H:{}\n", md5("d41d8cd98f00b204e9800998ecf8427e:7:H.H")),
        format!("Old.Sig:{}\n", md5("another")),
    ];
    assert_eq!(left(&rules.concat()), ["E.F", "Old.Sig"]);
}

#[test]
fn ignored_lines_are_accounted_for_by_kind() {
    let compilation = compile(&[(SourceKind::Ndb, NDB), (SourceKind::Ign, b"a.ndb:1:A.B\n")]);
    let account = compilation.account;
    assert_eq!((account.lines, account.accepted, account.ignored, account.duplicates), (4, 4, 1, 0));
    assert_eq!((account.by_kind["ndb"].ignored, account.by_kind["ign"].accepted), (1, 1));
}

#[test]
fn rules_take_away_entries_of_allow_lists_and_digests_of_parts() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let (list, section) = (format!("{md5}:7:Spared\n{md5}:8:Kept\n"), format!("512:{md5}:Section\n"));
    let rules = "Spared\nSection\n";
    let sources =
        [(SourceKind::Fp, list.as_bytes()), (SourceKind::Mdb, section.as_bytes()), (SourceKind::Ign2, rules.as_bytes())];
    let names: Vec<_> = compile(&sources).records.iter().map(|record| record.name().to_owned()).collect();
    assert_eq!(names, ["Kept"]);
}
