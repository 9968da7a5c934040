//! Signature files to canonical records, with an account of every line.
//!
//! ```
//! use patternc::compile::{Compiler, SourceKind};
//!
//! let mut compiler = Compiler::new();
//! compiler.add_text("demo.ndb", SourceKind::Ndb, b"Demo.Worm-1:0:*:4d5a90\nDemo.Worm-2:1:*:4d5a90\n");
//! let compilation = compiler.finish();
//! assert_eq!(compilation.records.len(), 1);
//! assert_eq!(
//!     compilation.diagnostics[0].to_string(),
//!     "demo.ndb:2: target-unsupported: target 1 (PE) is not supported yet; 0 (any file) is"
//! );
//! assert_eq!(compilation.account.lines, 2);
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::clamav;
use crate::diagnostic::{Code, Diagnostic, Fault, quote};
use crate::record::Record;

/// Kinds of signature files, by the extension they usually have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SourceKind {
    /// `.ndb`: body signatures.
    Ndb,
    /// `.hdb`: file hashes, MD5 as a rule.
    Hdb,
    /// `.hsb`: file hashes, SHA-1 and SHA-256 as a rule.
    Hsb,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [SourceKind; 3] = [SourceKind::Ndb, SourceKind::Hdb, SourceKind::Hsb];

    /// The kind that the extension of `path` names, in either case; `None` when it names none.
    pub fn of_path(path: &Path) -> Option<SourceKind> {
        let extension = path.extension()?;
        SourceKind::ALL.into_iter().find(|kind| extension.eq_ignore_ascii_case(kind.as_str()))
    }

    /// The extension, without its dot.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Ndb => "ndb",
            SourceKind::Hdb => "hdb",
            SourceKind::Hsb => "hsb",
        }
    }

    fn parse(self, line: &[u8]) -> Result<Option<Record>, Fault> {
        match self {
            SourceKind::Ndb => clamav::ndb(line),
            SourceKind::Hdb | SourceKind::Hsb => clamav::hash(line),
        }
    }
}

/// What the sources came to.
#[derive(Clone, Debug, Default)]
pub struct Compilation {
    /// The records, in canonical order, each once.
    pub records: Vec<Record>,
    /// Refused lines and files, in the order of the sources.
    pub diagnostics: Vec<Diagnostic>,
    /// How many lines became what.
    pub account: Account,
}

/// Where every line went: `accepted + refused == lines`, in all and for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Signature lines: all but comments and empty lines.
    pub lines: u64,
    /// Lines that became a record, duplicates among them.
    pub accepted: u64,
    /// Lines that became a diagnostic.
    pub refused: u64,
    /// Accepted lines whose record an earlier line had made.
    pub duplicates: u64,
    /// Refused lines by code; a file of an unsupported kind counts with all its lines.
    pub by_code: BTreeMap<Code, u64>,
    /// Lines by the kind of their source: its usual extension.
    pub by_kind: BTreeMap<String, KindAccount>,
}

/// The account of one kind of source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindAccount {
    /// Signature lines.
    pub lines: u64,
    /// Lines that became a record, duplicates among them.
    pub accepted: u64,
    /// Lines that became a diagnostic.
    pub refused: u64,
}

impl AddAssign for KindAccount {
    fn add_assign(&mut self, other: KindAccount) {
        self.lines += other.lines;
        self.accepted += other.accepted;
        self.refused += other.refused;
    }
}

/// A source file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Collects sources; [`Compiler::finish`] gives what they came to.
///
/// Lines are parsed on rayon's current thread pool; the outcome does not depend on the number of threads.
#[derive(Default)]
pub struct Compiler {
    /// Records with their encodings, in the order of the sources.
    records: Vec<(Vec<u8>, Record)>,
    diagnostics: Vec<Diagnostic>,
    account: Account,
    progress: Option<Progress>,
}

type Progress = Box<dyn FnMut(u64) + Send>;

impl Compiler {
    /// Lines parsed between two calls of the progress callback; a batch also bounds what is parsed but not yet collected.
    const BATCH_LINES: usize = 1 << 15;

    /// A compiler without sources.
    pub fn new() -> Compiler {
        Compiler::default()
    }

    /// Calls `progress` with the number of bytes that were compiled since the last call, now and then. Default: none.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + 'static) -> Compiler {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Compiles a file of the kind that its extension names.
    ///
    /// A file of another kind is refused by one diagnostic, [`Code::UnsupportedKind`], and all its lines count as refused.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read; nothing of it is compiled then.
    pub fn add_file(&mut self, path: &Path) -> Result<(), ReadError> {
        let bytes = fs::read(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
        let source_name = path.display().to_string();
        match SourceKind::of_path(path) {
            Some(kind) => self.add_text(&source_name, kind, &bytes),
            None => self.add_unsupported(&source_name, path, &bytes),
        }
        Ok(())
    }

    /// Compiles `bytes`, lines of signatures of one kind, under the name `source_name`.
    ///
    /// O(bytes) in time; lines of any content, in any encoding, end in a record or a diagnostic.
    pub fn add_text(&mut self, source_name: &str, kind: SourceKind, bytes: &[u8]) {
        let mut lines = Lines { rest: bytes, number: 0 };
        loop {
            let batch: Vec<(u64, &[u8])> = lines.by_ref().take(Compiler::BATCH_LINES).collect();
            let Some(&(first_number, _)) = batch.first() else { break };
            let outcomes: Vec<_> = batch.par_iter().with_min_len(256).map(|(_, line)| compile_line(kind, line)).collect();
            self.absorb(source_name, kind, first_number, outcomes);
            self.report(batch.iter().map(|(_, line)| line.len() as u64 + 1).sum());
        }
    }

    /// The records in canonical order, the diagnostics, and the account.
    pub fn finish(mut self) -> Compilation {
        self.records.par_sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let accepted = self.records.len();
        self.records.dedup_by(|(a, _), (b, _)| a == b);
        self.account.duplicates = (accepted - self.records.len()) as u64;
        let records = self.records.into_iter().map(|(_, record)| record).collect();
        Compilation { records, diagnostics: self.diagnostics, account: self.account }
    }

    fn absorb(&mut self, source_name: &str, kind: SourceKind, first_number: u64, outcomes: Vec<Outcome>) {
        let mut account = KindAccount::default();
        for (number, outcome) in (first_number..).zip(outcomes) {
            match outcome {
                Outcome::Comment => {}
                Outcome::Record(encoded, record) => {
                    account.accepted += 1;
                    self.records.push((encoded, record));
                }
                Outcome::Refused(Fault { code, message }) => {
                    account.refused += 1;
                    *self.account.by_code.entry(code).or_default() += 1;
                    self.diagnostics.push(Diagnostic { file: source_name.to_owned(), line: number, code, message });
                }
            }
        }
        account.lines = account.accepted + account.refused;
        self.count(kind.as_str(), account);
    }

    fn add_unsupported(&mut self, source_name: &str, path: &Path, bytes: &[u8]) {
        let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let lines = Lines { rest: bytes, number: 0 }.filter(|(_, line)| !clamav::is_comment(line)).count() as u64;
        let supported = SourceKind::ALL.map(|kind| format!("`{}`", kind.as_str())).join(", ");
        let message =
            format!("files of kind {} are not supported yet; {supported} are: {lines} lines left out", quote(&extension));
        let code = Code::UnsupportedKind;
        self.diagnostics.push(Diagnostic { file: source_name.to_owned(), line: 0, code, message });
        *self.account.by_code.entry(code).or_default() += lines;
        self.count(&extension, KindAccount { lines, accepted: 0, refused: lines });
        self.report(bytes.len() as u64);
    }

    fn count(&mut self, kind: &str, account: KindAccount) {
        self.account.lines += account.lines;
        self.account.accepted += account.accepted;
        self.account.refused += account.refused;
        *self.account.by_kind.entry(kind.to_owned()).or_default() += account;
    }

    fn report(&mut self, bytes: u64) {
        if let Some(progress) = &mut self.progress {
            progress(bytes);
        }
    }
}

/// What a line came to.
enum Outcome {
    Comment,
    Record(Vec<u8>, Record),
    Refused(Fault),
}

fn compile_line(kind: SourceKind, line: &[u8]) -> Outcome {
    match kind.parse(line) {
        Ok(None) => Outcome::Comment,
        Ok(Some(record)) => Outcome::Record(record.encode(), record),
        Err(fault) => Outcome::Refused(fault),
    }
}

/// Lines with their numbers from 1; the line feed at the end of the last line begins no further one.
struct Lines<'a> {
    rest: &'a [u8],
    number: u64,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number += 1;
        Some((self.number, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_extension() {
        assert_eq!(SourceKind::of_path(Path::new("a/b.NDB")), Some(SourceKind::Ndb));
        assert_eq!(SourceKind::of_path(Path::new("a/b.ldb")), None);
        assert_eq!(SourceKind::of_path(Path::new("a/ndb")), None);
    }

    #[test]
    fn lines_are_numbered() {
        let lines = |bytes| Lines { rest: bytes, number: 0 }.collect::<Vec<_>>();
        assert_eq!(lines(b"a\n\nb"), [(1, &b"a"[..]), (2, b""), (3, b"b")]);
        assert_eq!(lines(b"a\n"), [(1, &b"a"[..])]);
        assert_eq!(lines(b""), []);
    }
}
