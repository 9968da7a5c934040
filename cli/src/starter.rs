//! The built-in signatures: what a scan uses where none are installed, and what every installation is tested with.

use patternc::compile::{Compiler, SourceKind};
use patternc::link::{LinkSource, link};
use patternc::record::Record;

pub(crate) type Source = (&'static str, SourceKind, &'static [u8]);

/// Signatures of the EICAR test file.
pub(crate) const EICAR: [Source; 3] = [
    ("eicar.ndb", SourceKind::Ndb, include_bytes!("../../corpus/signatures/eicar.ndb")),
    ("eicar.hdb", SourceKind::Hdb, include_bytes!("../../corpus/signatures/eicar.hdb")),
    ("eicar.hsb", SourceKind::Hsb, include_bytes!("../../corpus/signatures/eicar.hsb")),
];

/// Real signatures under permissive licences; `corpus/README.md` tells where they are from.
pub(crate) const DITEKSHEN: Source =
    ("ditekshen.ndb", SourceKind::Ndb, include_bytes!("../../corpus/signatures/ditekshen.ndb"));
pub(crate) const MANDIANT: Source =
    ("mandiant.ndb", SourceKind::Ndb, include_bytes!("../../corpus/signatures/mandiant.ndb"));
pub(crate) const TWINCLAMS: Source =
    ("twinclams.ndb", SourceKind::Ndb, include_bytes!("../../corpus/signatures/twinclams.ndb"));

/// The starter set, linked. Takes a few milliseconds.
pub(crate) fn database() -> anyhow::Result<Vec<u8>> {
    let records = compile(EICAR.into_iter().chain([DITEKSHEN, MANDIANT, TWINCLAMS]));
    Ok(link(&[LinkSource { channel: "titer/starter", release: 1, root: [0; 32], records: &records }])?)
}

/// Signatures of the EICAR test file.
pub(crate) fn eicar_records() -> Vec<Record> {
    compile(EICAR)
}

/// The EICAR test file. Kept with one bit of each byte changed, so that no scanner takes this program for it.
pub(crate) fn eicar() -> Vec<u8> {
    let veiled = b"x\x15o\x01p\x05`ap{\x14|pzx\x15\x14\x08p~\x09\x17cc\x09\x17]\x04eicar\x0dstandard\x0dantivirus\x0dtest\x0dfile\x01\x04h\x0bh\x0a";
    veiled.iter().map(|byte| byte ^ 0x20).collect()
}

fn compile(sources: impl IntoIterator<Item = Source>) -> Vec<Record> {
    let mut compiler = Compiler::new();
    for (name, kind, text) in sources {
        compiler.add_text(name, kind, text);
    }
    compiler.finish().records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_line_compiles() {
        let mut compiler = Compiler::new();
        for (name, kind, text) in EICAR.into_iter().chain([DITEKSHEN, MANDIANT, TWINCLAMS]) {
            compiler.add_text(name, kind, text);
        }
        let compilation = compiler.finish();
        assert_eq!(compilation.diagnostics, []);
        assert!(compilation.records.len() > 100);
    }

    #[test]
    fn the_starter_set_detects_eicar_once_by_body_and_by_each_digest() {
        let bytes = database().unwrap();
        let database = engine::Database::open(&bytes).unwrap();
        database.verify().unwrap();
        let scanner = engine::Scanner::new(&database);
        assert_eq!(scanner.signatures(&mut scanner.scratch(), &eicar()).len(), eicar_records().len());
        assert!(scanner.signatures(&mut scanner.scratch(), b"clean").is_empty());
    }
}
