//! What is wrong with signatures that are in order: those that are dear to scan for, that are there twice, that can never be found.
//!
//! ```
//! use patternc::compile::{Compiler, SourceKind};
//! use patternc::lint::{Lints, lint};
//!
//! let mut compiler = Compiler::new();
//! compiler.add_text("demo.ndb", SourceKind::Ndb, b"Good:0:*:8dd3159ae7b2f1c683b5d9aab79ecd\nShort:0:*:4d5a90\n");
//! let compilation = compiler.finish();
//! let linted = lint(&compilation, &Lints::default()).unwrap();
//! assert_eq!(compilation.records[linted[0].record].name(), "Short"); // the dearest first
//! assert_eq!(linted[0].warnings[0].code(), "short-anchor");
//! assert!(linted[1].warnings.is_empty());
//! ```

use crate::compile::Compilation;
use crate::link::{LinkError, LinkOptions, LinkSource, link_with, longest_searched};
use crate::model::Model;
use crate::prices::{Found, each};
use crate::record::{Logical, Record, Subsignature};
use engine::Database;
use engine::expression::{Comparison, Expression};
use std::collections::HashMap;
use std::fmt;

/// What to warn of.
#[derive(Clone, Copy, Debug)]
pub struct Lints<'a> {
    /// What is known of the files that will be scanned. Default: [`Model::shipped`].
    pub model: &'a Model,
    /// More candidates than this for each MiB of files of one class are many. Default: [`Lints::CANDIDATES_PER_MIB`].
    pub candidates_per_mib_max: f64,
}

impl Lints<'static> {
    /// Candidates for each MiB that are not many: a signature at this limit costs a scan about a microsecond for each MiB.
    pub const CANDIDATES_PER_MIB: f64 = 10.0;
}

impl Default for Lints<'static> {
    fn default() -> Self {
        Lints { model: Model::shipped(), candidates_per_mib_max: Lints::CANDIDATES_PER_MIB }
    }
}

/// A signature, by what it is found, and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Linted {
    /// Index into [`Compilation::records`].
    pub record: usize,
    /// By what a scanner finds it when its set is linked alone.
    pub found: Found,
    /// What is wrong with it; usually nothing.
    pub warnings: Vec<Warning>,
}

/// Something that is wrong with a signature which is in order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// It is looked at wherever so few bytes stand.
    ShortAnchor {
        /// How many: 2 or 3.
        bytes: u8,
    },
    /// Its windows are common in files of some class.
    ManyCandidates {
        /// Candidates for each MiB.
        per_mib: f64,
    },
    /// A logical signature that may hold where nothing matches, or none of whose parts can be searched for.
    AlwaysEvaluated,
    /// A regular expression that is searched for in most files where its signature is looked at: its trigger is never false, or
    /// as good as never.
    WeakTrigger {
        /// Number of the subsignature.
        subsignature: usize,
        /// Most bytes in a row that the trigger asks for: 0 to 3.
        bytes: usize,
    },
    /// It is for files in containers, which are not opened.
    NeverEvaluated,
    /// The same line, or one that means the same under the same name, stands elsewhere too.
    Repeated {
        /// Where: names of sources, and lines from 1.
        places: Vec<(String, u32)>,
    },
    /// Another signature looks for the same under another name.
    SameContent {
        /// Index of the other in [`Compilation::records`].
        record: usize,
    },
}

impl Warning {
    /// What it is, for programs: stable, in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Warning::ShortAnchor { .. } => "short-anchor",
            Warning::ManyCandidates { .. } => "many-candidates",
            Warning::AlwaysEvaluated => "always-evaluated",
            Warning::WeakTrigger { .. } => "weak-trigger",
            Warning::NeverEvaluated => "never-evaluated",
            Warning::Repeated { .. } => "repeated",
            Warning::SameContent { .. } => "same-content",
        }
    }
}

/// What it is, for people; where other signatures stand is for who has their names.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::ShortAnchor { bytes } => write!(f, "it is found by {bytes} bytes, which stand in many files"),
            Warning::ManyCandidates { per_mib } => {
                write!(f, "what it is found by is expected {per_mib:.1} times in each MiB of some files")
            }
            Warning::AlwaysEvaluated => f.write_str("no subsignature leads to it, so it is evaluated for every file"),
            Warning::WeakTrigger { subsignature, bytes: 0 } => {
                write!(f, "the trigger of the regular expression {subsignature} may hold where nothing matches")
            }
            Warning::WeakTrigger { subsignature, bytes } => {
                write!(
                    f,
                    "the trigger of the regular expression {subsignature} asks for no more than {bytes} bytes in a row"
                )
            }
            Warning::NeverEvaluated => f.write_str("it is for files in containers, which are not opened yet"),
            Warning::Repeated { places } => write!(f, "it stands {} more times", places.len()),
            Warning::SameContent { .. } => f.write_str("another signature looks for the same"),
        }
    }
}

/// Prices and judges the signatures of a compilation, the dearest first; those that cost the same in their order.
///
/// Links the records in memory: costs what [`link`](crate::link::link) does, and a copy of one record at a time.
///
/// # Errors
/// [`LinkError`].
pub fn lint(compilation: &Compilation, lints: &Lints<'_>) -> Result<Vec<Linted>, LinkError> {
    let records = &compilation.records;
    let source = LinkSource { channel: "local/signatures", release: 0, root: [0; 32], records };
    let linked = link_with(&[source], &LinkOptions { model: lints.model, key: None })?;
    let database = Database::open(&linked).expect("the linker writes what the engine reads");
    // Signatures by digests are numbered after all others, and found by these.
    let mut priced = each(&database, lints.model).into_iter();
    let mut found = |of: &Record| match of {
        Record::Hash(_) => Found::Directly,
        _ => priced.next().unwrap_or_default(),
    };
    let mut linted: Vec<Linted> = records
        .iter()
        .enumerate()
        .map(|(record, of)| {
            let found = found(of);
            let found = if is_in_container(of) { Found::Never } else { found };
            Linted { record, warnings: warnings(of, &found, lints), found }
        })
        .collect();
    for (record, origin) in compilation.repeats() {
        let place = (origin.file.to_owned(), origin.line);
        match linted[record].warnings.last_mut() {
            Some(Warning::Repeated { places }) => places.push(place),
            _ => linted[record].warnings.push(Warning::Repeated { places: vec![place] }),
        }
    }
    for (record, other) in same_content(records) {
        linted[record].warnings.push(Warning::SameContent { record: other });
    }
    linted.sort_by(|a, b| b.found.candidates_per_mib().total_cmp(&a.found.candidates_per_mib()));
    Ok(linted)
}

/// What is wrong with one signature, by itself.
fn warnings(record: &Record, found: &Found, lints: &Lints<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    match *found {
        Found::Windows { bytes, candidates_per_mib, .. } => {
            if bytes < SELECTIVE {
                warnings.push(Warning::ShortAnchor { bytes });
            }
            if candidates_per_mib > lints.candidates_per_mib_max {
                warnings.push(Warning::ManyCandidates { per_mib: candidates_per_mib });
            }
        }
        Found::Evaluated => warnings.push(Warning::AlwaysEvaluated),
        Found::Never => warnings.push(Warning::NeverEvaluated),
        Found::Directly => {}
    }
    if let Record::Logical(logical) = record {
        for (subsignature, of) in logical.subsignatures.iter().enumerate() {
            let Subsignature::Regex(regex) = of else { continue };
            let bytes = asked_for(logical, &regex.trigger);
            if bytes < usize::from(SELECTIVE) {
                warnings.push(Warning::WeakTrigger { subsignature, bytes });
            }
        }
    }
    warnings
}

/// Whether it is for files in containers only.
fn is_in_container(record: &Record) -> bool {
    matches!(record, Record::Logical(logical) if logical.limits.container.is_some())
}

/// Bytes in a row from which a window is rare enough in files not to warn of.
const SELECTIVE: u8 = 4;

/// Most bytes in a row that must stand in a file for `expression` to hold; 0 when it may hold where nothing matches.
fn asked_for(logical: &Logical, expression: &Expression) -> usize {
    match expression {
        Expression::Subsignature(number) => match logical.subsignatures.get(usize::from(*number)) {
            Some(Subsignature::Bytes { any_of, .. }) => any_of.iter().map(longest_searched).min().unwrap_or(0),
            Some(Subsignature::Regex(regex)) => asked_for(logical, &regex.trigger),
            Some(Subsignature::ByteCompare { trigger, .. }) => asked_for(logical, &Expression::Subsignature(*trigger)),
            // Not bytes in a row, but as rare as the bytes of its hash.
            Some(Subsignature::Image { hash }) => size_of_val(hash),
            None => 0,
        },
        Expression::All(all) => all.iter().map(|one| asked_for(logical, one)).max().unwrap_or(0),
        Expression::Any(any) => any.iter().map(|one| asked_for(logical, one)).min().unwrap_or(0),
        Expression::Count { comparison: Comparison::Less, .. }
        | Expression::Count { comparison: Comparison::Equal, matches: 0, .. } => 0,
        Expression::Count { of, .. } => asked_for(logical, of),
    }
}

/// Records that look for the same as one before them, and that one.
fn same_content(records: &[Record]) -> Vec<(usize, usize)> {
    let mut seen: HashMap<Vec<u8>, usize> = HashMap::with_capacity(records.len());
    let mut same = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let first = *seen.entry(content(record)).or_insert(index);
        if first != index {
            same.push((index, first));
        }
    }
    same
}

/// A digest of the record without its name.
fn content(record: &Record) -> Vec<u8> {
    let mut nameless = record.clone();
    match &mut nameless {
        Record::Body(body) => body.name.clear(),
        Record::Hash(hash) => hash.name.clear(),
        Record::Logical(logical) => logical.name.clear(),
    }
    <sha2::Sha256 as sha2::Digest>::digest(nameless.encode()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Compiler, SourceKind};

    fn codes(kind: SourceKind, text: &str) -> Vec<(String, Vec<&'static str>)> {
        let mut compiler = Compiler::new();
        compiler.add_text("set", kind, text.as_bytes());
        let compilation = compiler.finish();
        assert_eq!(compilation.diagnostics, []);
        let linted = lint(&compilation, &Lints::default()).unwrap();
        let named = linted.iter().map(|linted| {
            let codes = linted.warnings.iter().map(Warning::code).collect();
            (compilation.records[linted.record].name().to_owned(), codes)
        });
        let mut named: Vec<_> = named.collect();
        named.sort();
        named
    }

    fn named(expected: &[(&str, &[&'static str])]) -> Vec<(String, Vec<&'static str>)> {
        expected.iter().map(|(name, codes)| ((*name).to_owned(), codes.to_vec())).collect()
    }

    #[test]
    fn bodies() {
        let good = "8dd3159ae7b2f1c683b5d9aab79ecd";
        let text = format!("A:0:*:{good}\nB:0:*:8dd315\nC:0:*:{}\nD:0:0:4d5a90\nE:0:*:{good}\n", "00".repeat(16));
        assert_eq!(
            codes(SourceKind::Ndb, &text),
            named(&[
                ("A", &[]),
                ("B", &["short-anchor"]),
                ("C", &["many-candidates"]),
                ("D", &[]),
                ("E", &["same-content"])
            ])
        );
    }

    #[test]
    fn logical_signatures() {
        let good = "8dd3159ae7b2f1c683b5d9aab79ecd";
        let text = format!(
            "A;Target:0;0&1;{good};0/evil/\n\
             B;Target:0;0=0;{good}\n\
             C;Target:0;0&1&2;{good};4d5a;1/evil/\n\
             D;Engine:51-255,Target:0,Container:CL_TYPE_ZIP;0;{good}01\n\
             E;Target:0;0&1;{good}02;0=0/evil/\n\
             F;Target:5;0&1;fuzzy_img#0ba8a31e9939c595;0/evil/\n"
        );
        assert_eq!(
            codes(SourceKind::Ldb, &text),
            named(&[
                ("A", &[]),
                ("B", &["always-evaluated"]),
                ("C", &["weak-trigger"]),
                ("D", &["never-evaluated"]),
                ("E", &["weak-trigger"]),
                ("F", &["always-evaluated"]),
            ])
        );
    }

    #[test]
    fn a_shared_part_costs_each_that_it_leads_to() {
        let zeros = "00".repeat(16);
        let text = format!("A;Target:0;0&1;{zeros};0:aabb\nB;Target:0;0&1;{zeros};0:ccdd\n");
        let mut compiler = Compiler::new();
        compiler.add_text("set", SourceKind::Ldb, text.as_bytes());
        let linted = lint(&compiler.finish(), &Lints::default()).unwrap();
        assert_eq!(linted[0].found, linted[1].found);
    }

    #[test]
    fn repeated_lines_are_told_with_their_places() {
        let mut compiler = Compiler::new();
        compiler.add_text("one", SourceKind::Ndb, b"A:0:*:8dd3159ae7b2\nA:0:*:8DD3159AE7B2\n");
        compiler.add_text("two", SourceKind::Ndb, b"#\nA:0:*:8dd3159ae7b2\n");
        let compilation = compiler.finish();
        assert_eq!(compilation.origin(0).map(|origin| (origin.file, origin.line)), Some(("one", 1)));
        let linted = lint(&compilation, &Lints::default()).unwrap();
        let places = vec![("one".to_owned(), 2), ("two".to_owned(), 2)];
        assert_eq!(linted[0].warnings, [Warning::Repeated { places }]);
    }
}
