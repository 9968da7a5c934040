//! Signature sets, files and generators for tests, benches, fuzz targets and people; no product crate depends on it.
//!
//! ```
//! let records = corpus::records(&["mandiant.ndb"]);
//! let files = corpus::plant(&records[0]).expect("its pattern fits a small file");
//! for file in &files {
//!     assert_eq!(corpus::bears(&records[0], &file.bytes), file.what.is_hit());
//! }
//! ```
//!
//! Where the data is from, and under which licences, is told beside it: `corpus/README.md`.
#![forbid(unsafe_code)]

pub mod executables;
pub mod flood;
pub mod fuzzing;
pub mod jpegs;
mod plant;
mod seal;
mod synthetic;

pub use plant::{Choice, PlantedFile, Unplantable, What, bears, ends, instance, instance_of, near_miss, plant, planted};
pub use seal::{seal_blob, seal_database, seal_delta};
pub use synthetic::{Random, haystack, near_clean_ndb, synthetic_ndb};

use engine::pattern::{Offset, Pattern};
use patternc::compile::{Compilation, Compiler, SourceKind};
use patternc::record::{Body, Record, Target};
use std::path::Path;

/// The signature files of `corpus/signatures`: name and text.
pub fn signatures() -> [(&'static str, &'static str); 6] {
    [
        ("ditekshen.ndb", include_str!("../signatures/ditekshen.ndb")),
        ("eicar.hdb", include_str!("../signatures/eicar.hdb")),
        ("eicar.hsb", include_str!("../signatures/eicar.hsb")),
        ("eicar.ndb", include_str!("../signatures/eicar.ndb")),
        ("mandiant.ndb", include_str!("../signatures/mandiant.ndb")),
        ("twinclams.ndb", include_str!("../signatures/twinclams.ndb")),
    ]
}

/// The files of `corpus/clean`, which nothing in [`signatures`] matches: name and bytes.
pub fn clean() -> [(&'static str, &'static [u8]); 10] {
    [
        ("cpython-msg-07.eml", include_bytes!("../clean/cpython-msg-07.eml")),
        ("distlib-t32.exe", include_bytes!("../clean/distlib-t32.exe")),
        ("markupsafe-linux-x86-64.so", include_bytes!("../clean/markupsafe-linux-x86-64.so")),
        ("markupsafe-macos-arm64.so", include_bytes!("../clean/markupsafe-macos-arm64.so")),
        ("markupsafe-win-arm64.pyd", include_bytes!("../clean/markupsafe-win-arm64.pyd")),
        ("mime4j-multi-nested.eml", include_bytes!("../clean/mime4j-multi-nested.eml")),
        ("oletools-harmless-clean.doc", include_bytes!("../clean/oletools-harmless-clean.doc")),
        ("oletools-harmless-clean.docx", include_bytes!("../clean/oletools-harmless-clean.docx")),
        ("setuptools-cli-64.exe", include_bytes!("../clean/setuptools-cli-64.exe")),
        ("yara-tiny.exe", include_bytes!("../clean/yara-tiny.exe")),
    ]
}

/// One signature for each feature of the supported languages: the source of the files in `corpus/formats`, as name and text.
pub fn features() -> [(&'static str, &'static str); 5] {
    [
        ("features.ndb", include_str!("../formats/features.ndb")),
        ("features.hsb", include_str!("../formats/features.hsb")),
        ("features.mdb", include_str!("../formats/features.mdb")),
        ("features.imp", include_str!("../formats/features.imp")),
        ("features.fp", include_str!("../formats/features.fp")),
    ]
}

/// The EICAR test file: 68 harmless bytes that every scanner reports. Put together here, so that no file of ours is reported.
pub fn eicar() -> Vec<u8> {
    let halves = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STAN", "DARD-ANTIVIRUS-TEST-FILE!$H+H*"];
    halves.concat().into_bytes()
}

/// Compiles sources given as name and text; the extension of the name tells their kind.
///
/// # Panics
/// When a name has no extension that [`SourceKind`] knows.
pub fn compile(sources: &[(&str, &str)]) -> Compilation {
    let mut compiler = Compiler::new();
    for (name, text) in sources {
        let kind = SourceKind::of_path(Path::new(name)).expect("the name of a source ends in the extension of its kind");
        compiler.add_text(name, kind, text.as_bytes());
    }
    compiler.finish()
}

/// The records of those of [`signatures`] that are `named`, in canonical order.
pub fn records(named: &[&str]) -> Vec<Record> {
    let sources: Vec<_> = signatures().into_iter().filter(|(name, _)| named.contains(name)).collect();
    compile(&sources).records
}

/// A body signature for each literal, at any offset of any file, in the order given; `Literal-0` onwards.
///
/// # Panics
/// When a literal is too long for a pattern, or empty.
pub fn literal_records<L: AsRef<[u8]>>(literals: &[L]) -> Vec<Record> {
    let record = |(index, literal): (usize, &L)| {
        let pattern = Pattern::literal(literal.as_ref()).expect("a literal of a sane length is a pattern");
        Record::Body(Body { name: format!("Literal-{index}"), target: Target::Any, offset: Offset::Any, pattern })
    };
    literals.iter().enumerate().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use patternc::record::Digest;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn every_line_is_accepted_once() {
        for (name, text) in signatures().into_iter().chain(features()) {
            let compilation = compile(&[(name, text)]);
            assert_eq!(compilation.diagnostics, [], "{name}");
            assert_eq!(compilation.account.duplicates, 0, "{name}");
        }
    }

    #[test]
    fn eicar_is_the_published_file() {
        let Record::Hash(published) = &records(&["eicar.hsb"])[1] else { panic!("a digest") };
        assert_eq!(published.digest, Digest::Sha256(Sha256::digest(eicar()).into()));
        assert_eq!(published.size, Some(68));
    }

    /// A virus scanner on a developer's machine must leave a checkout alone.
    #[test]
    fn no_file_holds_the_eicar_string() {
        let eicar = eicar();
        let texts = signatures().map(|(name, text)| (name, text.as_bytes()));
        for (name, bytes) in texts.into_iter().chain(clean()) {
            assert!(!bytes.windows(eicar.len()).any(|window| window == eicar), "{name}");
        }
    }
}
